"""Handwritten digits: a forward pass layer by layer, and tanh, sigmoid and relu over learning rate and depth.

The article's network: each layer computes z = x W + b and h = sigma(z), and the last gives a probability for each
digit. One trained network is drawn at work, and its layers are computed again by numpy. Then the article's three
activations are compared at depth 1, 2 and 4 over learning rates, on scikit-learn's digits (8 x 8) and on MNIST.

The claims are common knowledge, put to the test: all three learn to read digits; sigmoid wants larger rates, as its
slope is at most 1/4, and falls behind where layers are many (Glorot & Bengio 2010).

Rates are chosen on a tenth of the training examples that is held out, accuracies are those on the test split. Means are
over seeds, with the 95 % interval of Student's t.

Run `python experiments/digits.py`, or with `--smoke` for a few seconds' version.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn
from reporting import Claim, table, write_report

ACTIVATIONS = ("tanh", "sigmoid", "relu")


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    store: the folder that keeps trained networks, so that an interrupted run goes on.
    """

    datasets: tuple[str, ...] = ("digits", "mnist")
    depths: tuple[int, ...] = (1, 2, 4)
    width: int = 64
    num_rates: int = 8
    num_seeds: int = 3
    num_steps: int = 1000
    store: Path = Path("results/digits")
    smoke: bool = False


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
        learning_rate=fn.logspace(0.01, 10, config.num_rates),
        seed=range(config.num_seeds),
    )
    store = config.store / data.name
    return fn.sweep(
        recipe, space, data, num_steps=config.num_steps, store=store, save_params=True, show_progress=True
    )


def forward(data: fn.Dataset, results: fn.Results, config: Config) -> tuple[list[Any], float]:
    """Show one test digit to the best deepest tanh network; returns its layers, and how far numpy's are from them."""
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
    """Choose the rate by the mean accuracy on the validation split; returns it and its accuracy on the test split."""
    some = results.where(activation=activation, depth=depth)
    rate = some.best("validation_accuracy").config["learning_rate"]
    return rate, fn.mean_interval(some.where(learning_rate=rate)["test_accuracy"])


def make_claims(found: dict[str, fn.Results], difference: float, config: Config) -> list[Claim]:
    claims = [
        Claim("z = x W + b and h = tanh(z) by numpy in float64 differ by at most 1e-5", 0, difference, difference <= 1e-5)
    ]  # fmt: skip
    for name, results in found.items():
        best = {(a, depth): best_rate(results, a, depth) for a in ACTIVATIONS for depth in config.depths}
        shallow = {a: best[a, config.depths[0]][1] for a in ACTIVATIONS}
        deep = {a: best[a, config.depths[-1]][1] for a in ACTIVATIONS}
        rates = {a: [best[a, depth][0] for depth in config.depths] for a in ACTIVATIONS}
        threshold = 0.95 if name == "digits" else 0.93
        claims += [
            Claim(
                f"{name}: with one hidden layer each activation reaches {threshold} at its best rate",
                None,
                shallow,
                all(accuracy.mean >= threshold for accuracy in shallow.values()),
            ),
            Claim(
                f"{name}: sigmoid's best rate is the largest at every depth",
                None,
                rates,
                all(s >= max(t, r) for t, s, r in zip(*rates.values(), strict=True)),
            ),
            Claim(
                f"{name}: at depth {config.depths[-1]} sigmoid's interval lies below tanh's and relu's",
                None,
                deep,
                deep["sigmoid"].high < min(deep["tanh"].low, deep["relu"].low),
            ),
        ]
    return claims


def draw(layers: list[Any], data: fn.Dataset, found: dict[str, fn.Results], config: Config) -> Figure:
    """Draw the forward pass above, and accuracy against the rate below, a panel for each depth."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    subfigures: Any = figure.subfigures(1 + len(found), 1)
    top, *rows = subfigures
    first, *panels = top.subplots(1, 2 + len(layers), width_ratios=[1, *[1] * len(layers), 1.3])
    side = int(data.num_features**0.5)
    first.imshow(data.test.inputs[0].reshape(side, side), cmap="gray_r")
    first.set(title="x", xticks=[], yticks=[])
    for number, (axes, layer) in enumerate(zip(panels, layers, strict=False), start=1):
        places = np.arange(len(layer.z))
        axes.barh(places, layer.z, 1.0, color="0.75", label="z")
        if number < len(layers):
            axes.barh(places, layer.h, 0.6, color="C0", label="h = tanh(z)")
            axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        axes.set(title=f"layer {number}", ylim=(len(places) - 0.5, -0.5), yticks=[])
    probabilities = jax.nn.softmax(layers[-1].z)
    panels[-1].barh(range(10), probabilities, color="C3")
    panels[-1].set(title="probability of each digit", yticks=range(10), ylim=(9.5, -0.5), xlim=(0, 1))
    for row, (name, results) in zip(rows, found.items(), strict=True):
        for axes, depth in zip(row.subplots(1, len(config.depths), sharey=True), config.depths, strict=True):
            for activation in ACTIVATIONS:
                means = results.where(activation=activation, depth=depth).table(over="seed")
                rates, low, high = (
                    means[name] for name in ("learning_rate", "test_accuracy_low", "test_accuracy_high")
                )
                axes.plot(rates, means["test_accuracy"], ".-", label=activation)
                axes.fill_between(rates, low, high, alpha=0.15)
            axes.set(xscale="log", title=f"{name}, depth {depth}", ylim=(0, 1.03), xlabel="learning rate")
        row.axes[0].set_ylabel("test accuracy")
        row.axes[0].legend(loc="lower center")
    return figure


def main(config: Config) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        if config.smoke:
            config = replace(config, datasets=("digits",), depths=(2,), width=8, num_rates=2, num_seeds=2)
            config = replace(config, num_steps=20, store=Path(temporary))
        datasets = {name: fn.load_dataset(name, validation_fraction=0.1) for name in config.datasets}
        found = {name: sweep(data, config) for name, data in datasets.items()}
        drawn = config.datasets[-1]
        layers, difference = forward(datasets[drawn], found[drawn], config)
    claims = make_claims(found, difference, config)
    Console().print(table(claims))
    if not config.smoke:
        figure = draw(layers, datasets[drawn], found, config)
        print(f"wrote {write_report(__file__, __doc__, config, claims, figure)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
