"""The best learning rate of deep linear networks is inverse to depth, and orthogonal weights learn fastest.

Saxe, McClelland & Ganguli (2013), "Exact solutions to the nonlinear dynamics of learning in deep linear
neural networks". For each number of matrices D and each initialization this finds which of 20 rates is the
first to lower the loss to 5 % of that of the map 0; the smallest of them if there are several. It is a port:
the paper learns MNIST with 1000 hidden units and up to 99 matrices; here it is a map of rank 8 in 32
dimensions, with up to 64, in float64.

Decoupled networks learn each mode of the map by itself, as equation 15 says. A seed draws initial weights; of
decoupled ones there is one draw, as another would change nothing but rounding. A run that never arrives
counts with the maximum number of updates. At the best rates of decoupled networks the loss oscillates,
reaches 5 % for a moment and with up to 16 matrices diverges later, so that their updates do not change
smoothly with depth.

Run `python experiments/deep_linear_rates.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, above, below, between
from reporting import Findings, main

SIZE = 32
STRENGTHS = np.linspace(0.5, 1, 8)  # of the modes of the map
GOAL = 0.05 * np.sum(STRENGTHS**2) / 2  # of the loss, 5 % of that of the map 0
START = 1e-3  # strength of all modes of decoupled networks
Found = dict[str, np.ndarray]
INITIALIZERS = {"orthogonal": "orthogonal", "Gaussian": "lecun_normal"}  # of variance 1/N


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; depths are numbers of matrices."""

    depths: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    num_rates: int = 20
    num_seeds: int = 5
    max_updates: int = 2000
    store: Path = Path("results/deep_linear_rates")


SMOKE = Config(depths=(4, 16), num_rates=4, num_seeds=2, max_updates=30)


def counting(task: fn.Task) -> fn.Task:
    """Extend a task's state by whether its loss has reached the goal, and by the updates until then."""

    def init(key: jax.Array, hparams: fn.Hparams, data: Any) -> tuple[Any, ...]:
        return task.init(key, hparams, data), jnp.zeros((), bool), jnp.zeros((), jnp.int32)

    def step(key: jax.Array, hparams: fn.Hparams, run: Any, batch: Any) -> tuple[Any, fn.types.Metrics]:
        state, has_arrived, updates = run
        state, metrics = task.step(key, hparams, state, batch)
        has_arrived = has_arrived | (metrics["loss"] <= GOAL)  # the loss before the update
        return (state, has_arrived, updates + ~has_arrived), metrics

    return task._replace(
        init=init,
        step=step,
        measure=lambda hparams, run, data: {"updates": run[2]},
        params=lambda run: task.params(run[0]),
    )


def find_fastest(config: Config) -> dict[str, Found]:
    """Return the fewest "updates" of all rates `[depths, seeds]`, and their "rate", NaN if none arrives."""
    left, right = np.linalg.qr(np.random.default_rng(0).normal(size=(2, SIZE, SIZE)))[0]
    inputs = np.sqrt(SIZE) * np.eye(SIZE)  # the mean of x x^T is 1
    examples = inputs, inputs @ (left * np.pad(STRENGTHS, (0, SIZE - len(STRENGTHS))) @ right.T).T

    def recipe(num_matrices: int, kind: str) -> fn.Task:
        if kind == "decoupled":
            network = fn.analysis.deep_linear.decoupled_network(left, right, num_matrices, START, seed=1)
        else:
            widths = [SIZE] * (num_matrices - 1)
            network = fn.mlp(SIZE, widths, SIZE, "identity", use_bias=False, initializer=INITIALIZERS[kind])
        task = fn.supervised(network, "quadratic", optimizer="sgd", batch_size=None)
        return counting(task)

    rates = np.array(fn.logspace(1e-3, 1, config.num_rates))
    drawn = fn.grid(kind=list(INITIALIZERS), seed=range(config.num_seeds))
    starts = fn.grid(kind="decoupled") | drawn  # not drawn, so it has no seed
    results = fn.sweep(
        recipe,
        starts * fn.grid(num_matrices=config.depths, learning_rate=rates.tolist()),
        fn.from_arrays(*examples, test=examples),
        num_steps=config.max_updates,
        store=config.store,
        show_progress=True,
    )
    found = {}
    for kind in ("decoupled", *INITIALIZERS):
        updates = results.where(kind=kind)["updates"].reshape(-1, len(config.depths), len(rates))
        fewest, rate = updates.min(axis=2), rates[updates.argmin(axis=2)]
        arrives = fewest < config.max_updates
        found[kind] = {"updates": fewest.T, "rate": np.where(arrives, rate, np.nan).T}
    return found


def make_claims(found: dict[str, Found], config: Config) -> list[Claim]:
    """State how the best rate, and the updates it needs, depend on depth."""
    depths = np.array(config.depths)
    deep, last, first = depths >= 4, depths[-1], depths[depths >= 8][0]
    gaussian, orthogonal, decoupled = (
        dict(zip(config.depths, found[kind]["updates"], strict=True))
        for kind in ("Gaussian", "orthogonal", "decoupled")
    )
    slopes = {
        kind: np.polyfit(np.log(depths[deep]), np.log(fastest["rate"][deep]), 1)[0]
        for kind, fastest in found.items()
    }
    times = np.array([updates[0] for updates in decoupled.values()])
    factors = (times[1:] / times[:-1]).tolist()
    named = {f"D = {depth}": factor for depth, factor in zip(depths[1:], factors, strict=True)}
    slower = "decoupled: each doubling of D multiplies the updates by less"
    power = "for D >= 4, the exponent of the best rate as a power of D"
    saturates = f"orthogonal: the ratio of updates for D = {last} to those for D = {first}"
    grows = "Gaussian: the ratio of updates for D = 16 to those for D = 4"
    wins = "for D = 16, the ratio of updates of Gaussian weights to those of orthogonal ones"
    mean = fn.mean_interval
    return [
        between(f"orthogonal: {power}", -1.3, -0.7, mean(slopes["orthogonal"]), -1),
        between(f"decoupled: {power}", -1.3, -0.7, slopes["decoupled"].item(), -1),
        below(saturates, 3, mean(orthogonal[last] / orthogonal[first]), "no growth with depth"),
        Claim(slower, "time saturates", named, factors == sorted(factors, reverse=True)),
        above(grows, 8, mean(gaussian[16] / gaussian[4]), "grows with depth"),
        above(wins, 5, mean(gaussian[16] / orthogonal[16]), "orthogonal is faster"),
    ]


def arrival_time(num_matrices: int) -> float:
    """Predict by equation 15 when a decoupled network arrives, in updates times rate."""
    times = np.linspace(0, 100, 20_001)
    modes = fn.analysis.deep_linear.trajectories(STRENGTHS, num_matrices, START, times)
    losses = np.sum((STRENGTHS[:, None] - modes) ** 2, axis=0) / 2
    return float(times[np.argmax(losses <= GOAL)])


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    found = find_fastest(config)
    arrivals = np.array([arrival_time(depth) for depth in config.depths])
    return make_claims(found, config), {
        "depths": config.depths,
        "num_rates": config.num_rates,
        "max_updates": config.max_updates,
        "theory_updates": arrivals / found["decoupled"]["rate"][:, 0],
        "found": found,
    }


if __name__ == "__main__":
    main(measure, SMOKE)
