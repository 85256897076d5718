"""Learning-rate schedules: functions from the step, counted from 0, to a scalar.

They work with `sgd` and with optax. All numbers may be traced; concrete ones are checked when the schedule is built.
Rates are computed in JAX's default float dtype.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from fnnet.hparams import check_range
from fnnet.names import lookup
from fnnet.types import Number

Length = int | np.integer | Int[Array, ""]
Schedule = Callable[[Int[Array, ""]], Number]


def constant(learning_rate: Number) -> Schedule:
    """Build a constant schedule.

    Example:
        >>> constant(0.1)(jnp.array(7))
        0.1
    """
    return lambda step: learning_rate


def cosine(learning_rate: Number, num_steps: Length, final_factor: Number = 0.0) -> Schedule:
    """Build a cosine decay from `learning_rate` to `final_factor * learning_rate` (Loshchilov & Hutter 2017).

    Args:
        learning_rate: the rate at step 0.
        num_steps: length of the decay, at least 1; afterwards the rate is constant.
        final_factor: the final rate divided by the initial one.

    Raises:
        InputError: when a concrete number is out of range.

    Example:
        >>> round(float(cosine(0.5, num_steps=10)(jnp.array(5))), 6)
        0.25
    """
    share_done = _share_done(learning_rate, num_steps, final_factor)

    def schedule(step: Array) -> Number:
        final = _float(final_factor)
        return _float(learning_rate) * (final + (1 - final) * (1 + jnp.cos(jnp.pi * share_done(step))) / 2)

    return schedule


def linear(learning_rate: Number, num_steps: Length, final_factor: Number = 0.0) -> Schedule:
    """Build a linear decay from `learning_rate` to `final_factor * learning_rate`.

    Args:
        learning_rate: the rate at step 0.
        num_steps, final_factor: as in `cosine`.

    Raises:
        InputError: when a concrete number is out of range.

    Example:
        >>> round(float(linear(0.5, num_steps=10, final_factor=0.2)(jnp.array(5))), 6)
        0.3
    """
    share_done = _share_done(learning_rate, num_steps, final_factor)
    return lambda step: _float(learning_rate) * (1 - share_done(step) * (1 - _float(final_factor)))


def linear_warmup(then: Schedule | Number, num_steps: Length) -> Schedule:
    """Build a linear warmup from 0 over `num_steps` steps, followed by another schedule.

    Args:
        then: a schedule or a learning rate, whose step 0 is step `num_steps`; the warmup ends at its first value.
        num_steps: length of the warmup; 0 for none.

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
    """Build a schedule that multiplies the rate by `factor` every `every` steps.

    Args:
        learning_rate: the rate at step 0.
        factor: the rate after a drop divided by the rate before.
        every: steps between two drops, at least 1.

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


def whole_run(
    name: str, learning_rate: Number, num_steps: Length, warmup_fraction: Number = 0.0, **numbers: Number
) -> Schedule:
    """Build a schedule that spans a whole run, with lengths as fractions of its steps.

    Args:
        name: a name in `SCHEDULES`.
        learning_rate: the rate after the warmup.
        num_steps: length of the run.
        warmup_fraction: the fraction of the steps in which the rate rises linearly from 0; the schedule spans the rest.
        **numbers: `final_factor` (default 0) of "cosine" and "linear", the final rate divided by `learning_rate`;
            `step_factor` (default 0.1) of "step", by which the rate is multiplied at each drop, and `step_fraction`
            (default 1/3), the steps between two drops as a fraction of all after the warmup.

    Raises:
        InputError: when the name is unknown, or a concrete number is out of range.

    Example:
        >>> schedule = whole_run("linear", 0.4, num_steps=10, warmup_fraction=0.2)
        >>> [round(float(schedule(jnp.array(step))), 6) for step in (0, 1, 2, 6, 10)]
        [0.0, 0.2, 0.4, 0.2, 0.0]
    """
    span = lookup("schedule", name, SCHEDULES)
    for field, number in {"warmup_fraction": warmup_fraction, **numbers}.items():
        check_range(field, number, *RANGES[field])
    warmup = _share_of(num_steps, warmup_fraction)
    return linear_warmup(span(learning_rate, jnp.maximum(num_steps - warmup, 1), **numbers), warmup)


def keywords_of(name: str) -> tuple[str, ...]:
    """Return the names of the numbers that a schedule of a whole run takes, besides the warmup."""
    return tuple(inspect.signature(SCHEDULES[name]).parameters)[2:]


def _span_constant(learning_rate: Number, num_steps: Length) -> Schedule:
    del num_steps
    return constant(learning_rate)


def _span_step(
    learning_rate: Number, num_steps: Length, step_factor: Number = 0.1, step_fraction: Number = 1 / 3
) -> Schedule:
    return step_decay(learning_rate, step_factor, jnp.maximum(_share_of(num_steps, step_fraction), 1))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": _span_constant,
    "cosine": cosine,
    "linear": linear,
    "step": _span_step,
}
"""The schedules of `whole_run` by name: functions of the learning rate, the number of steps, and other numbers."""


_FROM_ZERO = ("a finite number of at least 0", lambda number: 0 <= number < math.inf)
RANGES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "learning_rate": ("a positive finite number", lambda rate: 0 < rate < math.inf),
    "warmup_fraction": ("a number from 0 to 1", lambda share: 0 <= share <= 1),
    "final_factor": _FROM_ZERO,
    "step_factor": _FROM_ZERO,
    "step_fraction": ("a number above 0 and up to 1", lambda share: 0 < share <= 1),
}
"""What the numbers of schedules must be, by name: in words, and as a function."""


def check_learning_rate(value: object) -> None:
    """Check that a concrete learning rate is positive and finite.

    Raises:
        InputError: naming the value.
    """
    check_range("learning_rate", value, *RANGES["learning_rate"])


def _check_from(field: str, value: object, least: int) -> None:
    check_range(field, value, f"at least {least}", lambda number: least <= number < math.inf)


def _share_done(
    learning_rate: Number, num_steps: Length, final_factor: Number
) -> Callable[[Array], Float[Array, ""]]:
    """Check the numbers of a decay, and return the function from the step to the share of it that is done."""
    check_learning_rate(learning_rate)
    _check_from("num_steps", num_steps, 1)
    _check_from("final_factor", final_factor, 0)
    return lambda step: _float(jnp.minimum(step, num_steps)) / _float(num_steps)


def _share_of(num_steps: Length, fraction: Number) -> Int[Array, ""]:
    return jnp.round(_float(num_steps) * _float(fraction)).astype(jnp.int32)


def _float(number: Number) -> Float[Array, ""]:
    """Cast to JAX's default float dtype; division of int32 steps would give float32 even with x64."""
    return jnp.asarray(number, float)
