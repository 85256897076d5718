"""The heat map of a sweep: one cell per pair of values of two axes."""

import math
import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fnnet.errors import InputError, unknown_name
from fnnet.records.ranking import is_higher_better, rank
from fnnet.records.results import Results
from fnnet.records.statistics import Configurations, check_numeric, find_configurations
from fnnet.report.labels import readable, readable_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MAX_PANELS = 12
MAX_LABELS = 40  # per axis; beyond that, only evenly spaced values are labeled
MAX_INCHES = 30.0  # width and height of the figure
CELL = (0.56, 0.5)  # width and height in inches, where there is room
SMALLEST_WITH_TEXT = (0.42, 0.2)  # inches
CHARACTERS_PER_INCH = 11  # at 10 points


class _Panel(NamedTuple):
    """One combination of the other axes; arrays are `[y values, x values]`, NaN where there are no runs."""

    title: str
    means: np.ndarray
    diverged: np.ndarray  # fraction of the runs

    @property
    def shown(self) -> np.ndarray:
        """The means of the colored cells, NaN elsewhere."""
        return np.where(np.isfinite(self.means) & (self.diverged < 1), self.means, np.nan)

    @property
    def is_gray(self) -> np.ndarray:
        return np.isnan(self.shown) & np.isfinite(self.diverged)

    @property
    def is_hatched(self) -> np.ndarray:
        return (self.diverged > 0) & (self.diverged < 1)

    @property
    def is_crossed(self) -> np.ndarray:
        return self.diverged == 1


def heatmap(
    results: Results,
    metric: str,
    *,
    x: str = "learning_rate",
    y: str | None = None,
    over: str | Sequence[str] = "seed",
    higher_is_better: bool | None = None,
    axes: "Axes | None" = None,
) -> "Figure":
    """Plot the mean of a metric over seeds, one cell per pair of values of two axes.

    A ring marks the best cell of each row. A cell is hatched if some of its runs diverged, crossed on gray if all did,
    and gray if its mean is not finite. There is one panel per combination of the other axes.

    Args:
        results: the results of a sweep.
        metric: a numeric column.
        x: the horizontal axis.
        y: the vertical axis; None for the first one that is neither `x` nor averaged over.
        over: the axis or axes to average over.
        higher_is_better: the direction; None for that of the metric.
        axes: the matplotlib axes to draw on, if there is one panel; None to draw on a new figure.

    Returns:
        The figure. It needs no display, and a notebook displays it.

    Raises:
        InputError: when an axis is missing, there would be more than 12 panels, or more than one on given axes, or
            the metric or its direction is unknown.

    Example:
        >>> from fnnet import grid
        >>> columns = {"sharpness": np.array([3.0, 5.0, 2.0, 1.0]), "diverged": np.zeros(4, bool)}
        >>> results = Results(grid(depth=[1, 2], learning_rate=[0.1, 0.3]), columns)
        >>> figure = heatmap(results, "sharpness", higher_is_better=False)
        >>> figure.axes[0].images[0].get_array().tolist()
        [[3.0, 5.0], [2.0, 1.0]]
    """
    values = check_numeric(metric, results[metric])
    higher_is_better = is_higher_better(metric, results.higher_is_better, higher_is_better)
    configurations = find_configurations(results.space, over)
    y, panel_axes = _choose_axes(results, configurations.axes, x, y)
    x_values, y_values = _sort(results.space.axes[x]), results.space.axes[y] if y else ("",)
    means = configurations.mean_interval(values)
    diverged = configurations.count_true(results["diverged"]) / means.num_runs
    panels = _make_panels(results, configurations, means.mean, diverged, x, y, panel_axes)
    most = means.num_runs.max()
    title = readable(metric)
    if most > 1:
        title += f", mean of {most} {'seeds' if over == 'seed' else 'runs'}"

    key = _key(panels, metric)

    from fnnet.report.style import figure_of, in_style

    with in_style() if axes is None else nullcontext():
        all_axes, cell = _place(axes, (len(y_values), len(x_values)), len(panels))
        limits = _limits(panels)
        image: Any = None
        for each, panel in zip(all_axes, panels, strict=True):
            image = _draw(each, panel, higher_is_better, limits, cell)
            _label(each.xaxis, x, x_values, cell[0])
            _label(each.yaxis, y or "", y_values if y else (), math.inf)
            each.set_title(panel.title)
            each.spines[:].set_visible(False)
        figure = figure_of(all_axes[0])
        if limits[0] < limits[1]:  # otherwise there is at most one color
            figure.colorbar(image, ax=all_axes, pad=0.02).outline.set_visible(False)
        if axes is None:
            figure.suptitle(_wrap(title, figure.get_figwidth(), 10.5))
            figure.supxlabel(_wrap(key, figure.get_figwidth(), 7.5), fontsize=7.5)
        else:
            text = f"{title} ({key})" if key else title
            axes.set_title(_wrap(text, cell[0] * len(x_values), 8), fontsize=8)
    return figure


def _place(
    axes: "Axes | None", shape: tuple[int, int], num_panels: int
) -> tuple[list["Axes"], tuple[float, float]]:
    """Return axes for each panel, given or on a new figure, and the width and height of a cell in inches."""
    from fnnet.report.style import StyledFigure, figure_of

    if axes is not None:
        if num_panels > 1:
            raise InputError(
                f"axes hold one panel, got {num_panels}: keep one value of the other axes with where(...)"
            )
        figure = figure_of(axes)
        box = axes.get_position().size * figure.get_size_inches()
        return [axes], (box[0] / shape[1], box[1] / shape[0])
    width = min(MAX_INCHES, 2.4 + CELL[0] * shape[1])
    height = min(MAX_INCHES / num_panels - 1.5, CELL[1] * shape[0])
    figure = StyledFigure(figsize=(max(width, 3.6), (1.5 + height) * num_panels))
    return list(np.ravel(figure.subplots(num_panels, 1))), ((width - 2.4) / shape[1], height / shape[0])


def _choose_axes(
    results: Results, known: Sequence[str], x: str, y: str | None
) -> tuple[str | None, list[str]]:
    """Choose the vertical axis and those of the panels among the axes that are not averaged over."""
    varied = [name for name in known if len(results.space.axes[name]) > 1 and name != x]
    if x not in known:
        example = next(iter([*varied, *known]), None)
        advice = f"; choose another horizontal axis: heatmap(results, metric, x={example!r})" if known else ""
        raise InputError(
            f"a heat map needs the axis {x!r}; the sweep has {', '.join(results.space.axes)}{advice}"
        )
    if y is not None and (y not in known or y == x):
        raise unknown_name("vertical axis", y, [name for name in known if name != x])
    y = y or (varied[0] if varied else None)
    return y, [name for name in varied if name != y]


def _make_panels(
    results: Results,
    configurations: Configurations,
    means: np.ndarray,
    diverged: np.ndarray,
    x: str,
    y: str | None,
    panel_axes: list[str],
) -> list[_Panel]:
    """Arrange the means of all configurations, and the fractions of diverged runs, in panels."""
    x_values, y_values = _sort(results.space.axes[x]), results.space.axes[y] if y else ("",)
    panels: dict[tuple[tuple[str, Any], ...], _Panel] = {}
    for place, config in enumerate(configurations.configs):
        if x not in config or (y is not None and y not in config):
            continue
        chosen = tuple((name, config[name]) for name in panel_axes if name in config)
        if chosen not in panels:
            title = ", ".join(f"{readable(name)} = {readable_value(value)}" for name, value in chosen)
            empty = np.full((len(y_values), len(x_values)), np.nan)
            panels[chosen] = _Panel(title, empty, empty.copy())
        cell = y_values.index(config[y]) if y else 0, x_values.index(config[x])
        panels[chosen].means[cell] = means[place]
        panels[chosen].diverged[cell] = diverged[place]
    if len(panels) > MAX_PANELS:
        raise InputError(
            f"{len(panels)} panels are too many to draw: keep one value of {' or '.join(panel_axes)}, as with "
            f"where({panel_axes[0]}={results.space.axes[panel_axes[0]][0]!r})"
        )
    return list(panels.values())


def _limits(panels: Sequence[_Panel]) -> tuple[float, float]:
    """Choose the color limits from cells without diverged runs, or from all cells if these are equal."""
    means = np.stack([panel.means for panel in panels])
    diverged = np.stack([panel.diverged for panel in panels])
    limits = 0.0, 0.0
    for is_shown in (diverged == 0, diverged < 1):
        shown = means[np.isfinite(means) & is_shown]
        if len(shown) and limits[0] == limits[1]:
            limits = float(shown.min()), float(shown.max())
    return limits


def _draw(
    axes: "Axes",
    panel: _Panel,
    higher_is_better: bool,
    limits: tuple[float, float],
    cell: tuple[float, float],
) -> Any:
    from matplotlib.patches import Rectangle

    shown = panel.shown
    colors = "viridis" if higher_is_better else "viridis_r"
    image = axes.imshow(shown, origin="lower", aspect="auto", cmap=colors, vmin=limits[0], vmax=limits[1])
    gray = np.where(panel.is_gray, 0.85, np.nan)
    axes.imshow(gray, origin="lower", aspect="auto", cmap="gray", vmin=0, vmax=1)
    for hatch, is_marked in (("////", panel.is_hatched), ("xxxx", panel.is_crossed)):
        for row, marked in enumerate(is_marked):
            edges = np.flatnonzero(np.diff([0, *marked.astype(int), 0]))
            for start, stop in edges.reshape(-1, 2):  # one box for adjacent cells is much faster to draw
                box = (start - 0.5, row - 0.5), stop - start, 1
                axes.add_patch(Rectangle(*box, fill=False, hatch=hatch, edgecolor="0.45", linewidth=0))
    if cell[0] >= SMALLEST_WITH_TEXT[0] and cell[1] >= SMALLEST_WITH_TEXT[1]:
        for (row, column), value in np.ndenumerate(shown):
            if np.isfinite(value):
                red, green, blue, _ = image.cmap(image.norm(value))
                is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                color = "white" if is_dark else "black"
                axes.text(
                    column, row, _format_short(value), ha="center", va="center", fontsize=7.5, color=color
                )
    size = min(26.0, max(5.0, 72 * 0.8 * min(cell)))
    for row, values in enumerate(shown):
        best = int(rank(values, higher_is_better)[0])
        if np.isfinite(values[best]):
            axes.plot(best, row, "o", markersize=size, fillstyle="none", color="crimson", markeredgewidth=1.8)
    return image


def _label(axis: "Axis", name: str, values: Sequence[Any], inches: float) -> None:
    """Label an axis and some of its values, which have room for `inches` each."""
    places = range(0, len(values), max(1, math.ceil(len(values) / MAX_LABELS)))
    labels = [readable_value(values[place]) for place in places]
    longest = (max(map(len, labels), default=0) + 1) / CHARACTERS_PER_INCH * 7.5 / 10
    is_turned = longest > inches * places.step
    axis.set_ticks(list(places), labels, rotation=60 if is_turned else 0)
    axis.set_label_text(readable(name))


def _key(panels: Sequence[_Panel], metric: str) -> str:
    """Explain the marks that appear in the figure."""
    counted = ", counting as wrong" if metric.endswith("accuracy") else ""
    marks = {
        "ring: best of its row": [np.isfinite(panel.shown) for panel in panels],
        f"hatched: some runs diverged{counted}": [panel.is_hatched for panel in panels],
        "crossed on gray: all runs diverged": [panel.is_crossed for panel in panels],
        "gray: no finite mean": [panel.is_gray & ~panel.is_crossed for panel in panels],
        "white: no runs": [np.isnan(panel.diverged) for panel in panels],
    }
    return "; ".join(text for text, is_there in marks.items() if np.any(is_there))


def _sort(values: Sequence[Any]) -> tuple[Any, ...]:
    """Sort numbers; keep the order of other values."""
    is_numeric = all(isinstance(value, int | float) for value in values)
    return tuple(sorted(values)) if is_numeric else tuple(values)


def _format_short(value: float) -> str:
    """Format the number of a cell in about five characters.

    Example:
        >>> [_format_short(value) for value in (0.5, 12.34, 612.3, 1e-4, -3.2e7, 0.0)]
        ['0.500', '12.34', '612', '1e-4', '-3e7', '0']
    """
    if value == 0:
        return "0"
    if 0.005 <= abs(value) < 100:
        return f"{value:.{3 if abs(value) < 1 else 2}f}"
    if 100 <= abs(value) < 10_000:
        return f"{value:.0f}"
    mantissa, exponent = f"{value:.{1 if value > 1 else 0}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _wrap(text: str, inches: float, points: float) -> str:
    """Wrap a text to a width."""
    return textwrap.fill(text, max(10, int(inches * CHARACTERS_PER_INCH * 10 / points)))
