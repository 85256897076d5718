"""Reports: what an experiment claims, what was published, what was measured, and whether the claim holds.

An experiment states its claims, whether they hold or not, and writes them with `write_report`. Run as a script, this
file gathers the reports of `results/` on one page (`make report`).
"""

import json
import math
import platform
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.table import Table

from fnnet import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("fnnet", "jax", "jaxlib", "optax", "flax", "numpy", "scikit-learn")


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


class Claim(NamedTuple):
    """One statement and its verdict.

    claim: what was to be shown, with its tolerance.
    published: what the source says: a number, words, or None where the claim is the experiment's own.
    measured: what came out: a number, a `MeanInterval` over seeds, or several of these by name.
    holds: whether the measured value is as claimed.
    """

    claim: str
    published: Any
    measured: Any
    holds: bool


def write_report(
    script: str | Path,
    about: str | None,
    settings: Any,
    claims: Sequence[Claim],
    figure: "Figure | None" = None,
    measured: Mapping[str, Any] | None = None,
) -> Path:
    """Write what an experiment found beside it: `results/NAME.json`, and `results/NAME.png` if there is a figure.

    Args:
        script: the experiment's file, `__file__`.
        about: its docstring, `__doc__`, whose first line is the report's title; without one its name is.
        settings: a dataclass or a mapping.
        claims: in the order in which they are to be read.
        figure: a picture of what was found.
        measured: what else was measured: arrays and NamedTuples become lists and objects, and numbers that are not
            finite the words "nan", "inf" and "-inf".

    Returns:
        The JSON file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     claim = Claim("one and one is two", 2, 1 + 1, 1 + 1 == 2)
        ...     path = write_report(f"{folder}/sums.py", "Sums are right.", {"terms": 2}, [claim])
        ...     path.name, json.loads(path.read_text())["assertions"][0]["holds"]
        ('sums.json', True)
    """
    folder = Path(script).resolve().parent / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{Path(script).stem}.json"
    report = {
        "about": (about or Path(script).stem).strip(),
        "settings": settings,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "assertions": [claim._asdict() for claim in claims],
        "measured": measured or {},
    }
    path.write_text(json.dumps(plain(report), indent=1, allow_nan=False) + "\n")
    if figure is not None:
        figure.savefig(path.with_suffix(".png"), dpi=150)
    return path


def table(claims: Sequence[Claim]) -> Table:
    """Tabulate what an experiment claimed and measured, one row per claim.

    Example:
        >>> table([Claim("one and one is two", 2, 1 + 1, True)]).row_count
        1
    """
    rows = Table(show_lines=True)
    for heading in ("claim", "published", "measured", "holds"):
        rows.add_column(heading)
    for claim in claims:
        cells = (in_words(plain(value)) for value in (claim.published, claim.measured))
        rows.add_row(claim.claim, *cells, "yes" if claim.holds else "NO")
    return rows


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


def in_words(value: Any) -> str:
    """Write a value of a report for reading: four digits, a mean with its interval and number of runs.

    Example:
        >>> in_words({"mean": 0.64561, "low": 0.6311, "high": 0.6601, "num_runs": 5})
        '0.6456 (0.6311 to 0.6601, n = 5)'
        >>> in_words({"width 64": 0.5, "width 256": [1, 2.0]}), in_words(None)
        ('width 64: 0.5; width 256: 1, 2', '')
    """
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if {"mean", "low", "high", "num_runs"} <= value.keys():
            mean, low, high = (in_words(value[name]) for name in ("mean", "low", "high"))
            return f"{mean} ({low} to {high}, n = {value['num_runs']})"
        return "; ".join(f"{name}: {in_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """Write a value as JSON has it: objects, lists, strings and finite numbers.

    Example:
        >>> plain({"loss": np.array([0.5, np.inf]), "depths": (1, 2)})
        {'loss': [0.5, 'inf'], 'depths': [1, 2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return plain(np.asarray(value).tolist())  # arrays of numpy and JAX, and their numbers


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


if __name__ == "__main__":
    print(f"wrote {write_page(Path(__file__).resolve().parent / 'results')}")
