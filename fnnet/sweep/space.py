"""Spaces: which runs a sweep consists of.

A `Space` is a table in columns. Each axis has its distinct values once, and a run holds a small integer for
each axis, so that a million runs are a few arrays and no million objects.

Two values are equal when their JSON texts are, with numbers by value: 1 and 1.0 are one number, true and 1
are not one value. Two configurations are equal when they have the same names with equal values. Every
function here makes each configuration once.
"""

import base64
import hashlib
import json
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Bool, Int

from fnnet.errors import InputError, unknown_name

Value = int | float | bool | str | tuple
"""What an axis may hold; tuples hold values."""

Config = dict[str, Value]
"""The hyper-parameters of one run by name."""

_MAX_NESTING = 16


@dataclass(frozen=True, eq=False)
class Space:
    """A list of configurations, held by columns.

    `a | b` is `union(a, b)` and `a * b` is `product(a, b)`.

    axes: by name, the axis' distinct values in the order in which they were given.
    codes: by name, for each run the index of its value in `axes`, or -1 where the run lacks the axis.
    """

    axes: dict[str, tuple[Value, ...]]
    codes: dict[str, Int[np.ndarray, " runs"]]

    def __len__(self) -> int:
        return len(next(iter(self.codes.values()))) if self.codes else 0

    def __getitem__(self, run: SupportsIndex) -> Config:
        place = range(len(self))[run]
        return {
            name: values[self.codes[name][place]]
            for name, values in self.axes.items()
            if self.codes[name][place] >= 0
        }

    def __iter__(self) -> Iterator[Config]:
        return (self[run] for run in range(len(self)))

    def __or__(self, other: "Space") -> "Space":
        return union(self, other)

    def __mul__(self, other: "Space") -> "Space":
        return product(self, other)

    def column(self, name: str) -> np.ndarray:
        """Give one axis' value for every run, as an array `[runs]`.

        A run that lacks the axis has NaN where the axis is of numbers, which makes the column float64, and
        else None. Strings, or booleans, that no run lacks keep their own dtype; tuples and mixtures of
        strings with others are objects.

        Raises:
            InputError: when there is no such axis.

        Example:
            >>> space = grid(optimizer="sgd") | grid(optimizer="adam", beta=0.9)
            >>> space.column("beta")
            array([nan, 0.9])
        """
        has_it = self.present(name)
        values: tuple[Any, ...] = self.axes[name]
        kinds = {type(value) for value in values}
        is_numeric = kinds <= {int, float, bool} and kinds != {bool}
        if not has_it.all():
            values = (*values, math.nan if is_numeric else None)  # last, where the code -1 finds it
            kinds.add(float if is_numeric else type(None))
        if is_numeric or kinds in ({bool}, {str}):
            table = np.asarray(values)
        else:
            table = np.fromiter(values, dtype=object, count=len(values))
        return table[self.codes[name]]

    def present(self, name: str) -> Bool[np.ndarray, " runs"]:
        """Tell which runs have an axis, as an array `[runs]`.

        Raises:
            InputError: when there is no such axis.
        """
        if name not in self.axes:
            raise unknown_name("axis", name, self.axes)
        return self.codes[name] >= 0

    def take(self, rows: Any) -> "Space":
        """Keep some runs, in the order asked for.

        All axes stay; of their values, those that a kept run has.

        Args:
            rows: places of runs, integers `[rows]`; a place that comes twice is taken twice.

        Returns:
            The space of these runs.

        Raises:
            InputError: when the rows are no integers or not in the space.

        Example:
            >>> grid(depth=[1, 2], seed=range(3)).take([5, 3]).axes
            {'depth': (2,), 'seed': (0, 2)}
        """
        places = np.asarray(rows)
        if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
            raise InputError(f"rows are a list of integers, got {reprlib.repr(rows)}")
        places = places.astype(np.int64)
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise InputError(f"rows are from 0 to {len(self) - 1}, got {places.min()} to {places.max()}")
        axes, codes = {}, {}
        for name, values in self.axes.items():
            taken = self.codes[name][places]
            kept = np.unique(taken[taken >= 0])
            new_codes = np.full(len(values) + 1, -1, np.int32)  # one more, where the code -1 finds itself
            new_codes[kept] = np.arange(len(kept))
            axes[name], codes[name] = tuple(values[code] for code in kept), new_codes[taken]
        return Space(axes, codes)

    def ids(self) -> np.ndarray:
        """Name every run by a hash of its configuration, as an array `[runs]` of 32 hexadecimal digits.

        Equal configurations have equal ids, whatever the order of their axes, the rest of the space, the
        process or the machine.

        Example:
            >>> grid(depth=[1, 2], seed=0).ids()[1] == grid(seed=0, depth=2).ids()[0]
            True
        """
        digits = np.stack(_hashes(self), axis=1).astype(">u8").tobytes().hex().encode()
        return np.frombuffer(digits, "S32").astype("U32")

    def to_json(self) -> dict[str, Any]:
        """Write the space as an object for a JSON file.

        Codes are little-endian integers in base64, of 1, 2 or 4 bytes: as few as the axis' values need.

        Example:
            >>> grid(depth=[1, 2]).to_json()
            {'axes': [{'name': 'depth', 'values': [1, 2], 'codes': 'AAE='}]}
        """
        axes = [
            {
                "name": name,
                "values": list(values),
                "codes": base64.b64encode(
                    self.codes[name].astype(_stored_dtype(len(values))).tobytes()
                ).decode(),
            }
            for name, values in self.axes.items()
        ]
        return {"axes": axes}

    @classmethod
    def from_json(cls, stored: Any) -> "Space":
        """Read what `to_json` wrote.

        Raises:
            InputError: when it is anything else.

        Example:
            >>> list(Space.from_json(grid(widths=[(3,), (4, 5)]).to_json()))
            [{'widths': (3,)}, {'widths': (4, 5)}]
        """
        listed = stored.get("axes") if isinstance(stored, dict) else None
        if not isinstance(listed, list):
            raise InputError("a stored space is an object with a list 'axes'")
        axes: dict[str, tuple[Value, ...]] = {}
        codes: dict[str, np.ndarray] = {}
        for axis in listed:
            name, values, text = map(axis.get, _STORED) if isinstance(axis, dict) else (None,) * 3
            if not (isinstance(name, str) and isinstance(values, list) and isinstance(text, str)):
                raise InputError(f"a stored axis has name, values and codes, got {reprlib.repr(axis)}")
            if name in axes:
                raise InputError(f"the stored space has the axis {name!r} twice")
            axes[name] = axis_values(name, values) if values else ()
            codes[name] = _stored_codes(name, text, len(values))
        _check_equal_lengths("stored axes", {name: len(column) for name, column in codes.items()})
        return cls(axes, codes)


def grid(**axes: Any) -> Space:
    """Make the space of all combinations; the last axis changes fastest.

    Args:
        **axes: by name, the values of each axis, or one value for all runs.

    Returns:
        The space.

    Raises:
        InputError: when an axis is empty, holds a value twice, or holds what is no finite number, integer of
            64 bits, string, boolean or tuple of these.

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


def zip_axes(**axes: Any) -> Space:
    """Make the space of axes that move together: run `i` has the `i`-th value of each.

    A value may come again; a configuration that comes again appears once.

    Args:
        **axes: by name, the values of each axis, all as many.

    Returns:
        The space.

    Raises:
        InputError: when the axes are not equally long, or as `grid`.

    Example:
        >>> list(zip_axes(width=[64, 128], learning_rate=[0.2, 0.1]))
        [{'width': 64, 'learning_rate': 0.2}, {'width': 128, 'learning_rate': 0.1}]
    """
    if not axes:
        raise InputError("zip_axes needs at least one axis, such as learning_rate=[0.1, 0.3]")
    listed = {name: _listed(name, given) for name, given in axes.items()}
    _check_equal_lengths("axes that move together", {name: len(values) for name, values in listed.items()})
    encoded = {name: _encode(values) for name, values in listed.items()}
    return _each_once(
        Space(
            {name: values for name, (values, _) in encoded.items()},
            {name: codes for name, (_, codes) in encoded.items()},
        )
    )


def union(*spaces: Space) -> Space:
    """Make the space of the runs of all spaces, in order; a configuration that comes again appears once.

    A run has the axes of its own space only. That is how an axis exists where another has some value and
    nowhere else.

    Raises:
        InputError: when there is no space.

    Example:
        >>> optimizers = grid(optimizer="sgd") | grid(optimizer="adam", beta=[0.9, 0.99])
        >>> space = optimizers * grid(seed=range(5))
        >>> len(space), space[0], space[5]
        (15, {'optimizer': 'sgd', 'seed': 0}, {'optimizer': 'adam', 'beta': 0.9, 'seed': 0})
    """
    if not spaces:
        raise InputError("union needs at least one space")
    axes, codes = {}, {}
    for name in dict.fromkeys(name for space in spaces for name in space.axes):
        columns = [(space.axes.get(name, ()), space.codes.get(name), len(space)) for space in spaces]
        axes[name], places = _encode([value for values, _, _ in columns for value in values])
        parts, start = [], 0
        for values, old_codes, num_runs in columns:
            new_codes = np.append(places[start : start + len(values)], np.int32(-1))
            start += len(values)
            parts.append(new_codes[np.full(num_runs, -1) if old_codes is None else old_codes])
        codes[name] = np.concatenate(parts)
    return _each_once(Space(axes, codes))


def product(*spaces: Space) -> Space:
    """Make the space of all combinations of the spaces' runs; the last space changes fastest.

    A value that all runs share is a space of one run: `space * grid(width=64)`.

    Raises:
        InputError: when there is no space, or two have an axis of the same name.

    Example:
        >>> space = zip_axes(width=[64, 128], learning_rate=[0.2, 0.1]) * grid(depth=2, seed=range(3))
        >>> len(space), space[3]
        (6, {'width': 128, 'learning_rate': 0.1, 'depth': 2, 'seed': 0})
    """
    if not spaces:
        raise InputError("product needs at least one space")
    axes: dict[str, tuple[Value, ...]] = {}
    codes: dict[str, np.ndarray] = {}
    places = np.indices([len(space) for space in spaces], dtype=np.int32)
    for space, rows in zip(spaces, places, strict=True):
        for name in space.axes:
            if name in axes:
                raise InputError(f"the axis {name!r} is in two spaces of a product; it may be in one")
            axes[name], codes[name] = space.axes[name], space.codes[name][rows.ravel()]
    return Space(axes, codes)


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
    values = _listed(name, given)
    if len(_encode(values)[0]) < len(values):
        texts = [_text(value) for value in values]
        twice = next(value for place, value in enumerate(values) if texts[place] in texts[:place])
        raise InputError(f"axis {name!r} holds {twice!r} twice")
    return values


def _listed(name: str, given: Any) -> tuple[Value, ...]:
    """Turn what a user gave for an axis into plain values, of which some may be equal."""
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
        raise InputError(f"axis {name!r} is empty; give it at least one value")
    return values


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
    """Write a value as JSON, equal values alike: numbers that are whole as integers, others by `repr`."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else float.__repr__(value)
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def _encode(values: Iterable[Value]) -> tuple[tuple[Value, ...], np.ndarray]:
    """List the distinct values in order of first appearance, and each value's index among them."""
    code_of: dict[str, int] = {}
    distinct: list[Value] = []
    codes = []
    for value in values:
        code = code_of.setdefault(_text(value), len(distinct))
        if code == len(distinct):
            distinct.append(value)
        codes.append(code)
    return tuple(distinct), np.array(codes, np.int32)


def _hashes(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Hash every run's configuration to two columns of 64 bits.

    Each (name, value) is hashed once, with SHA-256, and a run adds up the hashes of its pairs modulo 2**64.
    A sum is the same in any order, as the configuration is, and takes a few array operations for all runs
    together. Unlike with exclusive or, whatever is added twice does not cancel.
    """
    high, low = np.zeros((2, len(space)), np.uint64)
    for name, values in space.axes.items():
        texts = (f"[{_text(name)},{_text(value)}]" for value in values)
        digests = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
        # A missing axis has the code -1, finds the last pair and adds nothing.
        pairs = np.frombuffer(b"".join([*digests, bytes(16)]), ">u8").astype(np.uint64).reshape(-1, 2)
        high += pairs[space.codes[name], 0]
        low += pairs[space.codes[name], 1]
    # Sums of neighbours in a grid differ by equal steps. Three rounds make every digit of an id, and so any
    # prefix of it, depend on all 128 bits; each round can be undone, so none makes two sums collide.
    high += _scrambled(low)
    low += _scrambled(high)
    high += _scrambled(low)
    return high, low


def _scrambled(words: np.ndarray) -> np.ndarray:
    """Mix 64-bit words: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _each_once(space: Space) -> Space:
    """Keep the first of equal configurations."""
    high, low = _hashes(space)
    order = np.lexsort((low, high))  # stable: of equal runs, the first in the space stands first
    is_again = np.zeros(len(space), bool)
    is_again[order[1:]] = (high[order[1:]] == high[order[:-1]]) & (low[order[1:]] == low[order[:-1]])
    return space.take(np.flatnonzero(~is_again)) if is_again.any() else space


_STORED = ("name", "values", "codes")


def _stored_dtype(num_values: int) -> str:
    return "<i1" if num_values <= 2**7 else "<i2" if num_values <= 2**15 else "<i4"


def _stored_codes(name: str, text: str, num_values: int) -> np.ndarray:
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


def _check_equal_lengths(what: str, lengths: dict[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{what} need equally many values, got "
            + ", ".join(f"{length} for {name!r}" for name, length in lengths.items())
        )


def _spaced(space: Callable[..., np.ndarray], low: float, high: float, num: int) -> tuple[float, ...]:
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise InputError(f"the number of values must be a positive integer, got {num!r}")
    numbers: list[float] = space(low, high, num).tolist()
    return tuple(float(f"{number:.6g}") for number in numbers)
