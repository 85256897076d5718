"""The page of all claims, one file: `python experiments/claims_page.py` writes `results/index.html`."""

import base64
import json
import re
import textwrap
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from encoding import in_words
from fnnet import InputError

TOPICS = {
    "What the article says": (
        "gradient_descent digits tasks clustering feature_extraction data_scaling representation"
    ),
    "Deep linear networks; order, chaos and trainable depth": (
        "deep_linear deep_linear_rates signal_propagation trainable_depth"
    ),
    "The edge of stability and early training": (
        "critical_learning_rate largest_learning_rate edge_of_stability edge_of_stability_images catapult "
        "early_training_phases early_training_width"
    ),
    "The boundary of trainability, and rates that transfer": (
        "trainability_fractal trainability_variants trainability_alone width_transfer"
    ),
    "Benchmarks, ensembles and double descent": "fashion_mnist mnist1d deep_ensembles double_descent",
    "Flax modules, and whole trainings as functions": "flax_cnn functional_tour",
}
"""Reports in reading order; others come last."""

STYLE = Path(__file__).with_suffix(".css")


def write_page(folder: Path) -> Path:
    """Write `index.html` with all reports in a folder and their figures inside; return its path.

    Files that are not reports are ignored.

    Raises:
        InputError: if the folder contains no report.
    """
    reports = {path: report for path in folder.glob("*.json") if (report := _read(path))}
    if not reports:
        raise InputError(f"{folder} contains no report; run an experiment without --smoke to write one")
    by_topic = _sort(reports)
    verdicts = [claim["holds"] for report in reports.values() for claim in report["assertions"]]
    head, failing = f"{sum(verdicts)} of {len(verdicts)} claims hold", verdicts.count(False)
    contents = "".join(
        f"<h3>{escape(topic)}</h3><ol>{''.join(_entry(path, reports[path]) for path in paths)}</ol>"
        for topic, paths in by_topic.items()
    )
    sections = "".join(_section(path, reports[path]) for paths in by_topic.values() for path in paths)
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{head}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE.read_text()}</style>'
        f'<h1 id="top">Claims and measurements</h1><p>{head}. Measured values are means, with the 95 % '
        f"interval of the mean and the number n of runs in parentheses, where there are several runs.</p>"
        f'<p><label><input type="checkbox" id="failing"> Show only the {failing} claims that fail</label></p>'
        f"<nav>{contents}</nav>{sections}</html>\n"
    )
    return page


def _read(path: Path) -> dict[str, Any] | None:
    """Read a report; return None if the file is not one."""
    try:
        report = json.loads(path.read_text())
        is_report = isinstance(report["about"], str) and all(map(_is_claim, report["assertions"]))
        return report if is_report else None
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
        in_words(claim[name])  # raises if it cannot be shown
    return isinstance(claim["claim"], str) and isinstance(claim["holds"], bool)


def _sort(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Sort reports by topic, and in each in reading order."""
    rest = {path.stem: path for path in sorted(paths)}
    by_topic = {
        topic: [rest.pop(name) for name in names.split() if name in rest] for topic, names in TOPICS.items()
    }
    by_topic["More"] = list(rest.values())
    return {topic: found for topic, found in by_topic.items() if found}


def _entry(path: Path, report: dict[str, Any]) -> str:
    """Render a line of the contents, with the claims that fail."""
    claims = report["assertions"]
    failing = [_inline(claim["claim"]) for claim in claims if not claim["holds"]]
    fails = "".join(f'<li class="no">{claim}</li>' for claim in failing)
    return (
        f'<li><a href="#{escape(path.stem)}">{_inline(_title(report))}</a> '
        f'<span class="count">({len(claims) - len(failing)} of {len(claims)})</span>'
        f"{f'<ul>{fails}</ul>' if fails else ''}</li>"
    )


def _section(path: Path, report: dict[str, Any]) -> str:
    _, _, text = report["about"].partition("\n")
    blocks = "".join(_block(part) for part in text.strip().split("\n\n") if part)
    rows = "".join(_row(claim) for claim in report["assertions"])
    settings = json.dumps({name: report.get(name) for name in ("settings", "versions")}, indent=1)
    fails = "" if all(claim["holds"] for claim in report["assertions"]) else ' class="fails"'
    return (
        f'<section id="{escape(path.stem)}"{fails}><a class="up" href="#top">back to the list</a>'
        f"<h2>{_inline(_title(report))}</h2>{blocks}{_image(path.with_suffix('.png'), _title(report))}"
        f"<table><tr><th>claim<th>published<th>measured<th>holds</tr>{rows}</table>"
        f"<details><summary>{escape(path.name)}: settings and versions</summary>"
        f"<pre>{escape(settings)}</pre></details></section>"
    )


def _image(picture: Path, title: str) -> str:
    if not picture.exists():
        return ""
    content = base64.b64encode(picture.read_bytes()).decode()
    return f'<img src="data:image/png;base64,{content}" alt="{escape(title)}">'


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


if __name__ == "__main__":
    print(f"wrote {write_page(Path(__file__).resolve().parent / 'results')}")
