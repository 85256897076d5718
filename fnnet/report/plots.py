"""Plots: functions of results that return a figure, drawn on your own axes if they are given. None trains."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from fnnet.errors import unknown_name
from fnnet.records.arrays import align
from fnnet.records.columns import curve_names
from fnnet.records.results import Results
from fnnet.records.statistics import find_configurations
from fnnet.report.heatmap import heatmap
from fnnet.report.labels import readable, readable_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves", "heatmap"]

MAX_LABELS = 12  # in the legend; beyond that, only evenly spaced values are labeled


def curves(
    results: Results,
    metric: str,
    *,
    by: str | None = None,
    over: str | Sequence[str] | None = "seed",
    axes: "Axes | None" = None,
) -> "Figure":
    """Plot the learning curves of a sweep, with one color per value of an axis.

    Each configuration is drawn as the mean over its runs, with a band for the 95 % interval of the mean.

    Args:
        results: the results of a sweep with `eval_every`.
        metric: such as "test_loss" or "batch_loss".
        by: the axis shown by color and in the legend; None for the first one with several values.
        over: the axis or axes to average over; None to draw every run.
        axes: the matplotlib axes to draw on; None to draw on a new figure.

    Returns:
        The figure. It needs no display, and a notebook displays it.

    Raises:
        InputError: when an axis or the metric is missing.

    Example:
        >>> from fnnet import grid
        >>> columns = {"step_curve": np.array([[10, 20], [10, 20]]), "loss_curve": np.array([[0.8, 0.5], [0.7, 0.3]])}
        >>> results = Results(grid(learning_rate=[0.1, 0.2]), columns)
        >>> (axes,) = curves(results, "loss").axes
        >>> [(line.get_label(), line.get_ydata().tolist()) for line in axes.lines]
        [('0.1', [0.8, 0.5]), ('0.2', [0.7, 0.3])]
    """
    from fnnet.report.style import StyledFigure, figure_of, in_style

    if metric not in curve_names(results):
        raise unknown_name("metric", metric, curve_names(results))
    configurations = find_configurations(results.space, () if over is None else over)
    varied = [name for name in configurations.axes if len(results.space.axes[name]) > 1]
    by = by or next(iter([*varied, *configurations.axes]), None)
    if by is not None and by not in configurations.axes:
        raise unknown_name("axis", by, configurations.axes)
    steps, values = align(results["step_curve"], results[f"{metric}_curve"])
    means = configurations.mean_interval(values)
    with in_style() if axes is None else nullcontext():
        if axes is None:
            axes = StyledFigure(figsize=(5.2, 3.2)).subplots()
        colors = _colors(results.space.axes[by] if by else ())
        drawn = set()
        for place, config in enumerate(configurations.configs):
            is_there = np.isin(steps, results["step_curve"][configurations.config_of_run == place])
            mean, low, high = (each[place][is_there] for each in means[:3])
            value = config.get(by) if by else None
            color, label = colors.get(value, ("0.5", None))
            axes.plot(steps[is_there], mean, color=color, label=None if value in drawn else label)
            drawn.add(value)
            if means.num_runs[place] > 1:
                axes.fill_between(steps[is_there], low, high, color=color, alpha=0.2, linewidth=0)
        axes.set(xlabel="step", ylabel=readable(metric), xlim=(0, None))
        if (most := means.num_runs.max(initial=1)) > 1:
            axes.set_title(f"mean of {most} runs and its 95 % interval")
        if by is not None:
            axes.legend(title=readable(by), loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0.0)
    return figure_of(axes)


def _colors(values: Sequence[Any]) -> dict[Any, tuple[Any, str | None]]:
    """Choose the color and the label of each value: numbers go from dark to light, names differ in hue."""
    from matplotlib import colormaps

    is_numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ordered = sorted(values) if is_numeric else list(values)
    shades = colormaps["viridis"](np.linspace(0, 0.85, len(ordered)))
    stride = -(-len(ordered) // MAX_LABELS)
    return {
        value: (
            tuple(shades[place]) if is_numeric else f"C{place}",
            readable_value(value) if place % stride == 0 else None,
        )
        for place, value in enumerate(ordered)
    }
