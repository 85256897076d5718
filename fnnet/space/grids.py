"""Grids: spaces from lists of values, one list per axis."""

import numpy as np

from fnnet.errors import InputError
from fnnet.space.space import Space, keep_first
from fnnet.space.values import axis_values, check_equal_lengths, check_size, encode, listed_values


def grid(**axes: object) -> Space:
    """Build the space of all combinations; the last axis changes fastest.

    Args:
        **axes: the values of each axis, or one value for all runs. Values are finite numbers, 64-bit integers, strings,
            booleans and tuples of these.

    Raises:
        InputError: if there are more than `MAX_RUNS` runs, or an axis is empty, repeats a value, or holds a value of
            another type.

    Example:
        >>> from fnnet import logspace
        >>> space = grid(depth=[1, 2], learning_rate=logspace(0.01, 1, 3))
        >>> len(space), space[1]
        (6, {'depth': 1, 'learning_rate': 0.1})
    """
    if not axes:
        raise InputError("a grid needs at least one axis, such as learning_rate=[0.1, 0.3]")
    check_size([len(given) for given in axes.values() if isinstance(given, range | list | tuple)])
    values = {name: axis_values(name, given) for name, given in axes.items()}
    sizes = [len(column) for column in values.values()]
    check_size(sizes)
    indices = np.indices(sizes, dtype=np.int32)
    return Space(values, {name: index.ravel() for name, index in zip(values, indices, strict=True)})


def zip_axes(**axes: object) -> Space:
    """Build the space of axes that vary together: run `i` has the `i`-th value of each axis.

    Values may repeat; equal configurations appear once.

    Args:
        **axes: the values of each axis, all of the same length.

    Raises:
        InputError: if the axes differ in length, or as in `grid`.

    Example:
        >>> list(zip_axes(width=[64, 128], learning_rate=[0.2, 0.1]))
        [{'width': 64, 'learning_rate': 0.2}, {'width': 128, 'learning_rate': 0.1}]
    """
    if not axes:
        raise InputError("zip_axes needs at least one axis, such as learning_rate=[0.1, 0.3]")
    listed = {name: listed_values(name, given) for name, given in axes.items()}
    check_equal_lengths("axes that move together", {name: len(values) for name, values in listed.items()})
    encoded = {name: encode(values) for name, values in listed.items()}
    return keep_first(
        Space(
            {name: values for name, (values, _) in encoded.items()},
            {name: codes for name, (_, codes) in encoded.items()},
        )
    )
