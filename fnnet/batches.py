"""Batches: the order in which training sees its examples.

A batch depends only on `data_seed` and the step, not on the run or on where it was interrupted. All lanes of a sweep
see the same batch at the same step, so runs are comparable and share one large matrix product in the first layer.
"""

import math
from functools import cache
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from fnnet.data import Dataset, Examples
from fnnet.errors import InputError, check_integer, unknown_name
from fnnet.types import PyTree

Integer = int | Int[Array, ""]


@runtime_checkable
class DrawFunction(Protocol):
    """The signature of `Batches.draw`."""

    def __call__(self, data_seed: Integer, data: PyTree, first_step: Integer, num_steps: int, /) -> PyTree:
        """Draw the selections of consecutive steps; those of a step may not depend on where the range begins.

        Args:
            data_seed: may be traced.
            data: the data of the task.
            first_step: the first step of the range, counted from 0; may be traced.
            num_steps: length of the range, a Python integer.

        Returns:
            A pytree of arrays `[num_steps, ...]`, such as the rows `[num_steps, batch_size]` of the examples.
        """
        ...


@runtime_checkable
class SelectFunction(Protocol):
    """The signature of `Batches.select`."""

    def __call__(self, data: PyTree, selection: PyTree, /) -> PyTree:
        """Return the batch of a step, given the data and the step's entry of what `draw` returned."""
        ...


class Batches(NamedTuple):
    """A pair of pure functions that determine the batch of each step.

    Many steps are drawn at once, and each batch is selected in its step, once for all runs that train together.

    draw: `(data_seed, data, first_step, num_steps) -> selections [num_steps, ...]`, see `DrawFunction`.
    select: `(data, selection) -> batch`, see `SelectFunction`.

    Example:
        Batches that consist of the number of the step.

        >>> steps = Batches(
        ...     draw=lambda data_seed, data, first_step, num_steps: first_step + jnp.arange(num_steps),
        ...     select=lambda data, step: step,
        ... )
        >>> steps.draw(0, None, 5, 3).tolist()
        [5, 6, 7]
    """

    draw: DrawFunction
    select: SelectFunction


def make_batches(batch_size: int | None, order: str = "shuffled") -> Batches:
    """Build batches of the training examples of a `Dataset`.

    Args:
        batch_size: examples per batch; None for all examples at every step, in which case the order is ignored.
        order: "shuffled" permutes the examples in every epoch and drops the incomplete last batch; "sequential" cycles
            through the examples in order; "with_replacement" draws the examples of a batch independently.

    Raises:
        InputError: when the order is unknown or the batch size is not a positive integer; and from `draw`, when
            a batch without replacement is larger than the data.

    Example:
        >>> from fnnet import load_dataset
        >>> data, batches = load_dataset("iris"), make_batches(50, "sequential")
        >>> rows = batches.draw(0, data, 0, 3)
        >>> rows[:, 0].tolist()
        [0, 50, 100]
        >>> batches.select(data, rows[2]).inputs.shape
        (50, 4)
    """
    if batch_size is None:
        return Batches(_draw_nothing, _select_training)
    check_integer("batch_size", batch_size)
    if order not in _ORDERS:
        raise unknown_name("order of batches", order, _ORDERS)

    return _batches_of(batch_size, order)


@cache  # so that equal orders are one function, compiled once for all groups of a sweep
def _batches_of(batch_size: int, order: str) -> Batches:
    def draw(data_seed: Integer, data: Dataset, first_step: Integer, num_steps: int) -> Array:
        num_examples = len(data.train.inputs)
        if batch_size > num_examples and order != "with_replacement":
            raise InputError(
                f"batch_size is {batch_size}, larger than the {num_examples} training examples; "
                "use a smaller one or full batches"
            )
        steps = first_step + jnp.arange(num_steps, dtype=jnp.int32)
        return _ORDERS[order](data_seed, num_examples, steps, batch_size)

    return Batches(draw, _gather)


def _gather(data: Dataset, rows: Array) -> Examples:
    # Rows are in bounds by construction, so the gather need not clip or mask them.
    return jax.tree.map(lambda leaf: jnp.asarray(leaf).at[rows].get(mode="promise_in_bounds"), data.train)


def _draw_nothing(data_seed: Integer, data: PyTree, first_step: Integer, num_steps: int) -> tuple[()]:
    del data_seed, data, first_step, num_steps
    return ()


def _select_training(data: Dataset, selection: tuple[()]) -> Examples:
    del selection
    return data.train


def _select_all(data: PyTree, selection: tuple[()]) -> PyTree:
    del selection
    return data


all_data: Batches = Batches(_draw_nothing, _select_all)
"""The batch of every step is the whole data, of any form."""


def _draw_shuffled(data_seed: Integer, num_examples: int, steps: Array, batch_size: int) -> Array:
    steps_per_epoch = num_examples // batch_size
    first_epoch = steps[0] // steps_per_epoch
    num_epochs = (len(steps) - 1) // steps_per_epoch + 2  # the first step may lie inside an epoch
    key = jax.random.key(data_seed)

    def permutation(epoch: Array) -> Array:
        shuffled = jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)
        return shuffled[: steps_per_epoch * batch_size].reshape(steps_per_epoch, batch_size)

    epochs = jax.lax.map(permutation, first_epoch + jnp.arange(num_epochs, dtype=jnp.int32))
    return epochs[steps // steps_per_epoch - first_epoch, steps % steps_per_epoch]


def _draw_sequential(data_seed: Integer, num_examples: int, steps: Array, batch_size: int) -> Array:
    del data_seed
    # Reduce the step before multiplying, so that long runs do not overflow int32.
    period = num_examples // math.gcd(num_examples, batch_size)
    starts = (steps % period) * batch_size
    return (starts[:, None] + jnp.arange(batch_size, dtype=jnp.int32)[None, :]) % num_examples


def _draw_with_replacement(data_seed: Integer, num_examples: int, steps: Array, batch_size: int) -> Array:
    key = jax.random.key(data_seed)

    def rows(step: Array) -> Array:
        return jax.random.randint(jax.random.fold_in(key, step), (batch_size,), 0, num_examples)

    return jax.vmap(rows)(steps)


_ORDERS = {
    "shuffled": _draw_shuffled,
    "sequential": _draw_sequential,
    "with_replacement": _draw_with_replacement,
}
