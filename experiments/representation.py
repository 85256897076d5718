"""Layers of a trained network hold ever more of what was asked for, and less of all else.

The article says that deeper layers hold more abstract and more compressed representations. Two measurements of it, on
networks of depth 2, 4 and 8 trained on MNIST, and on the same networks before training: how well a linear probe reads
the digit off each layer (Alain & Bengio 2016), and how many dimensions a layer's activations use, as effective rank
(Roy & Vetterli 2007) of the centred activations of the test split. Pixels are layer 0; the network's outputs are left
out.

Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/representation.py`, or with `--smoke` for a few seconds' version.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console
from sklearn.decomposition import PCA

import fnnet as fn
from fnnet.analysis.representations import activations, effective_rank, fit_probe, probe_layers
from reporting import Claim, table, write_report

ByDepth = dict[int, np.ndarray]
"""An array `[seeds, 1 + depth]` for each depth: something of each layer."""


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    store: the folder that keeps trained networks, so that an interrupted run goes on.
    """

    dataset: str = "mnist"
    depths: tuple[int, ...] = (2, 4, 8)
    width: int = 64
    num_seeds: int = 5
    num_steps: int = 3000
    store: Path = Path("results/representation")
    smoke: bool = False


def train(networks: dict[int, fn.Network], data: fn.Dataset, config: Config) -> dict[str, dict[int, Any]]:
    """Give the parameters of all networks, stacked over seeds, by state and depth."""

    def recipe(depth: int) -> fn.Task:
        return fn.supervised(networks[depth], "cross_entropy", optimizer="sgd")

    seeds = range(config.num_seeds)
    space = fn.grid(depth=config.depths, learning_rate=[0.1], seed=seeds)
    options: dict[str, Any] = {"store": config.store, "save_params": True, "show_progress": True}
    results = fn.sweep(recipe, space, data, num_steps=config.num_steps, **options)
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    return {
        "trained": {depth: results.where(depth=depth).params() for depth in networks},
        "untrained": {depth: jax.vmap(network.init)(keys) for depth, network in networks.items()},
    }


def centred_rank(features: Any) -> jax.Array:
    return effective_rank(features - jnp.mean(features, axis=0, keepdims=True))


def measure_pixels(data: fn.Dataset) -> tuple[float, float]:
    """Measure layer 0: the accuracy of a probe, and the effective rank."""
    probe = fit_probe(data.train.inputs, data.train.targets, data.num_outputs)
    guesses = data.test.inputs @ np.asarray(probe["w"]) + np.asarray(probe["b"])
    accuracy = fn.metrics.accuracy(jnp.asarray(guesses), jnp.asarray(data.test.targets))
    return float(accuracy), float(centred_rank(jnp.asarray(data.test.inputs)))


def measure_hidden(network: fn.Network, stacked: Any, data: fn.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Measure the hidden layers of some networks: probes' accuracies and effective ranks, `[seeds, depth]`."""

    def measure(params: Any) -> tuple[jax.Array, jax.Array]:
        hidden = activations(network, params, data.test.inputs)[:-1]
        return probe_layers(network, params, data)[:-1], jnp.stack([centred_rank(h) for h in hidden])

    return jax.device_get(jax.jit(lambda stacked: jax.lax.map(measure, stacked))(stacked))


def make_claims(accuracy: dict[str, ByDepth], rank: dict[str, ByDepth]) -> list[Claim]:
    def means(values: ByDepth) -> dict[str, np.ndarray]:
        return {f"depth {depth}": of_seeds.mean(axis=0) for depth, of_seeds in values.items()}

    def changes(values: ByDepth, first: int = 0) -> np.ndarray:
        """By how much each layer's mean is above that of the layer before."""
        return np.concatenate([np.diff(of_seeds.mean(axis=0)[first:]) for of_seeds in values.values()])

    trained, untrained = accuracy["trained"], accuracy["untrained"]
    gains = {depth: fn.mean_interval(values[:, -1] - values[:, 0]) for depth, values in trained.items()}
    ratios = {
        depth: fn.mean_interval(values[:, -1] / rank["untrained"][depth][:, -1])
        for depth, values in rank["trained"].items()
    }
    return [
        Claim("trained: a probe is right more often with each layer", None, means(trained), all(changes(trained) > 0)),
        Claim("trained: at the last layer a probe is at least 0.05 better than on pixels", None, gains, all(gain.low >= 0.05 for gain in gains.values())),
        Claim("untrained: a probe is right less often with each hidden layer", None, means(untrained), all(changes(untrained, first=1) < 0)),
        Claim("trained: the effective rank falls with each layer", None, means(rank["trained"]), all(changes(rank["trained"]) < 0)),
        Claim("untrained: the effective rank falls with each layer, too", None, means(rank["untrained"]), all(changes(rank["untrained"]) < 0)),
        Claim("the last layer has a lower effective rank trained than untrained", None, ratios, all(ratio.high < 1 for ratio in ratios.values())),
    ]  # fmt: skip


def draw(found: dict[str, dict[str, ByDepth]], layers: list[np.ndarray], classes: np.ndarray) -> Figure:
    """Draw both measurements against the layer, and the layers of one network on their principal planes."""
    figure = Figure(figsize=(15, 8), layout="constrained")
    subfigures: Any = figure.subfigures(2, 1)
    for axes, (label, by_state) in zip(subfigures[0].subplots(1, 2), found.items(), strict=True):
        for state, style in (("trained", "o-"), ("untrained", "s--")):
            for color, (depth, values) in enumerate(by_state[state].items()):
                middle, low, high, _ = fn.mean_interval(values.T)
                name = f"depth {depth}, {state}"
                axes.plot(middle, style, color=f"C{color}", zorder=-depth, label=name)
                axes.fill_between(range(len(middle)), low, high, color=f"C{color}", alpha=0.15)
        axes.set(xlabel="layer (0: pixels)", ylabel=label)
    axes.legend(ncols=2)
    axes.set_yscale("log")
    axes.set_yticks([30, 50, 100, 200, 300], ["30", "50", "100", "200", "300"])
    axes.minorticks_off()
    for number, (axes, layer) in enumerate(zip(subfigures[1].subplots(1, len(layers)), layers, strict=True)):
        axes.scatter(*PCA(2).fit_transform(layer).T, c=classes, cmap="tab10", s=2)
        axes.set(title=f"layer {number}" if number else "pixels", xticks=[], yticks=[])
    title = f"principal planes of a trained network of depth {len(layers) - 1}; colour = class"
    subfigures[1].suptitle(title)
    return figure


def main(config: Config) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        if config.smoke:
            config = replace(config, dataset="digits", depths=(2,), width=8, num_seeds=2)
            config = replace(config, num_steps=20, store=Path(temporary))
        data = fn.load_dataset(config.dataset)
        networks = {  # with an array for each layer: none is stacked
            depth: fn.mlp(data.num_features, [config.width] * depth, data.num_outputs, stack_from=99)
            for depth in config.depths
        }
        params = train(networks, data, config)
    accuracy: dict[str, ByDepth] = {state: {} for state in params}
    rank: dict[str, ByDepth] = {state: {} for state in params}
    pixels = measure_pixels(data)
    for state, by_depth in params.items():
        for depth, stacked in by_depth.items():
            hidden = measure_hidden(networks[depth], stacked, data)
            for found, of_pixels, values in zip((accuracy, rank), pixels, hidden, strict=True):
                found[state][depth] = np.insert(values.astype(float), 0, of_pixels, axis=1)
    claims = make_claims(accuracy, rank)
    Console().print(table(claims))
    if not config.smoke:
        depth, shown = config.depths[1], data.test.inputs[:3000]
        first = jax.tree.map(lambda leaf: leaf[0], params["trained"][depth])
        layers = [shown, *activations(networks[depth], first, shown)[:-1]]
        labelled = {"accuracy of a linear probe": accuracy, "effective rank": rank}
        figure = draw(labelled, jax.device_get(layers), data.test.targets[:3000])
        measured = {"probe_accuracy": accuracy, "effective_rank": rank}
        print(f"wrote {write_report(__file__, __doc__, config, claims, figure, measured)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
