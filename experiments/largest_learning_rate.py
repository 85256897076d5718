"""The largest learning rate of networks follows the initial sharpness, and not depth itself.

The networks are those of Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks
typically occurs at the edge of stability": 1 to 4 hidden layers of 200 with tanh, PyTorch's initialization,
full batches, half the squared error summed over outputs. This is a port to 250 images of Fashion-MNIST
instead of 5,000 of CIFAR-10, each pixel standardized, and to 200 steps. That the largest learning rate falls
with depth was recalled from memory, and not read in the paper. To tell depth from the initial sharpness,
Glorot's initialization is tried, too; and the rates are given in units of 2 over the initial sharpness, where
Lewkowycz, Bahri, Dyer, Sohl-Dickstein & Gur-Ari (2020), "The large learning rate phase of deep learning", saw
networks train up to 2, and with relu up to 6.

The sharpness is the largest eigenvalue of the Hessian, by Lanczos' method. Means are over seeds, with the
95 % interval of Student's t; where all seeds have the same learning rate of the grid, it has no width.
`critical_learning_rate.py` has a loss for which 2 / sharpness is the exact bound.

Run `python experiments/largest_learning_rate.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fnnet as fn
from claiming import Claim
from reporting import Findings, main

BOUNDS = (1, 6)  # of the largest learning rate, in units of 2 / initial sharpness


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    rates: the lowest and the highest learning rate and how many, log-spaced.
    store: where the sweep is kept, so that it goes on when interrupted.
    """

    dataset: str = "fashion_mnist"
    num_images: int = 250
    depths: tuple[int, ...] = (1, 2, 3, 4)
    initializers: tuple[str, ...] = ("pytorch", "glorot_normal")
    rates: tuple[float, float, int] = (0.02, 1.0, 18)
    num_seeds: int = 3
    num_steps: int = 200
    store: Path = Path("results/largest_learning_rate")


SMOKE = Config(dataset="digits", num_images=100, depths=(1,), rates=(0.1, 1.0, 2), num_seeds=1, num_steps=20)


def fit(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest rate below all that diverge, and the sharpness: `[initializer, depth, seed]`."""
    data = fn.load_dataset(config.dataset, num_train=config.num_images, standardize=True)

    def network(initializer: str, depth: int) -> fn.Network:
        return fn.mlp(data.num_features, [200] * depth, data.num_outputs, "tanh", initializer=initializer)

    def recipe(initializer: str, depth: int) -> fn.Task:
        return fn.supervised(network(initializer, depth), "quadratic", optimizer="sgd", batch_size=None)

    rates, seeds = fn.logspace(*config.rates), range(config.num_seeds)
    space = fn.grid(initializer=config.initializers, depth=config.depths, learning_rate=rates, seed=seeds)
    options: dict[str, Any] = {"store": config.store, "show_progress": True}
    results = fn.sweep(recipe, space, data, num_steps=config.num_steps, **options)
    shape = len(config.initializers), len(config.depths), len(rates), len(seeds)
    diverged = results["diverged"].reshape(shape)
    num_stable = np.where(diverged.any(axis=2), diverged.argmax(axis=2), len(rates))
    measure_sharpness = fn.studies.edge_of_stability.initial_sharpness
    sharpness = [
        [measure_sharpness(network(name, depth), "quadratic", data.train, seeds) for depth in config.depths]
        for name in config.initializers
    ]
    return np.array([0.0, *rates])[num_stable], np.array(sharpness)


def by_depth(values: np.ndarray, config: Config) -> dict[str, Any]:
    return {f"depth {depth}": fn.mean_interval(row) for depth, row in zip(config.depths, values, strict=True)}


def make_claims(largest: np.ndarray, sharpness: np.ndarray, config: Config) -> list[Claim]:
    claims, (low, high) = [], BOUNDS
    for name, rates in zip(config.initializers, largest, strict=True):
        falls = bool((np.diff(rates.mean(axis=-1)) < 0).all())
        published = "falls (from memory, direction only)" if name == config.initializers[0] else None
        claim = f"{name}: the largest learning rate falls with depth"
        claims.append(Claim(claim, published, by_depth(rates, config), falls))
    for name, units in zip(config.initializers, largest * sharpness / 2, strict=True):
        holds = bool(((units >= low) & (units <= high)).all())
        claim = f"{name}: in units of 2 / initial sharpness, the largest learning rate is {low} to {high}"
        claims.append(Claim(claim, "up to 2, with relu 6", by_depth(units, config), holds))
    return claims


def measure(config: Config) -> Findings:
    largest, sharpness = fit(config)
    claims = make_claims(largest, sharpness, config)
    measured = {name: getattr(config, name) for name in ("dataset", "num_images", "initializers", "depths")}
    measured |= {"largest_learning_rate": largest, "initial_sharpness": sharpness}
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
