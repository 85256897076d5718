"""Which learning rates train is decided along a fractal: the closer one looks, the more boundary there is.

Sohl-Dickstein (2024), "The boundary of neural network trainability is fractal": every pixel is one training of the
same small tanh network on the same 272 random examples from the same weights, at the learning rates of input and
output layer that its place stands for. It converged if the mean of its last 20 losses is below its first loss. Zooms
centre on the boundary pixel next to the middle of the picture before. Dimensions are by box counting, from boxes of 2
pixels to an eighth of the picture. All is in float64.

What differs from the paper: smaller pictures (its own are up to 4096 x 4096), other zooms and other random numbers.
Where the paper's code offsets the input weights, it adds the offset again at every step; here it is drawn so, and
added once. The control is the same network linearised at its initial weights: its loss is quadratic, so its boundary is
smooth, and known: the largest eigenvalue of a step is 2 there. The dimension depends on where one zooms: centred where
the boundary is densest, pictures magnified 10, 100 and 1000 times have 1.52, 1.96 and 1.99.

Pixels are trained alone to show that a sweep changes nothing. Near the boundary training is chaotic, though: what rounds
otherwise goes its own way, as a change of the learning rates' last digit shows.

Run `python experiments/trainability_fractal.py` (`--resolution 512` for a finer overview), or with `--smoke` for a few
pixels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console
from scipy import ndimage, stats

import fnnet as fn

RATES, OFFSETS = (-3.0, 6.0), (-3.0, 3.0)  # decades of the overviews
LIMIT = 1e6  # of losses relative to the first one, as published


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    width: of the hidden layer and of the input; there are as many examples as parameters.
    horizons: numbers of steps after which it is asked what has converged; the last one is all.
    resolution: pixels along a side of the overview; `middle`: of its zooms; `small`: of all other pictures.
    zooms: magnifications, one inside the other.
    num_alone: pixels that are trained again one at a time.
    lanes: networks that train together on a device.
    store: where finished runs are kept, so that a stopped experiment goes on.
    smoke: few pixels and steps; writes nothing.
    """

    width: int = 16
    horizons: tuple[int, ...] = (10, 30, 100, 250, 500)
    resolution: int = 256
    middle: int = 128
    small: int = 64
    zooms: tuple[int, ...] = (10, 100, 1000)
    num_seeds: int = 3
    num_alone: int = 256
    lanes: int = 64
    store: Path | None = Path("results/trainability_fractal")
    smoke: bool = False


class State(NamedTuple):
    """A run: the first loss; sums of losses relative to it, of their inverses, and of the last 20 by horizon."""

    params: Any
    first: jax.Array
    total: jax.Array
    inverse: jax.Array
    tails: jax.Array


class Picture(NamedTuple):
    """What became of each pixel's network.

    extent: the decades of left, right, bottom and top.
    converged: `[horizons, rows, columns]`, as if training had stopped there.
    value: minus the sum of relative losses where they converged, the sum of their inverses where they diverged.
    """

    extent: tuple[float, float, float, float]
    converged: np.ndarray
    value: np.ndarray

    def dimensions(self) -> list[float]:
        """Count boxes, by horizon."""
        return [fn.fractals.box_dimension(each) for each in self.converged]


def make_data(config: Config) -> fn.Examples:
    """Draw inputs `[seeds, n, width]` and targets `[seeds, n, 1]`, as many examples as parameters."""
    shape = config.width * (config.width + 1), config.width + 1
    drawn = np.stack([np.random.default_rng(seed).standard_normal(shape) for seed in range(config.num_seeds)])
    return fn.Examples(drawn[..., :-1], drawn[..., -1:])


def make_network(config: Config) -> fn.Network:
    """Make the mean-field network: weights of order 1, over sqrt(fan_in), and once more at the output."""

    def scales(shape: fn.parameterizations.LayerShape) -> fn.parameterizations.Scales:
        ntk = fn.parameterizations.ntk(shape)
        return ntk._replace(forward=ntk.forward**2) if shape.is_last else ntk

    options: dict[str, Any] = {"initializer": "lecun_normal", "parameterization": scales, "use_bias": False}
    return fn.mlp(config.width, [config.width], 1, lambda z: jnp.tanh(jnp.sqrt(2) * z), **options)


def make_recipe(config: Config) -> Any:
    network, horizons = make_network(config), np.array(config.horizons)
    num_last = np.minimum(horizons, 20)

    def recipe(linear: bool = False, reapplied: bool = False) -> fn.Task:
        model = fn.linearize(network, network.init(jax.random.key(0))) if linear else network
        loss_and_grads = jax.value_and_grad(fn.curvature.make_objective(model, "mse"))

        def shift(params: Any, hp: Any) -> Any:
            return [{"w": params[0]["w"] + hp.get("offset", 0.0)}, params[1]]

        def init(hp: Any, data: fn.Examples) -> State:
            params, zero = network.init(jax.random.key(hp.get("seed", 0))), jnp.zeros(())
            return State(
                params if reapplied else shift(params, hp), zero, zero, zero, jnp.zeros(len(horizons))
            )

        def step(hp: Any, state: State, data: fn.Examples, batch: Any) -> tuple[State, Any]:
            number, draw = batch
            params = shift(state.params, hp) if reapplied else state.params
            loss, grads = loss_and_grads(params, jax.tree.map(lambda leaf: leaf[draw], data))
            first = jnp.where(number == 0, loss, state.first)
            relative = jnp.minimum(jnp.where(jnp.isfinite(loss), loss, LIMIT) / first, LIMIT)
            is_last = (number < horizons) & (number >= horizons - num_last)
            sums = state.total + relative, state.inverse + 1 / relative, state.tails + is_last * relative
            rates = hp["input_rate"], hp["output_rate"]
            params = [{"w": p["w"] - r * g["w"]} for p, g, r in zip(params, grads, rates, strict=True)]
            return State(params, first, *sums), {"loss": loss}

        def measure(hp: Any, state: State, data: fn.Examples) -> dict[str, jax.Array]:
            last = {f"last_{h}": state.tails[i] / num_last[i] for i, h in enumerate(config.horizons)}
            return {"total": state.total, "inverse": state.inverse, **last}

        def batches(data_seed: Any, data: fn.Examples, first_step: Any, num_steps: int) -> Any:
            numbers = first_step + jnp.arange(num_steps)
            return numbers, jnp.full_like(numbers, data_seed)  # which examples all pixels see

        return fn.Task(init, step, measure, batches)

    return recipe


def take_picture(config: Config, name: str, extent: Any, space: fn.Space) -> Picture:
    """Train one network for each pixel; the space lists them row by row, from below."""
    store = None if config.store is None else config.store / name
    options: dict[str, Any] = {"lanes": config.lanes, "store": store, "show_progress": not config.smoke}
    num_steps, side = config.horizons[-1], round(len(space) ** 0.5)
    columns = fn.sweep(make_recipe(config), space, make_data(config), num_steps=num_steps, **options).columns
    converged = np.stack([columns[f"last_{horizon}"] < 1 for horizon in config.horizons])
    value = np.where(converged[-1], -columns["total"], columns["inverse"])
    return Picture(extent, converged.reshape(-1, side, side), value.reshape(side, side))


def take_rates(config: Config, name: str, extent: Any, side: int, seed: int = 0, **static: Any) -> Picture:
    """Take the picture of a rectangle of learning rates."""
    left, right, bottom, top = extent
    x, y = np.logspace(left, right, side), np.logspace(bottom, top, side)
    space = fn.grid(output_rate=y, input_rate=x, seed=seed, data_seed=seed, **static)
    return take_picture(config, name, extent, space)


def take_offsets(config: Config, name: str, reapplied: bool) -> Picture:
    """Take the picture of an offset of the input weights against the learning rate of both layers."""
    x, y = (np.logspace(*decades, config.small) for decades in (OFFSETS, RATES))
    space = fn.zip_axes(output_rate=y, input_rate=y) * fn.grid(offset=x, reapplied=reapplied)
    return take_picture(config, name, (*OFFSETS, *RATES), space)


def zoom_in(config: Config, name: str, overview: Picture, side: int, **static: Any) -> list[Picture]:
    """Zoom to the boundary pixel next to the middle, again and again."""
    pictures = [overview]
    for zoom in config.zooms:
        left, right, bottom, top = pictures[-1].extent
        boundary = fn.fractals.find_boundary(pictures[-1].converged[-1])
        half, pixel = (RATES[1] - RATES[0]) / zoom / 2, (right - left) / len(boundary)
        rows, columns = np.nonzero(boundary)
        x, y = left + (columns + 0.5) * pixel, bottom + (rows + 0.5) * pixel
        nearest = np.argmin(np.hypot(x - (left + right) / 2, y - (bottom + top) / 2))
        extent = x[nearest] - half, x[nearest] + half, y[nearest] - half, y[nearest] + half
        pictures.append(take_rates(config, f"{name}-{zoom}", extent, side, **static))
    return pictures


def quadratic_boundary(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Compute by the ratio of both rates, in decades, their geometric mean at the linearised network's boundary."""
    network, inputs = make_network(config), make_data(config).inputs[0]
    kernels = fn.tangent_kernels(network, network.init(jax.random.key(0)), inputs)
    first, last = (np.reshape(layer["w"], (len(inputs), len(inputs))) for layer in kernels)
    ratios = np.linspace(-10, 10, 101)
    sums = (10 ** (r / 2) * first + 10 ** (-r / 2) * last for r in ratios)
    # A step multiplies the residuals by 1 - 2 / n * mean rate * kernel.
    return ratios, np.log10([len(inputs) / np.linalg.eigvalsh(kernel)[-1] for kernel in sums])


def agreement(config: Config, picture: Picture) -> float:
    """Compare the linearised network's pixels with its eigenvalues."""
    ratios, means = quadratic_boundary(config)
    ends = picture.extent[:2], picture.extent[2:]
    x, y = np.meshgrid(*(np.linspace(*each, len(picture.value)) for each in ends))
    return float(np.mean(((x + y) / 2 < np.interp(x - y, ratios, means)) == picture.converged[-1]))


def claim_alone(config: Config, overview: Picture) -> list[fn.Claim]:
    """Train some pixels of the overview again, one at a time, and once more with rates changed in the last digit."""
    pixels = np.random.default_rng(0).permutation(overview.value.size)[: config.num_alone]
    rows, columns = np.unravel_index(pixels, overview.value.shape)
    rates = np.logspace(*RATES, len(overview.value))
    task, data = make_recipe(config)(), jax.tree.map(jnp.asarray, make_data(config))

    def train(hparams: dict[str, jax.Array]) -> Any:
        return fn.train(task, hparams, data, num_steps=config.horizons[-1]).metrics

    one_at_a_time = jax.jit(lambda hparams: jax.lax.map(train, hparams))
    x, y = rates[columns], rates[rows]
    alone = one_at_a_time({"input_rate": x, "output_rate": y})
    nudged = one_at_a_time({"input_rate": np.nextafter(x, np.inf), "output_rate": np.nextafter(y, np.inf)})

    last = f"last_{config.horizons[-1]}"
    converged = overview.converged[-1]
    changed = int(np.sum((np.asarray(alone[last]) < 1) != converged[rows, columns]))
    by_digit = int(np.sum((np.asarray(alone[last]) < 1) != (np.asarray(nudged[last]) < 1)))
    is_inside = ndimage.binary_erosion(converged, iterations=2, border_value=1)[rows, columns]
    apart = np.abs(alone["total"] / -overview.value[rows, columns] - 1)[is_inside]
    moved = np.abs(nudged["total"] / alone["total"] - 1)[is_inside]
    sums = {
        "pixels": len(apart),
        "median": np.median(apart),
        "largest": apart.max(),
        "above 1e-9": np.sum(apart > 1e-9),
    }
    sums["above 1e-9 by a last digit"] = np.sum(moved > 1e-9)
    return [
        fn.Claim(f"{config.num_alone} pixels trained one at a time stay on their sides", 0, {"change": changed, "by a last digit": by_digit}, changed == 0),
        fn.Claim("where all pixels around converge, their sums of losses agree relatively to 1e-9", 0, sums, bool(apart.max() < 1e-9)),
    ]  # fmt: skip


def claim_dimensions(
    config: Config, series: dict[str, list[Picture]], others: list[Picture]
) -> list[fn.Claim]:
    """State what the paper and others found, and whether it is so here."""
    zooms = [f"x {zoom}" for zoom in (1, *config.zooms)]
    network, smooth = (
        dict(zip(zooms, (picture.dimensions()[-1] for picture in pictures), strict=True))
        for pictures in series.values()
    )
    overview, *deep = network.values()
    fractions = [float(each.converged[-1].mean()) for each in (series["network"][0], *others)]
    coarse = [each.dimensions()[-1] for each in others]
    steps = dict(
        zip(
            config.horizons, zip(*(each.dimensions() for each in series["network"]), strict=True), strict=True
        )
    )
    early, late = (
        dict(zip(zooms[1:3], steps[horizon][1:3], strict=True))
        for horizon in (config.horizons[0], config.horizons[-2])
    )
    correct = agreement(config, series["linearised"][0])
    return [
        fn.Claim("in the overview, 0.45 to 0.65 of all pixels converge, for each seed", 0.58, fn.mean_interval(fractions), all(0.45 <= f <= 0.65 for f in fractions)),
        fn.Claim("the overview's boundary has a dimension of 1.05 to 1.35", 1.2, overview, 1.05 <= overview <= 1.35),
        fn.Claim(f"that of other seeds has so, too, with {config.small} pixels along a side", 1.2, coarse, all(1.05 <= d <= 1.35 for d in coarse)),
        fn.Claim("magnified 100 and 1000 times it has 1.4 to 1.8", "1.61 and 1.68; the paper's median over all zooms is 1.66", network, all(1.4 <= d <= 1.8 for d in deep[1:])),
        fn.Claim("that of the linearised network has at most 1.2, however magnified", "1.04 to 1.17", smooth, all(d <= 1.2 for d in smooth.values())),
        fn.Claim("the linearised network's largest eigenvalue tells of 0.999 of its pixels whether they converge", None, correct, correct >= 0.999),
        *(
            fn.Claim(f"{zoom}: less than 1.15 after {config.horizons[0]} steps, or no boundary at all, and more than 1.3 after {config.horizons[-2]}", "1.05 and 1.42, in some window", {"early": early[zoom], "late": late[zoom]}, not early[zoom] >= 1.15 and late[zoom] > 1.3)
            for zoom in early
        ),
    ]  # fmt: skip


def show(axes: Any, picture: Picture, title: str, digits: int = 0) -> None:
    """Draw what converged in blue and what diverged in red, the slower the darker."""
    shade = np.empty(picture.value.shape)
    for kind in (picture.value < 0, picture.value >= 0):  # of each shade there are equally many pixels
        ranks = stats.rankdata(np.abs(picture.value[kind])) / max(np.sum(kind), 1)
        shade[kind] = np.sign(picture.value[kind]) * (0.15 + 0.85 * ranks)
    axes.imshow(shade, "RdBu_r", vmin=-1, vmax=1, origin="lower", extent=picture.extent, aspect="auto")
    for axis, ends in ((axes.xaxis, picture.extent[:2]), (axes.yaxis, picture.extent[2:])):
        ticks = np.linspace(*ends, 4)
        axis.set_ticks(ticks, [f"{tick:.{digits}f}" for tick in ticks])
    axes.set(title=title, xlim=picture.extent[:2], ylim=picture.extent[2:])
    axes.set(xlabel="log10 of the input layer's rate", ylabel="log10 of the output layer's rate")


def draw(config: Config, series: dict[str, list[Picture]], offsets: dict[str, Picture]) -> Figure:
    """Draw the zooms, and below, the control, the dimensions and both offsets."""
    figure, zooms = Figure(figsize=(16, 8.6), layout="constrained"), (1, *config.zooms)
    above, below = figure.subfigures(2, 1, squeeze=False)[:, 0]
    network = series["network"]
    panels = above.subplots(1, len(network))
    for axes, picture, zoom in zip(panels, network, zooms, strict=True):
        digits = round(np.log10(zoom)) + (zoom > 1)
        show(axes, picture, f"x {zoom}: dimension {picture.dimensions()[-1]:.2f}", digits)
    for axes, picture in zip(panels, network[1:], strict=False):
        left, right, bottom, top = picture.extent
        axes.plot([left, right, right, left, left], [bottom, bottom, top, top, bottom], "k", linewidth=1)
    control, by_zoom, by_steps, *others = below.subplots(1, 3 + len(offsets))
    show(control, series["linearised"][0], "linearised network")
    ratios, means = quadratic_boundary(config)
    control.plot(means + ratios / 2, means - ratios / 2, "k", linewidth=1, label="largest eigenvalue 2")
    control.legend(loc="upper right")
    for name, pictures in series.items():
        by_zoom.semilogx(zooms, [picture.dimensions()[-1] for picture in pictures], "o-", label=name)
    by_zoom.axhline(1.66, color="0.5", linestyle="--", label="paper, median of zooms")
    by_zoom.set(xlabel="magnification", ylabel="box-counting dimension", title="after all steps")
    for zoom, picture in zip(zooms, network, strict=True):
        by_steps.semilogx(config.horizons, picture.dimensions(), "o-", label=f"x {zoom}")
    by_steps.set(xlabel="steps", title="network, stopped earlier")
    for axes in (by_zoom, by_steps):
        axes.set(ylim=(0.9, 2))
        axes.legend(loc="upper left")
    for axes, (name, picture) in zip(others, offsets.items(), strict=True):
        show(axes, picture, f"offset added {name}")
        axes.set(xlabel="log10 of the offset", ylabel="log10 of both layers' rate")
    return figure


def main(config: Config) -> None:
    if config.smoke:
        config = replace(
            config, resolution=32, middle=32, small=32, zooms=(10, 100), num_seeds=2, num_alone=8
        )
        config = replace(config, horizons=(5, 10, 20), store=None)
    jax.config.update("jax_enable_x64", True)
    extent = *RATES, *RATES
    overview = take_rates(config, "overview", extent, config.resolution)
    linearised = take_rates(config, "linearised", extent, config.small, linear=True)
    series = {
        "network": zoom_in(config, "zoom", overview, config.middle),
        "linearised": zoom_in(config, "linearised", linearised, config.small, linear=True),
    }
    others = [take_rates(config, f"seed-{s}", extent, config.small, s) for s in range(1, config.num_seeds)]
    offsets = {name: take_offsets(config, name, name != "once") for name in ("once", "at every step")}
    claims = claim_alone(config, overview) + claim_dimensions(config, series, others)
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        figure = draw(config, series, offsets)
        pictures = series | {f"offset {name}": [picture] for name, picture in offsets.items()}
        dimensions = {name: [picture.dimensions() for picture in each] for name, each in pictures.items()}
        path = fn.write_report(__file__, __doc__, config, claims, figure, {"dimensions by steps": dimensions})
        print(f"wrote {path} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
