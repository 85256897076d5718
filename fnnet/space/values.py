"""Values: what an axis may hold, and a column of values as codes.

Two values are equal when their JSON texts are, with numbers by value: 1 and 1.0 are one number, true and 1
are not one value. A column lists its distinct values once and has the index of one of them, its code, for
each run, or -1 where the run has none.
"""

import base64
import hashlib
import json
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import Int, UInt64

from fnnet.errors import InputError, unknown_name

Value = int | float | bool | str | tuple
"""What an axis may hold; tuples hold values."""

_MAX_NESTING = 16


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
    """Convert the values that a user passed for an axis to its distinct values.

    Args:
        name: of the axis, for messages.
        given: one value, or several in anything that can be iterated over.

    Returns:
        The values as plain Python.

    Raises:
        InputError: when there is no value, one repeats, or one is not a finite number, integer of 64 bits,
            string, boolean or tuple of these.

    Example:
        >>> axis_values("width", np.array([64, 128])), axis_values("width", 64)
        ((64, 128), (64,))
    """
    values = listed_values(name, given)
    if len(encode(values)[0]) < len(values):
        texts = [_text(value) for value in values]
        twice = next(value for place, value in enumerate(values) if texts[place] in texts[:place])
        raise InputError(f"axis {name!r} holds {twice!r} twice")
    return values


def listed_values(name: str, given: Any) -> tuple[Value, ...]:
    """Convert the values that a user passed for an axis to plain Python values, which may repeat.

    Args and errors are those of `axis_values`, except that values may repeat.

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
        raise InputError(f"axis {name!r} needs a list of values, got {given!r}; `random` draws from it")
    try:
        items = iter(given)
    except TypeError:
        raise InputError(f"axis {name!r} needs a list of values, got {reprlib.repr(given)}") from None
    values = tuple(_value(name, item) for item in items)
    if not values:
        raise InputError(f"axis {name!r} is empty; it needs at least one value")
    return values


def encode(values: Iterable[Value]) -> tuple[tuple[Value, ...], Int[np.ndarray, " runs"]]:
    """List the distinct values in order of first appearance, and each value's index among them.

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
    """Find the places of some values among those of an axis.

    Args:
        name: of the axis, for messages.
        values: of the axis, distinct.
        given: one of them or several; a tuple that is a value of the axis is that one.

    Returns:
        Their indices in `values`.

    Raises:
        InputError: when the axis has no such value, naming the nearest it has.

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
            raise _absent(name, values, value)
    return [code_of[_text(value)] for value in wanted]


def config_hashes(
    axes: Mapping[str, tuple[Value, ...]], codes: Mapping[str, Int[np.ndarray, " runs"]]
) -> tuple[UInt64[np.ndarray, " runs"], UInt64[np.ndarray, " runs"]]:
    """Hash every run's configuration to two columns of 64 bits.

    Each (name, value) is hashed once, with SHA-256, and a run adds up the hashes of its pairs modulo 2**64.
    A sum is the same in any order, as the configuration is, and takes a few array operations for all runs
    together. Unlike with exclusive or, whatever is added twice does not cancel.

    Args:
        axes: by name, the distinct values.
        codes: by name, the runs' codes.

    Returns:
        The upper and the lower half of each run's hash.

    Example:
        >>> high, low = config_hashes({"seed": (3, 5)}, {"seed": np.array([0, 1, 0])})
        >>> high[0] == high[2], high[0] == high[1]
        (np.True_, np.False_)
    """
    high, low = np.zeros((2, len(next(iter(codes.values()), ()))), np.uint64)
    for name, values in axes.items():
        texts = (f"[{_text(name)},{_text(value)}]" for value in values)
        digests = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
        # A missing axis has the code -1, which finds the last pair and adds nothing.
        pairs = np.frombuffer(b"".join([*digests, bytes(16)]), ">u8").astype(np.uint64).reshape(-1, 2)
        high += pairs[codes[name], 0]
        low += pairs[codes[name], 1]
    # Sums of neighbors in a grid differ by equal steps. Three rounds make every digit of an id, and so any
    # prefix of it, depend on all 128 bits; each round can be undone, so none makes two sums collide.
    high += _scrambled(low)
    low += _scrambled(high)
    high += _scrambled(low)
    return high, low


def codes_to_text(codes: Int[np.ndarray, " runs"], num_values: int) -> str:
    """Write codes as base64 of little-endian integers, of 1, 2 or 4 bytes: as few as the values need.

    Example:
        >>> codes_to_text(np.array([0, 1, -1]), num_values=2)
        'AAH/'
    """
    return base64.b64encode(codes.astype(_stored_dtype(num_values)).tobytes()).decode()


def codes_from_text(name: str, text: str, num_values: int) -> Int[np.ndarray, " runs"]:
    """Read what `codes_to_text` wrote.

    Raises:
        InputError: when the text is malformed, or a code has no value; names the axis.

    Example:
        >>> codes_from_text("depth", "AAH/", num_values=2)
        array([ 0,  1, -1], dtype=int32)
    """
    try:
        codes = np.frombuffer(base64.b64decode(text, validate=True), _stored_dtype(num_values))
    except ValueError:  # no base64, or bytes that do not make whole integers
        raise InputError(f"the stored codes of axis {name!r} are damaged") from None
    if codes.size and not -1 <= codes.min() <= codes.max() < num_values:
        raise InputError(
            f"the stored codes of axis {name!r} are from -1 to {num_values - 1}, "
            f"got {codes.min()} to {codes.max()}"
        )
    return codes.astype(np.int32)


def _stored_dtype(num_values: int) -> str:
    return "<i1" if num_values <= 2**7 else "<i2" if num_values <= 2**15 else "<i4"


def _absent(name: str, values: tuple[Value, ...], value: Value) -> InputError:
    """Build the error for a value that an axis does not have."""
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
    """Write a value as JSON, the same for equal values: whole numbers as integers, others by `repr`."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else float.__repr__(value)
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def _scrambled(words: np.ndarray) -> np.ndarray:
    """Mix 64-bit words: the finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _spaced(space: Callable[..., np.ndarray], low: float, high: float, num: int) -> tuple[float, ...]:
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise InputError(f"the number of values must be a positive integer, got {num!r}")
    numbers: list[float] = space(low, high, num).tolist()
    return tuple(float(f"{number:.6g}") for number in numbers)
