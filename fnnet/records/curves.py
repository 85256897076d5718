"""Curves: the metrics of runs during training, aligned by step and labeled with the axes of the sweep."""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from fnnet.space.space import Space

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr


def to_data_array(
    space: Space,
    steps: Shaped[np.ndarray, "runs evaluations"],
    values: Shaped[np.ndarray, "runs evaluations"],
    name: str | None = None,
) -> "xr.DataArray":
    """Convert curves to a labeled array with one dimension per axis of the space and the last dimension "step".

    Runs that do not form a full grid get the single dimension "run" instead, with the axes as its coordinates. An
    axis that no run has is left out of a grid, and a space with an axis "step" is never treated as one. "step" covers
    all steps at which any run was evaluated; other runs are NaN there.

    Args:
        space: the runs.
        steps: the number of updates before each evaluation; NaN pads runs with fewer evaluations.
        values: of the metric at these steps.
        name: of the array.

    Example:
        >>> from fnnet import grid
        >>> space = grid(depth=[1, 2], seed=range(3))
        >>> steps, values = np.tile([10, 20], (6, 1)), np.arange(12.0).reshape(6, 2)
        >>> array = to_data_array(space, steps, values)
        >>> dict(array.sizes)
        {'depth': 2, 'seed': 3, 'step': 2}
        >>> array.sel(depth=2, seed=2).values
        array([10., 11.])
        >>> array = to_data_array(space.take([0, 1, 5]), steps[:3], values[:3])
        >>> array.dims, array.coords["depth"].values
        (('run', 'step'), array([1, 1, 2]))
    """
    import xarray as xr  # with pandas, a second

    by_step, aligned = _align(steps, values)
    columns = {axis: space.column(axis) for axis, values in space.axes.items() if values}
    order = _grid_order(space, list(columns))
    if order is None:
        coordinates = {axis: ("run", column) for axis, column in columns.items()}
        coordinates |= {"run": ("run", np.arange(len(space))), "step": ("step", by_step)}
        return xr.DataArray(aligned, coordinates, ("run", "step"), name)
    first = {axis: np.unique(space.codes[axis], return_index=True)[1] for axis in columns}
    labels = {axis: column[first[axis]] for axis, column in columns.items()} | {"step": by_step}
    shape = [len(values) for values in labels.values()]
    return xr.DataArray(aligned[order].reshape(shape), labels, tuple(labels), name)


def last_finite(
    steps: Shaped[np.ndarray, "runs evaluations"],
    values: Shaped[np.ndarray, "runs evaluations"],
    diverged_at: Shaped[np.ndarray, " runs"],
) -> Shaped[np.ndarray, " runs"]:
    """Return the last finite value of each run before it diverged; NaN where there is none.

    Args:
        steps: the number of updates before each evaluation.
        values: of the metric at these steps.
        diverged_at: the first step whose loss was not finite, or -1.

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


def pad_lists(column: "pl.Series") -> Shaped[np.ndarray, "runs evaluations"]:
    """Convert a column of lists to an array, padded with NaN to the longest list.

    Example:
        >>> import polars as pl
        >>> pad_lists(pl.Series([[1.0, 2.0], None, [3.0]]))
        array([[ 1.,  2.],
               [nan, nan],
               [ 3., nan]])
    """
    lengths = column.list.len().fill_null(0).to_numpy()
    longest = int(lengths.max()) if len(lengths) else 0
    points = column.filter(lengths > 0).explode().to_numpy()
    if (lengths == longest).all():
        return points.reshape(len(lengths), longest)
    padded = np.full((len(lengths), longest), np.nan, np.result_type(points.dtype, np.float32))
    padded[np.arange(longest) < lengths[:, None]] = points
    return padded


def _align(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Align evaluations at equal steps; return the sorted steps and the values `[runs, steps]`."""
    is_there = np.isfinite(steps)
    by_step = np.unique(steps[is_there]).astype(int)
    if is_there.all() and steps.shape[1] == len(by_step):
        return by_step, values
    aligned = np.full((len(steps), len(by_step)), np.nan, np.result_type(values.dtype, np.float32))
    runs, _ = np.nonzero(is_there)
    aligned[runs, np.searchsorted(by_step, steps[is_there])] = values[is_there]
    return by_step, aligned


def _grid_order(space: Space, axes: list[str]) -> np.ndarray | None:
    """Return the order in which the runs form a full grid, last axis fastest; None if they form none."""
    if math.prod(len(space.axes[name]) for name in axes) != len(space) or "step" in axes or not axes:
        return None
    if not all(space.present(name).all() for name in axes):
        return None
    order = np.lexsort([space.codes[name] for name in reversed(axes)])
    sorted_codes = np.stack([space.codes[name][order] for name in axes])
    is_repeated = (sorted_codes[:, 1:] == sorted_codes[:, :-1]).all(axis=0)
    return None if is_repeated.any() else order
