"""Layers of a trained network hold ever more of what was asked for, and less of all else.

The article says that deeper layers hold more abstract and more compressed representations. Two measurements
test it, on networks of depth 2, 4 and 8 trained on MNIST, and on the same networks before training: how well
a linear probe reads the digit off each layer (Alain & Bengio 2016), and how many dimensions a layer's
activations use, as effective rank (Roy & Vetterli 2007) of the centered activations of the test split. Pixels
are layer 0; the network's outputs are left out.

Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/representation.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.decomposition import PCA

import fnnet as fn
from claiming import Claim
from fnnet.analysis.representations import activations, effective_rank, fit_probe, probe_layers
from reporting import Findings, main

GAIN = 0.05  # in accuracy of a probe, from pixels to the last layer
MAX_POINTS = 2000  # that are drawn

ByDepth = dict[int, np.ndarray]
"""An array `[seeds, 1 + depth]` for each depth: something of each layer."""


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; `store` keeps trained networks, so that an interrupted run goes on."""

    dataset: str = "mnist"
    depths: tuple[int, ...] = (2, 4, 8)
    width: int = 64
    num_seeds: int = 5
    num_steps: int = 3000
    store: Path = Path("results/representation")


SMOKE = Config(dataset="digits", depths=(2,), width=8, num_seeds=2, num_steps=20)


def train(networks: dict[int, fn.Network], data: fn.Dataset, config: Config) -> dict[str, dict[int, Any]]:
    """Return the parameters of all networks, stacked over seeds, by state and depth."""

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


def centered_rank(features: Any) -> jax.Array:
    return effective_rank(features - jnp.mean(features, axis=0, keepdims=True))


def measure_pixels(data: fn.Dataset) -> tuple[float, float]:
    """Measure layer 0: the accuracy of a probe, and the effective rank."""
    probe = fit_probe(data.train.inputs, data.train.targets, data.num_outputs)
    guesses = data.test.inputs @ np.asarray(probe["w"]) + np.asarray(probe["b"])
    accuracy = fn.metrics.accuracy(jnp.asarray(guesses), jnp.asarray(data.test.targets))
    return float(accuracy), float(centered_rank(jnp.asarray(data.test.inputs)))


def measure_hidden(network: fn.Network, stacked: Any, data: fn.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracies of probes and effective ranks of the hidden layers, `[seeds, depth]`."""

    def measure(params: Any) -> tuple[jax.Array, jax.Array]:
        hidden = activations(network, params, data.test.inputs)[:-1]
        return probe_layers(network, params, data)[:-1], jnp.stack([centered_rank(h) for h in hidden])

    return jax.device_get(jax.jit(lambda stacked: jax.lax.map(measure, stacked))(stacked))


def make_claims(accuracy: dict[str, ByDepth], rank: dict[str, ByDepth]) -> list[Claim]:
    def means(values: ByDepth) -> dict[str, np.ndarray]:
        return {f"depth {depth}": of_seeds.mean(axis=0) for depth, of_seeds in values.items()}

    def changes(values: ByDepth, first: int = 0) -> np.ndarray:
        """By how much each layer's mean is above that of the layer before."""
        return np.concatenate([np.diff(of_seeds.mean(axis=0)[first:]) for of_seeds in values.values()])

    def always(claim: str, values: ByDepth, holds: np.ndarray) -> Claim:
        return Claim(claim, None, means(values), bool(holds.all()))

    trained, untrained = accuracy["trained"], accuracy["untrained"]
    gains = {depth: fn.mean_interval(values[:, -1] - values[:, 0]) for depth, values in trained.items()}
    ratios = {
        depth: fn.mean_interval(values[:, -1] / rank["untrained"][depth][:, -1])
        for depth, values in rank["trained"].items()
    }
    better = f"trained: at the last layer a probe is at least {GAIN} better than on pixels"
    lower = "the last layer has a lower effective rank trained than untrained"
    ranks, initial, worse = rank["trained"], rank["untrained"], changes(untrained, first=1) < 0
    return [
        always("trained: a probe is right more often with each layer", trained, changes(trained) > 0),
        Claim(better, None, gains, all(gain.low >= GAIN for gain in gains.values())),
        always("untrained: a probe is right less often with each hidden layer", untrained, worse),
        always("trained: the effective rank falls with each layer", ranks, changes(ranks) < 0),
        always("untrained: the effective rank falls with each layer, too", initial, changes(initial) < 0),
        Claim(lower, None, ratios, all(ratio.high < 1 for ratio in ratios.values())),
    ]


def measure(config: Config) -> Findings:
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
        for depth, stacked_params in by_depth.items():
            hidden = measure_hidden(networks[depth], stacked_params, data)
            for found, of_pixels, values in zip((accuracy, rank), pixels, hidden, strict=True):
                found[state][depth] = np.insert(values.astype(float), 0, of_pixels, axis=1)
    depth, shown = config.depths[len(config.depths) // 2], data.test.inputs[:MAX_POINTS]
    first = jax.tree.map(lambda leaf: leaf[0], params["trained"][depth])
    layers = jax.device_get([shown, *activations(networks[depth], first, shown)[:-1]])
    return make_claims(accuracy, rank), {
        "probe_accuracy": accuracy,
        "effective_rank": rank,
        "planes": np.stack([PCA(2).fit_transform(layer) for layer in layers]).astype(np.float32),
        "classes": data.test.targets[:MAX_POINTS].astype(np.int8),
    }


if __name__ == "__main__":
    main(measure, SMOKE)
