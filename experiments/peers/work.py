"""Works: what every system is asked to do, down to the rows of each batch, and the judge of what it did.

A work is a function of its order alone, so every process makes the same one by itself.
"""

import functools
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fnnet as fn

Params = list[dict[str, np.ndarray]]
"""For each layer {"w": [runs, fan_in, fan_out], "b": [runs, fan_out]}."""

JUDGED = 1000  # examples


class Order(NamedTuple):
    """What to train.

    examples: the folder that `save_examples` filled.
    layers: sizes from inputs to outputs.
    runs: networks.
    steps: updates of each.
    """

    examples: Path
    layers: tuple[int, ...]
    runs: int
    steps: int
    batch_size: int = 128


class Work(NamedTuple):
    """What to train, in numbers.

    layers: sizes from inputs to outputs; ReLU between layers, cross-entropy at the end, plain SGD.
    inputs: `[n, features]` float32.
    targets: `[n]` int32, classes.
    batches: `[steps, batch]` int32, rows of the inputs that each step sees, in all runs.
    params: the initial weights of all runs, float32.
    learning_rates: `[runs]` float32.
    """

    layers: tuple[int, ...]
    inputs: np.ndarray
    targets: np.ndarray
    batches: np.ndarray
    params: Params
    learning_rates: np.ndarray


def save_examples(train: fn.Examples, folder: Path) -> None:
    """Keep training examples where every process reads them in a moment."""
    np.save(folder / "inputs.npy", train.inputs.astype(np.float32))
    np.save(folder / "targets.npy", train.targets.astype(np.int32))


def make_work(order: Order) -> Work:
    """Draw the batches and initial weights of an order."""
    inputs, targets = _load_examples(order.examples)
    return Work(
        order.layers,
        inputs,
        targets,
        _draw_batches(len(inputs), order.steps, order.batch_size),
        _draw_params(order.layers, order.runs),
        np.geomspace(0.01, 0.1, order.runs, dtype=np.float32),
    )


def step_flops(layers: tuple[int, ...], batch_size: int) -> int:
    """Count the operations of one step of one run: products of forward pass, weight and input gradients.

    The gradient with respect to the network's inputs is not needed.
    """
    products = sum(fan_in * fan_out for fan_in, fan_out in itertools.pairwise(layers))
    return 2 * batch_size * (3 * products - layers[0] * layers[1])


def losses(work: Work, params: Params) -> np.ndarray:
    """Compute each run's mean cross-entropy on the first 1000 examples in float64, without any system's help.

    Args:
        work: gives the examples.
        params: of all runs.

    Returns:
        An array `[runs]`.
    """
    targets = work.targets[:JUDGED]
    values = []
    for run in range(len(params[0]["w"])):
        h = work.inputs[:JUDGED].astype(np.float64)
        for index, layer in enumerate(params):
            z = h @ layer["w"][run].astype(np.float64) + layer["b"][run].astype(np.float64)
            h = z if index == len(params) - 1 else np.maximum(z, 0)
        shifted = h - h.max(axis=1, keepdims=True)
        right = shifted[np.arange(len(targets)), targets]
        values.append(np.mean(np.log(np.exp(shifted).sum(axis=1)) - right))
    return np.array(values)


@functools.lru_cache(maxsize=1)
def _load_examples(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return np.load(folder / "inputs.npy"), np.load(folder / "targets.npy")


def _draw_batches(num_examples: int, steps: int, batch_size: int) -> np.ndarray:
    """Go through permutations of the examples, leaving out what does not fill a last batch."""
    rng = np.random.default_rng(0)
    per_epoch = num_examples // batch_size
    epochs = [
        rng.permutation(num_examples)[: per_epoch * batch_size].reshape(per_epoch, batch_size)
        for _ in range(-(-steps // per_epoch))
    ]
    return np.concatenate(epochs)[:steps].astype(np.int32)


def _draw_params(layers: tuple[int, ...], runs: int) -> Params:
    """Draw He-normal weights; biases are zero."""
    rng = np.random.default_rng(1)
    return [
        {
            "w": rng.standard_normal((runs, fan_in, fan_out), np.float32) * np.float32((2 / fan_in) ** 0.5),
            "b": np.zeros((runs, fan_out), np.float32),
        }
        for fan_in, fan_out in itertools.pairwise(layers)
    ]
