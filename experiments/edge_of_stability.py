"""Gradient descent trains at the edge of stability: sharpness rises to 2 / learning rate and stays there.

Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks typically occurs at the edge
of stability". This is their toy, as published: a network 1-100-1 with tanh and their initialization on 20
points of a Chebyshev polynomial, trained by full-batch gradient descent on half the squared error. The
sharpness is the largest eigenvalue of its Hessian, by Lanczos' method.

Late sharpness is the mean of the last 10 measurements of a run. The bounds 0.65, 0.95 and 1.10 were chosen
from one seed of another implementation. Means are over seeds, with the 95 % interval of Student's t. Images
are in `edge_of_stability_images.py`; which learning rates diverge is in `critical_learning_rate.py` and
`largest_learning_rate.py`.

Run `python experiments/edge_of_stability.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.polynomial import Chebyshev

import fnnet as fn
from claiming import Claim, below, between, in_every_run
from reporting import Findings, main

LOW, HIGH = 0.95, 1.10  # of late sharpness, in units of 2 / learning rate
FALL, RISES = 2, 100  # of the loss, and steps that raise it


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    degrees: of the polynomials.
    eval_every: steps between two measurements.
    store: where the sweeps are kept, so that they go on when interrupted.
    """

    degrees: tuple[int, ...] = (3, 4, 5)
    rates: tuple[float, ...] = (0.1, 0.2, 0.4)
    num_seeds: int = 5
    num_steps: int = 20_000
    eval_every: int = 100
    store: Path = Path("results/edge_of_stability")


SMOKE = Config(degrees=(3,), num_seeds=1, num_steps=400)


def make_network() -> fn.Network:
    """Build the published network: a gain of 1.9 before tanh, and no bias of the output."""
    before_tanh = fn.initializers.variance_scaling(1.9**2, "fan_avg")
    network = fn.mlp(1, [100], 1, "tanh", initializer=[before_tanh, "glorot_normal"])

    def init(key: jax.Array) -> Any:
        hidden, output = network.init(key)
        return [hidden, {"w": output["w"]}]  # apply adds the biases that there are

    return network._replace(init=init)


def fit(degree: int, config: Config) -> fn.Results:
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    y = Chebyshev.basis(degree)(x)
    return fn.sweep(
        partial(fn.studies.edge_of_stability.gradient_descent, make_network()),
        fn.grid(learning_rate=config.rates, seed=range(config.num_seeds)),
        fn.from_arrays(x, y, test=(x, y)),
        num_steps=config.num_steps,
        eval_every=config.eval_every,
        store=config.store / f"T{degree}",
        show_progress=True,
    )


def late_sharpness(results: fn.Results) -> np.ndarray:
    """Return the mean of the last 10 sharpnesses in units of 2 / learning rate, `[learning rate, seed]`."""
    late = results.curves("sharpness").isel(step=slice(-10, None)).mean("step", skipna=False)
    return (late * late["learning_rate"] / 2).values


def make_claims(found: dict[int, fn.Results], config: Config) -> list[Claim]:
    late = np.stack([late_sharpness(results) for results in found.values()])

    def column(name: str) -> np.ndarray:  # [degree, learning rate, seed], as late is
        return np.stack([results[name] for results in found.values()]).reshape(late.shape)

    fall, rises = column("initial_loss") / column("train_loss"), column("num_rises")
    initial = column("initial_sharpness") * np.array(config.rates)[:, None] / 2
    means = {
        f"T{degree} at {rate}": fn.mean_interval(late[i, j])
        for i, degree in enumerate(config.degrees)
        for j, rate in enumerate(config.rates)
    }
    lowest = {"fall": fall.mean(axis=-1).min(), "steps that raise it": rises.mean(axis=-1).min()}
    does_fall = bool(lowest["fall"] >= FALL and lowest["steps that raise it"] >= RISES)
    singly = {"sharpness": (late >= LOW) & (late <= HIGH), "fall": fall >= FALL, "steps": rises >= RISES}
    every = (
        "sharpness, fall of the loss and steps that raise it are within these bounds in every single run, too"
    )
    falls = (
        f"on average over seeds, the loss falls at least {FALL}-fold while at least {RISES} steps raise it"
    )
    units = "in units of 2 / learning rate,"
    return [
        between(f"on average over seeds and {units} late sharpness", LOW, HIGH, means, "at or just above 1"),
        Claim(falls, "falls, not monotonically", lowest, does_fall),
        in_every_run(every, singly),
        below(f"{units} the initial sharpness of any run", 0.65, initial.max(), "below 1"),
    ]


def measure(config: Config) -> Findings:
    found = {degree: fit(degree, config) for degree in config.degrees}
    claims = make_claims(found, config)
    shown = config.degrees[len(config.degrees) // 2]
    curves = {
        name: found[shown].where(seed=0).curves(name).squeeze("seed") for name in ("sharpness", "train_loss")
    }
    measured = {
        "degrees": config.degrees,
        "rates": config.rates,
        "late_sharpness": np.stack([late_sharpness(results) for results in found.values()]),
        "shown": shown,
        "steps": curves["sharpness"]["step"].values,
        "sharpness": curves["sharpness"].values,
        "loss": curves["train_loss"].values,
    }
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
