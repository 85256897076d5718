"""Groups: the runs of a space that can share one compiled program.

An axis that is an argument of the recipe is static: it changes shapes or code. Every other axis is traced: a
number, with one value per lane. Runs with equal static values form a group, which is compiled once.
"""

import difflib
import inspect
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError
from fnnet.space.space import Config, Space
from fnnet.task import Recipe


def split_axes(recipe: Recipe, space: Space) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the axes into static axes, which are arguments of the recipe, and traced axes, which are all others.

    Raises:
        InputError: if an argument has neither a default nor an axis.
    """
    arguments = inspect.signature(recipe).parameters
    for name, argument in arguments.items():
        if argument.default is argument.empty and name not in space.axes:
            near = difflib.get_close_matches(name, space.axes.keys() - arguments.keys(), n=1)
            hint = f"; is the axis {near[0]!r} misspelled?" if near else ""
            raise InputError(
                f"the recipe's argument {name!r} has no default and is not an axis of the space{hint}"
            )
    static_axes = tuple(name for name in space.axes if name in arguments)
    return static_axes, tuple(name for name in space.axes if name not in arguments)


def cut_groups(
    space: Space, static_axes: tuple[str, ...], traced_axes: tuple[str, ...]
) -> list[tuple[Config, np.ndarray]]:
    """List the groups: their static values and their runs. Runs with different traced axes are in different groups."""
    keys = [space.codes[name] for name in static_axes]
    keys += [space.present(name).astype(np.int32) for name in traced_axes]
    key = np.zeros(len(space), np.int64)  # renumbered after each axis, to avoid overflow
    for codes in keys:
        if len(codes) and codes.min() != codes.max():
            key = np.unique(key * (codes.max() + 2) + codes + 1, return_inverse=True)[1]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    groups = []
    for place in np.argsort(first):
        config = space[first[place]]
        static = {name: config[name] for name in static_axes if name in config}
        groups.append((static, np.flatnonzero(inverse == place)))
    return groups


def find_part(groups: Sequence[np.ndarray], number: int, count: int) -> np.ndarray:
    """Return the runs of one part, when runs are split group by group into parts of about equal size.

    Args:
        groups: the runs of each group.
        number: the number of the part, from 1.
        count: the number of parts.

    Example:
        >>> groups = [np.array([0, 2, 4]), np.array([1, 3])]
        >>> find_part(groups, 1, 2).tolist(), find_part(groups, 2, 2).tolist()
        ([0, 2, 4], [1, 3])
    """
    return np.sort(np.array_split(np.concatenate(groups), count)[number - 1])


def traced_columns(
    space: Space, traced_axes: Sequence[str], runs: Int[np.ndarray, " lanes"]
) -> dict[str, np.ndarray]:
    """Return the traced hyper-parameters of runs of one group, an array `[lanes]` per axis that the group has."""
    codes = {name: space.codes[name][runs] for name in traced_axes}
    return {name: space.array(name)[c] for name, c in codes.items() if c[0] >= 0}
