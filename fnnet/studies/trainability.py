"""The boundary of trainability: pictures whose pixels are trainings with different learning rates.

All pixels train the same network with one hidden layer, from the same initial weights on the same examples. A pixel's
position gives the learning rates of the input and the output layer. A training converged if the mean of its last losses
is below its first loss.

Source: Sohl-Dickstein (2024), "The boundary of neural network trainability is fractal", arXiv 2402.06184.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from fnnet.analysis.curvature import make_objective
from fnnet.analysis.tangent_kernel import linearize
from fnnet.batches import Batches
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
from fnnet.types import KeyArray, Metrics, Params

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

LIMIT = 1e6  # at which a loss relative to the first one is capped
NUM_LAST = 20  # losses whose mean decides whether training converged

Extent = tuple[float, float, float, float]


class Picture(NamedTuple):
    """The outcome of training for each pixel; rows are counted from the bottom.

    extent: log10 of the learning rates at the left, right, bottom and top edges.
    converged: `[horizons, rows, columns]`, whether training up to each horizon converged.
    value: `[rows, columns]`. Where training converged, minus the sum of losses relative to the first; where it
        diverged, the sum of their inverses. The larger the magnitude, the slower.
    """

    extent: Extent
    converged: Bool[np.ndarray, "horizons side side"]
    value: Float[np.ndarray, "side side"]

    def dimensions(self) -> list[float]:
        """Estimate the boundary's dimension at each horizon with `fractals.box_dimension`."""
        return [box_dimension(each) for each in self.converged]


class _State(NamedTuple):
    """A run: its first loss, and sums of relative losses, of their inverses, and of the last ones at each horizon."""

    params: Params
    first: Array
    total: Array
    inverse: Array
    tails: Array


def make_problem(width: int, num_seeds: int) -> tuple[Network, Examples]:
    """Build the published problem: a tanh network and as many random examples as it has parameters.

    Args:
        width: size of the hidden layer and of the inputs.
        num_seeds: number of draws of examples.

    Returns:
        The network without biases in mean-field parameterization: weights of order 1, divided by sqrt(fan_in) in the
        first and by fan_in in the output layer. The examples of each draw: inputs `[seeds, n, width]` and targets
        `[seeds, n, 1]` from N(0, 1), in float64.

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
    """Build the recipe of a pixel: full-batch gradient descent on the mean squared error.

    Static axes: `linear`, which linearizes the network at its initial weights, and `reapplied`, which adds the offset
    at every step instead of once. Traced axes: `input_rate`, `output_rate`, `offset` (added to the input weights,
    default 0), `seed` (of the weights) and `data_seed` (the draw of examples).

    Args:
        network: a network with two layers and no biases.
        horizons: ascending numbers of steps after which to check convergence.

    Returns:
        The recipe. Its tasks measure "total", "inverse" and, for each horizon N, "last_N", the mean of the last losses
        relative to the first. Losses that are not finite count as a million times the first.
    """
    ends = np.array(horizons, np.int32)
    num_last = np.minimum(ends, NUM_LAST)

    def recipe(linear: bool = False, reapplied: bool = False) -> Task:
        model = linearize(network, network.init(jax.random.key(0))) if linear else network
        loss_and_grads = jax.value_and_grad(make_objective(model, "mse"))

        def add_offset(params: Params, hp: Hparams) -> Params:
            return [{"w": params[0]["w"] + hp.get("offset", 0.0)}, params[1]]

        def init(key: KeyArray, hp: Hparams, data: Examples) -> _State:
            params, zero = network.init(key), jnp.zeros(())
            first = params if reapplied else add_offset(params, hp)
            return _State(first, zero, zero, zero, jnp.zeros(len(ends)))

        def step(
            key: KeyArray, hp: Hparams, state: _State, batch: tuple[Array, Examples]
        ) -> tuple[_State, Metrics]:
            number, examples = batch
            params = add_offset(state.params, hp) if reapplied else state.params
            loss, grads = loss_and_grads(params, examples)
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

        return Task(init, step, measure, Batches(_draw, _select), params=lambda state: state.params)

    return recipe


def _draw(data_seed: Any, data: Examples, first_step: Any, num_steps: int) -> tuple[Array, Array]:
    """Return the number of each step, and the draw of examples, which all pixels share."""
    del data
    numbers = first_step + jnp.arange(num_steps, dtype=np.int32)
    return numbers, jnp.full_like(numbers, data_seed)


def _select(data: Examples, selection: tuple[Array, Array]) -> tuple[Array, Examples]:
    number, draw = selection
    return number, jax.tree.map(lambda leaf: leaf[draw], data)


def rate_grid(extent: Extent, side: int, **axes: Any) -> Space:
    """Build the space of the pixels of a square picture, row by row from the bottom.

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
    """Train one network per pixel.

    Args:
        network, data: from `make_problem`.
        space: the pixels, from `rate_grid`.
        extent: as in `Picture`.
        horizons: as in `make_recipe`; the last one is the number of steps.
        **options: options of `sweep`, such as lanes and store.

    Returns:
        The picture.

    Raises:
        InputError: when the number of pixels is not a square; otherwise as in `sweep`.

    Example:
        >>> (network, data), extent = make_problem(2, num_seeds=1), (0.0, 6.0, 0.0, 6.0)
        >>> picture = take_picture(network, data, rate_grid(extent, 2), extent, horizons=[5, 40])
        >>> picture.converged[-1].tolist()  # the second row has an output rate of a million
        [[True, True], [False, False]]
    """
    side = round(len(space) ** 0.5)
    if side**2 != len(space):
        raise InputError(f"space must have a square number of pixels, got {len(space)}")
    results = sweep(make_recipe(network, horizons), space, data, num_steps=horizons[-1], **options)
    converged = np.stack([results[f"last_{horizon}"] < 1 for horizon in horizons])
    value = np.where(converged[-1], -results["total"], results["inverse"])
    return Picture(extent, converged.reshape(-1, side, side), value.reshape(side, side))


def zoom(picture: Picture, width: float) -> Extent:
    """Return the extent, `width` decades on a side, around the boundary point nearest to the picture's center.

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
        raise InputError(
            "picture must have a boundary to zoom into, got one where all pixels have the same outcome"
        )
    pixel = (right - left) / len(boundary)  # the outermost pixels lie on the edges
    x, y = left + (columns + 0.5) * pixel, bottom + (rows + 0.5) * pixel
    nearest = np.argmin(np.hypot(x - (left + right) / 2, y - (bottom + top) / 2))
    center, half = (float(x[nearest]), float(y[nearest])), width / 2
    return center[0] - half, center[0] + half, center[1] - half, center[1] + half


def shade(picture: Picture) -> Float[np.ndarray, "side side"]:
    """Return the shades of a picture: from -1 (converged slowest) to -0.15, and from 0.15 to 1 (diverged slowest).

    Each shade covers equally many pixels.

    Example:
        >>> value = np.array([[-3.0, 5.0], [2.0, 1.0]])  # one pixel converged, three diverged
        >>> shade(Picture((-3, 6, -3, 6), value[None] < 0, value)).round(2).tolist()
        [[-1.0, 1.0], [0.72, 0.43]]
    """
    from scipy.stats import rankdata  # slow to import

    shades = np.empty(picture.value.shape)
    for kind in (picture.value < 0, picture.value >= 0):
        ranks = rankdata(np.abs(picture.value[kind])) / max(np.sum(kind), 1)
        shades[kind] = np.sign(picture.value[kind]) * (0.15 + 0.85 * ranks)
    return shades


def draw(axes: "Axes", shades: np.ndarray, extent: Extent, num_digits: int = 0) -> "AxesImage":
    """Plot the shades of a picture: converged pixels in blue, diverged ones in red; darker is slower.

    Args:
        axes: axes of a matplotlib figure.
        shades: from `shade`.
        extent: the extent of the picture.
        num_digits: decimals of the tick labels.

    Returns:
        The image, for a color bar.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = Figure().subplots()
        >>> draw(axes, np.array([[-1.0, 0.4], [0.7, 1.0]]), (-3, 6, -3, 6)).get_clim()
        (-1.0, 1.0)
    """
    image = axes.imshow(shades, "RdBu_r", vmin=-1, vmax=1, origin="lower", extent=extent, aspect="auto")
    for axis, ends in ((axes.xaxis, extent[:2]), (axes.yaxis, extent[2:])):
        ticks = np.linspace(*ends, 4)
        axis.set_ticks(ticks, [f"{tick:.{num_digits}f}" for tick in ticks])
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set(xlabel="input layer: log10 of the rate", ylabel="output layer: log10 of the rate")
    return image
