"""Panels: the figures of the page, without data.

Each has data sources named "panel.part", which static/*.js fills. Positions, logarithms included, and ticks are
computed there too, so every axis of a figure is linear.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.plotting import figure

BAND = 0.18  # opacity of an interval


def make_panels() -> list["figure"]:
    """Build all figures of the page; each has the name of the page element that holds it."""
    return [_lines(), _heatmap(), _parallel(), _curves(), _importance(), _spread()]


def _lines() -> "figure":
    """Draw an axis against a metric, with one line per level of another axis."""
    panel = _make_figure("lines", 380, selects=True)
    _source(panel, "patches", "bands", "xs", "ys", fill_color="@color", fill_alpha=BAND, line_width=0)
    _source(
        panel,
        "scatter",
        "points",
        "x",
        "y",
        size="@size",
        fill_color="@color",
        fill_alpha="@alpha",
        line_width=0,
    )
    _source(panel, "multi_line", "lines", "xs", "ys", line_color="@color", line_width=1.8)
    edge: dict[str, Any] = {
        "marker": "x",
        "size": 8,
        "line_width": 1.8,
        "line_color": "@color",
        "line_alpha": "@alpha",
    }
    _source(panel, "scatter", "edge", "x", "y", **edge)
    _ring(panel)
    return panel


def _heatmap() -> "figure":
    """Draw a metric over two axes, and where runs diverged."""
    from bokeh.models import ColorBar, FixedTicker, LinearColorMapper

    panel = _make_figure("heatmap", 380, selects=True)
    panel.grid.visible = False
    mapper = LinearColorMapper(
        palette="Viridis256", low=0, high=1, name="heatmap.mapper", nan_color="#bbbbbb"
    )
    cell = {"width": 0.96, "height": 0.94}
    color = {"field": "value", "transform": mapper}
    _source(panel, "rect", "cells", "x", "y", **cell, fill_color=color, line_width=0)
    hatch = {"hatch_weight": 1.0, "hatch_scale": 8, "fill_alpha": 0, "line_width": 0}
    some = {"hatch_pattern": "right_diagonal_line", "hatch_color": "@color", "hatch_alpha": "@alpha"}
    _source(panel, "rect", "some", "x", "y", **cell, **hatch, **some)
    every = {"hatch_pattern": "diagonal_cross", "hatch_color": "#333333"}
    _source(panel, "rect", "all", "x", "y", **cell, **hatch, **every)
    text = {
        "text_align": "center",
        "text_baseline": "middle",
        "text_font_size": "11px",
        "text_color": "@color",
        "background_fill_color": "@back",  # that of the cell, over its hatching
        "background_fill_alpha": 1,
        "padding": 2,
    }
    _source(panel, "text", "text", "x", "y", text="@text", **text)
    _source(panel, "rect", "best", "x", "y", **cell, fill_alpha=0, line_color="#D55E00", line_width=2.5)
    _source(panel, "rect", "hover", "x", "y", **cell, fill_alpha=0, line_color="@color", line_width=2)
    bar = ColorBar(color_mapper=mapper, name="heatmap.bar", ticker=FixedTicker(ticks=[]), width=10, padding=4)
    bar.update(
        background_fill_alpha=0, bar_line_color=None, major_tick_line_color=None, border_line_color=None
    )
    panel.add_layout(bar, "right")
    return panel


def _parallel() -> "figure":
    """Draw each row as a line across the axes."""
    panel = _make_figure("parallel", 420, selects=True)
    panel.grid.visible = False
    panel.axis.visible = False
    _source(
        panel,
        "multi_line",
        "lines",
        "xs",
        "ys",
        line_color="@color",
        line_alpha="@alpha",
        line_width="@width",
    )
    _source(panel, "multi_line", "hover", "xs", "ys", line_color="@color", line_width=3)
    _source(panel, "segment", "axes", "x", "y0", x1="@x", y1="@y1", line_color="@color", line_width=1.2)
    brush = {"left": "@left", "right": "@right", "bottom": "@bottom", "top": "@top"}
    _source(panel, "quad", "brushes", **brush, fill_color="#E69F00", fill_alpha=0.25, line_color="#E69F00")
    text: dict[str, Any] = {
        "text_font_size": "11px",
        "text_color": "@color",
        "text_align": "@align",
        "text_baseline": "@baseline",
    }
    text |= {"background_fill_color": "@back", "background_fill_alpha": 0.85, "padding": 1}
    _source(panel, "text", "text", "x", "y", text="@text", x_offset="@offset", **text)
    return panel


def _curves() -> "figure":
    """Draw learning curves over the envelope of all runs."""
    panel = _make_figure("curves", 380, selects=False)
    _source(panel, "patches", "envelope", "xs", "ys", fill_color="#888888", fill_alpha="@alpha", line_width=0)
    _source(
        panel, "multi_line", "median", "xs", "ys", line_color="#888888", line_width=1.5, line_dash="dashed"
    )
    _source(panel, "patches", "bands", "xs", "ys", fill_color="@color", fill_alpha=BAND, line_width=0)
    _source(panel, "multi_line", "lines", "xs", "ys", line_color="@color", line_width="@width")
    return panel


def _importance() -> "figure":
    """Draw the share of each axis as a bar."""
    panel = _make_figure("importance", 380, selects=False)
    panel.ygrid.visible = False
    _source(
        panel, "hbar", "bars", y="@y", right="@share", left=0, height=0.62, fill_color="@color", line_width=0
    )
    text = {"text_font_size": "11px", "text_baseline": "middle", "text_color": "@color", "x_offset": 5}
    _source(panel, "text", "text", "x", "y", text="@text", **text)
    return panel


def _spread() -> "figure":
    """Draw the deviation over seeds of each configuration against its mean."""
    panel = _make_figure("spread", 300, selects=True)
    _source(
        panel, "scatter", "points", "x", "y", size=7, fill_color="@color", fill_alpha="@alpha", line_width=0
    )
    rule: dict[str, Any] = {"line_color": "@color", "line_width": 1.5, "line_dash": "dashed"}
    _source(panel, "multi_line", "rules", "xs", "ys", **rule)
    text = {
        "text_font_size": "11px",
        "text_baseline": "bottom",
        "text_align": "right",
        "text_color": "@color",
        "background_fill_color": "@back",
        "background_fill_alpha": 0.85,
    }
    _source(panel, "text", "text", "x", "y", text="@text", y_offset=-3, **text)
    _ring(panel)
    return panel


def _make_figure(name: str, height: int, *, selects: bool) -> "figure":
    from bokeh.models import BoxSelectTool, FixedTicker, Range1d
    from bokeh.plotting import figure

    tools = [BoxSelectTool(renderers=[], name=f"{name}.box")] if selects else []
    panel = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        min_width=280,
        toolbar_location=None,
        tools=tools,
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=0, end=1),
        min_border=8,
        outline_line_color=None,
    )
    panel.xaxis[0].update(name=f"{name}.x", ticker=FixedTicker(ticks=[]))
    panel.yaxis[0].update(name=f"{name}.y", ticker=FixedTicker(ticks=[]))
    panel.axis.minor_tick_line_color = None
    panel.axis.major_tick_in = 0
    panel.axis.major_label_text_font_size = "11px"
    panel.axis.axis_label_text_font_size = "12px"
    panel.axis.axis_label_text_font_style = "normal"
    return panel


def _ring(panel: "figure") -> None:
    """Mark the row under the pointer."""
    _source(panel, "scatter", "hover", "x", "y", size=13, fill_alpha=0, line_color="@color", line_width=2)


def _source(panel: "figure", kind: str, part: str, *places: str, **properties: Any) -> None:
    """Add a glyph with a data source of its own.

    Args:
        panel: the figure.
        kind: the kind of the glyph.
        part: the second part of the source's name, "panel.part".
        *places: the glyph's first columns, positions.
        **properties: the properties of the glyph; "@name" is a column.
    """
    from bokeh.models import ColumnDataSource

    fields = {
        key: {"field": value[1:]}
        for key, value in properties.items()
        if isinstance(value, str) and value.startswith("@")
    }
    known = [value["field"] for value in (properties | fields).values() if isinstance(value, dict)]
    source = ColumnDataSource({name: [] for name in [*places, *known]}, name=f"{panel.name}.{part}")
    getattr(panel, kind)(*places, source=source, **properties | fields)
