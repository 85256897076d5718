"""The document: a report as one HTML file."""

import base64
import hashlib
import html
import json
import string
from collections.abc import Mapping
from importlib import resources
from typing import Any

from fnnet.records.results import Results
from fnnet.records.webpage import WebPage
from fnnet.report.page.content import collect_content
from fnnet.report.page.panels import make_panels

SCRIPTS = (
    *("columns", "selection", "groups", "drawing", "colors", "ticks"),
    *("lines", "heatmap", "parallel", "curves", "importance", "spread", "table"),
    *("export", "pointer", "address", "page"),
)
"""Files of static/, in the order in which they are joined into one script."""

MENUS: dict[str, dict[str, str]] = {
    "lines": {"x": "across", "color": "lines by"},
    "heatmap": {"heat-x": "across", "heat-y": "down"},
    "parallel": {},
    "curves": {"curve": "curve of"},
    "importance": {},
    "spread": {},
}
"""The menus of each figure: their ids and labels."""


def report(results: Results, metric: str | None = None, *, reload_every: float | None = None) -> WebPage:
    """Build the report of a sweep.

    Args:
        results: the results of the sweep.
        metric: the metric that the report opens with; None for the one that a search ranked by, or else the usual one.
        reload_every: seconds after which an open page reloads itself, for a sweep that is still training; None for
            never.

    Raises:
        InputError: when there are no runs, or the metric is unknown.

    Example:
        >>> import numpy as np
        >>> from fnnet import grid
        >>> columns = {"test_loss": np.array([0.5, 0.25])}
        >>> page = report(Results(grid(learning_rate=[0.1, 0.3]), columns))
        >>> page.html.startswith("<!DOCTYPE html>"), page
        (True, WebPage())
    """
    data = collect_content(results, metric) | {"reload_every": reload_every}
    scripts = [_bokeh(), _script()]
    return WebPage(
        string.Template(_static("page.html")).substitute(
            title=html.escape(str(data["title"])).encode("utf-8", "replace").decode(),
            policy=_policy(scripts),
            style=_static("page.css"),
            panels="\n".join(_panel(name, menus) for name, menus in MENUS.items()),
            data=_as_json(data),
            figures=_figures(),
            bokeh=scripts[0],
            script=scripts[1],
        )
    )


def _panel(name: str, menus: Mapping[str, str]) -> str:
    """Return the HTML element of a figure, with its title, menus, legend and note.

    Example:
        >>> print(_panel("curves", {"curve": "curve of"}))
        <section class="panel" id="panel-curves">
          <h2 id="curves-title"></h2>
          <p class="menus"><label>curve of <select id="curve"></select></label></p>
          <div class="figure" id="curves" role="img"></div>
          <p class="legend" id="curves-legend"></p>
          <p class="note" id="curves-note"></p>
        </section>
    """
    labels = " ".join(f'<label>{text} <select id="{key}"></select></label>' for key, text in menus.items())
    lines = [
        f'<h2 id="{name}-title"></h2>',
        *([f'<p class="menus">{labels}</p>'] if menus else []),
        f'<div class="figure" id="{name}" role="img"></div>',
        f'<p class="legend" id="{name}-legend"></p>',
        f'<p class="note" id="{name}-note"></p>',
    ]
    return "\n".join(
        [f'<section class="panel" id="panel-{name}">', *(f"  {line}" for line in lines), "</section>"]
    )


def _policy(scripts: list[str]) -> str:
    """Return the content security policy: these scripts alone, and inline styles, which Bokeh sets as it draws."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _as_json(value: Any) -> str:
    """Encode an object so that nothing in it closes the HTML element that holds it."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _figures() -> str:
    """Encode the figures for Bokeh."""
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document

    document = Document()
    for panel in make_panels():
        document.add_root(panel)
    return serialize_json(document.to_json()).replace("<", "\\u003c")


def _bokeh() -> str:
    """Return Bokeh's own script, without those of its widgets, tables, TeX and WebGL."""
    from bokeh.resources import Resources

    (text,) = Resources(mode="inline", components=["bokeh"]).js_raw[:1]
    return f"\n{text}\n"


def _script() -> str:
    joined = "\n".join(_static(f"{name}.js") for name in SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{joined}\n}})();\n'


def _static(name: str) -> str:
    return (resources.files("fnnet.report.page") / "static" / name).read_text()
