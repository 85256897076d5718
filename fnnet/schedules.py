"""Learning-rate schedules: functions from the number of the step, from 0, to a scalar.

They go wherever `sgd` takes a learning rate, and into optax. Every number may be traced.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Int, Num

Number = int | float | Num[Array, ""]
Length = int | Int[Array, ""]
Schedule = Callable[[Int[Array, ""]], Number]


def constant(learning_rate: Number) -> Schedule:
    """Keep one learning rate.

    Example:
        >>> constant(0.1)(jnp.array(7))
        0.1
    """
    return lambda step: learning_rate


def cosine(learning_rate: Number, num_steps: Length, final_factor: Number = 0.0) -> Schedule:
    """Fall along half a cosine from `learning_rate` to `final_factor` times it (Loshchilov & Hutter 2017).

    Args:
        learning_rate: at step 0.
        num_steps: the step from which on the final rate is kept.
        final_factor: the final rate as a share of the first.

    Returns:
        The schedule.

    Example:
        >>> round(float(cosine(0.5, num_steps=10)(jnp.array(5))), 6)
        0.25
    """

    def schedule(step: Array) -> Number:
        share = jnp.minimum(step, num_steps) / num_steps
        return learning_rate * (final_factor + (1 - final_factor) * (1 + jnp.cos(jnp.pi * share)) / 2)

    return schedule


def linear_warmup(then: Schedule | Number, num_steps: Length) -> Schedule:
    """Rise linearly from 0 for `num_steps` steps, then follow `then` from its own step 0.

    Args:
        then: a schedule or a learning rate; its value at 0 is the height of the rise.
        num_steps: length of the rise; step `num_steps` is the first at full height.

    Returns:
        The schedule.

    Example:
        >>> schedule = linear_warmup(0.4, num_steps=4)
        >>> [round(float(schedule(jnp.array(step))), 6) for step in (0, 1, 4, 9)]
        [0.0, 0.1, 0.4, 0.4]
    """
    follow = then if callable(then) else constant(then)

    def schedule(step: Array) -> Number:
        share = jnp.minimum(step, num_steps) / jnp.maximum(num_steps, 1)
        return jnp.where(step < num_steps, share, 1.0) * follow(jnp.maximum(step - num_steps, 0))

    return schedule


def step_decay(learning_rate: Number, factor: Number, every: Length) -> Schedule:
    """Multiply the rate by `factor` after every `every` steps.

    Args:
        learning_rate: at step 0.
        factor: what each drop leaves.
        every: steps between two drops.

    Returns:
        The schedule.

    Example:
        >>> float(step_decay(1.0, factor=0.5, every=10)(jnp.array(25)))
        0.25
    """
    return lambda step: learning_rate * jnp.asarray(factor, float) ** (step // every)
