"""The job of `make sweep` for scripts that do it without fnnet: runs, data, and the table at the end."""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

WIDTH = 64
BATCH_SIZE = 128


@dataclass(frozen=True)
class Job:
    """A sweep of depths x learning rates from 0.001 to 10 x seeds.

    out: the table, one row per run.
    """

    out: Path
    depths: tuple[int, ...] = (1, 2, 4, 8)
    num_rates: int = 16
    num_seeds: int = 4
    num_steps: int = 1000


class Run(NamedTuple):
    """One run."""

    depth: int
    learning_rate: float
    seed: int


class Data(NamedTuple):
    """Inputs `[n, 64]` float32 in [0, 1], targets `[n]` int64 and the rows `[steps, batch]` of each batch."""

    train_inputs: np.ndarray
    train_targets: np.ndarray
    test_inputs: np.ndarray
    test_targets: np.ndarray
    batches: np.ndarray


def list_runs(job: Job) -> Iterator[Run]:
    """List the runs; those of one depth stand together."""
    rates = np.geomspace(1e-3, 10, job.num_rates).tolist()
    return itertools.starmap(Run, itertools.product(job.depths, rates, range(job.num_seeds)))


def layer_sizes(depth: int) -> list[tuple[int, int]]:
    """List inputs and outputs of each layer."""
    return list(itertools.pairwise([64, *[WIDTH] * depth, 10]))


def load_data(num_steps: int) -> Data:
    """Split the digits, and draw a permutation of the training examples for each epoch."""
    inputs, targets = load_digits(return_X_y=True)
    split = train_test_split((inputs / 16).astype(np.float32), targets, test_size=0.2, random_state=0)
    train_inputs, test_inputs, train_targets, test_targets = split
    rng = np.random.default_rng(0)
    per_epoch = len(train_inputs) // BATCH_SIZE
    epochs = [
        rng.permutation(len(train_inputs))[: per_epoch * BATCH_SIZE].reshape(per_epoch, BATCH_SIZE)
        for _ in range(-(-num_steps // per_epoch))
    ]
    return Data(train_inputs, train_targets, test_inputs, test_targets, np.concatenate(epochs)[:num_steps])


def write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write one row per run."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
