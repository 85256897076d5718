"""The values of an axis, and columns of values stored as codes.

Two values are equal if their JSON texts are. Numbers are compared numerically: 1 equals 1.0, but not true.
A column stores its distinct values once and, for each run, the index of its value (its code), or -1 if it has none.
"""

import hashlib
import json
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import Int, UInt64

from fnnet.errors import InputError, check_integer, unknown_name

MAX_RUNS = 2**24  # in a space; building one of this size takes about 100 MB per axis

Value = int | float | bool | str | tuple[Any, ...]
"""A value of an axis; tuples may be nested."""

_MAX_NESTING = 16


def logspace(low: float, high: float, num: int) -> tuple[float, ...]:
    """Return `num` geometrically spaced numbers from `low` to `high`, both included.

    Numbers are rounded to 6 significant digits.

    Raises:
        InputError: if a bound is not positive and finite, or `num` is not a positive integer.

    Example:
        >>> logspace(0.001, 1, 4)
        (0.001, 0.01, 0.1, 1.0)
    """
    if not (0 < low < math.inf and 0 < high < math.inf):
        raise InputError(f"logspace needs positive finite bounds, got {low} and {high}")
    return _spaced(np.geomspace, low, high, num)


def linspace(low: float, high: float, num: int) -> tuple[float, ...]:
    """Return `num` evenly spaced numbers from `low` to `high`, both included.

    Numbers are rounded to 6 significant digits.

    Raises:
        InputError: if a bound is not finite, or `num` is not a positive integer.

    Example:
        >>> linspace(0, 1, 3)
        (0.0, 0.5, 1.0)
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"linspace needs finite bounds, got {low} and {high}")
    return _spaced(np.linspace, low, high, num)


def axis_values(name: str, given: object) -> tuple[Value, ...]:
    """Convert a user's values for an axis to plain, distinct Python values.

    Args:
        name: the name of the axis, for error messages.
        given: one value, or an iterable of values.

    Raises:
        InputError: if there is no value, a value repeats, or a value is not a finite number, 64-bit integer, string,
            boolean or tuple of these.

    Example:
        >>> axis_values("width", np.array([64, 128])), axis_values("width", 64)
        ((64, 128), (64,))
    """
    values = listed_values(name, given)
    if len(encode(values)[0]) < len(values):
        texts = [_text(value) for value in values]
        repeated = next(value for i, value in enumerate(values) if texts[i] in texts[:i])
        raise InputError(f"axis {name!r} holds {repeated!r} twice")
    return values


def listed_values(name: str, given: Any) -> tuple[Value, ...]:
    """Convert a user's values for an axis to plain Python values, as `axis_values` does, but allow repeats.

    Example:
        >>> listed_values("width", [64, 128, 64])
        (64, 128, 64)
    """
    if isinstance(given, str | int | float | bool):
        given = [given]
    elif hasattr(given, "tolist"):  # numpy and JAX arrays and scalars
        listed = given.tolist()
        given = listed if isinstance(listed, list) else [listed]
    if hasattr(given, "_fields"):
        raise InputError(
            f"axis {name!r} needs a list of values, got {given!r}; `random_design` draws from it"
        )
    if not isinstance(given, Iterable):
        raise InputError(f"axis {name!r} needs a list of values, got {reprlib.repr(given)}")
    values = tuple(_value(name, item) for item in given)
    if not values:
        raise InputError(f"axis {name!r} is empty; it needs at least one value")
    return values


def encode(values: Iterable[Value]) -> tuple[tuple[Value, ...], Int[np.ndarray, " runs"]]:
    """Return the distinct values in order of first appearance, and each value's index among them.

    Example:
        >>> encode(["relu", "tanh", "relu"])
        (('relu', 'tanh'), array([0, 1, 0], dtype=int32))
    """
    code_of: dict[str, int] = {}
    distinct: list[Value] = []
    codes = []
    for value in values:
        code = code_of.setdefault(_text(value), len(distinct))
        if code == len(distinct):
            distinct.append(value)
        codes.append(code)
    return tuple(distinct), np.array(codes, np.int32)


def find_codes(name: str, values: tuple[Value, ...], given: Any) -> list[int]:
    """Return the indices of given values among the values of an axis.

    Args:
        name: the name of the axis, for error messages.
        values: the distinct values of the axis.
        given: one value or several; a tuple that is itself a value of the axis counts as one.

    Raises:
        InputError: if the axis lacks a value, naming the nearest one.

    Example:
        >>> find_codes("power", (1, 2, 3), [3, 2.0])
        [2, 1]
        >>> find_codes("power", (1, 2, 3), 2.7)
        Traceback (most recent call last):
        fnnet.errors.InputError: no run has power=2.7; the nearest is 3
    """
    code_of = {_text(value): code for code, value in enumerate(values)}
    is_one = isinstance(given, tuple) and _text(given) in code_of
    wanted = (given,) if is_one else listed_values(name, given)
    for value in wanted:
        if _text(value) not in code_of:
            raise _missing_value(name, values, value)
    return [code_of[_text(value)] for value in wanted]


def config_hashes(
    axes: Mapping[str, tuple[Value, ...]], codes: Mapping[str, Int[np.ndarray, " runs"]]
) -> tuple[UInt64[np.ndarray, " runs"], UInt64[np.ndarray, " runs"]]:
    """Hash the configuration of every run to 128 bits; return the upper and the lower 64.

    Each (name, value) pair is hashed once with SHA-256; the hash of a run is the sum over its pairs modulo 2**64. A
    sum does not depend on the order of the axes and is vectorized over runs; unlike XOR, equal terms do not cancel.

    Example:
        >>> high, low = config_hashes({"seed": (3, 5)}, {"seed": np.array([0, 1, 0])})
        >>> high[0] == high[2], high[0] == high[1]
        (np.True_, np.False_)
    """
    high, low = np.zeros((2, len(next(iter(codes.values()), ()))), np.uint64)
    for name, values in axes.items():
        texts = (f"[{_text(name)},{_text(value)}]" for value in values)
        digests = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
        # A missing axis has code -1, which indexes the last pair and adds zero.
        pairs = np.frombuffer(b"".join([*digests, bytes(16)]), ">u8").astype(np.uint64).reshape(-1, 2)
        high += pairs[codes[name], 0]
        low += pairs[codes[name], 1]
    # Neighbors in a grid differ by constant steps. Three rounds of mixing make every prefix of an id depend on all
    # 128 bits; each round is invertible, so none adds collisions.
    high += _mix(low)
    low += _mix(high)
    high += _mix(low)
    return high, low


def _missing_value(name: str, values: tuple[Value, ...], value: Value) -> InputError:
    if isinstance(value, str) and all(isinstance(other, str) for other in values):
        return unknown_name(f"value of axis {name!r}", value, map(str, values))
    numbers = [other for other in values if _is_number(other)]
    if _is_number(value) and numbers:
        nearest = min(numbers, key=lambda number: abs(number - value))
        return InputError(f"no run has {name}={value!r}; the nearest is {nearest!r}")
    return InputError(f"no run has {name}={value!r}; its values are {reprlib.repr(values)}")


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(name: str, value: Any, nesting: int = 0) -> Value:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        if nesting == _MAX_NESTING:
            raise InputError(f"axis {name!r} holds tuples nested more than {_MAX_NESTING} deep")
        return tuple(_value(name, item, nesting + 1) for item in value)
    if not isinstance(value, str | int | float | bool):
        raise InputError(
            f"axis {name!r} holds {reprlib.repr(value)}; values are numbers, strings, booleans or tuples"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"axis {name!r} holds {value}; numbers must be finite")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(f"axis {name!r} holds an integer that does not fit 64 bits")
    return value


def _text(value: Value) -> str:
    """Return a value as JSON text, the same for equal values: whole floats are written as integers."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else float.__repr__(value)
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def _mix(words: np.ndarray) -> np.ndarray:
    """Mix 64-bit words: the finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _spaced(space: Callable[..., np.ndarray], low: float, high: float, num: int) -> tuple[float, ...]:
    check_integer("the number of values", num)
    numbers: list[float] = space(low, high, num).tolist()
    return tuple(float(f"{number:.6g}") for number in numbers)


def check_equal_lengths(what: str, lengths: dict[str, int]) -> None:
    """Check that the columns of a space have equal lengths."""
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{what} need equally many values, got "
            + ", ".join(f"{length} for {name!r}" for name, length in lengths.items())
        )


def check_size(sizes: list[int]) -> None:
    """Check the number of runs of a product before it is built."""
    if math.prod(sizes) > MAX_RUNS:
        factors = [f"{size:,}" for size in sizes if size > 1]
        total = f" = {math.prod(sizes):,}" if len(factors) > 1 else ""
        raise InputError(f"a sweep has at most {MAX_RUNS:,} runs, got {' * '.join(factors)}{total}")
