"""The claims of experiments, read from their committed results when the gallery is built."""

import json
import re
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "experiments" / "results"
PLACE = re.compile(r"<!-- claims of (\w+) -->")


def with_claims(page: str) -> str:
    """Replace each comment `<!-- claims of NAME -->` by a list of what the experiment claims, and what came of it."""
    return PLACE.sub(lambda match: _list_claims(match[1]), page)


def _list_claims(name: str) -> str:
    claims = json.loads((RESULTS / f"{name}.json").read_text())["assertions"]
    return "\n".join(
        f"- {'holds' if claim['holds'] else '**fails**'}: {claim['claim']}"
        for claim in claims
    )
