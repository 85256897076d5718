"""Plots: functions of results that return a figure or draw on given axes. None of them trains."""

from typing import TYPE_CHECKING

import numpy as np

from fnnet.errors import unknown_name
from fnnet.records.results import Results
from fnnet.records.statistics import averaged_axes, find_configurations, mean_interval
from fnnet.report.heatmap import heatmap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves", "heatmap"]


def curves(
    axes: "Axes", results: Results, metric: str, *, by: str = "learning_rate", over: str | None = "seed"
) -> None:
    """Draw the learning curves of a sweep, with one color per value of an axis.

    Each configuration is drawn as the mean over its runs, with a band for the 95 % interval of the mean.

    Args:
        axes: of matplotlib, to draw on.
        results: of a sweep with `eval_every`.
        metric: its name in `results.history`.
        by: the axis shown by color and in the legend.
        over: the axis to average over; None to draw every run.

    Raises:
        InputError: when an axis or the metric is missing.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from fnnet import grid
        >>> history = {"step": np.array([[10, 20], [10, 20]]), "loss": np.array([[0.8, 0.5], [0.7, 0.3]])}
        >>> results = Results(grid(learning_rate=[0.1, 0.2]), {}, history)
        >>> axes = Figure().subplots()
        >>> curves(axes, results, "loss")
        >>> [(line.get_label(), line.get_ydata().tolist()) for line in axes.lines]
        [('0.1', [0.8, 0.5]), ('0.2', [0.7, 0.3])]
    """
    if by not in results.space.axes:
        raise unknown_name("axis", by, results.space.axes)
    if metric not in results.history:
        raise unknown_name("metric", metric, results.history)
    averaged = averaged_axes(results.space, over) if over is not None else ()
    others = tuple(name for name in results.space.axes if name not in averaged)
    labeled = set()
    configurations = find_configurations(results.space, {}, others)
    for number, config in enumerate(configurations.configs):
        runs = np.flatnonzero(configurations.config_of_run == number)
        curve = results._take(runs).curves(metric)
        steps, values = curve["step"].values, curve.values.reshape(len(runs), -1)
        value = config.get(by)
        color = f"C{results.space.axes[by].index(value)}" if by in config else "0.5"
        means = [mean_interval(points) for points in values.T]
        label = None if value in labeled else f"{value}"
        labeled.add(value)
        axes.plot(steps, [point.mean for point in means], color=color, linewidth=1, label=label)
        if len(runs) > 1:
            low, high = [point.low for point in means], [point.high for point in means]
            axes.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
    axes.set(xlabel="step", ylabel=metric.replace("_", " "), xlim=(0, None))
    axes.legend(title=by.replace("_", " "))
