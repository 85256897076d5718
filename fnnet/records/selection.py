"""Selection: the runs that have given values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from fnnet.errors import InputError, unknown_name
from fnnet.space.space import Space
from fnnet.space.values import find_codes


def find_runs(
    space: Space, columns: Mapping[str, np.ndarray], wanted: Mapping[str, Any]
) -> Int[np.ndarray, " found"]:
    """Find the indices, ascending, of the runs that `Results.where` selects.

    Args:
        space: the runs.
        columns: by name, arrays `[runs]`.
        wanted: by axis or column, a value, several values, or a function of a value.

    Raises:
        InputError: when there is no such axis or column, or no run matches.

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


def _accepted(is_wanted: Callable[[Any], object], values: Sequence[Any]) -> list[int]:
    return [code for code, value in enumerate(values) if is_wanted(value)]


def _holds(column: Shaped[np.ndarray, " runs"], given: Any) -> Bool[np.ndarray, " runs"]:
    """Return for each run whether its value is wanted."""
    if callable(given):
        return np.fromiter((bool(given(value)) for value in column.tolist()), bool, len(column))
    return np.isin(column, given)


def _written(name: str, given: object) -> str:
    return f"{name} as wanted" if callable(given) else f"{name}={given!r}"
