"""One network does classification and regression alike.

The article's tasks, with one family of networks: only outputs and loss change. Classification of handwritten
digits by cross-entropy: scikit-learn's 8 x 8 and MNIST, there with the settings of the Fashion-MNIST
benchmark's row "MLPClassifier, relu, [100]" (Xiao, Rasul & Vollgraf 2017, table 3: 0.972 on MNIST; ours
trains for 20 epochs). Regression by the mean squared error: diabetes against ridge regression, whose penalty
and the network's weight decay are both chosen by a validation split, on 10 splits of the data; and the
Chebyshev polynomials T3, T4 and T5, from 20 points each to the curve between them. Clustering is in
`clustering.py`.

Means are over seeds, or splits, with the 95 % interval of Student's t.

Run `python experiments/tasks.py`, or with `--smoke` for a few seconds' version.
"""

import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optax
from numpy.polynomial import Chebyshev
from sklearn.linear_model import Ridge

import fnnet as fn
from claiming import Claim, at_least, near
from reporting import Findings, main


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    mnist: the images of 28 x 28 are taken from this data set.
    num_splits: of the diabetes data.
    """

    mnist: str = "mnist"
    num_seeds: int = 5
    num_splits: int = 10
    classification_steps: int = 6000
    diabetes_steps: int = 1000
    chebyshev_steps: int = 10_000
    degrees: tuple[int, ...] = (3, 4, 5)


SMOKE = Config(
    mnist="digits",
    num_seeds=2,
    num_splits=2,
    degrees=(3,),
    classification_steps=30,
    diabetes_steps=30,
    chebyshev_steps=30,
)


def make_task(data: fn.Dataset, activation: str, batch_size: int | None) -> fn.Task:
    """Build any of the tasks."""
    loss = "cross_entropy" if data.is_classification else "mse"
    network = fn.mlp(data.num_features, [100], data.num_outputs, activation, initializer="glorot_uniform")

    def adam(hparams: fn.Hparams) -> fn.Optimizer:
        return optax.adamw(hparams["learning_rate"], weight_decay=hparams.get("weight_decay", 0.0))

    return fn.supervised(network, loss, optimizer=adam, batch_size=batch_size)


def classify(name: str, config: Config) -> np.ndarray:
    """Measure the test accuracy of each seed."""
    data = fn.load_dataset(name)
    recipe = partial(make_task, data, "relu", min(200, data.train.num_examples // 7))
    space = fn.grid(learning_rate=[1e-3], seed=range(config.num_seeds))
    results = fn.sweep(recipe, space, data, num_steps=config.classification_steps, show_progress=True)
    return results["test_accuracy"]


def compare_with_ridge(config: Config) -> dict[str, np.ndarray]:
    """Measure test R2 on each split, of the network and of ridge, both chosen by the validation split."""
    decays, found = fn.logspace(1e-3, 10, 13), []
    for split in range(config.num_splits):
        data = fn.load_dataset("diabetes", validation_fraction=0.25, split_seed=split)
        assert data.validation is not None
        recipe = partial(make_task, data, "relu", 32)
        space = fn.grid(learning_rate=[3e-3], weight_decay=decays, seed=range(config.num_seeds))
        results = fn.sweep(recipe, space, data, num_steps=config.diabetes_steps)
        best = results.where(weight_decay=results.best("validation_r2").config["weight_decay"])
        ridges = [Ridge(penalty).fit(*data.train) for penalty in np.logspace(-3, 4, 29)]
        held_out = [ridge.score(*data.validation) for ridge in ridges]
        ridge = ridges[int(np.argmax(held_out))]
        found.append((best["test_r2"].mean(), ridge.score(*data.test)))
    return dict(zip(("network", "ridge"), np.array(found).T, strict=True))


def interpolate(degree: int, config: Config) -> tuple[np.ndarray, np.ndarray, fn.Dataset]:
    """Fit a Chebyshev polynomial to 20 points; return R2 and outputs between them by seed, and the data."""
    polynomial = Chebyshev.basis(degree)
    points, between = (np.linspace(-1, 1, num)[:, None].astype(np.float32) for num in (20, 201))
    data = fn.from_arrays(points, polynomial(points), test=(between, polynomial(between)))
    recipe = partial(make_task, data, "tanh", None)
    space = fn.grid(learning_rate=[3e-3], seed=range(config.num_seeds))
    with tempfile.TemporaryDirectory() as store:
        kept: dict[str, Any] = {"store": store, "save_params": True}
        results = fn.sweep(recipe, space, data, num_steps=config.chebyshev_steps, **kept)
        outputs = fn.evaluate_results(recipe, results, data.test, ["outputs"])["outputs"]
    return results["test_r2"], outputs[:, :, 0], data


def make_claims(
    accuracies: dict[str, np.ndarray], diabetes: dict[str, np.ndarray], fits: dict[str, np.ndarray]
) -> list[Claim]:
    digits, mnist = (fn.mean_interval(accuracies[name]) for name in ("digits", "MNIST"))
    gain = fn.mean_interval(diabetes["network"] - diabetes["ridge"])
    r2 = {name: fn.mean_interval(of_seeds) for name, of_seeds in fits.items()}
    level = "on diabetes the network's R2 is not below ridge's: the interval of the difference reaches 0"
    return [
        at_least("the accuracy on digits of 8 x 8", 0.95, digits),
        near("MNIST accuracy is the benchmark's", 0.972, mnist, 0.015),
        Claim(level, None, gain, gain.high >= 0),
        at_least("20 points are enough for a polynomial: R2 between them", 0.99, r2),
    ]


def measure(config: Config) -> Findings:
    accuracies = {"MNIST": classify(config.mnist, config), "digits": classify("digits", config)}
    diabetes = compare_with_ridge(config)
    fits = {f"T{degree}": interpolate(degree, config) for degree in config.degrees}
    claims = make_claims(accuracies, diabetes, {name: r2 for name, (r2, _, _) in fits.items()})
    measured: dict[str, Any] = {"test_accuracy": accuracies, "diabetes_test_r2": diabetes}
    drawn = fits[f"T{config.degrees[0]}"][2]
    measured |= {"points": drawn.train.inputs[:, 0], "x": drawn.test.inputs[:, 0]}
    measured["fits"] = {
        name: {"outputs": outputs, "targets": data.train.targets[:, 0]}
        for name, (_, outputs, data) in fits.items()
    }
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
