"""Early training: phases of the first steps as a function of c = learning rate x initial sharpness.

For small c, training behaves as on a quadratic loss. From c_loss on, the loss initially rises; from c_sharp on, so does
the sharpness; above c_max, training diverges. The sharpness is the largest eigenvalue of the Hessian.

Source: Kalra & Barkeshli (2023), "Phase diagram of early training dynamics in deep neural networks: effect of the
learning rate, depth, and width", arXiv 2302.12250.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from fnnet.analysis.curvature import make_objective, top_eigenvalues
from fnnet.data import Dataset, Examples
from fnnet.errors import InputError
from fnnet.fitting import TrainState, supervised
from fnnet.hparams import Hparams
from fnnet.losses import Loss
from fnnet.network import Network
from fnnet.records.results import Results
from fnnet.space.grids import grid
from fnnet.space.space import Space, union
from fnnet.sweeps.execution import sweep
from fnnet.task import Task
from fnnet.types import Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TINY_RATE = 1e-30  # positive, but changes no weight
_MARKS = {"c_max": ("D", "C1"), "c_sharp": ("^", "C4"), "c_loss": ("s", "C0")}  # markers and colors of plots


class CriticalConstants(NamedTuple):
    """Boundaries between the phases of early training: arrays with one axis per axis of the networks.

    initial_sharpness: the sharpness before the first step.
    c_loss: the smallest c at which the loss ever exceeds its initial value; c_max if there is none below.
    c_sharp: the same for the sharpness; None if it was not measured.
    c_max: the largest c that is smaller than every c that diverges. All three constants are NaN where even the smallest
        c diverges.
    """

    initial_sharpness: np.ndarray
    c_loss: np.ndarray
    c_sharp: np.ndarray | None
    c_max: np.ndarray


def find_constants(
    cs: Float[np.ndarray, "..."],
    initial_sharpness: Float[np.ndarray, "..."],
    initial_loss: Float[np.ndarray, "..."],
    batch_loss: Float[np.ndarray, "..."],
    loss: Float[np.ndarray, "..."],
    sharpness: Float[np.ndarray, "..."] | None = None,
    *,
    threshold: float = 1e5,
) -> CriticalConstants:
    """Find the critical constants of networks from their curves at several values of c.

    Args:
        cs: `[cs]`, positive and ascending.
        initial_sharpness: `[...]`, for any axes of networks.
        initial_loss: `[...]`.
        batch_loss: `[..., cs, steps]`, the training loss. A run diverged if it exceeds the threshold or is NaN.
        loss: `[..., cs, times]`, evaluated like `initial_loss`.
        sharpness: `[..., cs, times]`, or None.
        threshold: the training loss above which a run counts as diverged.

    Returns:
        The constants `[...]`, each a value in `cs` or NaN.

    Raises:
        InputError: when `cs` is not positive and ascending, or shapes do not match.

    Example:
        >>> loss = np.array([[0.9, 0.8], [1.2, 0.7], [3.0, 2e5]])
        >>> found = find_constants(np.array([1.0, 2.0, 4.0]), np.array(5.0), np.array(1.0), loss, loss)
        >>> float(found.c_loss), float(found.c_max)
        (2.0, 2.0)
    """
    if cs.ndim != 1 or not len(cs) or not (cs[0] > 0 and (np.diff(cs) > 0).all()):
        raise InputError(f"cs must be positive and ascending along one axis, got {cs.tolist()}")
    networks = initial_sharpness.shape
    if initial_loss.shape != networks:
        raise InputError(
            f"initial_loss must have the shape of initial_sharpness, {list(networks)}, got {list(initial_loss.shape)}"
        )
    for field, values in {"batch_loss": batch_loss, "loss": loss, "sharpness": sharpness}.items():
        if values is not None and (values.shape[:-1] != (*networks, len(cs)) or not values.shape[-1]):
            expected = ", ".join(map(str, (*networks, len(cs), "times")))
            raise InputError(f"{field} must have the shape [{expected}], got {list(values.shape)}")
    is_trained = (batch_loss <= threshold).all(axis=-1)
    last = np.where(is_trained.all(axis=-1), len(cs), is_trained.argmin(axis=-1)) - 1

    def at(indices: Any) -> np.ndarray:
        return np.asarray(np.append(cs, np.nan)[indices])  # NaN for -1, where even the smallest diverges

    def first_above(values: np.ndarray, initial: np.ndarray) -> np.ndarray:
        is_above = (values > initial[..., None, None]).any(axis=-1)
        return at(np.minimum(last, np.where(is_above.any(axis=-1), is_above.argmax(axis=-1), len(cs))))

    c_sharp = None if sharpness is None else first_above(sharpness, initial_sharpness)
    return CriticalConstants(initial_sharpness, first_above(loss, initial_loss), c_sharp, at(last))


def measure_constants(
    build: Callable[..., Network],
    loss: str | Loss,
    axes: Mapping[str, Any],
    data: Dataset,
    cs: Float[np.ndarray, " cs"],
    *,
    num_steps: int = 10,
    batch_size: int | None = None,
    num_measured: int | None = None,
    num_iterations: int = 12,
    with_sharpness: bool = True,
    store: str | os.PathLike[str] | None = None,
    show_progress: bool = False,
) -> CriticalConstants:
    """Train networks by gradient descent with each value of c, and find their critical constants.

    Args:
        build: builds a network; its arguments are static axes, like those of a recipe.
        loss: the loss of one example, a name or a function of output and target.
        axes: the networks' axes and their values, such as "width" and "seed".
        data: networks are trained and evaluated on its training split.
        cs: positive and ascending.
        num_steps: updates per run.
        batch_size: examples per batch; None for all.
        num_measured: evaluate loss and sharpness on the first `num_measured` training examples; None for all.
        num_iterations: see `top_eigenvalues`.
        with_sharpness: whether to compute the sharpness after each step, for c_sharp.
        store: folder for the two sweeps, as in `sweep`.
        show_progress: whether to show progress bars.

    Returns:
        The constants, one array axis for each of `axes`.

    Raises:
        InputError: as in `sweep` and `find_constants`.

    Example:
        >>> from fnnet import from_arrays, mlp
        >>> data = from_arrays(np.ones((4, 1)), np.zeros(4), test=(np.ones((1, 1)), np.zeros(1)))
        >>> build, cs = lambda: mlp(1, [], 1, use_bias=False), np.array([1.5, 1.9, 2.1, 2.5])
        >>> measure_constants(build, "quadratic", {"seed": range(3)}, data, cs).c_loss.tolist()
        [2.1, 2.1, 2.1]
    """

    def sweep_to(name: str, space: Space, num_steps: int, num_iterations: int) -> Results:
        recipe = _recipe(build, loss, batch_size, num_measured, num_iterations)
        folder = None if store is None else Path(store) / name
        return sweep(
            recipe, space, data, num_steps=num_steps, eval_every=1, store=folder, show_progress=show_progress
        )

    networks = grid(**axes)
    start = sweep_to("start", networks * grid(learning_rate=_TINY_RATE), 1, num_iterations)
    rates = cs / start["sharpness"].astype(float)[:, None]
    spaces = [
        grid(**one) * grid(learning_rate=row.tolist()) for one, row in zip(networks, rates, strict=True)
    ]
    runs = sweep_to("runs", union(*spaces), num_steps, num_iterations if with_sharpness else 0)
    shape = tuple(len(values) for values in networks.axes.values())

    def by_network(name: str) -> np.ndarray:
        return runs[f"{name}_curve"].reshape(*shape, len(cs), -1)

    return find_constants(
        cs,
        start["sharpness"].reshape(shape),
        start["loss"].reshape(shape),
        by_network("batch_loss"),
        by_network("loss"),
        by_network("sharpness") if with_sharpness else None,
    )


def _recipe(
    build: Callable[..., Network],
    loss: str | Loss,
    batch_size: int | None,
    num_measured: int | None,
    num_iterations: int,
) -> Callable[..., Task]:
    """Build the recipe that measures the loss and, unless `num_iterations` is 0, the sharpness."""

    @functools.wraps(build, assigned=())
    def recipe(**static: Any) -> Task:
        network = build(**static)
        objective = make_objective(network, loss)

        def measure(hparams: Hparams, state: TrainState, data: Dataset) -> Metrics:
            examples = Examples(*(part[:num_measured] for part in data.train))
            value = objective(state.params, examples)
            if not num_iterations:
                return {"loss": value}
            sharpness = top_eigenvalues(
                lambda params: objective(params, examples), state.params, jax.random.key(0), 1, num_iterations
            )
            return {"loss": value, "sharpness": sharpness[0]}

        task = supervised(network, loss, optimizer="sgd", batch_size=batch_size)
        return task._replace(measure=measure)

    return recipe


def draw_constants(
    axes: "Axes",
    widths: Sequence[int],
    constants: Mapping[str, np.ndarray | None],
    published: Mapping[str, Mapping[int, float]] | None = None,
) -> None:
    """Plot critical constants against width: one marker per seed, and the means as lines.

    Args:
        axes: axes of a matplotlib figure.
        widths: widths of the networks.
        constants: "c_loss", "c_sharp" and "c_max" `[widths, seeds]`, by name; None and other names are ignored.
        published: published constants by name and width, plotted as open markers.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = Figure().subplots()
        >>> draw_constants(axes, [64, 128], {"c_loss": np.array([[3.5, 3.1], [2.8, 2.9]])})
        >>> axes.lines[0].get_ydata().round(2).tolist()  # the means
        [3.3, 2.85]
    """
    for name, (marker, color) in _MARKS.items():
        values = constants.get(name)
        if values is not None:
            axes.plot(widths, values.mean(axis=-1), color=color, label=name)
            axes.plot(widths, values, marker, color=color, alpha=0.6, markersize=4)
    axes.axhline(2, color="0.5", linestyle="--", linewidth=1, label="2, where a quadratic loss diverges")
    ticks = set(widths)
    if published is not None:
        for name, (marker, color) in _MARKS.items():
            by_width = published.get(name, {})
            ticks |= by_width.keys()
            label = name if by_width and constants.get(name) is None else None
            points = list(by_width), list(by_width.values())
            axes.plot(*points, f"{marker}:", color=color, markerfacecolor="none", label=label)
        axes.plot([], [], "ks:", markerfacecolor="none", label="published")
    axes.set(xscale="log", yscale="log", xlabel="width", xticks=sorted(ticks), xticklabels=sorted(ticks))
    axes.set(yticks=(1, 2, 4, 8, 16), yticklabels=("1", "2", "4", "8", "16"))
    axes.minorticks_off()
