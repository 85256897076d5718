"""More data makes networks better, and most classical classifiers as well.

The article says that deep learning keeps gaining from data where classical methods stop. Here a network of
100 relu neurons and five classical classifiers get 100 to 60,000 examples of Fashion-MNIST, each pixel
standardized over all of them. The network trains for the same number of steps with Adam on any number of
examples; the classical classifiers have the settings of the Fashion-MNIST benchmark (Xiao, Rasul & Vollgraf
2017, table 3). Subsets are nested, and the network begins from other weights with each.

Hestness et al. (2017), "Deep learning scaling is predictable, empirically", find that errors fall as a power
of the number of examples, of -0.35 to -0.07; here one is fitted to each subset. Ng & Jordan (2001), "On
discriminative vs. generative classifiers", find that naive Bayes needs few examples, and logistic regression
more, to become better. The bounds of gains are guesses made before anything was measured.

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
from claiming import Claim, above, at_most, below
from reporting import Findings, main

NETWORK = 0.871  # published, of 100 relu neurons and all examples
LOW, HIGH, R2 = -0.35, -0.07, 0.97  # of the power of the number of examples


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    sizes: numbers of training examples; the last is all of them, of which there is one subset.
    compared: the two sizes between which gains are measured.
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


SMOKE = Config(
    "digits",
    classifiers=("naive Bayes", "logistic regression", "SVM"),
    sizes=(50, 200, 1438),
    compared=(50, 200),
    num_subsets=2,
    num_steps=20,
)


def subset(number: Any, size: int, of: int) -> jax.Array:
    """Choose examples; a larger subset of the same number has those of a smaller one."""
    return jax.random.permutation(jax.random.key(number), of)[:size]


def make_recipe(data: fn.Dataset, config: Config) -> Callable[[int], fn.Task]:
    """Build the recipe of training on the subset with the number `data_seed`."""
    sizes = data.num_features, [config.width], data.num_outputs
    network = fn.mlp(*sizes, "relu", initializer="glorot_uniform")
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
    """Return the test accuracies `[subsets]` by size."""
    numbers, recipe = range(config.num_subsets), make_recipe(data, config)
    space = fn.grid(num_train=config.sizes) * fn.zip_axes(seed=numbers, data_seed=numbers)
    options: dict[str, Any] = {"store": config.store, "show_progress": True}
    results = fn.sweep(recipe, space, data, num_steps=config.num_steps, **options)
    return np.split(results["test_accuracy"], len(config.sizes))


def fit_classical(data: fn.Dataset, config: Config) -> dict[str, list[np.ndarray]]:
    """Return the test accuracies `[subsets]` by classifier and size."""

    def part(number: int, size: int) -> fn.Dataset:
        rows = np.asarray(subset(number, size, data.train.num_examples))
        chosen = (leaf[rows] for leaf in data.train)
        return fn.from_arrays(*chosen, test=data.test, class_names=data.class_names)

    nums = [config.num_subsets if size < data.train.num_examples else 1 for size in config.sizes]
    sizes = zip(config.sizes, nums, strict=True)
    parts = [part(number, size) for size, num in sizes for number in range(num)]
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
    power = fit_power(found["network"], config)
    fewer, more = (config.sizes.index(size) for size in config.compared)
    gains = {name: fn.mean_interval(by_size[more] - by_size[fewer]) for name, by_size in found.items()}
    late = {name: float(each[-1] - each[-2]) for name, each in means.items()}
    at_end = {name: float(each[-1]) for name, each in means.items()}
    ahead = fn.mean_interval(found["logistic regression"][0] - found["naive Bayes"][0])
    rises = "the network's mean accuracy rises with each larger number of examples"
    is_power = f"the network's error is a power of the number of examples, {LOW} to {HIGH}; R2 is above {R2}"
    gains_of = "from 1,000 to 10,000 examples, the gain of"
    most = "from 10,000 examples to all, no classical classifier gains more than the network"
    best = "with all examples the network is ahead of every classical classifier"
    published = {"network": NETWORK, **fn.studies.classical.FASHION_MNIST}
    fewest = "with the fewest examples, the lead of logistic regression over naive Bayes"
    is_within = bool(LOW <= power["exponent"].mean <= HIGH and power["R2"] > R2)
    return [
        Claim(rises, "rises", means["network"], bool((np.diff(means["network"]) > 0).all())),
        Claim(is_power, f"{LOW} to {HIGH}; for images -0.31", power, is_within),
        below(f"{gains_of} naive Bayes", 0.03, gains["naive Bayes"]),
        above(f"{gains_of} network and SVM each", 0.04, {name: gains[name] for name in ("network", "SVM")}),
        at_most(fewest, 0.05, ahead, "naive Bayes learns from fewer"),
        Claim(most, None, late, late["network"] >= max(late.values())),
        Claim(best, published, at_end, at_end["network"] >= max(at_end.values())),
    ]


def measure(config: Config) -> Findings:
    data = fn.load_dataset(config.dataset, standardize=True)
    found = {"network": train_networks(data, config), **fit_classical(data, config)}
    powers = {name: fit_power(by_size, config) for name, by_size in found.items()}
    measured = {"dataset": config.dataset, "sizes": config.sizes, "test_accuracy": found, "powers": powers}
    return make_claims(found, config), measured


if __name__ == "__main__":
    main(measure, SMOKE)
