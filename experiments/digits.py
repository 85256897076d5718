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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import fnnet as fn
from claims import Claim
from drawing import WIDTH
from fnnet.report.labels import readable
from fnnet.report.style import StyledFigure
from reporting import Findings, main

ACTIVATIONS = ("tanh", "sigmoid", "relu")
RATES = (0.01, 10)


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


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the forward pass above, and accuracy against the rate below, a panel for each data set and depth."""
    depths, rates = measured["depths"], measured["rates"]
    figure = StyledFigure(figsize=(WIDTH, 6.3))
    title = "All three activations read digits; sigmoid needs larger learning rates, the deeper the more"
    figure.suptitle(title, x=0.006, ha="left")
    subfigures: Any = figure.subfigures(2, 1, height_ratios=(1, 2.9))
    above, below = subfigures
    name = readable(list(measured["found"])[-1])
    above.suptitle(f"(a) A digit of {name} on its way through a trained tanh network: h of each layer, output, probabilities",
                   x=0.006, ha="left", fontsize=8.5, fontweight="normal")  # fmt: skip
    _draw_forward(above, measured)
    panels_ = below.subplots(len(measured["found"]), len(depths), sharex=True, sharey=True, squeeze=False)
    letters = iter("bcdefgh")
    for row, (name, found) in zip(panels_, measured["found"].items(), strict=True):
        for axes, depth, of_depth in zip(row, depths, np.moveaxis(found, 1, 0), strict=True):
            for activation, values, marker, color in zip(
                ACTIVATIONS, of_depth, "os^", ("C0", "C1", "C2"), strict=True
            ):
                is_first = axes is panels_[0, 0]
                label = readable(activation) if is_first else None
                style = {"linewidth": 2.6, "alpha": 0.5} if activation == "tanh" else {}
                axes.plot(rates, values.mean(axis=-1), color=color, label=label, **style)
                axes.plot(rates, values, marker, color=color, markersize=2.5)
            axes.set_title(f"({next(letters)}) {readable(name)}, depth {depth}", loc="left")
            axes.set(xscale="log", ylim=(-0.03, 1.03))
        row[0].set_ylabel("test accuracy")
    for axes in panels_[-1]:
        axes.set_xlabel("learning rate")
    below.legend(
        loc="outside lower center", ncols=3, title="marks: seeds (diverged: wrong throughout), lines: means"
    )
    return figure


def _draw_forward(figure: Any, measured: dict[str, Any]) -> None:
    """Draw the input and hidden layers as images, and the outputs as bars."""
    hidden, outputs = measured["hidden"], measured["outputs"]
    first, *panels_, scores, last = figure.subplots(
        1, len(hidden) + 3, width_ratios=[1] * (len(hidden) + 1) + [1.2, 1.2]
    )
    side = round(len(measured["input"]) ** 0.5)
    first.imshow(measured["input"].reshape(side, side), cmap="gray_r")
    first.set_title("x", loc="left")
    for number, (axes, h) in enumerate(zip(panels_, hidden, strict=True), start=1):
        image = axes.imshow(h.reshape(-1, 8), cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"h, layer {number}", loc="left")
    for axes in (first, *panels_):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    figure.colorbar(
        image, ax=panels_, orientation="horizontal", ticks=[-1, 0, 1], aspect=40, pad=0.02, shrink=0.6
    )
    for axes, values, title in (
        (scores, outputs, "z, output"),
        (last, measured["probabilities"], "probability"),
    ):
        axes.barh(range(len(values)), values, color="0.6" if axes is scores else "C1")
        axes.set(yticks=range(len(values)), ylim=(len(values) - 0.5, -0.5))
        axes.tick_params(axis="y", labelsize=6)
        axes.set_title(title, loc="left")


def measure(config: Config) -> Findings:
    with tempfile.TemporaryDirectory() as temporary:
        datasets = {name: fn.load_dataset(name, validation_fraction=0.1) for name in config.datasets}
        found = {name: sweep(data, config) for name, data in datasets.items()}
        drawn = config.datasets[-1]
        layers, difference = forward(datasets[drawn], found[drawn], config)
    claims = make_claims(found, difference, config)
    shape = len(ACTIVATIONS), len(config.depths), config.num_rates, config.num_seeds
    measured = {
        "depths": config.depths,
        "rates": fn.logspace(*RATES, config.num_rates),
        "found": {name: results["test_accuracy"].reshape(shape) for name, results in found.items()},
        "input": datasets[drawn].test.inputs[0],
        "hidden": np.stack([layer.h for layer in layers[:-1]]),
        "outputs": layers[-1].z,
        "probabilities": jax.nn.softmax(layers[-1].z),
    }
    return claims, measured


if __name__ == "__main__":
    main(
        measure,
        draw,
        smoke=Config(datasets=("digits",), depths=(2,), width=8, num_rates=2, num_seeds=2, num_steps=20),
    )
