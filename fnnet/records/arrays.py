"""Arrays: the metrics of runs, labeled with the axes of the sweep, and their curves aligned by step.

A full grid of runs has one dimension per axis of its space. Runs that do not form one have the single dimension "run"
instead, with the axes as its coordinates.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int, Shaped

from fnnet.records.statistics import find_configurations
from fnnet.space.space import Space

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr


def label(
    space: Space,
    values: Shaped[np.ndarray, "runs ..."],
    name: str,
    steps: Int[np.ndarray, " steps"] | None = None,
) -> "xr.DataArray":
    """Label one array of values per run with the axes of a space.

    An axis that no run has is left out of a grid, and a space with an axis "step" is never treated as one.

    Args:
        space: the runs.
        values: `[runs]`, or `[runs, steps]`.
        name: the name of the array.
        steps: the last dimension, "step".

    Example:
        >>> from fnnet import grid
        >>> space, steps = grid(depth=[1, 2], seed=range(3)), np.array([10, 20])
        >>> array = label(space, np.arange(12.0).reshape(6, 2), "loss", steps)
        >>> dict(array.sizes)
        {'depth': 2, 'seed': 3, 'step': 2}
        >>> array.sel(depth=2, seed=2).values
        array([10., 11.])
        >>> array = label(space.take([0, 1, 5]), np.arange(3.0), "loss")
        >>> array.dims, array.coords["depth"].values
        (('run',), array([1, 1, 2]))
    """
    import xarray as xr  # with pandas, a second

    last = {} if steps is None else {"step": steps}
    columns = {axis: space.column(axis) for axis, listed in space.axes.items() if listed}
    order = _grid_order(space, list(columns), len(values))
    if order is None:
        coordinates = {axis: ("run", column) for axis, column in columns.items()}
        coordinates |= {"run": ("run", np.arange(len(values)))} | {
            axis: (axis, at) for axis, at in last.items()
        }
        return xr.DataArray(values, coordinates, ("run", *last), name)
    first = {axis: np.unique(space.codes[axis], return_index=True)[1] for axis in columns}
    labels = {axis: column[first[axis]] for axis, column in columns.items()} | last
    shape = [len(listed) for listed in labels.values()]
    return xr.DataArray(values[order].reshape(shape), labels, tuple(labels), name)


def label_means(
    space: Space,
    values: Shaped[np.ndarray, "runs steps"],
    over: str | Sequence[str],
    steps: Int[np.ndarray, " steps"],
) -> "xr.Dataset":
    """Average curves over axes, and label the means and their intervals with the other axes.

    Args:
        space: the runs.
        values: `[runs, steps]`.
        over: the axis or axes to average over.
        steps: the last dimension, "step".

    Example:
        >>> from fnnet import grid
        >>> space, steps = grid(depth=[1, 2], seed=range(3)), np.array([10, 20])
        >>> means = label_means(space, np.arange(12.0).reshape(6, 2), "seed", steps)
        >>> list(means), means["mean"].sel(depth=2).values
        (['mean', 'low', 'high'], array([8., 9.]))
    """
    import xarray as xr

    configurations = find_configurations(space, over)
    first, axes = configurations.first_runs, configurations.axes
    others = Space({name: space.axes[name] for name in axes}, {name: space.codes[name] for name in axes})
    others = others.take(first) if axes else others
    means = configurations.mean_interval(values)
    named = {"mean": means.mean, "low": means.low, "high": means.high}
    return xr.Dataset({name: label(others, array, name, steps) for name, array in named.items()})


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


def align(
    steps: Shaped[np.ndarray, "runs evaluations"], values: Shaped[np.ndarray, "runs evaluations"]
) -> tuple[Int[np.ndarray, " steps"], Shaped[np.ndarray, "runs steps"]]:
    """Align evaluations at equal steps.

    Args:
        steps: the number of updates before each evaluation; NaN pads runs with fewer evaluations.
        values: the values of a metric at these steps.

    Returns:
        All steps at which any run was evaluated, and the values there, NaN for other runs.

    Example:
        >>> align(np.array([[10, 20], [10, 15]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
        (array([10, 15, 20]), array([[ 1., nan,  2.],
               [ 3.,  4., nan]]))
    """
    is_there = np.isfinite(steps)
    by_step = np.unique(steps[is_there]).astype(int)
    if is_there.all() and steps.shape[1] == len(by_step):
        return by_step, values
    aligned = np.full((len(steps), len(by_step)), np.nan, np.result_type(values.dtype, np.float32))
    runs, _ = np.nonzero(is_there)
    aligned[runs, np.searchsorted(by_step, steps[is_there])] = values[is_there]
    return by_step, aligned


def _grid_order(space: Space, axes: list[str], num_runs: int) -> np.ndarray | None:
    """Return the order in which the runs form a full grid, last axis fastest; None if they form none."""
    if math.prod(len(space.axes[name]) for name in axes) != num_runs or "step" in axes:
        return None
    if not axes:  # one configuration
        return np.zeros(1, int)
    if not all(space.present(name).all() for name in axes):
        return None
    order = np.lexsort([space.codes[name] for name in reversed(axes)])
    sorted_codes = np.stack([space.codes[name][order] for name in axes])
    is_repeated = (sorted_codes[:, 1:] == sorted_codes[:, :-1]).all(axis=0)
    return None if is_repeated.any() else order
