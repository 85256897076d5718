"""Batches: the order in which training sees its examples.

A batch depends only on `data_seed` and the step, not on the run or on where it was interrupted. All lanes of a sweep
see the same batch at the same step, so runs are comparable and share one large matrix product in the first layer.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from fnnet.data import Examples
from fnnet.errors import InputError, check_integer, unknown_name

Integer = int | Int[Array, ""]


class Batches(NamedTuple):
    """A pair of pure functions that select the examples of each step.

    draw: maps `(data_seed, num_examples, first_step, num_steps)` to a pytree whose leaves have a leading axis
        `num_steps`. `num_examples` and `num_steps` are Python integers, the others may be traced.
    select: maps the training examples and one step of what `draw` returned to the step's batch.
    """

    draw: Callable[[Integer, int, Integer, int], Any]
    select: Callable[[Examples, Any], Examples]


def make_batches(batch_size: int | None, order: str = "shuffled") -> Batches:
    """Build the batches of an order.

    Args:
        batch_size: examples per batch; None for all examples at every step, in which case the order is ignored.
        order: "shuffled" permutes the examples in every epoch and drops the incomplete last batch; "sequential" cycles
            through the examples in order; "with_replacement" draws the examples of a batch independently.

    Raises:
        InputError: when the order is unknown or the batch size is not a positive integer; and from `draw`, when
            a batch without replacement is larger than the data.

    Example:
        >>> batches = make_batches(2, "sequential")
        >>> batches.draw(0, 5, 0, 3).tolist()
        [[0, 1], [2, 3], [4, 0]]
    """
    if batch_size is None:
        return Batches(draw=draw_steps, select=lambda examples, step: examples)
    check_integer("batch_size", batch_size)
    if order not in _ORDERS:
        raise unknown_name("order of batches", order, _ORDERS)

    def draw(data_seed: Integer, num_examples: int, first_step: Integer, num_steps: int) -> Array:
        if batch_size > num_examples and order != "with_replacement":
            raise InputError(
                f"batch_size is {batch_size}, larger than the {num_examples} training examples; "
                "use a smaller one or full batches"
            )
        steps = draw_steps(data_seed, num_examples, first_step, num_steps)
        return _ORDERS[order](data_seed, num_examples, steps, batch_size)

    return Batches(draw, _gather)


def _gather(examples: Examples, rows: Array) -> Examples:
    # Rows are in bounds by construction, so the gather need not clip or mask them.
    return jax.tree.map(lambda leaf: jnp.asarray(leaf).at[rows].get(mode="promise_in_bounds"), examples)


def draw_steps(data_seed: Integer, data: Any, first_step: Integer, num_steps: int) -> Array:
    """Return the numbers of the steps, whatever the data."""
    del data_seed, data
    return first_step + jnp.arange(num_steps, dtype=jnp.int32)


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
