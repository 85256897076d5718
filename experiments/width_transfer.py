"""Under muP the learning rates of a narrow network suit wide ones too; under the standard rules they do not.

Yang et al. 2022 (arXiv 2203.03466) scale initial weights, outputs and learning rates with width, so that
every layer learns equally fast in networks of all widths. Their package's demo trains networks 3072-w-w-10
(relu, no biases, zero readout, output multiplier 32, cross-entropy, SGD, batches of 64, 20 epochs) on
CIFAR-10, with w from 256 to 8192; what is published here are the last training losses of that notebook, one
run each.

This is a port to MNIST-1D, so shapes have to agree and numbers do not: networks 40-w-w-10 with w from 64 to
1024, output multiplier 4 and none at the input, 800 steps, and the mean loss of the last 200. A rate is too
large if that is not below 2.2, near the log 10 of guessing; in the demo, if it is not below 1. Losses rise
slowly to 2.2 here, so that seeds differ in what is too large. The coordinate check (the paper's appendix D.1)
measures each layer's values after three steps; the demo's is of tanh at the rate 0.1, this one of the same
networks at the rate of the claims about losses, one grid step above the best of the base width. As the
readout begins at zero, logits after one step are, up to a factor, a sum over the w neurons in the standard
parameterization, and under muP their mean. The last claim is not about transfer: it is whether muP is also
the better one, each at its own best rate. In the demo it is.

Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/width_transfer.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, above, at_least, at_most, between
from reporting import Findings, main

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
    """Settings of the experiment; the first width is the base width, and rates are evenly spaced."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    log2_rates: tuple[float, ...] = tuple(half / 2 for half in range(-9, 2))
    num_seeds: int = 3
    num_check_seeds: int = 5
    num_steps: int = 800
    store: Path = Path("results/width_transfer")


SMOKE = Config(widths=(16, 32), log2_rates=(-2.0, -1.0), num_seeds=1, num_check_seeds=2, num_steps=40)


def sweep(data: fn.Dataset, config: Config, rates: Any, num_seeds: int, **options: Any) -> fn.Results:
    """Train all widths both ways; runs measure the mean magnitude of each layer's values."""

    def standard(shape: fn.parameterizations.LayerShape) -> fn.parameterizations.Scales:
        return fn.parameterizations.Scales(forward=OUTPUT_MULTIPLIER if shape.is_last else 1.0)

    ways = {"muP": fn.mup(config.widths[0], output_multiplier=OUTPUT_MULTIPLIER), "standard": standard}

    def recipe(parameterization: str, width: int) -> fn.Task:
        options: Any = {"initializer": INITIALIZERS, "parameterization": ways[parameterization]}
        network = fn.mlp(40, [width, width], 10, use_bias=False, **options)

        def measure(hparams: fn.Hparams, state: Any, data: fn.Dataset) -> dict[str, jax.Array]:
            assert network.intermediates is not None
            layers = jax.vmap(network.intermediates, (None, 0))(state.params, data.test.inputs)
            return {name: jnp.mean(jnp.abs(layer.h)) for name, layer in zip(LAYERS, layers, strict=True)}

        def sgd(hparams: fn.Hparams) -> fn.Optimizer:
            return fn.sgd(2.0 ** hparams["log2_rate"])

        task = fn.supervised(network, "cross_entropy", optimizer=sgd, batch_size=64)
        return task._replace(measure=measure)

    space = fn.grid(parameterization=WAYS, width=config.widths, log2_rate=rates, seed=range(num_seeds))
    return fn.sweep(recipe, space, data, **options)


def find_edges(losses: np.ndarray, config: Config) -> np.ndarray:
    """Find the largest log2 rate that is not too large `[ways, widths, seeds]`; NaN is below nothing."""
    return np.where(losses < TOO_LARGE, np.reshape(config.log2_rates, (-1, 1)), -np.inf).max(axis=2)


def find_best(losses: np.ndarray) -> np.ndarray:
    """Find the places of the rates with the lowest mean losses `[ways, widths]`."""
    return np.argmin(np.nan_to_num(losses.mean(axis=-1), nan=np.inf), axis=-1)


def make_claims(losses: np.ndarray, sizes: dict[str, np.ndarray], place: int, config: Config) -> list[Claim]:
    """State what holds of both ways; `place` is that of the rate above the base width's best."""
    rates, best, edges = config.log2_rates, find_best(losses)[:, -1], find_edges(losses, config)
    step, at = rates[1] - rates[0], f"at the rate 2^{rates[place]:g}"

    def power(values: np.ndarray) -> fn.MeanInterval:
        """Fit a power of the width to values `[widths, seeds]`, for each seed."""
        return fn.mean_interval(np.polyfit(np.log2(config.widths), np.log2(values), 1)[0])

    def by_width(values: np.ndarray) -> dict[str, fn.MeanInterval]:
        return {f"w = {w}": fn.mean_interval(seeds) for w, seeds in zip(config.widths, values, strict=True)}

    apart = np.ptp(np.nan_to_num(losses[:, 0], nan=1e9), axis=0).max().item()  # 0 if both diverged
    flat = {name: power(values[0, ..., 2]) for name, values in sizes.items()}
    first, third = (power(sizes["logits"][1, ..., steps - 1]) for steps in (1, 3))
    moved, fallen = np.ptp(edges[0].mean(axis=-1)).item(), fn.mean_interval(edges[1, 0] - edges[1, -1])
    means = {way: by_width(losses[row, :, place]) for row, way in enumerate(WAYS)}
    falls = np.all(np.diff(losses[:, :, place].mean(axis=-1)) < 0, axis=-1).tolist()
    lowest = {way: fn.mean_interval(losses[row, -1, best[row]]) for row, way in enumerate(WAYS)}
    grow = f"{at}: the exponent with which"
    is_lower = lowest["muP"].mean < lowest["standard"].mean
    best_rates = "at the largest width, each at its own best rate, muP has the lower loss"
    edge = "the largest log2 rate that trains"
    published_range, published_fall = (f"{change} over 32 times the width" for change in (1.26, 2.52))
    steady = f"muP, {at}: the wider, the lower the loss"
    unsteady = f"standard, {at}: the loss does not always fall with width"
    same = "at the base width both ways are the same: the difference of losses"
    return [
        at_most(same, 1e-6, apart, "the same digits"),
        between(f"muP, 3 steps {grow} each layer's values grow with width", -0.1, 0.1, flat, "0 in theory"),
        between(f"standard, 1 step {grow} logits grow with width", 0.9, 1.1, first, "1 in theory"),
        above(f"standard, 3 steps {grow} logits grow with width", 0.3, third),
        at_most(f"muP: the range over widths of {edge}", step, moved, published_range),
        at_least(f"standard: the fall with width of {edge}", 2 * step, fallen, published_fall),
        Claim(steady, PUBLISHED_LOSSES["muP"], means["muP"], falls[0]),
        Claim(unsteady, PUBLISHED_LOSSES["standard"], means["standard"], not falls[1]),
        Claim(best_rates, {"muP": 0.0010, "standard": 0.0057}, lowest, is_lower),
    ]


def measure(config: Config) -> Findings:
    data, steps, rates = fn.load_dataset("mnist1d"), config.num_steps, np.array(config.log2_rates)
    options: Any = {"num_steps": steps, "eval_every": steps // 4, "show_progress": True}
    results = sweep(data, config, config.log2_rates, config.num_seeds, store=config.store, **options)
    # Of the last quarter of training: [ways, widths, rates, seeds].
    losses = results.curves("batch_loss").isel(step=-1).values
    print(f"{results['diverged'].sum()} of {len(results.space)} runs diverged")
    best, edges = find_best(losses), find_edges(losses, config).mean(axis=-1)
    place = min(int(best[0, 0]) + 1, len(rates) - 1)
    check = sweep(data, config, config.log2_rates[place], config.num_check_seeds, num_steps=3, eval_every=1)
    # [ways, widths, seeds, steps]
    sizes = {name: check.curves(name).squeeze("log2_rate").values for name in LAYERS}
    names = ("best_log2_rates", "largest_log2_rates", "mean_losses")
    found = zip(WAYS, rates[best], edges, losses.mean(axis=-1), strict=True)
    measured: dict[str, Any] = {way: dict(zip(names, values, strict=True)) for way, *values in found}
    measured |= {"log2_rates": rates, "widths": config.widths, "place": place, "logits": sizes["logits"]}
    return make_claims(losses, sizes, place, config), measured


if __name__ == "__main__":
    main(measure, SMOKE)
