"""More data makes networks better, and most classical classifiers as well.

The article says that deep learning goes on to gain from data where classical methods stop. Here a network of 100 relu
neurons and five classical classifiers get 100 to 60,000 examples of Fashion-MNIST, each pixel standardized over all of
them. The network trains for the same number of steps with Adam on any number of examples; the classical classifiers have
the settings of the Fashion-MNIST benchmark (Xiao, Rasul & Vollgraf 2017, table 3). Subsets are nested, and the network
begins from other weights with each.

Hestness et al. (2017), "Deep learning scaling is predictable, empirically", find errors to fall as a power of the number
of examples, of -0.35 to -0.07; here one is fitted to each subset. Ng & Jordan (2001), "On discriminative vs. generative
classifiers", find that naive Bayes needs few examples, and logistic regression more, to become better. The bounds of
gains are guesses that were made before anything was measured.

Means are over subsets, with the 95 % interval of Student's t; of all 60,000 there is one subset.

Run `python experiments/data_scaling.py`, or with `--smoke` for a few seconds' version.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import fnnet as fn
from claiming import Claim
from reporting import Findings, main

NETWORK = 0.871  # published, of 100 relu neurons and all examples


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    sizes: numbers of training examples; all that there are is the last.
    compared: the two sizes between which gains are measured.
    num_subsets: of each size but the last.
    store: where finished runs are kept, so that a stopped experiment goes on.
    """

    dataset: str = "fashion_mnist"
    sizes: tuple[int, ...] = (100, 300, 1000, 3000, 10_000, 60_000)
    compared: tuple[int, int] = (1000, 10_000)
    num_subsets: int = 3
    classifiers: tuple[str, ...] = tuple(fn.studies.classical.CLASSIFIERS)
    width: int = 100
    batch_size: int = 200
    num_steps: int = 6000
    store: Path = Path("results/data_scaling")


def subset(number: Any, size: int, of: int) -> jax.Array:
    """Choose examples; a larger subset of the same number has those of a smaller one."""
    return jax.random.permutation(jax.random.key(number), of)[:size]


def make_recipe(data: fn.Dataset, config: Config) -> Callable[[int], fn.Task]:
    """Make the recipe of training on the subset with the number `data_seed`."""
    network = fn.mlp(
        data.num_features, [config.width], data.num_outputs, "relu", initializer="glorot_uniform"
    )
    task = fn.supervised(network, "cross_entropy", optimizer=optax.adam(1e-3), batch_size=1)

    def recipe(num_train: int) -> fn.Task:
        batches = fn.make_batches(min(config.batch_size, num_train))

        def draw(data_seed: Any, data: fn.Dataset, first_step: Any, num_steps: int) -> jax.Array:
            rows = subset(data_seed, num_train, data.train.num_examples)
            as_many = replace(data, train=jax.tree.map(lambda leaf: leaf[:num_train], data.train))
            return rows[batches.draw(data_seed, as_many, first_step, num_steps)]

        return task._replace(batches=batches._replace(draw=draw))

    return recipe


def train_networks(data: fn.Dataset, config: Config) -> list[np.ndarray]:
    """Measure by size the test accuracies `[subsets]`."""
    numbers = range(config.num_subsets)
    results = fn.sweep(
        make_recipe(data, config),
        fn.grid(num_train=config.sizes) * fn.zip_axes(seed=numbers, data_seed=numbers),
        data,
        num_steps=config.num_steps,
        store=config.store,
        show_progress=True,
    )
    return np.split(results["test_accuracy"], len(config.sizes))


def fit_classical(data: fn.Dataset, config: Config) -> dict[str, list[np.ndarray]]:
    """Measure by classifier and size the test accuracies `[subsets]`."""

    def part(number: int, size: int) -> fn.Dataset:
        rows = np.asarray(subset(number, size, data.train.num_examples))
        chosen = (leaf[rows] for leaf in data.train)
        return fn.from_arrays(*chosen, test=data.test, class_names=data.class_names)

    nums = [config.num_subsets if size < data.train.num_examples else 1 for size in config.sizes]
    parts = [
        part(number, size) for size, num in zip(config.sizes, nums, strict=True) for number in range(num)
    ]
    # The largest first, so that at the end no core waits for it.
    slowest_first = fn.studies.classical.accuracies(config.classifiers[::-1], parts[::-1], show_progress=True)
    by_size = np.split(slowest_first[::-1, ::-1], np.cumsum(nums)[:-1])
    return {name: [each[:, column] for each in by_size] for column, name in enumerate(config.classifiers)}


def fit_power(accuracies: list[np.ndarray], config: Config) -> dict[str, Any]:
    """Fit errors by a power of the number of examples, below all: to each subset, and to their mean."""
    errors, sizes = 1 - np.array(accuracies[:-1]), np.log(config.sizes[:-1])
    exponents = np.polyfit(sizes, np.log(errors), 1)[0]
    explained = np.corrcoef(sizes, np.log(errors.mean(axis=1)))[0, 1] ** 2
    return {"exponent": fn.mean_interval(exponents), "R2": float(explained)}


def make_claims(found: dict[str, list[np.ndarray]], config: Config) -> list[Claim]:
    means = {name: np.array([each.mean() for each in by_size]) for name, by_size in found.items()}
    powers = {name: fit_power(by_size, config) for name, by_size in found.items()}
    fewer, more = (config.sizes.index(size) for size in config.compared)
    gains = {name: fn.mean_interval(by_size[more] - by_size[fewer]) for name, by_size in found.items()}
    late = {name: float(each[-1] - each[-2]) for name, each in means.items()}
    at_end = {name: float(each[-1]) for name, each in means.items()}
    ahead = fn.mean_interval(found["logistic regression"][0] - found["naive Bayes"][0])
    network = powers["network"]
    return [
        Claim("the network's mean accuracy rises with each larger number of examples", "rises", means["network"], bool((np.diff(means["network"]) > 0).all())),
        Claim("the network's error is a power of the number of examples, of -0.35 to -0.07, with R2 above 0.97", "-0.35 to -0.07; for images -0.31", network, bool(-0.35 <= network["exponent"].mean <= -0.07 and network["R2"] > 0.97)),
        Claim("naive Bayes gains less than 0.03 from 1,000 to 10,000 examples", None, gains["naive Bayes"], gains["naive Bayes"].mean < 0.03),
        Claim("network and SVM gain more than 0.04 each from 1,000 to 10,000 examples", None, {name: gains[name] for name in ("network", "SVM")}, min(gains["network"].mean, gains["SVM"].mean) > 0.04),
        Claim("with the fewest examples logistic regression is at most 0.05 ahead of naive Bayes", "naive Bayes learns from fewer", ahead, ahead.mean <= 0.05),
        Claim("from 10,000 examples to all, no classical classifier gains more than the network", None, late, late["network"] >= max(late.values())),
        Claim("with all examples the network is ahead of every classical classifier", {"network": NETWORK, **fn.studies.classical.FASHION_MNIST}, at_end, at_end["network"] >= max(at_end.values())),
    ]  # fmt: skip


def measure(config: Config) -> Findings:
    data = fn.load_dataset(config.dataset, standardize=True)
    found = {"network": train_networks(data, config), **fit_classical(data, config)}
    claims = make_claims(found, config)
    powers = {name: fit_power(by_size, config) for name, by_size in found.items()}
    measured = {"dataset": config.dataset, "sizes": config.sizes, "test_accuracy": found, "powers": powers}
    return claims, measured


if __name__ == "__main__":
    main(
        measure,
        smoke=Config(
            dataset="digits",
            sizes=(50, 200, 1438),
            compared=(50, 200),
            num_subsets=2,
            num_steps=20,
            classifiers=("naive Bayes", "logistic regression", "SVM"),
        ),
    )
