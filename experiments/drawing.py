"""Figures of experiments: panels in fnnet's style with letters and titles, and what many of them show."""

import textwrap
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

import fnnet as fn
from fnnet.report.labels import readable as readable
from fnnet.report.style import StyledFigure

WIDTH = 7.2  # inches, two columns of a paper
REFERENCE: dict[str, Any] = {"color": "0.45", "linestyle": "--", "linewidth": 0.9}
"""How lines of theory and bounds are drawn."""
PUBLISHED: dict[str, Any] = {"marker": "D", "color": "0.25", "markerfacecolor": "none", "linestyle": "none"}
"""How published values are drawn."""
CLASS_COLORS = ("C0", "C1", "C2", "C3", "C4", "C5", "0.2", "0.6", "#882255", "#999933")


def panels(
    finding: str,
    *titles: str,
    height: float = 2.5,
    rows: int = 1,
    ratios: Sequence[float] | None = None,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Create a figure, with one panel per title.

    Args:
        finding: what the figure shows, in a sentence above it.
        titles: of the panels, row by row; several get letters.
        height: in inches.
        rows: of panels.
        ratios: relative widths of the columns.
        sharey: whether panels of a row share their vertical axis.

    Example:
        >>> figure, axes = panels("Wider is better.", "Training", "Test")
        >>> [each.get_title("left") for each in axes], figure.get_suptitle()
        (['(a) Training', '(b) Test'], 'Wider is better.')
    """
    figure, columns = StyledFigure(figsize=(WIDTH, height)), -(-len(titles) // rows)
    grid = figure.subplots(
        rows, columns, squeeze=False, width_ratios=ratios, sharey="row" if sharey else False
    )
    shares = np.tile(np.array(ratios or [1] * columns) / np.sum(ratios or [1] * columns), rows)
    for axes, letter, title, share in zip(grid.flat, ascii_lowercase, titles, shares, strict=False):
        text = f"({letter}) {title}" if len(titles) > 1 else title
        axes.set_title(textwrap.fill(text, int(WIDTH * share * 16) - 6), loc="left")
    for unused in grid.flat[len(titles) :]:
        unused.remove()
    figure.suptitle(textwrap.fill(finding, 94), x=0.006, horizontalalignment="left")
    return figure, list(grid.flat[: len(titles)])


def draw_interval(axes: Axes, x: Any, means: Any, color: str, label: str | None = None, **style: Any) -> None:
    """Draw means of runs over x as a line, and their 95 % intervals as a band.

    Args:
        means: a `MeanInterval` of arrays, or its fields by name.
        style: of the line.
    """
    mean, low, high = (np.asarray(means[name]) for name in ("mean", "low", "high"))
    axes.plot(x, mean, **{"color": color, "label": label, "marker": "."} | style)
    axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def intervals(runs: Any) -> dict[str, Any]:
    """Return the means over the last axis and their 95 % intervals, by name.

    Example:
        >>> {name: round(float(value), 2) for name, value in intervals([1.0, 3.0]).items()}
        {'mean': 2.0, 'low': -10.71, 'high': 14.71, 'num_runs': 2.0}
    """
    return {name: np.asarray(value) for name, value in fn.mean_interval(np.asarray(runs))._asdict().items()}


def shades(num: int) -> list[Any]:
    """Return the colors of ordered values, from dark to light."""
    return [tuple(color) for color in colormaps["viridis"](np.linspace(0, 0.85, num))]


def draw_classes(axes: Axes, points: Any, classes: Any) -> None:
    """Draw points of the plane in the colors of their classes, whose numbers stand at their medians."""
    for number in np.unique(classes):
        of_class = points[classes == number]
        style: dict[str, Any] = {"s": 1.5, "linewidth": 0, "rasterized": True}
        axes.scatter(of_class[:, 0], of_class[:, 1], color=CLASS_COLORS[number % len(CLASS_COLORS)], **style)
    for number in np.unique(classes):
        center = np.median(points[classes == number], axis=0)
        text = axes.annotate(str(number), center, ha="center", va="center", fontsize=10, fontweight="bold")
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.set(xticks=[], yticks=[])


def draw_picture(axes: Axes, picture: Any, num_digits: int = 0) -> Any:
    """Draw a picture of trainability, as `pack` keeps it; return the image."""
    return fn.studies.trainability.draw(axes, picture["shades"] / 100, tuple(picture["extent"]), num_digits)


def pack(picture: Any) -> dict[str, Any]:
    """Return what figures show of a picture of trainability: shades in hundredths, and the extent."""
    shades = np.round(100 * fn.studies.trainability.shade(picture)).astype(np.int8)
    return {"shades": shades, "extent": picture.extent}


def add_key(figure: Figure, image: Any, panels: Sequence[Axes]) -> None:
    """Explain the colors of pictures of trainability."""
    bar = figure.colorbar(image, ax=list(panels), orientation="horizontal", aspect=60, shrink=0.8, pad=0.02)
    bar.set_ticks(
        [-1, -0.575, -0.1, 0.1, 0.575, 1], labels=["slow", "converges", "fast", "fast", "diverges", "slow"]
    )
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)


def label_ticks(axis: Any, values: Sequence[Any]) -> None:
    """Put ticks at these values only, as plain numbers, also on a logarithmic scale."""
    axis.set_ticks(list(values), [f"{value:g}" for value in values])
    axis.set_minor_locator(NullLocator())


def draw_seeds(
    axes: Axes, x: Any, runs: Any, color: str, marker: str = "o", size: float = 3, **style: Any
) -> None:
    """Draw runs `[x, seeds]` as marks, and their means as a line.

    Args:
        size: of the marks.
        style: of the line, such as its label.
    """
    axes.plot(x, np.mean(runs, axis=-1), **{"color": color} | style)
    axes.plot(x, runs, marker, color=color, markersize=size)


def note(axes: Axes, text: str, at: Any, offset: tuple[float, float] = (0, 2), **style: Any) -> None:
    """Write text at a point of the data, moved by an offset in points."""
    axes.annotate(text, at, offset, textcoords="offset points", **{"color": "0.3"} | style)


def stacked(finding: str, height: float, ratios: tuple[float, float]) -> tuple[Figure, Any, Any]:
    """Create a figure of two subfigures, one above the other, for rows that differ too much for `panels`."""
    figure = StyledFigure(figsize=(WIDTH, height))
    subfigures: Any = figure.subfigures(2, 1, height_ratios=ratios)
    figure.suptitle(finding, x=0.006, ha="left")
    return figure, *subfigures


def title_row(subfigure: Any, title: str) -> None:
    """Write the title of a subfigure whose panels belong together, as small as those of panels."""
    subfigure.suptitle(title, x=0.006, ha="left", fontsize=8.5, fontweight="normal")
