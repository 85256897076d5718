"""Pictures of sweeps. Nothing here trains; every function takes results, and returns a figure or draws on axes."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fnnet.errors import InputError, unknown_name
from fnnet.metrics import HIGHER_IS_BETTER
from fnnet.sweep.results import Results
from fnnet.sweep.statistics import rank
from fnnet.trainability import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 12
_CONSTANTS = {"c_max": ("D", "C3"), "c_sharp": ("^", "C1"), "c_loss": ("s", "C0")}  # marker and color


def heatmap(results: Results, metric: str, *, x: str = "learning_rate", y: str | None = None) -> "Figure":
    """Draw the mean of a metric over seeds, a cell for each pair of values of two axes.

    Hatched cells hold a run that diverged, grey ones nothing else; a ring marks the best cell of each row.
    Other axes make a panel for each of their combinations.

    Args:
        results: of a sweep.
        metric: a column.
        x: the axis from left to right.
        y: the axis from bottom to top; by default the first one that is neither `x` nor the seed.

    Returns:
        A matplotlib figure, drawn without a display.

    Raises:
        InputError: when an axis is missing or there would be more than 12 panels.
    """
    from matplotlib.figure import Figure

    grouped = results.over(*({"seed"} & set(results.space.axes)))
    varied = [name for name in grouped.axes if len(results.space.axes[name]) > 1 or name == x]
    if x not in varied:
        raise InputError(f"a heat map needs the axis {x!r}; the sweep has {', '.join(results.space.axes)}")
    others = [name for name in varied if name != x]
    y = y or (others[0] if others else None)
    panel_axes = [name for name in others if name != y]
    panels = list(itertools.product(*(results.space.axes[name] for name in panel_axes)))
    if len(panels) > MAX_PANELS:
        raise InputError(f"{len(panels)} panels are too many to draw: fix one of {', '.join(panel_axes)}")
    x_values = sorted(results.space.axes[x])
    y_values = results.space.axes[y] if y else ("",)

    means = grouped.mean_ci(metric)
    share_diverged = means.num_diverged / means.num_runs
    finite = means.mean[np.isfinite(means.mean) & (share_diverged == 0)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)

    figure = Figure(
        figsize=(1.9 + 0.52 * len(x_values), (1.5 + 0.55 * len(y_values)) * len(panels)), layout="constrained"
    )
    image: Any = None
    for axes, panel in zip(np.ravel(figure.subplots(len(panels), 1)), panels, strict=True):
        cells = np.full((len(y_values), len(x_values)), np.nan)
        diverged = np.zeros_like(cells)
        for place, config in enumerate(grouped.configs):
            if tuple(config[name] for name in panel_axes) == panel:
                cell = y_values.index(config[y]) if y else 0, x_values.index(config[x])
                cells[cell], diverged[cell] = means.mean[place], share_diverged[place]
        image = _draw_cells(axes, cells, diverged, metric, (low, high))
        axes.set_xticks(range(len(x_values)), [f"{value:.2g}" for value in x_values], rotation=60)
        axes.set_yticks(range(len(y_values)), [str(value) for value in y_values])
        axes.set_xlabel(x.replace("_", " "))
        axes.set_ylabel((y or "").replace("_", " "))
        axes.set_title(", ".join(f"{name} = {value}" for name, value in zip(panel_axes, panel, strict=True)))
    figure.colorbar(image, ax=figure.axes, label=f"mean {metric.replace('_', ' ')}", pad=0.02)
    seeds = results.space.axes.get("seed", (0,))
    figure.suptitle(
        f"{metric.replace('_', ' ')}, mean of {len(seeds)} seeds\nring: best of its row; hatched: some runs diverged; grey: all did",
        fontsize=10,
    )
    return figure


def curves(axes: "Axes", results: Results, metric: str, *, by: str = "learning_rate") -> None:
    """Draw what runs measured while they trained, a line for each, in the colour of its value of an axis.

    Args:
        axes: of matplotlib, to draw on.
        results: of a sweep with `eval_every`.
        metric: a name in its history.
        by: the axis that colours and legend tell apart.

    Raises:
        InputError: when the axis or the metric is missing.

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
    for name, known in (("axis", results.space.axes), ("metric", results.history)):
        wanted = by if name == "axis" else metric
        if wanted not in known:
            raise unknown_name(name, wanted, known)
    for number, value in enumerate(results.space.axes[by]):
        history = results.where(**{by: value}).history
        for run, (steps, values) in enumerate(zip(history["step"], history[metric], strict=True)):
            label = None if run else f"{value}"
            axes.plot(steps, values, color=f"C{number}", linewidth=1, label=label)
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
            passed over.
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


def _draw_cells(
    axes: Any, cells: np.ndarray, diverged: np.ndarray, metric: str, limits: tuple[float, float]
) -> Any:
    from matplotlib.patches import Rectangle

    healthy = np.where(diverged < 1, cells, np.nan)
    colors = "viridis" if metric.rpartition("_")[2] in HIGHER_IS_BETTER else "viridis_r"
    image = axes.imshow(healthy, origin="lower", aspect="auto", cmap=colors, vmin=limits[0], vmax=limits[1])
    axes.set_facecolor("0.85")
    for row, column in zip(*np.nonzero(diverged), strict=True):
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor="0.45", linewidth=0
            )
        )
    for (row, column), value in np.ndenumerate(healthy):
        if np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            color = "white" if is_dark else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=color)
    for row, values in enumerate(cells):
        best = int(rank(values, metric)[0])
        if np.isfinite(values[best]):
            axes.plot(best, row, "o", markersize=23, fillstyle="none", color="crimson", markeredgewidth=1.8)
    return image
