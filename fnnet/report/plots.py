"""Pictures of sweeps. Nothing here trains; every function takes results, and returns a figure or draws on axes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fnnet.errors import unknown_name
from fnnet.report.heatmap import heatmap
from fnnet.sweep.results import Results
from fnnet.sweep.statistics import averaged_axes, group_runs, mean_interval
from fnnet.trainability import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["critical_constants", "curves", "heatmap", "trainability"]

_CONSTANTS = {"c_max": ("D", "C3"), "c_sharp": ("^", "C1"), "c_loss": ("s", "C0")}  # marker and color


def curves(
    axes: "Axes", results: Results, metric: str, *, by: str = "learning_rate", over: str | None = "seed"
) -> None:
    """Draw the learning curves of a sweep, in one color for each value of an axis.

    Runs that differ in nothing but `over` are one line, their mean, in a band that is its 95 % interval.

    Args:
        axes: of matplotlib, to draw on.
        results: of a sweep with `eval_every`.
        metric: a name in its history.
        by: the axis that colors and legend tell apart.
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
    grouped = group_runs(results.space, {}, others)
    for group, config in enumerate(grouped.configs):
        runs = np.flatnonzero(grouped.group_of_run == group)
        curve = results._take(runs).curves(metric)
        steps, values = np.array(curve.coordinates["step"]), curve.values.reshape(len(runs), -1)
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


def critical_constants(
    axes: Any,
    widths: Sequence[int],
    constants: Mapping[str, np.ndarray | None],
    published: Mapping[str, Mapping[int, float]] | None = None,
) -> None:
    """Draw critical constants of early training against width: seeds as marks, their means as lines.

    Args:
        axes: of a matplotlib figure.
        widths: of the networks.
        constants: by name, "c_loss", "c_sharp" and "c_max" `[widths, seeds]`; what is None or under another name is
            ignored.
        published: by name and width, constants to draw as open marks.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = Figure().subplots()
        >>> critical_constants(axes, [64, 128], {"c_loss": np.array([[3.5, 3.1], [2.8, 2.9]])})
        >>> axes.lines[0].get_ydata().round(2).tolist()  # the means
        [3.3, 2.85]
    """
    for name, (marker, color) in _CONSTANTS.items():
        values = constants.get(name)
        if values is not None:
            axes.plot(widths, values.mean(axis=-1), color=color, label=name)
            axes.plot(widths, values, marker, color=color, alpha=0.5)
    axes.axhline(2, color="0.5", linestyle="--", linewidth=1, label="2, of a quadratic loss")
    ticks = set(widths)
    if published is not None:
        for name, (marker, color) in _CONSTANTS.items():
            by_width = published.get(name, {})
            ticks |= by_width.keys()
            label = name if by_width and constants.get(name) is None else None
            style = {"color": color, "markerfacecolor": "none", "label": label}
            axes.plot(list(by_width), list(by_width.values()), f"{marker}:", **style)
        axes.plot([], [], "ks:", markerfacecolor="none", label="open: published")
    axes.set(xscale="log", yscale="log", xlabel="width", xticks=sorted(ticks), xticklabels=sorted(ticks))
    axes.set(ylim=(1, 40), yticks=(1, 2, 4, 8, 16), yticklabels=("1", "2", "4", "8", "16"))
    axes.minorticks_off()
    axes.legend(ncols=2, loc="upper center", fontsize="small")


def trainability(axes: Any, picture: Picture, title: str, num_digits: int = 0) -> None:
    """Draw what converged in blue and what diverged in red, the slower the darker.

    Args:
        axes: of a matplotlib figure.
        picture: of learning rates.
        title: above it.
        num_digits: of the ticks, after the point.

    Example:
        >>> from matplotlib.figure import Figure
        >>> value = np.array([[-3.0, 5.0], [2.0, 1.0]])  # one pixel converged, three diverged
        >>> axes = Figure().subplots()
        >>> trainability(axes, Picture((-3, 6, -3, 6), value[None] < 0, value), "four trainings")
        >>> (axes.images[0].get_array() < 0).tolist()
        [[True, False], [False, False]]
    """
    from scipy.stats import rankdata  # takes as long to load as JAX

    shade = np.empty(picture.value.shape)
    for kind in (picture.value < 0, picture.value >= 0):  # of each shade there are equally many pixels
        ranks = rankdata(np.abs(picture.value[kind])) / max(np.sum(kind), 1)
        shade[kind] = np.sign(picture.value[kind]) * (0.15 + 0.85 * ranks)
    axes.imshow(shade, "RdBu_r", vmin=-1, vmax=1, origin="lower", extent=picture.extent, aspect="auto")
    for axis, ends in ((axes.xaxis, picture.extent[:2]), (axes.yaxis, picture.extent[2:])):
        ticks = np.linspace(*ends, 4)
        axis.set_ticks(ticks, [f"{tick:.{num_digits}f}" for tick in ticks])
    axes.set(title=title, xlim=picture.extent[:2], ylim=picture.extent[2:])
    axes.set(xlabel="log10 of the input layer's rate", ylabel="log10 of the output layer's rate")
