"""Selection: the runs of a space that have given values."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.space.space import Space
from fnnet.space.values import find_codes


def find_runs(space: Space, values: Mapping[str, Any]) -> Int[np.ndarray, " found"]:
    """Find the indices, ascending, of the runs that `Results.where` selects by values.

    Example:
        >>> from fnnet import grid
        >>> find_runs(grid(depth=[1, 2], seed=range(3)), {"depth": 2, "seed": [0, 2]})
        array([3, 5])
    """
    is_found = np.ones(len(space), bool)
    for name, given in values.items():
        if name not in space.axes:
            raise unknown_name("axis", name, space.axes)
        is_found &= np.isin(space.codes[name], find_codes(name, space.axes[name], given))
    if values and not is_found.any():
        raise InputError(f"no run has {_written(values)} together")
    return np.flatnonzero(is_found)


def find_run(space: Space, values: Mapping[str, Any]) -> int:
    """Find the only run that has the given values.

    Raises:
        InputError: as `find_runs` does, and when several runs have them.

    Example:
        >>> from fnnet import grid
        >>> find_run(grid(depth=[1, 2], seed=range(3)), {"depth": 2, "seed": 1})
        4
    """
    rows = find_runs(space, values)
    if len(rows) > 1:
        others = ", ".join(space.take(rows).varied_axes)
        raise InputError(f"{len(rows)} runs have {_written(values)}; they differ in {others}")
    return int(rows[0])


def _written(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
