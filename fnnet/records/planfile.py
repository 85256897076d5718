"""The plan of a sweep as a file: a JSON object with its own hash."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fnnet.errors import InputError
from fnnet.records.upgrade import plan_of_format_2

FORMAT = 3
MAX_LANES = 2**16  # that a plan may ask for
_FIELDS = {
    "settings": dict,
    "fingerprint": dict,
    "earlier": list,
    "leaves": dict,
    "groups": list,
    "higher_is_better": dict,
    "space": dict,
}
_GROUP_FIELDS = {"static": dict, "axes": list, "num_runs": int, "program": str, "earlier": list, "lanes": int}


class DamagedPlan(InputError):
    """A plan that cannot be read or fails its hash."""


def encode_plan(plan: Mapping[str, Any]) -> bytes:
    """Encode a plan with its format and its hash."""
    body = {"format": FORMAT, **plan}
    return json.dumps({"sha256": _hash(body), "plan": body}).encode()


def read_plan(path: Path) -> dict[str, Any] | None:
    """Read a plan and check its form; None if there is none.

    Where its "older_fingerprints" are None it is of format 2.

    Raises:
        DamagedPlan: when the file cannot be read or fails its hash.
        InputError: when it has another format, or a form that `encode_plan` does not write.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedPlan(f"{path} cannot be read: {error.strerror}") from error
    try:
        document = json.loads(content)
        plan, recorded = document["plan"], document["sha256"]
        actual = _hash(plan)
    except (ValueError, TypeError, KeyError, RecursionError):
        plan, recorded, actual = {}, None, ""
    if recorded != actual:
        raise DamagedPlan(f"{path} is damaged; run the same sweep again to repair it")
    if isinstance(plan, dict) and plan.get("format") == 2:
        plan = plan_of_format_2(plan)
    if isinstance(plan, dict):
        plan = {"higher_is_better": {}, **plan}  # which early plans of this format lack
    _check_form(path, plan)
    return plan


def _check_form(path: Path, plan: Any) -> None:
    """Refuse a plan with a valid hash but a form that `encode_plan` does not write."""
    version = plan.get("format") if isinstance(plan, dict) else None
    if version != FORMAT:
        raise InputError(
            f"{path} has format {version!r:.20}, this fnnet reads 2 and {FORMAT}; "
            "name another folder to train the sweep again"
        )
    wrong = [name for name, form in _FIELDS.items() if not isinstance(plan.get(name), form)]
    if not wrong and not all(isinstance(each, dict) for each in plan["earlier"]):
        wrong = ["earlier"]
    if not wrong and not all(map(_is_group, plan["groups"])):
        wrong = ["groups"]
    if wrong:
        raise InputError(
            f"{path} is not a plan of fnnet: {', '.join(wrong)} cannot be used; name another folder"
        )


def _is_group(group: object) -> bool:
    return (
        isinstance(group, dict)
        and all(isinstance(group.get(name), form) for name, form in _GROUP_FIELDS.items())
        and 1 <= group["lanes"] <= MAX_LANES
    )


def _hash(plan: object) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
