"""Which learning rates train: pictures whose every pixel is one training, and the boundary in them.

A network with one hidden layer learns the same examples from the same initial weights in every pixel, with the learning
rates of input and output layer that the pixel's place stands for. It converged if the mean of its last losses is below
its first loss.

Source: Sohl-Dickstein (2024), "The boundary of neural network trainability is fractal", arXiv 2402.06184.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from fnnet.analysis.curvature import make_objective
from fnnet.analysis.tangent_kernel import linearize
from fnnet.data import Examples
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.network import Network, mlp
from fnnet.parameterizations import LayerShape, Scales, ntk
from fnnet.space.grids import grid
from fnnet.space.space import Space
from fnnet.studies.fractals import box_dimension, find_boundary
from fnnet.sweeps.execution import sweep
from fnnet.task import Task
from fnnet.types import Metrics, Params

LIMIT = 1e6  # of losses relative to the first one
NUM_LAST = 20  # losses that say whether training converged

Extent = tuple[float, float, float, float]


class Picture(NamedTuple):
    """What became of each pixel's network.

    extent: the decades of left, right, bottom and top.
    converged: `[horizons, rows, columns]` from below, as if training had stopped there.
    value: `[rows, columns]`, minus the sum of losses relative to the first where they converged, the sum of their
        inverses where they diverged: its size says how slowly.
    """

    extent: Extent
    converged: Bool[np.ndarray, "horizons side side"]
    value: Float[np.ndarray, "side side"]

    def dimensions(self) -> list[float]:
        """Estimate the boundary's dimension by horizon (`fractals.box_dimension`)."""
        return [box_dimension(each) for each in self.converged]


class _State(NamedTuple):
    """A run: the first loss; sums of losses relative to it, of their inverses, and of the last ones by horizon."""

    params: Params
    first: Array
    total: Array
    inverse: Array
    tails: Array


def make_problem(width: int, num_seeds: int) -> tuple[Network, Examples]:
    """Build the published problem: a tanh network and as many random examples as it has parameters.

    Args:
        width: of the hidden layer and of the inputs.
        num_seeds: draws of examples.

    Returns:
        The mean-field network: weights of order 1, over sqrt(fan_in), and once more at the output, without biases; and
        the examples of each draw, inputs `[seeds, n, width]` and targets `[seeds, n, 1]` of N(0, 1), in float64.

    Example:
        >>> network, data = make_problem(16, num_seeds=2)
        >>> data.inputs.shape, data.targets.shape
        ((2, 272, 16), (2, 272, 1))
    """

    def scales(shape: LayerShape) -> Scales:
        layer = ntk(shape)
        return layer._replace(forward=layer.forward**2) if shape.is_last else layer

    options: dict[str, Any] = {"initializer": "lecun_normal", "parameterization": scales, "use_bias": False}
    network = mlp(width, [width], 1, lambda z: jnp.tanh(jnp.sqrt(2) * z), **options)
    shape = width * (width + 1), width + 1
    drawn = np.stack([np.random.default_rng(seed).standard_normal(shape) for seed in range(num_seeds)])
    return network, Examples(drawn[..., :-1], drawn[..., -1:])


def make_recipe(network: Network, horizons: Sequence[int]) -> Callable[..., Task]:
    """Build the recipe of pixels: gradient descent on the mean squared error of all examples.

    Its static axes are `linear`, for the network linearised at its initial weights, and `reapplied`, with which the
    offset is added at every step, not once. Traced are `input_rate`, `output_rate`, `offset` (of the input weights,
    default 0), `seed` (of weights) and `data_seed` (the draw of examples).

    Args:
        network: of two layers without biases.
        horizons: ascending numbers of steps after which it is asked what has converged.

    Returns:
        The recipe. Its tasks measure "total", "inverse" and for each horizon "last_N", the mean of the last losses
        relative to the first; losses that are not finite count as a million times the first.
    """
    ends = np.array(horizons, np.int32)
    num_last = np.minimum(ends, NUM_LAST)

    def recipe(linear: bool = False, reapplied: bool = False) -> Task:
        model = linearize(network, network.init(jax.random.key(0))) if linear else network
        loss_and_grads = jax.value_and_grad(make_objective(model, "mse"))

        def shift(params: Params, hp: Hparams) -> Params:
            return [{"w": params[0]["w"] + hp.get("offset", 0.0)}, params[1]]

        def init(hp: Hparams, data: Examples) -> _State:
            params, zero = network.init(jax.random.key(hp.get("seed", 0))), jnp.zeros(())
            first = params if reapplied else shift(params, hp)
            return _State(first, zero, zero, zero, jnp.zeros(len(ends)))

        def step(hp: Hparams, state: _State, data: Examples, batch: Any) -> tuple[_State, Metrics]:
            number, draw = batch
            params = shift(state.params, hp) if reapplied else state.params
            loss, grads = loss_and_grads(params, jax.tree.map(lambda leaf: leaf[draw], data))
            first = jnp.where(number == 0, loss, state.first)
            relative = jnp.minimum(jnp.where(jnp.isfinite(loss), loss, LIMIT) / first, LIMIT)
            is_last = (number < ends) & (number >= ends - num_last)
            sums = (
                state.total + relative,
                state.inverse + 1 / relative,
                state.tails + jnp.where(is_last, relative, 0),
            )
            rates = hp["input_rate"], hp["output_rate"]
            params = [{"w": p["w"] - r * g["w"]} for p, g, r in zip(params, grads, rates, strict=True)]
            return _State(params, first, *sums), {"loss": loss}

        def measure(hp: Hparams, state: _State, data: Examples) -> Metrics:
            last = {f"last_{end}": state.tails[i] / float(num_last[i]) for i, end in enumerate(horizons)}
            return {"total": state.total, "inverse": state.inverse, **last}

        def batches(data_seed: Any, data: Examples, first_step: Any, num_steps: int) -> Any:
            numbers = first_step + jnp.arange(num_steps, dtype=np.int32)
            return numbers, jnp.full_like(numbers, data_seed)  # which examples all pixels see

        return Task(init, step, measure, batches)

    return recipe


def rate_grid(extent: Extent, side: int, **axes: Any) -> Space:
    """List the pixels of a square picture of learning rates, row by row from below.

    Example:
        >>> space = rate_grid((0, 1, -1, 0), 2, seed=3)
        >>> [(config["output_rate"], config["input_rate"]) for config in space]
        [(0.1, 1.0), (0.1, 10.0), (1.0, 1.0), (1.0, 10.0)]
    """
    left, right, bottom, top = extent
    fixed = {name: [value] for name, value in axes.items()}
    return grid(
        output_rate=np.logspace(bottom, top, side), input_rate=np.logspace(left, right, side), **fixed
    )


def take_picture(
    network: Network, data: Examples, space: Space, extent: Extent, horizons: Sequence[int], **options: Any
) -> Picture:
    """Train a network for each pixel.

    Args:
        network: as of `make_problem`.
        data: as of `make_problem`.
        space: the pixels row by row from below, as of `rate_grid`.
        extent: what the picture's edges stand for.
        horizons: as of `make_recipe`; the last one is the number of steps.
        **options: of `sweep`, such as lanes and store.

    Returns:
        The picture.

    Raises:
        InputError: when the pixels make no square; and as `sweep` does.

    Example:
        >>> (network, data), extent = make_problem(2, num_seeds=1), (0.0, 6.0, 0.0, 6.0)
        >>> picture = take_picture(network, data, rate_grid(extent, 2), extent, horizons=[5, 40])
        >>> picture.converged[-1].tolist()  # the second row has an output rate of a million
        [[True, True], [False, False]]
    """
    side = round(len(space) ** 0.5)
    if side**2 != len(space):
        raise InputError(f"a picture's space must have a square number of pixels, got {len(space)}")
    columns = sweep(make_recipe(network, horizons), space, data, num_steps=horizons[-1], **options).columns
    converged = np.stack([columns[f"last_{horizon}"] < 1 for horizon in horizons])
    value = np.where(converged[-1], -columns["total"], columns["inverse"])
    return Picture(extent, converged.reshape(-1, side, side), value.reshape(side, side))


def zoom(picture: Picture, width: float) -> Extent:
    """Choose a closer look: a square of some width in decades, around the boundary next to the picture's middle.

    Raises:
        InputError: when the picture has no boundary.

    Example:
        >>> converged = np.tile([True, True, True, False], (1, 4, 1))
        >>> zoom(Picture((0.0, 3.0, 0.0, 3.0), converged, np.zeros((4, 4))), width=1.0)
        (2.0, 3.0, 1.0, 2.0)
    """
    left, right, bottom, top = picture.extent
    boundary = find_boundary(picture.converged[-1])
    rows, columns = np.nonzero(boundary)
    if not len(rows):
        raise InputError("the picture has no boundary to zoom to: all of its pixels have one fate")
    pixel = (right - left) / len(boundary)  # the outermost pixels lie on the edges
    x, y = left + (columns + 0.5) * pixel, bottom + (rows + 0.5) * pixel
    nearest = np.argmin(np.hypot(x - (left + right) / 2, y - (bottom + top) / 2))
    center, half = (float(x[nearest]), float(y[nearest])), width / 2
    return center[0] - half, center[0] + half, center[1] - half, center[1] + half


def draw(axes: Any, picture: Picture, title: str, num_digits: int = 0) -> None:
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
        >>> draw(axes, Picture((-3, 6, -3, 6), value[None] < 0, value), "four trainings")
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
