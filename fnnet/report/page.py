"""One page of all reports in a folder: claim, published, measured, verdict, picture."""

import json
import re
import textwrap
from html import escape
from pathlib import Path
from typing import Any

from fnnet.errors import InputError
from fnnet.report.claims import in_words

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid #8886; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th:first-child { width: 34%; } th:nth-child(2) { width: 20%; } th:last-child { width: 3rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.6rem; border-bottom: 1px solid #8884; }
pre { margin: 0 2rem; overflow-x: auto; }
img { max-width: 100%; background: white; }
p, li { overflow-wrap: anywhere; }
.yes { color: #1a7f37; } .no { color: #d1242f; font-weight: bold; }
details { font-size: 0.85rem; margin-top: 0.6rem; }
"""


def write_page(folder: Path) -> Path:
    """Gather the reports of a folder, as `write_report` writes them, into `index.html` there.

    Pictures are shown from where they lie. Files that are not reports are ignored.

    Args:
        folder: with a `NAME.json` and perhaps a `NAME.png` for each experiment.

    Returns:
        The page's file.

    Raises:
        InputError: when there is no report.
    """
    reports = {path: report for path in sorted(folder.glob("*.json")) if (report := _read(path))}
    if not reports:
        raise InputError(f"{folder} holds no report, which an experiment without --smoke writes")
    claims = [claim for report in reports.values() for claim in report["assertions"]]
    num_held = sum(claim["holds"] for claim in claims)
    head = f"{num_held} of {len(claims)} claims hold"
    contents = "".join(
        f'<li><a href="#{escape(path.stem)}">{_inline(_title(report))}</a> {_count(report)}</li>'
        for path, report in reports.items()
    )
    sections = "".join(_section(path, report) for path, report in reports.items())
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{head}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>What was claimed, and what was measured</h1><p>{head}.</p><ol>{contents}</ol>{sections}</html>\n"
    )
    return page


def _read(path: Path) -> dict[str, Any] | None:
    """Read a report; None where the file is not one."""
    try:
        report = json.loads(path.read_text())
        return (
            report if isinstance(report["about"], str) and all(map(_is_claim, report["assertions"])) else None
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # whatever another JSON file may hold
        return None


def _is_claim(claim: Any) -> bool:
    for name in ("published", "measured"):
        in_words(claim[name])  # raises where it cannot be shown
    return isinstance(claim["claim"], str) and isinstance(claim["holds"], bool)


def _section(path: Path, report: dict[str, Any]) -> str:
    _, _, text = report["about"].partition("\n")
    blocks = "".join(_block(part) for part in text.strip().split("\n\n") if part)
    picture = path.with_suffix(".png")
    image = f'<img src="{escape(picture.name)}" alt="{escape(_title(report))}">' if picture.exists() else ""
    rows = "".join(_row(claim) for claim in report["assertions"])
    settings = json.dumps({name: report.get(name) for name in ("settings", "versions")}, indent=1)
    return (
        f'<section id="{escape(path.stem)}"><h2>{_inline(_title(report))}</h2>{blocks}{image}'
        f"<table><tr><th>claim<th>published<th>measured<th>holds</tr>{rows}</table>"
        f"<details><summary>{escape(path.name)}: settings and versions</summary><pre>{escape(settings)}</pre></details>"
        "</section>"
    )


def _block(text: str) -> str:
    """Show a docstring's paragraph: indented lines as they are, numbered ones as a list."""
    if all(line.startswith("    ") for line in text.splitlines()):
        return f"<pre>{escape(textwrap.dedent(text))}</pre>"
    if re.match(r"1\. ", text):
        items = re.split(r"^\d+\. ", text, flags=re.MULTILINE)[1:]
        return f"<ol>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ol>"
    return f"<p>{_inline(text)}</p>"


def _inline(text: str) -> str:
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text))


def _row(claim: dict[str, Any]) -> str:
    verdict = '<td class="yes">yes' if claim["holds"] else '<td class="no">no'
    values = (in_words(claim[name]).split("; ") for name in ("published", "measured"))
    cells = "".join(f"<td>{'<br>'.join(map(escape, lines))}" for lines in values)
    return f"<tr><td>{_inline(claim['claim'])}{cells}{verdict}</tr>"


def _title(report: dict[str, Any]) -> str:
    return report["about"].partition("\n")[0]


def _count(report: dict[str, Any]) -> str:
    held = sum(claim["holds"] for claim in report["assertions"])
    return f"({held} of {len(report['assertions'])})"
