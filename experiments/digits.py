"""Handwritten digits: a forward pass layer by layer, and tanh, sigmoid and relu over learning rate and depth.

The article's network: each layer computes z = x W + b and h = sigma(z), and the last gives a probability for
each digit. One trained network is drawn at work, and its layers are computed again by numpy. Then the
article's three activations are compared at depth 1, 2 and 4 over learning rates, on scikit-learn's digits (8
x 8) and on MNIST.

The claims are common knowledge, put to the test: all three learn to read digits; sigmoid needs larger rates,
as its slope is at most 1/4, and falls behind where layers are many (Glorot & Bengio 2010).

Rates are chosen on a tenth of the training examples that is held out, accuracies are those on the test split.
Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/digits.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnet as fn
from claiming import Claim, at_least, at_most
from reporting import Findings, main

ACTIVATIONS = ("tanh", "sigmoid", "relu")
RATES = (0.01, 10)


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; `store` keeps trained networks, so that an interrupted run goes on."""

    datasets: tuple[str, ...] = ("digits", "mnist")
    depths: tuple[int, ...] = (1, 2, 4)
    width: int = 64
    num_rates: int = 8
    num_seeds: int = 3
    num_steps: int = 1000
    store: Path = Path("results/digits")


SMOKE = Config(datasets=("digits",), depths=(2,), width=8, num_rates=2, num_seeds=2, num_steps=20)


def network_of(data: fn.Dataset, depth: int, activation: str, config: Config) -> fn.Network:
    widths = [config.width] * depth
    return fn.mlp(data.num_features, widths, data.num_outputs, activation, initializer="glorot_normal")


def sweep(data: fn.Dataset, config: Config) -> fn.Results:
    def recipe(activation: str, depth: int) -> fn.Task:
        network = network_of(data, depth, activation, config)
        return fn.supervised(network, "cross_entropy", optimizer="sgd")

    space = fn.grid(
        activation=ACTIVATIONS,
        depth=config.depths,
        learning_rate=fn.logspace(*RATES, config.num_rates),
        seed=range(config.num_seeds),
    )
    options: Any = {"store": config.store / data.name, "save_params": True, "show_progress": True}
    return fn.sweep(recipe, space, data, num_steps=config.num_steps, **options)


def forward(data: fn.Dataset, results: fn.Results, config: Config) -> tuple[list[Any], float]:
    """Pass a test digit through the best deepest tanh network; return its layers, and numpy's distance."""
    deepest = results.where(activation="tanh", depth=config.depths[-1])
    rate = deepest.best("validation_accuracy").config["learning_rate"]
    params = deepest.where(learning_rate=rate, seed=0).params(0)
    network = network_of(data, config.depths[-1], "tanh", config)
    assert network.intermediates is not None
    layers = jax.device_get(network.intermediates(params, data.test.inputs[0]))
    h, largest = data.test.inputs[0].astype(float), 0.0
    for values, layer in zip(layers, fn.unstack(params), strict=True):
        z = h @ layer["w"] + layer["b"]
        h = np.tanh(z)
        largest = max(largest, float(np.max(np.abs(z - values.z))))
    return layers, largest


def best_rate(results: fn.Results, activation: str, depth: int) -> tuple[Any, Any]:
    """Choose the rate by the mean validation accuracy; return it and its test accuracy."""
    some = results.where(activation=activation, depth=depth)
    rate = some.best("validation_accuracy").config["learning_rate"]
    return rate, fn.mean_interval(some.where(learning_rate=rate)["test_accuracy"])


def make_claims(name: str, results: fn.Results, depths: tuple[int, ...]) -> list[Claim]:
    """State what holds of the activations on one data set."""
    best = {(a, depth): best_rate(results, a, depth) for a in ACTIVATIONS for depth in depths}
    shallow, deep = ({a: best[a, depth][1] for a in ACTIVATIONS} for depth in (depths[0], depths[-1]))
    rates = {a: [best[a, depth][0] for depth in depths] for a in ACTIVATIONS}
    is_largest = all(s >= max(t, r) for t, s, r in zip(*rates.values(), strict=True))
    is_behind = deep["sigmoid"].high < min(deep["tanh"].low, deep["relu"].low)
    behind = f"{name}: at depth {depths[-1]} sigmoid's interval lies below tanh's and relu's"
    learns = f"{name}: with one hidden layer and its best rate, the accuracy of each activation"
    return [
        at_least(learns, 0.95 if name == "digits" else 0.93, shallow),
        Claim(f"{name}: sigmoid's best rate is the largest at every depth", None, rates, is_largest),
        Claim(behind, None, deep, is_behind),
    ]


def measure(config: Config) -> Findings:
    datasets = {name: fn.load_dataset(name, validation_fraction=0.1) for name in config.datasets}
    found = {name: sweep(data, config) for name, data in datasets.items()}
    drawn = config.datasets[-1]
    layers, difference = forward(datasets[drawn], found[drawn], config)
    same = "the largest difference of z = x W + b and h = tanh(z) from those computed by numpy in float64"
    claims = [at_most(same, 1e-5, difference, 0)]
    for name, results in found.items():
        claims += make_claims(name, results, config.depths)
    shape = len(ACTIVATIONS), len(config.depths), config.num_rates, config.num_seeds
    return claims, {
        "depths": config.depths,
        "rates": fn.logspace(*RATES, config.num_rates),
        "found": {name: results["test_accuracy"].reshape(shape) for name, results in found.items()},
        "input": datasets[drawn].test.inputs[0],
        "hidden": np.stack([layer.h for layer in layers[:-1]]),
        "outputs": layers[-1].z,
        "probabilities": jax.nn.softmax(layers[-1].z),
    }


if __name__ == "__main__":
    main(measure, SMOKE)
