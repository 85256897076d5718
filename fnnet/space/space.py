"""Spaces: the runs of a sweep, stored in columns.

Each axis lists its distinct values once, and each run stores one small integer per axis, so a million runs are a few
arrays. Two configurations are equal if they have the same axes with equal values; a space has no duplicates.
"""

import functools
import html
import math
import reprlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Bool, Int

from fnnet.errors import InputError, unknown_name
from fnnet.space.values import (
    Value,
    check_size,
    config_hashes,
    encode,
)

Config = dict[str, Any]
"""The hyper-parameters of one run by name."""


@dataclass(frozen=True, eq=False)
class Space:
    """A list of configurations.

    `a | b` is `union(a, b)` and `a * b` is `product(a, b)`.

    axes: the distinct values of each axis by name, in the order given.
    codes: an array `[runs]` for each axis by name: the index of each run's value in `axes`, or -1 if the run lacks the
        axis.

    Example:
        >>> from fnnet import grid
        >>> len(grid(depth=[1, 2], seed=range(3)) | grid(depth=4, seed=0))
        7
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

    @property
    def summary(self) -> str:
        """The number of runs, and of values of each axis.

        Example:
            >>> from fnnet import grid
            >>> grid(depth=[1, 2], seed=range(3)).summary, grid(depth=[1, 2]).take([0]).summary
            ('6 runs (depth: 2 x seed: 3)', '1 run (depth: 1)')
        """
        lengths = {name: len(values) for name, values in self.axes.items()}
        is_grid = math.prod(lengths.values()) == len(self)
        axes = (" x " if is_grid else ", ").join(f"{name}: {number}" for name, number in lengths.items())
        return f"{len(self)} run{'s' * (len(self) != 1)}{f' ({axes})' if axes else ''}"

    @property
    def varied_axes(self) -> list[str]:
        """The axes that distinguish runs: those with several values, or absent from some runs.

        Example:
            >>> from fnnet import grid
            >>> grid(depth=2, seed=range(3)).varied_axes
            ['seed']
        """
        return [name for name, codes in self.codes.items() if codes.size and np.ptp(codes)]

    def __repr__(self) -> str:
        return f"Space: {self.summary}"

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><td>{html.escape(name)}</td><td>{len(values)}</td>"
            f"<td>{html.escape(reprlib.repr(values))}</td></tr>"
            for name, values in self.axes.items()
        )
        head = "<tr><th>axis</th><th>values</th><th></th></tr>"
        return f"<p>{html.escape(repr(self))}</p><table>{head}{''.join(rows)}</table>"

    def column(self, name: str) -> np.ndarray:
        """Return the value of an axis for every run, as an array `[runs]`.

        Runs that lack the axis have NaN if the axis is numeric, and None otherwise. Tuples and mixed types give an
        array of objects.

        Raises:
            InputError: if there is no such axis.

        Example:
            >>> from fnnet import grid
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

    def table_column(self, name: str) -> np.ndarray | list[Any]:
        """Return the value of an axis for every run as a table column, with tuples and mixed types as text.

        Example:
            >>> from fnnet import grid
            >>> grid(widths=[(64, 32), (64,)]).table_column("widths")
            ['(64, 32)', '(64,)']
        """
        column = self.column(name)
        kinds = {type(value) for value in self.axes[name]}
        if column.dtype != object:
            return column
        if kinds <= {str} or kinds <= {bool}:
            return column.tolist()
        return [None if value is None else str(value) for value in column]

    def present(self, name: str) -> Bool[np.ndarray, " runs"]:
        """Return a mask `[runs]` of the runs that have an axis.

        Raises:
            InputError: if there is no such axis.
        """
        if name not in self.axes:
            raise unknown_name("axis", name, self.axes)
        return self.codes[name] >= 0

    def filter(self, is_wanted: Callable[[Config], object]) -> "Space":
        """Select the runs whose configuration satisfies a predicate.

        Args:
            is_wanted: a function of a run's configuration, a dict without the axes that the run lacks.

        Example:
            >>> from fnnet import grid
            >>> space = grid(depth=[1, 2, 4], width=[64, 512]).filter(lambda run: run["depth"] * run["width"] < 600)
            >>> list(space)[-1], len(space)
            ({'depth': 4, 'width': 64}, 4)
        """
        return self.take(np.flatnonzero([bool(is_wanted(config)) for config in self]))

    def take(self, rows: Any) -> "Space":
        """Select runs by index, in the given order; values that no selected run has are dropped.

        Args:
            rows: indices of runs, integers `[rows]`; they may repeat.

        Raises:
            InputError: if the rows are not integers, or out of range.

        Example:
            >>> from fnnet import grid
            >>> grid(depth=[1, 2], seed=range(3)).take([5, 3]).axes
            {'depth': (2,), 'seed': (0, 2)}
        """
        places = np.asarray(rows)
        if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
            raise InputError(f"rows must be a list of integers, got {reprlib.repr(rows)}")
        places = places.astype(np.int64)
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise InputError(f"rows must be from 0 to {len(self) - 1}, got {places.min()} to {places.max()}")
        axes, codes = {}, {}
        for name, values in self.axes.items():
            taken = self.codes[name][places]
            kept = np.unique(taken[taken >= 0])
            axes[name] = tuple(values[code] for code in kept)
            codes[name] = np.where(taken < 0, -1, np.searchsorted(kept, taken)).astype(np.int32)
        return Space(axes, codes)

    def array(self, name: str) -> np.ndarray:
        """Return the distinct values of a numeric axis as a cached array `[values]`."""
        if name not in self._arrays:
            self._arrays[name] = np.asarray(self.axes[name])
        return self._arrays[name]

    def ids(self) -> np.ndarray:
        """Return a hash of each run's configuration, as a read-only array `[runs]` of 32 hexadecimal digits.

        Equal configurations have equal ids in every space, in every process and on every machine; the order of the axes
        does not matter.

        Example:
            >>> from fnnet import grid
            >>> grid(depth=[1, 2], seed=0).ids()[1] == grid(seed=0, depth=2).ids()[0]
            True
        """
        return self._ids

    @functools.cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {}

    @functools.cached_property
    def _ids(self) -> np.ndarray:
        digits = np.stack(config_hashes(self.axes, self.codes), axis=1).astype(">u8").tobytes().hex().encode()
        ids = np.frombuffer(digits, "S32").astype("U32")
        ids.flags.writeable = False
        return ids


def union(*spaces: Space) -> Space:
    """Build the space of the runs of all spaces, in order; equal configurations appear once.

    A run has only the axes of its own space, so an axis can exist for only some values of another axis.

    Raises:
        InputError: if there is no space.

    Example:
        >>> from fnnet import grid
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
        axes[name], places = encode([value for values, _, _ in columns for value in values])
        parts, start = [], 0
        for values, old_codes, num_runs in columns:
            new_codes = np.append(places[start : start + len(values)], np.int32(-1))
            start += len(values)
            parts.append(new_codes[np.full(num_runs, -1) if old_codes is None else old_codes])
        codes[name] = np.concatenate(parts)
    return keep_first(Space(axes, codes))


def product(*spaces: Space) -> Space:
    """Build the space of all combinations of the spaces' runs; the last space changes fastest.

    Raises:
        InputError: if there is no space, or two spaces have an axis of the same name.

    Example:
        >>> from fnnet import grid, zip_axes
        >>> space = zip_axes(width=[64, 128], learning_rate=[0.2, 0.1]) * grid(depth=2, seed=range(3))
        >>> len(space), space[3]
        (6, {'width': 128, 'learning_rate': 0.1, 'depth': 2, 'seed': 0})
    """
    if not spaces:
        raise InputError("product needs at least one space")
    axes: dict[str, tuple[Value, ...]] = {}
    codes: dict[str, np.ndarray] = {}
    sizes = [len(space) for space in spaces]
    check_size(sizes)
    places = np.indices(sizes, dtype=np.int32)
    for space, rows in zip(spaces, places, strict=True):
        for name in space.axes:
            if name in axes:
                raise InputError(f"axis {name!r} is in two spaces of a product; keep it in one of them")
            axes[name], codes[name] = space.axes[name], space.codes[name][rows.ravel()]
    return Space(axes, codes)


def keep_first(space: Space) -> Space:
    """Remove duplicate configurations; the first one stays."""
    high, low = config_hashes(space.axes, space.codes)
    order = np.lexsort((low, high))  # stable: equal runs stay in the order of the space
    is_again = np.zeros(len(space), bool)
    is_again[order[1:]] = (high[order[1:]] == high[order[:-1]]) & (low[order[1:]] == low[order[:-1]])
    return space.take(np.flatnonzero(~is_again)) if is_again.any() else space
