"""Learning rates that suit a narrow network suit wide ones too under muP, and not under the standard parameterization.

Yang et al. 2022 (arXiv 2203.03466) scale initial weights, outputs and learning rates with width, so that every layer
learns equally fast in networks of all widths. Their package's demo trains networks 3072-w-w-10 (relu, no biases, zero
readout, output multiplier 32, cross-entropy, SGD, batches of 64, 20 epochs) on CIFAR-10, with w from 256 to 8192; what
is published here are the last training losses of that notebook, one run each.

This is a port to MNIST-1D, so that shapes have to agree and numbers have not: networks 40-w-w-10 with w from 64 to
1024, output multiplier 4 and none at the input, 800 steps, and the mean loss of the last 200. A rate is too large where
that is not below 2.2, near the log 10 of guessing; in the demo, where it is not below 1. Losses rise slowly to 2.2 here,
so that seeds differ in what is too large. The coordinate check (the paper's appendix D.1) measures each layer's values
after three steps; the demo's is of tanh at the rate 0.1, this one of the same networks at the rate of the claims about
losses, one grid step above the best of the base width. As the readout begins at zero, logits after one step are, up to
a factor, a sum over the w neurons in the standard parameterization, and under muP their mean.

The last claim is not of transfer: whether muP is also the better one, each at its own best rate. In the demo it is.
Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/width_transfer.py`, or with `--smoke` for a few seconds' version.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn

WAYS = ("muP", "standard")
LAYERS = ("hidden layer 1", "hidden layer 2", "logits")
PUBLISHED_TIMES = (1, 2, 4, 8, 16, 32)  # the base width
PUBLISHED_EDGES = {  # the largest log2 rate whose loss is below 1
    "muP": (-3.37, -2.95, -2.53, -2.53, -2.11, -2.11),
    "standard": (-3.37, -3.79, -4.21, -4.63, -5.05, -5.89),
}
PUBLISHED_LOSSES = {  # at the rate 2^-5.05
    "muP": (0.756, 0.084, 0.007, 0.006, 0.003, 0.003),
    "standard": (0.756, 0.233, 0.093, 0.104, 0.743, 2.293),
}


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    widths: of both hidden layers; the first is the base width.
    log2_rates: learning rates as powers of 2, evenly spaced.
    too_large: a rate is, whose loss is not below this.
    store: the folder that keeps what is trained, so that an interrupted run goes on.
    smoke: few networks of few steps; writes nothing.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    log2_rates: tuple[float, ...] = tuple(half / 2 for half in range(-9, 2))
    num_seeds: int = 3
    num_check_seeds: int = 5
    num_steps: int = 800
    output_multiplier: float = 4
    too_large: float = 2.2
    store: Path | None = Path("results/width_transfer")
    smoke: bool = False


def make_recipe(config: Config) -> Callable[..., fn.Task]:
    """Make the recipe, whose runs measure the mean magnitude of each layer's values."""

    def standard(shape: fn.parameterizations.LayerShape) -> fn.parameterizations.Scales:
        return fn.parameterizations.Scales(forward=config.output_multiplier if shape.is_last else 1.0)

    mup = fn.mup(config.widths[0], output_multiplier=config.output_multiplier)

    def recipe(parameterization: str, width: int) -> fn.Task:
        network = fn.mlp(
            40,
            [width, width],
            10,
            use_bias=False,
            initializer=["lecun_normal", "lecun_normal", "zeros"],
            parameterization=mup if parameterization == "muP" else standard,
        )

        def measure(hparams: fn.Hparams, state: fn.TrainState, data: fn.Dataset) -> dict[str, jax.Array]:
            assert network.intermediates is not None
            layers = jax.vmap(network.intermediates, (None, 0))(state.params, data.test.inputs)
            return {name: jnp.mean(jnp.abs(layer.h)) for name, layer in zip(LAYERS, layers, strict=True)}

        def optimizer(hparams: fn.Hparams) -> fn.Optimizer:
            return fn.sgd(2.0 ** hparams["log2_rate"])

        task = fn.supervised(network, "cross_entropy", optimizer=optimizer, batch_size=64)
        return task._replace(measure=measure)

    return recipe


def train(data: fn.Dataset, config: Config) -> np.ndarray:
    """Train all networks; returns the mean losses of the last quarter of steps `[ways, widths, rates, seeds]`."""
    seeds = range(config.num_seeds)
    space = fn.grid(parameterization=WAYS, width=config.widths, log2_rate=config.log2_rates, seed=seeds)
    results = fn.sweep(
        make_recipe(config),
        space,
        data,
        num_steps=config.num_steps,
        eval_every=config.num_steps // 4,
        store=config.store,
        show_progress=True,
    )
    print(f"{results.columns['diverged'].sum()} of {len(space)} runs diverged")
    return results.curves("batch_loss").values[..., -1]


def check_coordinates(log2_rate: float, data: fn.Dataset, config: Config) -> dict[str, np.ndarray]:
    """Train for three steps; returns the mean magnitudes of values `[ways, widths, seeds, steps]` by layer."""
    seeds = range(config.num_check_seeds)
    space = fn.grid(parameterization=WAYS, width=config.widths, log2_rate=log2_rate, seed=seeds)
    results = fn.sweep(make_recipe(config), space, data, num_steps=3, eval_every=1)
    return {name: results.curves(name).values[:, :, 0] for name in LAYERS}


def find_edges(losses: np.ndarray, config: Config) -> np.ndarray:
    """Find the largest log2 rate that is not too large `[ways, widths, seeds]`; NaN is below nothing."""
    return np.max(
        np.where(losses < config.too_large, np.reshape(config.log2_rates, (-1, 1)), -np.inf), axis=2
    )


def find_best(losses: np.ndarray) -> np.ndarray:
    """Find the places of the rates with the lowest mean losses `[ways, widths]`."""
    return np.argmin(np.nan_to_num(losses.mean(axis=-1), nan=np.inf), axis=-1)


def fit_power(widths: tuple[int, ...], values: np.ndarray) -> Any:
    """Fit a power of the width to values `[widths, seeds]`, for each seed; returns its mean."""
    return fn.mean_interval(np.polyfit(np.log2(widths), np.log2(values), 1)[0])


def make_claims(
    losses: np.ndarray, magnitudes: dict[str, np.ndarray], place: int, config: Config
) -> list[fn.Claim]:
    """State what was to be shown, and whether it was; `place` is that of the rate above the base width's best."""
    widths, rates = config.widths, config.log2_rates
    step, at = rates[1] - rates[0], f"at the rate 2^{rates[place]:g}"
    both_diverged = ~np.isfinite(losses[:, 0]).any(axis=0)
    apart = np.max(np.where(both_diverged, 0, np.abs(losses[0, 0] - losses[1, 0]))).item()
    flat = {name: fit_power(widths, values[0, ..., -1]) for name, values in magnitudes.items()}
    first, third = (fit_power(widths, magnitudes["logits"][1, ..., steps - 1]) for steps in (1, 3))
    edges = find_edges(losses, config)
    moved, fallen = np.ptp(edges[0].mean(axis=-1)).item(), fn.mean_interval(edges[1, 0] - edges[1, -1])
    mup, standard = (
        {f"w = {width}": fn.mean_interval(seeds) for width, seeds in zip(widths, of_way, strict=True)}
        for of_way in losses[:, :, place]
    )
    falls = np.all(np.diff(losses[:, :, place].mean(axis=-1)) < 0, axis=-1).tolist()
    best = {
        way: fn.mean_interval(losses[index, -1, find_best(losses)[index, -1]])
        for index, way in enumerate(WAYS)
    }
    return [
        fn.Claim("at the base width both are the same: at every rate losses differ by at most 1e-6", "the same digits", apart, apart <= 1e-6),
        fn.Claim(f"muP, 3 steps {at}: layers' values grow with a power of the width in [-0.1, 0.1]", "0 in theory", flat, all(abs(power.mean) <= 0.1 for power in flat.values())),
        fn.Claim(f"standard, 1 step {at}: logits grow with a power of the width in [0.9, 1.1]", "1 in theory", first, abs(first.mean - 1) <= 0.1),
        fn.Claim(f"standard, 3 steps {at}: logits grow with a power of the width above 0.3", None, third, third.mean > 0.3),
        fn.Claim(f"muP: the largest log2 rate that trains differs by at most {step:g} between widths", "1.26 over 32 times the width", moved, moved <= step),
        fn.Claim(f"standard: the largest log2 rate that trains falls by at least {2 * step:g}", "2.52 over 32 times the width", fallen, fallen.mean >= 2 * step),
        fn.Claim(f"muP, {at}: the wider, the lower the loss", PUBLISHED_LOSSES["muP"], mup, falls[0]),
        fn.Claim(f"standard, {at}: not so", PUBLISHED_LOSSES["standard"], standard, not falls[1]),
        fn.Claim("at the largest width, each at its own best rate, muP has the lower loss", {"muP": 0.0010, "standard": 0.0057}, best, best["muP"].mean < best["standard"].mean),
    ]  # fmt: skip


def plot(axes: Any, x: Any, values: np.ndarray, color: str, line: str = "o-", label: str = "") -> None:
    """Draw means over seeds of values `[x, seeds]` with their intervals."""
    means = [fn.mean_interval(seeds) for seeds in values]
    axes.plot(x, [mean.mean for mean in means], line, color=color, label=label)
    axes.fill_between(x, [m.low for m in means], [m.high for m in means], alpha=0.15, color=color)


def draw_losses(axes: Any, losses: np.ndarray, place: int, color: str, config: Config) -> None:
    """Draw the losses `[widths, rates, seeds]` of one parameterization against rates."""
    shades = np.linspace(0.8, 0, len(losses))
    for width, means, shade in zip(config.widths, losses.mean(axis=-1), shades, strict=True):
        best = np.nanargmin(means)
        axes.plot(config.log2_rates, means, ".-", color=str(shade), label=f"w = {width}")
        axes.plot(config.log2_rates[best], means[best], "o", color=color, zorder=3)
    axes.axhline(config.too_large, color="black", linewidth=1, linestyle=":")
    axes.axvline(config.log2_rates[place], color="black", linewidth=1, linestyle=":")
    axes.set(xlabel="learning rate (log2)", ylabel="training loss (nats)", yscale="log", ylim=(0.015, 5))


def draw(losses: np.ndarray, magnitudes: dict[str, np.ndarray], place: int, config: Config) -> Figure:
    """Draw losses against rates, what follows from them for each width, and the coordinate check."""
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    (*of_rates, of_edges), (of_losses, *of_steps) = figure.subplots(2, 3)
    edges, times, logits = (
        find_edges(losses, config),
        np.array(config.widths) / config.widths[0],
        magnitudes["logits"],
    )
    for index, (way, color) in enumerate(zip(WAYS, ("C0", "C3"), strict=True)):
        draw_losses(of_rates[index], losses[index], place, color, config)
        of_rates[index].set_title(f"{way}, each width's best rate marked")
        published = np.array(PUBLISHED_EDGES[way]) - PUBLISHED_EDGES[way][0]
        plot(of_edges, times, edges[index] - edges[index, 0].mean(), color, label=way)
        of_edges.plot(PUBLISHED_TIMES, published, "x:", color=color, label=f"{way}, published")
        plot(of_losses, times, losses[index, :, place], color, label=way)
        of_losses.plot(PUBLISHED_TIMES, PUBLISHED_LOSSES[way], "x:", color=color, label=f"{way}, published")
        for name, line, shade in zip(LAYERS, ("o-", "s-", "D-"), ("0.7", "0.4", color), strict=True):
            plot(of_steps[index], times, magnitudes[name][index, ..., -1], shade, line, name)
        plot(of_steps[index], times, logits[index, ..., 0], color, "d--", "logits after 1 step")
        theory = logits[index, 0, :, 0].mean() * times**index  # constant under muP, else as the width
        of_steps[index].plot(times, theory, "k:", label="the same, in theory")
        of_steps[index].set(title=f"{way}, after 3 steps", ylabel="mean magnitude", yscale="log")
        of_steps[index].set_ylim(0.005, 200)
    for axes in (of_edges, of_losses, *of_steps):
        axes.set(xlabel="width / base width", xscale="log")
        axes.set_xticks(PUBLISHED_TIMES, [str(times) for times in PUBLISHED_TIMES])
        axes.minorticks_off()
        axes.legend(loc="upper left" if axes in of_steps else "lower left", fontsize=8)
    of_rates[0].legend(loc="lower left", fontsize=8)
    of_edges.set(title="largest rate that trains", ylabel="over that of the base width (log2)")
    of_losses.set(title=f"at the rate $2^{{{config.log2_rates[place]:g}}}$ (published: $2^{{-5.05}}$)")
    of_losses.set(ylabel="training loss (nats)", yscale="log", ylim=(2e-4, 5))
    return figure


def main(config: Config) -> None:
    if config.smoke:
        config = replace(config, widths=(16, 32), log2_rates=(-2.0, -1.0), num_seeds=1, num_check_seeds=2)
        config = replace(config, num_steps=40, store=None)
    data = fn.load_dataset("mnist1d")
    losses = train(data, config)
    best = find_best(losses)
    place = min(int(best[0, 0]) + 1, len(config.log2_rates) - 1)
    magnitudes = check_coordinates(config.log2_rates[place], data, config)
    claims = make_claims(losses, magnitudes, place, config)
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        best_rates, edges = np.array(config.log2_rates)[best], find_edges(losses, config)
        measured = {
            way: {"best_log2_rates": best_rates[index], "largest_log2_rates": edges[index].mean(axis=-1), "mean_losses": losses[index].mean(axis=-1)}
            for index, way in enumerate(WAYS)
        }  # fmt: skip
        figure = draw(losses, magnitudes, place, config)
        print(f"wrote {fn.write_report(__file__, __doc__, config, claims, figure, measured)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
