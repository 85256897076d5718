"""Curves: the metrics of runs during training, as arrays with named axes."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Shaped

from fnnet.space.space import Space

if TYPE_CHECKING:
    import polars as pl


class NamedArray(NamedTuple):
    """An array with named axes.

    values: the array.
    coordinates: by axis name, in the order of the array's axes, the coordinate of each index.
    """

    values: np.ndarray
    coordinates: dict[str, tuple]


def lay_out(
    space: Space,
    steps: Shaped[np.ndarray, "runs evaluations"],
    values: Shaped[np.ndarray, "runs evaluations"],
) -> NamedArray:
    """Arrange curves by the axes of a space and by step.

    Runs that form a full grid have one array axis per axis of the space; any other runs have the single axis
    "run". The last axis is "step": all steps at which any run was measured. An axis of the space that no run has
    is left out, and a space with an axis "step" is arranged by run.

    Args:
        space: the runs.
        steps: how many updates a run had made at each evaluation; NaN where it has fewer evaluations.
        values: what was measured.

    Returns:
        The array, NaN where a run was not measured.

    Example:
        >>> from fnnet import grid
        >>> space = grid(depth=[1, 2], seed=range(3))
        >>> steps, values = np.tile([10, 20], (6, 1)), np.arange(12.0).reshape(6, 2)
        >>> array = lay_out(space, steps, values)
        >>> array.coordinates
        {'depth': (1, 2), 'seed': (0, 1, 2), 'step': (10, 20)}
        >>> array.values[1, 2]
        array([10., 11.])
        >>> lay_out(space.take([0, 1, 5]), steps[:3], values[:3]).coordinates
        {'run': (0, 1, 2), 'step': (10, 20)}
    """
    by_step, aligned = _align(steps, values)
    axes = {name: values for name, values in space.axes.items() if values}
    order = _grid_order(space, axes)
    if order is None:
        return NamedArray(aligned, {"run": tuple(range(len(space))), "step": by_step})
    shape = [len(values) for values in axes.values()]
    return NamedArray(aligned[order].reshape(*shape, len(by_step)), {**axes, "step": by_step})


def last_finite(
    steps: Shaped[np.ndarray, "runs evaluations"],
    values: Shaped[np.ndarray, "runs evaluations"],
    diverged_at: Shaped[np.ndarray, " runs"],
) -> Shaped[np.ndarray, " runs"]:
    """Return the last finite value of each run before it diverged; NaN where there is none.

    Args:
        steps: how many updates a run had made at each evaluation.
        values: what was measured.
        diverged_at: the first step whose loss was not finite, or -1.

    Returns:
        The values.

    Example:
        >>> steps = np.array([[10, 20, 30], [10, 20, 30]])
        >>> accuracy = np.array([[0.5, 0.75, 0.0], [0.5, 0.75, 1.0]])
        >>> last_finite(steps, accuracy, np.array([23, -1]))
        array([0.75, 1.  ])
    """
    # Step s, counted from 0, computes its loss at the parameters that the evaluation after s updates sees.
    is_before = (diverged_at < 0)[:, None] | (steps < diverged_at[:, None])
    # After divergence a value may be finite and mean nothing, such as the accuracy of NaN outputs.
    is_good = np.isfinite(values) & is_before
    last = values.shape[1] - 1 - np.argmax(is_good[:, ::-1], axis=1)
    return np.where(is_good.any(axis=1), values[np.arange(len(values)), last], np.nan)


def rectangle(column: "pl.Series") -> Shaped[np.ndarray, "runs evaluations"]:
    """Convert a column of lists to an array, padded with NaN where a run has fewer evaluations.

    Example:
        >>> import polars as pl
        >>> rectangle(pl.Series([[1.0, 2.0], None, [3.0]]))
        array([[ 1.,  2.],
               [nan, nan],
               [ 3., nan]])
    """
    lengths = column.list.len().fill_null(0).to_numpy()
    width = int(lengths.max()) if len(lengths) else 0
    points = column.filter(lengths > 0).explode().to_numpy()
    if (lengths == width).all():
        return points.reshape(len(lengths), width)
    table = np.full((len(lengths), width), np.nan, np.result_type(points.dtype, np.float32))
    table[np.arange(width) < lengths[:, None]] = points
    return table


def _align(steps: np.ndarray, values: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Align evaluations at equal steps in one column; returns the steps of the columns and the values."""
    is_there = np.isfinite(steps)
    by_step = np.unique(steps[is_there]).astype(int)
    if is_there.all() and steps.shape[1] == len(by_step):
        return tuple(by_step.tolist()), values
    aligned = np.full((len(steps), len(by_step)), np.nan, np.result_type(values.dtype, np.float32))
    runs, _ = np.nonzero(is_there)
    aligned[runs, np.searchsorted(by_step, steps[is_there])] = values[is_there]
    return tuple(by_step.tolist()), aligned


def _grid_order(space: Space, axes: dict[str, tuple]) -> np.ndarray | None:
    """Return the order that makes the runs a full grid, the last axis fastest; None where they are not one."""
    if math.prod(len(values) for values in axes.values()) != len(space) or "step" in axes or not axes:
        return None
    if not all(space.present(name).all() for name in axes):
        return None
    order = np.lexsort([space.codes[name] for name in reversed(axes)])
    sorted_codes = np.stack([space.codes[name][order] for name in axes])
    is_again = (sorted_codes[:, 1:] == sorted_codes[:, :-1]).all(axis=0)
    return None if is_again.any() else order
