"""Learning-rate schedules: functions from the number of the step, from 0, to a scalar.

They go wherever `sgd` takes a learning rate, and into optax. Every number may be traced. Rates are computed in JAX's
default float, which is float64 where that is on. A number that is known when a schedule is built is checked then.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from fnnet.errors import InputError

Number = int | float | np.number | Num[Array, ""]
Length = int | np.integer | Int[Array, ""]
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
        num_steps: the step from which on the final rate is kept, at least 1.
        final_factor: the final rate as a share of the first.

    Returns:
        The schedule.

    Raises:
        InputError: when a concrete number is out of range.

    Example:
        >>> round(float(cosine(0.5, num_steps=10)(jnp.array(5))), 6)
        0.25
    """

    check_learning_rate(learning_rate)
    _check_from("num_steps", num_steps, 1)
    _check_from("final_factor", final_factor, 0)

    def schedule(step: Array) -> Number:
        rate, final = _float(learning_rate), _float(final_factor)
        share = _float(jnp.minimum(step, num_steps)) / _float(num_steps)
        return rate * (final + (1 - final) * (1 + jnp.cos(jnp.pi * share)) / 2)

    return schedule


def linear_warmup(then: Schedule | Number, num_steps: Length) -> Schedule:
    """Rise linearly from 0 for `num_steps` steps, then follow `then` from its own step 0.

    Args:
        then: a schedule or a learning rate; its value at 0 is the height of the rise.
        num_steps: length of the rise; step `num_steps` is the first at full height. 0 is no rise.

    Returns:
        The schedule.

    Raises:
        InputError: when a concrete number is out of range.

    Example:
        >>> schedule = linear_warmup(0.4, num_steps=4)
        >>> [round(float(schedule(jnp.array(step))), 6) for step in (0, 1, 4, 9)]
        [0.0, 0.1, 0.4, 0.4]
    """
    check_learning_rate(then)
    _check_from("num_steps", num_steps, 0)
    follow = then if callable(then) else constant(then)

    def schedule(step: Array) -> Number:
        share = _float(jnp.minimum(step, num_steps)) / _float(jnp.maximum(num_steps, 1))
        rate = _float(follow(jnp.maximum(step - num_steps, 0)))
        return jnp.where(step < num_steps, share, 1.0) * rate

    return schedule


def step_decay(learning_rate: Number, factor: Number, every: Length) -> Schedule:
    """Multiply the rate by `factor` after every `every` steps.

    Args:
        learning_rate: at step 0.
        factor: what each drop leaves.
        every: steps between two drops, at least 1.

    Returns:
        The schedule.

    Raises:
        InputError: when a concrete number is out of range.

    Example:
        >>> float(step_decay(1.0, factor=0.5, every=10)(jnp.array(25)))
        0.25
    """
    check_learning_rate(learning_rate)
    _check_from("factor", factor, 0)
    _check_from("every", every, 1)
    return lambda step: _float(learning_rate) * _float(factor) ** (step // every)


def check_range(field: str, value: Any, expected: str, holds: Callable[[Any], Any]) -> None:
    """Refuse a number that is out of range; None, schedules and traced numbers are accepted.

    Raises:
        InputError: naming the field, the value and the range.
    """
    if value is None or callable(value) or isinstance(value, jax.core.Tracer):
        return
    if isinstance(value, jax.Array):  # JAX would trace a comparison, although the number is known
        value = np.asarray(value)
    if isinstance(value, str | bool | Mapping) or np.ndim(value) or not holds(value):
        raise InputError(f"{field} must be {expected}, got {value}")


def check_learning_rate(value: Any) -> None:
    """Refuse a concrete learning rate that is not a positive finite number.

    Raises:
        InputError: naming the value.
    """
    check_range("learning_rate", value, "a positive finite number", lambda rate: 0 < rate < math.inf)


def _check_from(field: str, value: Any, least: int) -> None:
    check_range(field, value, f"at least {least}", lambda number: least <= number < math.inf)


def _float(number: Number) -> Float[Array, ""]:
    """Cast to JAX's default float; division alone would make float32 of an int32 step."""
    return jnp.asarray(number, float)
