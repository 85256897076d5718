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
from fnnet.representations import activations, effective_rank, fit_probe, probe_layers

Layers = dict[str, dict[int, np.ndarray]]
"""By "trained" or "untrained", and by depth: an array `[seeds, 1 + depth]`."""


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    drawn: the depth of the network whose layers are drawn.
    store: the folder that keeps trained networks, so that an interrupted run goes on.
    """

    dataset: str = "mnist"
    depths: tuple[int, ...] = (2, 4, 8)
    drawn: int = 4
    width: int = 64
    learning_rate: float = 0.1
    num_seeds: int = 5
    num_steps: int = 3000
    store: Path = Path("results/representation")
    smoke: bool = False


def train(data: fn.Dataset, config: Config) -> dict[str, dict[int, Any]]:
    """Give the parameters of all networks, stacked over seeds, by state and depth."""

    def network(depth: int) -> fn.Network:
        return fn.mlp(data.num_features, [config.width] * depth, data.num_outputs, stack_from=99)

    def recipe(depth: int) -> fn.Task:
        return fn.supervised(
            network(depth), "cross_entropy", optimizer=lambda hp: fn.sgd(hp["learning_rate"])
        )

    seeds = range(config.num_seeds)
    space = fn.grid(depth=config.depths, learning_rate=[config.learning_rate], seed=seeds)
    results = fn.sweep(
        recipe,
        space,
        data,
        num_steps=config.num_steps,
        store=config.store,
        save_params=True,
        show_progress=True,
    )
    begin = {
        depth: jax.vmap(lambda seed, depth=depth: network(depth).init(jax.random.key(seed)))(jnp.array(seeds))
        for depth in config.depths
    }
    return {
        "trained": {depth: results.where(depth=depth).params() for depth in config.depths},
        "untrained": begin,
    }


def measure(params: dict[str, dict[int, Any]], data: fn.Dataset) -> tuple[Layers, Layers]:
    """Measure each hidden layer, and the pixels as layer 0: probe accuracy and effective rank."""

    def centred_rank(features: Any) -> jax.Array:
        return effective_rank(features - jnp.mean(features, axis=0, keepdims=True))

    pixels = fit_probe(data.train.inputs, data.train.targets, data.num_outputs)
    guesses = data.test.inputs @ np.asarray(pixels["w"]) + np.asarray(pixels["b"])
    of_pixels = float(fn.metrics.accuracy(jnp.asarray(guesses), jnp.asarray(data.test.targets)))
    rank_of_pixels = float(centred_rank(jnp.asarray(data.test.inputs)))
    accuracy: Layers = {state: {} for state in params}
    rank: Layers = {state: {} for state in params}
    for state, of_depth in params.items():
        for depth, stacked in of_depth.items():
            network = fn.mlp(
                data.num_features, [len(stacked[0]["b"][0])] * depth, data.num_outputs, stack_from=99
            )

            @jax.jit
            def of_layers(one: Any, network: fn.Network = network) -> tuple[jax.Array, jax.Array]:
                layers = activations(network, one, data.test.inputs)[:-1]
                return probe_layers(network, one, data)[:-1], jnp.stack([centred_rank(h) for h in layers])

            seeds = range(len(stacked[0]["w"]))
            found = [
                of_layers(jax.tree.map(lambda leaf, s=seed: jnp.asarray(leaf[s]), stacked)) for seed in seeds
            ]
            accuracy[state][depth] = np.array([[of_pixels, *each[0].tolist()] for each in found])
            rank[state][depth] = np.array([[rank_of_pixels, *each[1].tolist()] for each in found])
    return accuracy, rank


def make_claims(accuracy: Layers, rank: Layers) -> list[fn.Claim]:
    depths, claims = list(accuracy["trained"]), []

    def add(claim: str, values: dict[int, np.ndarray], holds: dict[int, bool]) -> None:
        measured = {f"depth {depth}": values[depth].mean(axis=0) for depth in depths}
        claims.append(fn.Claim(claim, None, measured, all(holds.values())))

    def rises(values: np.ndarray) -> bool:
        return bool(np.all(np.diff(values.mean(axis=0)) > 0))

    trained, untrained = accuracy["trained"], accuracy["untrained"]
    add(
        "trained: a probe is right more often with each layer",
        trained,
        {d: rises(trained[d]) for d in depths},
    )
    gains = {d: fn.mean_interval(trained[d][:, -1] - trained[d][:, 0]) for d in depths}
    claims.append(
        fn.Claim(
            "trained: at the last layer it is at least 0.05 better than on pixels",
            None,
            gains,
            all(gain.low >= 0.05 for gain in gains.values()),
        )
    )
    add(
        "untrained: it is right less often with each hidden layer",
        untrained,
        {d: rises(-untrained[d][:, 1:]) for d in depths},
    )
    add(
        "trained: the effective rank falls with each layer",
        rank["trained"],
        {d: rises(-rank["trained"][d]) for d in depths},
    )
    add(
        "untrained: it falls with each layer, too",
        rank["untrained"],
        {d: rises(-rank["untrained"][d]) for d in depths},
    )
    ratios = {d: fn.mean_interval(rank["trained"][d][:, -1] / rank["untrained"][d][:, -1]) for d in depths}
    claims.append(
        fn.Claim(
            "trained, the last layer has a lower rank than untrained",
            None,
            ratios,
            all(ratio.high < 1 for ratio in ratios.values()),
        )
    )
    return claims  # fmt: skip


def draw(accuracy: Layers, rank: Layers, params: Any, data: fn.Dataset, config: Config) -> Figure:
    """Draw both measurements against the layer, and the layers of one network on their principal planes."""
    figure = Figure(figsize=(15, 8), layout="constrained")
    subfigures: Any = figure.subfigures(2, 1)
    top = subfigures[0].subplots(1, 2)
    for axes, found, label in (
        (top[0], accuracy, "accuracy of a linear probe"),
        (top[1], rank, "effective rank"),
    ):
        for color, depth in zip(("C0", "C1", "C2"), config.depths, strict=False):
            for state, style in (("trained", "o-"), ("untrained", "s--")):
                means = [fn.mean_interval(values) for values in found[state][depth].T]
                middle, low, high = (
                    [getattr(mean, field) for mean in means] for field in ("mean", "low", "high")
                )
                axes.plot(middle, style, color=color, markersize=4, label=f"depth {depth}, {state}")
                axes.fill_between(range(len(middle)), low, high, color=color, alpha=0.15)
        axes.set(xlabel="layer (0: pixels)", ylabel=label)
    top[1].set_yscale("log")
    top[0].legend(ncols=2)
    network = fn.mlp(data.num_features, [config.width] * config.drawn, data.num_outputs, stack_from=99)
    first = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), params["trained"][config.drawn])
    layers = [data.test.inputs, *activations(network, first, data.test.inputs)]
    names = ["pixels", *(f"layer {number}" for number in range(1, config.drawn + 1)), "outputs"]
    for axes, layer, name in zip(subfigures[1].subplots(1, len(layers)), layers, names, strict=True):
        plane = PCA(2).fit_transform(np.asarray(layer)[:3000])
        axes.scatter(*plane.T, c=data.test.targets[:3000], cmap="tab10", s=2)
        axes.set(title=name, xticks=[], yticks=[])
    subfigures[1].suptitle(f"principal planes of a trained network of depth {config.drawn}; colour = class")
    return figure


def main(config: Config) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        if config.smoke:
            config = replace(config, dataset="digits", depths=(2,), drawn=2, width=8, num_seeds=2)
            config = replace(config, num_steps=20, store=Path(temporary))
        data = fn.load_dataset(config.dataset)
        params = train(data, config)
        accuracy, rank = measure(params, data)
    claims = make_claims(accuracy, rank)
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        measured = {"probe_accuracy": accuracy, "effective_rank": rank}
        figure = draw(accuracy, rank, params, data, config)
        print(f"wrote {fn.write_report(__file__, __doc__, config, claims, figure, measured)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
