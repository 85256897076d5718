"""Reports of experiments: claims, with published and measured values, and whether each claim holds.

Experiments save their claims with `write_report`. Run as a script (`make report`), this file collects the reports in
`results/` on one page.
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
    """A claim and its verdict.

    claim: the statement, with its tolerance.
    published: the published value: a number, text, or None if the claim is the experiment's own.
    measured: the measured value: a number, a `MeanInterval` over seeds, or several of these by name.
    holds: whether the claim holds.
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
    """Write an experiment's report to `results/NAME.json`, and its figure to `results/NAME.png`, next to the script.

    Args:
        script: the experiment's file, `__file__`.
        about: its docstring, `__doc__`; the first line is the report's title. Without one, the file's name is.
        settings: a dataclass or a mapping.
        claims: the claims, in reading order.
        figure: a matplotlib figure, or None.
        measured: other measurements. Arrays and NamedTuples become lists and objects, and numbers that are not finite
            become the strings "nan", "inf" and "-inf".

    Returns:
        The path of the JSON file.

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
    """Build a table of claims, one row per claim.

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
    """Write `index.html` with all reports in a folder.

    Figures are linked. Files that are not reports are ignored.

    Args:
        folder: a folder with files from `write_report`.

    Returns:
        The path of the page.

    Raises:
        InputError: when the folder contains no report.
    """
    reports = {path: report for path in sorted(folder.glob("*.json")) if (report := _read(path))}
    if not reports:
        raise InputError(f"{folder} contains no report; run an experiment without --smoke to write one")
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
        f"<h1>Claims and measurements</h1><p>{head}.</p><ol>{contents}</ol>{sections}</html>\n"
    )
    return page


def in_words(value: Any) -> str:
    """Format a value of a report as text: four digits, means with their interval and number of runs.

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
    """Convert a value to JSON types: objects, lists, strings and finite numbers.

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
    """Read a report; return None if the file is not one."""
    try:
        report = json.loads(path.read_text())
        return (
            report if isinstance(report["about"], str) and all(map(_is_claim, report["assertions"])) else None
        )
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
    ):  # another JSON file may contain anything
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
    """Render a docstring's paragraph: indented lines verbatim, numbered ones as a list."""
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
