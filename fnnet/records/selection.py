"""Selection: the runs that have given values, and what two results have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from fnnet.errors import InputError, unknown_name
from fnnet.records.statistics import compare_means, find_configurations
from fnnet.space.space import Space
from fnnet.space.values import find_codes

if TYPE_CHECKING:
    import polars as pl


def find_runs(
    space: Space, columns: Mapping[str, np.ndarray], wanted: Mapping[str, Any]
) -> Int[np.ndarray, " found"]:
    """Find the indices, ascending, of the runs that `Results.where` selects.

    Args:
        space: the runs.
        columns: by name, arrays `[runs]`.
        wanted: by axis or column, a value, several values, or a function of a value.

    Raises:
        InputError: when there is no such axis or column, or no such run.

    Example:
        >>> from fnnet import grid
        >>> space, columns = grid(depth=[1, 2], seed=range(3)), {"loss": np.arange(6.0)}
        >>> find_runs(space, columns, {"depth": 2, "seed": [0, 2]})
        array([3, 5])
        >>> find_runs(space, columns, {"depth": lambda depth: depth > 1, "loss": lambda loss: loss < 5})
        array([3, 4])
    """
    is_found = np.ones(len(space), bool)
    for name, given in wanted.items():
        if name in space.axes:
            values = space.axes[name]
            chosen = _accepted(given, values) if callable(given) else find_codes(name, values, given)
            is_found &= np.isin(space.codes[name], chosen)
        elif name in columns and columns[name].ndim == 1:
            column = columns[name]
            is_found &= _holds(column, given)
        else:
            raise unknown_name(
                "axis or column",
                name,
                [*space.axes, *(column for column in columns if columns[column].ndim == 1)],
            )
    if wanted and not is_found.any():
        raise InputError(f"no run has {', '.join(map(_written, wanted, wanted.values()))} together")
    return np.flatnonzero(is_found)


def compare_columns(
    one: tuple[Space, Shaped[np.ndarray, " runs"]],
    other: tuple[Space, Shaped[np.ndarray, " others"]],
    over: str | Sequence[str],
) -> "pl.DataFrame":
    """Compare a metric of the configurations that two spaces share, as `Results.compare` does.

    Args:
        one: a space and the metric of its runs.
        other: another space and the metric of its runs.
        over: the axis or axes to average over.

    Raises:
        InputError: when they share no configuration, or only one of them varies an axis.
    """
    import polars as pl

    spaces, columns = (one[0], other[0]), (one[1].astype(float), other[1].astype(float))
    sides = [find_configurations(space, over) for space in spaces]
    shared = [name for name in sides[0].axes if name in sides[1].axes]
    for space, side in zip(spaces, sides, strict=True):
        if alone := [name for name in side.axes if name not in shared and name in space.varied_axes]:
            raise InputError(
                f"only one of the results varies {alone[0]!r}; select one of its values by where(...)"
            )
    keys = [[tuple(config.get(name) for name in shared) for config in side.configs] for side in sides]
    place_of = {key: place for place, key in enumerate(keys[1])}
    pairs = [(place, place_of[key]) for place, key in enumerate(keys[0]) if key in place_of]
    if not pairs:
        raise InputError(f"the results share no configuration of {', '.join(shared) or 'their axes'}")
    rows = []
    for places in pairs:
        runs = (
            column[side.config_of_run == place]
            for column, side, place in zip(columns, sides, places, strict=True)
        )
        first, second = runs
        rows.append((first.mean(), second.mean(), *compare_means(first, second)))
    space = spaces[0].take(sides[0].first_runs[[place for place, _ in pairs]])
    names = ("mean", "other_mean", "difference", "low", "high", "p_value")
    measured = dict(zip(names, np.array(rows).T, strict=True))
    return pl.DataFrame({name: space.table_column(name) for name in shared} | measured)


def _accepted(is_wanted: Callable[[Any], Any], values: Sequence[Any]) -> list[int]:
    return [code for code, value in enumerate(values) if is_wanted(value)]


def _holds(column: Shaped[np.ndarray, " runs"], given: Any) -> Bool[np.ndarray, " runs"]:
    """Return for each run whether its value is wanted."""
    if callable(given):
        return np.fromiter((bool(given(value)) for value in column.tolist()), bool, len(column))
    return np.isin(column, given)


def _written(name: str, given: Any) -> str:
    return f"{name} as wanted" if callable(given) else f"{name}={given!r}"
