"""Spaces: which runs a sweep consists of.

A `Space` is a table in columns. Each axis has its distinct values once, and a run holds a small integer for
each axis, so that a million runs are a few arrays and no million objects.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name

Value = int | float | bool | str | tuple
"""What an axis may hold; tuples hold values."""

Config = dict[str, Value]
"""The hyper-parameters of one run by name."""


@dataclass(frozen=True, eq=False)
class Space:
    """A list of configurations, held by columns.

    axes: by name, the axis' distinct values in the order in which they were given.
    codes: by name, for each run the index of its value in `axes`.
    """

    axes: dict[str, tuple[Value, ...]]
    codes: dict[str, Int[np.ndarray, " runs"]]

    def __len__(self) -> int:
        return len(next(iter(self.codes.values()))) if self.codes else 0

    def __getitem__(self, run: SupportsIndex) -> Config:
        return {name: values[self.codes[name][run]] for name, values in self.axes.items()}

    def __iter__(self) -> Iterator[Config]:
        return (self[run] for run in range(len(self)))

    def column(self, name: str) -> np.ndarray:
        """Give one axis' value for every run, as an array `[runs]`.

        Raises:
            InputError: when there is no such axis.
        """
        if name not in self.axes:
            raise unknown_name("axis", name, self.axes)
        values = self.axes[name]
        if any(isinstance(value, tuple) for value in values):
            table = np.empty(len(values), dtype=object)
            table[:] = values
        else:
            table = np.asarray(values)
        return table[self.codes[name]]


def grid(**axes: Any) -> Space:
    """Make the space of all combinations; the last axis changes fastest.

    Args:
        **axes: by name, the values of each axis, or one value for all runs.

    Returns:
        The space.

    Raises:
        InputError: when an axis is empty, holds a value twice, or holds what is no finite number, string,
            boolean or tuple of these.

    Example:
        >>> space = grid(depth=[1, 2], learning_rate=logspace(0.01, 1, 3))
        >>> len(space), space[1]
        (6, {'depth': 1, 'learning_rate': 0.1})
    """
    if not axes:
        raise InputError("a grid needs at least one axis, such as learning_rate=[0.1, 0.3]")
    values = {name: axis_values(name, given) for name, given in axes.items()}
    indices = np.indices([len(column) for column in values.values()], dtype=np.int32)
    return Space(values, {name: index.ravel() for name, index in zip(values, indices, strict=True)})


def logspace(low: float, high: float, num: int) -> tuple[float, ...]:
    """List `num` numbers from `low` to `high`, both included, at equal ratios.

    Numbers are rounded to 6 significant digits, so that they read and compare well.

    Raises:
        InputError: when a bound is not positive and finite, or `num` not a positive integer.

    Example:
        >>> logspace(0.001, 1, 4)
        (0.001, 0.01, 0.1, 1.0)
    """
    if not (0 < low < math.inf and 0 < high < math.inf):
        raise InputError(f"logspace needs positive finite bounds, got {low} and {high}")
    return _spaced(np.geomspace, low, high, num)


def linspace(low: float, high: float, num: int) -> tuple[float, ...]:
    """List `num` numbers from `low` to `high`, both included, at equal distances.

    Numbers are rounded to 6 significant digits, so that they read and compare well.

    Raises:
        InputError: when a bound is not finite, or `num` not a positive integer.

    Example:
        >>> linspace(0, 1, 3)
        (0.0, 0.5, 1.0)
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"linspace needs finite bounds, got {low} and {high}")
    return _spaced(np.linspace, low, high, num)


def axis_values(name: str, given: Any) -> tuple[Value, ...]:
    """Turn what a user gave for an axis into its distinct values.

    Raises:
        InputError: as `grid`.
    """
    if isinstance(given, str | int | float | bool):
        given = [given]
    elif hasattr(given, "tolist"):  # numpy and JAX arrays and scalars
        listed = given.tolist()
        given = listed if isinstance(listed, list) else [listed]
    try:
        values = tuple(_value(name, value) for value in given)
    except TypeError:
        raise InputError(f"axis {name!r} needs a list of values, got {given!r}") from None
    if not values:
        raise InputError(f"axis {name!r} is empty; give it at least one value")
    if len({(type(value), value) for value in values}) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise InputError(f"axis {name!r} holds {twice!r} twice")
    return values


def _value(name: str, value: Any) -> Value:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_value(name, item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"axis {name!r} holds {value}; numbers must be finite")
    if not isinstance(value, str | int | float | bool):
        raise InputError(f"axis {name!r} holds {value!r}; values are numbers, strings, booleans or tuples")
    return value


def _spaced(space: Any, low: float, high: float, num: int) -> tuple[float, ...]:
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise InputError(f"the number of values must be a positive integer, got {num!r}")
    numbers: Sequence[float] = space(low, high, num).tolist()
    return tuple(float(f"{number:.6g}") for number in numbers)
