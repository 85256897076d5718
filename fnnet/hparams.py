"""The hyper-parameters of one run, by name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from fnnet.errors import InputError


class MissingHparam(InputError):
    """Raised when a task reads a hyper-parameter, `name`, that is missing."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name


class Hparams(Mapping[str, Any]):
    """A read-only mapping that records which names are read.

    The names that a task reads are the traced axes that a sweep may have, so they need not be declared. Inside a
    compiled program, values are traced scalars.

    names_read: every name that was read, present or missing.

    Example:
        >>> hparams = Hparams({"learning_rate": 0.1})
        >>> hparams["learning_rate"], hparams.get("momentum")
        (0.1, None)
        >>> sorted(hparams.names_read)
        ['learning_rate', 'momentum']
    """

    def __init__(self, values: Mapping[str, Any]):
        self._values = dict(values)
        self.names_read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names_read.add(name)
        if name not in self._values:
            given = ", ".join(sorted(self._values.keys() - {"num_steps"})) or "none"  # not by the user
            raise MissingHparam(
                name, f"the task reads the hyper-parameter {name!r}, which is missing (given: {given})"
            )
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a hyper-parameter, or `default` if it is missing."""
        self.names_read.add(name)
        return self._values.get(name, default)

    def peek(self, name: str, default: Any = None) -> Any:
        """Return a hyper-parameter, or `default`, without recording that it was read."""
        return self._values.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def check_number(field: str, value: int | float | np.number) -> None:
    """Check that a number survives the cast to JAX's default dtype.

    An integer must fit int32, and a float must not become 0 or infinite in float32 (int64 and float64 with x64
    enabled). Otherwise runs with different numbers could silently be the same run.

    Raises:
        InputError: naming the field, the number and the limits.

    Example:
        >>> check_number("seed", 2**32)
        Traceback (most recent call last):
        fnnet.errors.InputError: seed is 4294967296, which does not fit int32 (-2147483648 to 2147483647)
    """
    number: Any = value.item() if isinstance(value, np.number) else value
    if isinstance(number, float):
        dtype = jax.dtypes.canonicalize_dtype(np.float64)
        least, most = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
        if np.isfinite(number) and number != 0 and not least <= abs(number) <= most:
            becomes = "0" if abs(number) < least else "infinite"
            raise InputError(
                f"{field} is {number!r}, which is {becomes} in {dtype} (from {least:.2g} to {most:.2g})"
            )
    else:
        dtype = jax.dtypes.canonicalize_dtype(np.int64)
        limits = np.iinfo(dtype)
        if not limits.min <= number <= limits.max:
            raise InputError(
                f"{field} is {number}, which does not fit {dtype} ({limits.min} to {limits.max})"
            )


def check_range(field: str, value: Any, expected: str, holds: Callable[[Any], object]) -> None:
    """Check the range of a concrete number; None, schedules and traced numbers are accepted.

    Raises:
        InputError: naming the field, the value and the range.
    """
    if value is None or callable(value) or isinstance(value, Tracer):
        return
    if isinstance(value, jax.Array):  # under jit, JAX would trace the comparison
        value = np.asarray(value)
    if isinstance(value, str | bool | Mapping) or np.ndim(value) or not holds(value):
        raise InputError(f"{field} must be {expected}, got {value}")
