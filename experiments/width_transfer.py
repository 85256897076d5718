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
a factor, a sum over the w neurons in the standard parameterization, and under muP their mean. The last claim is not of
transfer: whether muP is also the better one, each at its own best rate. In the demo it is.

Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/width_transfer.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import fnnet as fn
from claiming import Claim
from drawing import REFERENCE, draw_interval, intervals, label_ticks, panels, shades
from reporting import Findings, main

Sizes = dict[str, np.ndarray]
WAYS = ("muP", "standard")
LAYERS = ("hidden layer 1", "hidden layer 2", "logits")
INITIALIZERS = ["lecun_normal", "lecun_normal", "zeros"]
OUTPUT_MULTIPLIER = 4.0
TOO_LARGE = 2.2  # a rate is, whose loss is not below this
PUBLISHED_LOSSES = {  # at the rate 2^-5.05, for 1, 2, 4, 8, 16 and 32 times the base width
    "muP": (0.756, 0.084, 0.007, 0.006, 0.003, 0.003),
    "standard": (0.756, 0.233, 0.093, 0.104, 0.743, 2.293),
}


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    widths: of both hidden layers; the first is the base width.
    log2_rates: learning rates as powers of 2, evenly spaced.
    store: the folder that keeps what is trained, so that an interrupted run goes on.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    log2_rates: tuple[float, ...] = tuple(half / 2 for half in range(-9, 2))
    num_seeds: int = 3
    num_check_seeds: int = 5
    num_steps: int = 800
    store: Path = Path("results/width_transfer")


def sweep(data: fn.Dataset, config: Config, rates: Any, num_seeds: int, **options: Any) -> fn.Results:
    """Train all widths both ways; runs measure the mean magnitude of each layer's values."""
    mup = fn.mup(config.widths[0], output_multiplier=OUTPUT_MULTIPLIER)

    def standard(shape: fn.parameterizations.LayerShape) -> fn.parameterizations.Scales:
        return fn.parameterizations.Scales(forward=OUTPUT_MULTIPLIER if shape.is_last else 1.0)

    def recipe(parameterization: str, width: int) -> fn.Task:
        way = mup if parameterization == "muP" else standard
        sizes = 40, [width, width], 10
        network = fn.mlp(*sizes, use_bias=False, initializer=INITIALIZERS, parameterization=way)

        def measure(hparams: fn.Hparams, state: Any, data: fn.Dataset) -> dict[str, jax.Array]:
            assert network.intermediates is not None
            layers = jax.vmap(network.intermediates, (None, 0))(state.params, data.test.inputs)
            return {name: jnp.mean(jnp.abs(layer.h)) for name, layer in zip(LAYERS, layers, strict=True)}

        task = fn.supervised(
            network, "cross_entropy", optimizer=lambda hp: fn.sgd(2.0 ** hp["log2_rate"]), batch_size=64
        )
        return task._replace(measure=measure)

    space = fn.grid(parameterization=WAYS, width=config.widths, log2_rate=rates, seed=range(num_seeds))
    return fn.sweep(recipe, space, data, **options)


def find_edges(losses: np.ndarray, config: Config) -> np.ndarray:
    """Find the largest log2 rate that is not too large `[ways, widths, seeds]`; NaN is below nothing."""
    return np.where(losses < TOO_LARGE, np.reshape(config.log2_rates, (-1, 1)), -np.inf).max(axis=2)


def find_best(losses: np.ndarray) -> np.ndarray:
    """Find the places of the rates with the lowest mean losses `[ways, widths]`."""
    return np.argmin(np.nan_to_num(losses.mean(axis=-1), nan=np.inf), axis=-1)


def make_claims(losses: np.ndarray, sizes: Sizes, place: int, config: Config) -> list[Claim]:
    """State what was to be shown, and whether it was; `place` is that of the rate above the base width's best."""
    rates, best, edges = config.log2_rates, find_best(losses)[:, -1], find_edges(losses, config)
    step, at = rates[1] - rates[0], f"at the rate 2^{rates[place]:g}"

    def power(values: np.ndarray) -> fn.MeanInterval:
        """Fit a power of the width to values `[widths, seeds]`, for each seed."""
        return fn.mean_interval(np.polyfit(np.log2(config.widths), np.log2(values), 1)[0])

    def by_width(values: np.ndarray) -> dict[str, fn.MeanInterval]:
        return {f"w = {w}": fn.mean_interval(seeds) for w, seeds in zip(config.widths, values, strict=True)}

    apart = np.ptp(np.nan_to_num(losses[:, 0], nan=1e9), axis=0).max().item()  # 0 where both diverged
    flat = {name: power(values[0, ..., 2]) for name, values in sizes.items()}
    first, third = power(sizes["logits"][1, ..., 0]), power(sizes["logits"][1, ..., 2])
    moved, fallen = np.ptp(edges[0].mean(axis=-1)).item(), fn.mean_interval(edges[1, 0] - edges[1, -1])
    mup, standard = losses[:, :, place]
    falls = np.all(np.diff(losses[:, :, place].mean(axis=-1)) < 0, axis=-1).tolist()
    lowest = {way: fn.mean_interval(losses[row, -1, best[row]]) for row, way in enumerate(WAYS)}
    return [
        Claim("at the base width both are the same: at every rate losses differ by at most 1e-6", "the same digits", apart, apart <= 1e-6),
        Claim(f"muP, 3 steps {at}: layers' values grow with a power of the width in [-0.1, 0.1]", "0 in theory", flat, all(abs(power.mean) <= 0.1 for power in flat.values())),
        Claim(f"standard, 1 step {at}: logits grow with a power of the width in [0.9, 1.1]", "1 in theory", first, abs(first.mean - 1) <= 0.1),
        Claim(f"standard, 3 steps {at}: logits grow with a power of the width above 0.3", None, third, third.mean > 0.3),
        Claim(f"muP: the largest log2 rate that trains differs by at most {step:g} between widths", "1.26 over 32 times the width", moved, moved <= step),
        Claim(f"standard: the largest log2 rate that trains falls by at least {2 * step:g}", "2.52 over 32 times the width", fallen, fallen.mean >= 2 * step),
        Claim(f"muP, {at}: the wider, the lower the loss", PUBLISHED_LOSSES["muP"], by_width(mup), falls[0]),
        Claim(f"standard, {at}: the loss does not fall with width throughout", PUBLISHED_LOSSES["standard"], by_width(standard), not falls[1]),
        Claim("at the largest width, each at its own best rate, muP has the lower loss", {"muP": 0.0010, "standard": 0.0057}, lowest, lowest["muP"].mean < lowest["standard"].mean),
    ]  # fmt: skip


def draw(measured: dict[str, Any]) -> Figure:
    """Draw losses against rates, and how large logits become in networks of all widths."""
    rates, widths, place = measured["log2_rates"], measured["widths"], measured["place"]
    figure, (*of_rates, of_logits) = panels(
        "muP: one learning rate suits all widths; in the standard parameterization it falls",
        "muP: the best rate stays",
        "Standard: it falls",
        f"Logits at the rate $2^{{{rates[place]:g}}}$",
        height=3.1,
    )
    for row, (way, color, axes) in enumerate(zip(WAYS, ("C0", "C1"), of_rates, strict=True)):
        losses = measured[way]["mean_losses"]
        for width, means, shade in zip(widths, losses, shades(len(widths)), strict=True):
            lowest = np.nanargmin(means)
            axes.plot(rates, means, ".-", color=shade, markersize=3, label=f"{width}" if row == 0 else None)
            axes.plot(
                rates[lowest],
                means[lowest],
                "o",
                markersize=6,
                color=shade,
                markeredgecolor="black",
                zorder=3,
            )
        axes.axhline(TOO_LARGE, **REFERENCE)
        axes.annotate(
            "a rate is too large", (rates[0], TOO_LARGE), (0, 2), textcoords="offset points", color="0.3"
        )
        axes.axvline(rates[place], **REFERENCE | {"linestyle": ":"})
        axes.set(
            xlabel="log2 of the learning rate", ylabel="training loss (nats)", yscale="log", ylim=(0.015, 5)
        )
        for steps, line in ((1, "d--"), (3, "o-")):
            found = measured["logits"][row, ..., steps - 1]
            style = {"marker": line[0], "linestyle": line[1:], "markersize": 3}
            draw_interval(of_logits, widths, intervals(found), color, f"{way}, step {steps}", **style)
        theory = (
            measured["logits"][row, 0, :, 0].mean() * (widths / widths[0]) ** row
        )  # constant, or as the width
        of_logits.plot(widths, theory, ":", color="0.2", label="theory, step 1" if row else None)
    of_logits.set(xlabel="width w", ylabel="mean |logit|")
    of_logits.set(xscale="log", yscale="log", ylim=(0.2, 300))
    label_ticks(of_logits.xaxis, widths)
    of_logits.legend(loc="upper left")
    handles, labels = of_rates[0].get_legend_handles_labels()
    title = "width w (large: its best rate; dotted: the rate of the third panel)"
    figure.legend(handles, labels, loc="outside lower center", ncols=5, title=title)
    return figure


def measure(config: Config) -> Findings:
    data, steps, rates = fn.load_dataset("mnist1d"), config.num_steps, np.array(config.log2_rates)
    options = {"num_steps": steps, "eval_every": steps // 4, "store": config.store, "show_progress": True}
    results = sweep(data, config, config.log2_rates, config.num_seeds, **options)
    # Of the last quarter of training: [ways, widths, rates, seeds].
    losses = results.curves("batch_loss").isel(step=-1).values
    print(f"{results['diverged'].sum()} of {len(results.space)} runs diverged")
    best, edges = find_best(losses), find_edges(losses, config).mean(axis=-1)
    place = min(int(best[0, 0]) + 1, len(rates) - 1)
    check = sweep(data, config, config.log2_rates[place], config.num_check_seeds, num_steps=3, eval_every=1)
    # [ways, widths, seeds, steps]
    sizes = {name: check.curves(name).squeeze("log2_rate").values for name in LAYERS}
    claims = make_claims(losses, sizes, place, config)
    names = ("best_log2_rates", "largest_log2_rates", "mean_losses")
    found = zip(WAYS, rates[best], edges, losses.mean(axis=-1), strict=True)
    measured: dict[str, Any] = {way: dict(zip(names, values, strict=True)) for way, *values in found}
    measured |= {"log2_rates": rates, "widths": config.widths, "place": place, "logits": sizes["logits"]}
    return claims, measured


if __name__ == "__main__":
    main(
        measure,
        draw,
        smoke=Config(widths=(16, 32), log2_rates=(-2.0, -1.0), num_seeds=1, num_check_seeds=2, num_steps=40),
    )
