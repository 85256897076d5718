"""One network does classification and regression alike.

The article's tasks, with one family of networks: only outputs and loss change. Classification of handwritten digits by
cross-entropy: scikit-learn's 8 x 8 and MNIST, there with the settings of the Fashion-MNIST benchmark's row
"MLPClassifier, relu, [100]" (Xiao, Rasul & Vollgraf 2017, table 3: 0.972 on MNIST; ours trains for 20 epochs).
Regression by the mean squared error: diabetes against ridge regression, whose penalty and the network's weight decay
are both chosen by a validation split, on 10 splits of the data; and the Chebyshev polynomials T3, T4 and T5, from 20
points each to the curve between them. Clustering is in `clustering.py`.

Means are over seeds, or splits, with the 95 % interval of Student's t.

Run `python experiments/tasks.py`, or with `--smoke` for a few seconds' version.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import optax
import tyro
from matplotlib.figure import Figure
from numpy.polynomial import Chebyshev
from rich.console import Console
from sklearn.linear_model import Ridge

import fnnet as fn


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    mnist: the images of 28 x 28 are taken from this data set.
    num_splits: of the diabetes data.
    """

    mnist: str = "mnist"
    num_seeds: int = 5
    num_splits: int = 10
    width: int = 100
    classification_steps: int = 6000
    diabetes_steps: int = 1000
    chebyshev_steps: int = 10_000
    degrees: tuple[int, ...] = (3, 4, 5)
    smoke: bool = False


def adam(hparams: fn.Hparams) -> fn.Optimizer:
    return optax.adamw(hparams["learning_rate"], weight_decay=hparams.get("weight_decay", 0.0))


def recipe(data: fn.Dataset, width: int, activation: str, batch_size: int | None) -> Callable[[], fn.Task]:
    """Make the one recipe of all tasks."""
    loss = "cross_entropy" if data.is_classification else "mse"
    network = fn.mlp(data.num_features, [width], data.num_outputs, activation, initializer="glorot_uniform")
    return lambda: fn.supervised(network, loss, optimizer=adam, batch_size=batch_size)


def classify(data: fn.Dataset, config: Config) -> fn.Results:
    space = fn.grid(learning_rate=[1e-3], seed=range(config.num_seeds))
    make_task = recipe(data, config.width, "relu", min(200, data.train.num_examples // 7))
    return fn.sweep(make_task, space, data, num_steps=config.classification_steps, show_progress=True)


def compare_with_ridge(config: Config) -> dict[str, np.ndarray]:
    """Measure test R2 on each split, of the network and of ridge, both chosen by the validation split."""
    penalties, found = np.logspace(-3, 4, 29), []
    for split in range(config.num_splits):
        data = fn.load_dataset("diabetes", validation_fraction=0.25, split_seed=split)
        assert data.validation is not None
        space = fn.grid(
            learning_rate=[3e-3], weight_decay=fn.logspace(1e-3, 10, 13), seed=range(config.num_seeds)
        )
        make_task = recipe(data, config.width, "relu", 32)
        results = fn.sweep(make_task, space, data, num_steps=config.diabetes_steps)
        decay = results.best("validation_r2").config["weight_decay"]
        network = results.where(weight_decay=decay).columns["test_r2"].mean()
        ridges = [Ridge(penalty).fit(*data.train) for penalty in penalties]
        held_out, targets = data.validation
        ridge = max(ridges, key=lambda ridge: ridge.score(held_out, targets))
        found.append((network, ridge.score(*data.test)))
    return dict(zip(("network", "ridge"), np.array(found).T, strict=True))


def interpolate(degree: int, config: Config) -> tuple[fn.Results, np.ndarray, fn.Dataset]:
    """Fit a Chebyshev polynomial from 20 points; returns the outputs of each seed between them, too."""
    polynomial = Chebyshev.basis(degree)
    points, between = (np.linspace(-1, 1, num)[:, None].astype(np.float32) for num in (20, 201))
    data = fn.from_arrays(points, polynomial(points), test=(between, polynomial(between)))
    make_task = recipe(data, config.width, "tanh", None)
    space = fn.grid(learning_rate=[3e-3], seed=range(config.num_seeds))
    with tempfile.TemporaryDirectory() as store:
        results = fn.sweep(
            make_task, space, data, num_steps=config.chebyshev_steps, store=store, save_params=True
        )
        outputs = fn.evaluate_results(results, make_task, data.test, ["outputs"])["outputs"]
    return results, outputs, data


def make_claims(
    digits: fn.Results, mnist: fn.Results, diabetes: dict[str, np.ndarray], chebyshev: dict[str, fn.Results]
) -> list[fn.Claim]:
    accuracies = {
        name: fn.mean_interval(each.columns["test_accuracy"])
        for name, each in (("digits", digits), ("mnist", mnist))
    }
    gain = fn.mean_interval(diabetes["network"] - diabetes["ridge"])
    fits = {name: fn.mean_interval(results.columns["test_r2"]) for name, results in chebyshev.items()}
    return [
        fn.Claim("digits of 8 x 8 are classified with at least 0.95", None, accuracies["digits"], accuracies["digits"].mean >= 0.95),
        fn.Claim("MNIST accuracy is the benchmark's within 0.015", 0.972, accuracies["mnist"], abs(accuracies["mnist"].mean - 0.972) <= 0.015),
        fn.Claim("on diabetes the network's R2 is not below ridge's: the interval of the difference reaches 0", None, gain, gain.high >= 0),
        fn.Claim("20 points are enough for a polynomial: R2 of at least 0.99 between them", None, fits, min(fit.mean for fit in fits.values()) >= 0.99),
    ]  # fmt: skip


def draw(
    accuracies: dict[str, np.ndarray],
    diabetes: dict[str, np.ndarray],
    fits: dict[int, tuple[fn.Results, np.ndarray, fn.Dataset]],
) -> Figure:
    """Draw every run: accuracies, R2 of network against ridge, and curves through the points."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for place, values in enumerate(accuracies.values()):
        left.plot(values, np.full(len(values), place), "o", color="C0", alpha=0.6)
        left.annotate(
            f"{values.mean():.4f}", (values.mean(), place), (0, 9), textcoords="offset points", ha="center"
        )
    left.set(
        yticks=range(len(accuracies)),
        yticklabels=accuracies,
        ylim=(-0.5, 1.5),
        xlabel="test accuracy",
        title="classification",
    )
    both = np.concatenate(list(diabetes.values()))
    middle.axline((0.4, 0.4), slope=1, color="0.6", linestyle="--")
    middle.plot(diabetes["ridge"], diabetes["network"], "o", color="C1")
    limits = both.min() - 0.03, both.max() + 0.03
    middle.set(
        xlim=limits,
        ylim=limits,
        aspect="equal",
        xlabel="test R2 of ridge",
        ylabel="test R2 of the network",
        title="diabetes, a point a split",
    )
    for place, (degree, (_, outputs, data)) in enumerate(fits.items()):
        shift = 2.5 * place
        right.plot(data.test.inputs[:, 0], outputs[:, :, 0].T + shift, color=f"C{place}", linewidth=1)
        right.plot(
            data.train.inputs[:, 0], data.train.targets[:, 0] + shift, "o", color="black", markersize=3
        )
        right.annotate(f"T{degree}", (1.04, 1 + shift), va="center")
    right.set(xlabel="x", ylabel="shifted by 2.5 each", xlim=(-1.05, 1.2), title="20 points, a curve a seed")
    return figure  # fmt: skip


def main(config: Config) -> None:
    if config.smoke:
        config = replace(config, mnist="digits", num_seeds=2, num_splits=2, degrees=(3,))
        config = replace(config, classification_steps=30, diabetes_steps=30, chebyshev_steps=30)
    digits, mnist = (classify(fn.load_dataset(name), config) for name in ("digits", config.mnist))
    diabetes = compare_with_ridge(config)
    fits = {degree: interpolate(degree, config) for degree in config.degrees}
    claims = make_claims(digits, mnist, diabetes, {f"T{degree}": fit[0] for degree, fit in fits.items()})
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        accuracies = {"MNIST": mnist.columns["test_accuracy"], "digits": digits.columns["test_accuracy"]}
        measured = {"test_accuracy": accuracies, "diabetes_test_r2": diabetes}
        figure = draw(accuracies, diabetes, fits)
        print(f"wrote {fn.write_report(__file__, __doc__, config, claims, figure, measured)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
