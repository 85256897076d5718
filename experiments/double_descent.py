"""Double descent: the test loss peaks where a network is just wide enough to learn all training examples.

Belkin et al. (2019), with the settings of the MNIST-1D benchmark's notebook (Greydanus & Kobak 2024): an MLP
40-H-H-10 on 4,000 of 16,000 signals, 12,000 to test, SGD with rate 0.01 and momentum 0.9, batches of 100, 500
epochs, without label noise and with 15 % of the training labels drawn at random. Where H is just enough to
learn all training examples the test loss has a peak; beyond it wider networks are better. The notebook has
one run for each of 20 values of H; here 11 of these have 3 seeds each.

Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/double_descent.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fnnet as fn
from claiming import Claim, at_least
from drawing import intervals
from reporting import Findings, main

PUBLISHED_LOSS = {
    4: 1.45, 7: 1.38, 12: 1.36, 21: 1.60, 27: 2.31, 36: 4.16,
    47: 4.42, 61: 3.78, 80: 3.40, 104: 3.07, 177: 2.72, 300: 2.34,
}  # fmt: skip
"""The notebook's test loss by H, without noise."""

PUBLISHED_NOISY_ERROR = {16: 0.472, 47: 0.5405, 61: 0.5402, 300: 0.455}
"""The notebook's test error by H, with 15 % noise."""

FIRST_FIT = (36, 80)
"""Where the first H has to lie that learns all training examples."""

NOISES = {"no noise": 0.0, "15 % noise": 0.15}


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    widths: the values of H.
    store: the folder that keeps what is trained, so that an interrupted run goes on.
    """

    widths: tuple[int, ...] = (4, 7, 12, 21, 27, 36, 47, 61, 104, 177, 300)
    num_seeds: int = 3
    num_epochs: int = 500
    store: Path = Path("results/double_descent")


SMOKE = Config(widths=(4, 47), num_seeds=2, num_epochs=1)


def make_data(noise: float) -> fn.Dataset:
    """Build the data, with this fraction of the training labels drawn at random."""
    clean = fn.data.make_mnist1d(num_samples=16_000, train_fraction=0.25)
    rng = np.random.default_rng(0)
    is_drawn = rng.random(clean.train.num_examples) < noise
    labels = np.where(is_drawn, rng.integers(0, 10, clean.train.num_examples), clean.train.targets)
    return fn.from_arrays(clean.train.inputs, labels, test=clean.test, name="mnist1d")


def train(noise: float, config: Config) -> fn.Results:
    """Train networks of all widths."""
    data = make_data(noise)

    def recipe(width: int) -> fn.Task:
        network = fn.mlp(40, [width, width], 10, initializer="pytorch")
        return fn.supervised(network, "cross_entropy", optimizer=fn.sgd(0.01, momentum=0.9), batch_size=100)

    space = fn.grid(width=config.widths, seed=range(config.num_seeds))
    num_steps = config.num_epochs * (data.train.num_examples // 100)
    store = config.store / f"noise-{noise}"
    return fn.sweep(recipe, space, data, num_steps=num_steps, store=store, show_progress=True)


def make_claims(found: dict[str, fn.Results], widths: np.ndarray) -> list[Claim]:
    claims, (low, high) = [], FIRST_FIT
    for name, results in found.items():
        means = results.table(over="seed")
        learns_all = (1 - means["train_accuracy"] < 0.01).to_numpy()
        first = int(np.argmax(learns_all)) if learns_all.any() else len(widths) - 1
        loss = means["test_loss"].to_numpy()
        peak = int(np.argmax(loss))
        claim = (
            f"{name}: the test loss has its peak within one grid step of the first H with a training error "
            f"below 0.01, which lies in [{low}, {high}]"
        )
        measured = {"first H": widths[first], "peak at H": widths[peak], "loss there": loss[peak]}
        holds = low <= widths[first] <= high and abs(peak - first) <= 1
        claims.append(Claim(claim, "both 36 to 61", measured, bool(holds)))
    error = 1 - found["15 % noise"].table(over="seed")["test_accuracy"].to_numpy()
    fall = float(error[widths >= 30].max() - error[-1])
    falls = "15 % noise: the fall of the test error from its local peak to the largest H"
    return [*claims, at_least(falls, 0.05, fall, 0.0855)]


def measure(config: Config) -> Findings:
    widths = np.array(config.widths)
    found = {name: train(noise, config) for name, noise in NOISES.items()}
    claims = make_claims(found, widths)
    by_width = {}
    for (name, results), claim in zip(found.items(), claims, strict=False):
        loss, accuracy = (
            results[metric].reshape(len(widths), -1) for metric in ("test_loss", "test_accuracy")
        )
        values = {"test_loss": intervals(loss), "test_error": intervals(1 - accuracy)}
        by_width[name] = values | {"first_fit": claim.measured["first H"]}
    return claims, {"widths": widths, "by_width": by_width}


if __name__ == "__main__":
    main(measure, SMOKE)
