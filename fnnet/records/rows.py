"""Rows: finished runs in columns, as a table for the store, and collected into results."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Shaped

from fnnet.records.arrays import pad_lists
from fnnet.records.results import Results
from fnnet.records.store import Store
from fnnet.space.space import Space
from fnnet.space.stored import space_from_json

if TYPE_CHECKING:
    import polars as pl

Rows = dict[str, Any]
"""Finished runs: by name, a column with one value per run; curves are arrays `[runs, evaluations]`."""


def open_results(folder: str | os.PathLike[str]) -> Results:
    """Load the results of a sweep from its store: the committed runs, in the order of the space.

    Args:
        folder: the store; loading it while the sweep trains is safe.

    Raises:
        InputError: when there is no store, its plan is damaged, or a file cannot be read.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = grid(depth=0, learning_rate=0.1, seed=range(3))
        ...     results = sweep(mlp_recipe(data), space, data, num_steps=5, store=folder)
        ...     same = open_results(folder)
        >>> same.table().equals(results.table())
        True
    """
    store = Store(folder)
    plan = store.require_plan()
    tables = map(from_table, store.read_rows())
    results = collect(space_from_json(plan["space"]), tables, store, plan["higher_is_better"])
    if plan.get("earlier_num_steps") and len(results):
        num_steps = plan["settings"]["num_steps"]
        is_shorter = np.nanmax(results["step_curve"], axis=1) < num_steps
        if is_shorter.any():
            warnings.warn(
                f"{is_shorter.sum():,} of {len(results):,} runs in {folder} have not been trained for {num_steps:,} steps yet",
                stacklevel=2,
            )
    return results


def to_table(rows: Rows) -> "pl.DataFrame":
    """Build the table of the rows of a chunk, in which curves are lists.

    Example:
        >>> to_table({"id": ["a", "b"], "loss_curve": np.array([[4.0, 2.0], [5.0, 3.0]])}).rows()
        [('a', [4.0, 2.0]), ('b', [5.0, 3.0])]
    """
    import polars as pl

    return pl.DataFrame([_to_series(name, column) for name, column in rows.items()])


def from_table(table: "pl.DataFrame") -> Rows:
    """Convert a table of the store; NaN pads the curves of runs with fewer evaluations."""
    return {name: _from_series(table[name]) for name in table.columns}


def collect(
    space: Space,
    parts: Iterable[Rows],
    store: Store | None = None,
    higher_is_better: Mapping[str, bool] | None = None,
) -> Results:
    """Collect rows in the order of the space, without unfinished runs; NaN for what a run lacks.

    Args:
        space: the runs.
        parts: rows of some runs each, with the column "id".
        store: where the rows are kept.
        higher_is_better: the direction of metrics, by name.

    Example:
        >>> from fnnet import grid
        >>> space = grid(depth=[1, 2], seed=range(3))
        >>> done = {"id": space.ids()[[4, 0]], "loss": np.array([0.5, 0.25])}
        >>> collect(space, [done]).table().rows()
        [(1, 0, 0.25), (2, 1, 0.5)]
    """
    parts = list(parts)
    directions = higher_is_better or {}
    if not parts:
        return Results(space.take(np.zeros(0, np.int64)), {}, store, directions)
    sizes = [len(rows["id"]) for rows in parts]
    names = dict.fromkeys(name for rows in parts for name in rows if name not in space.axes)
    places, order = _match(space, parts)
    columns = {name: _join([rows.get(name) for rows in parts], sizes)[order] for name in names}
    if "rung" in columns:  # runs were stopped at different steps
        columns["steps"] = np.fmax.reduce(columns["step_curve"], axis=1).astype(np.int32)
    finished = space if len(places) == len(space) else space.take(places)
    return Results(finished, columns, store, directions)


def _to_series(name: str, column: Any) -> "pl.Series":
    import polars as pl

    series = pl.Series(name, column)
    return series.cast(pl.List(series.dtype.inner)) if isinstance(series.dtype, pl.Array) else series


def _from_series(column: "pl.Series") -> np.ndarray:
    import polars as pl

    if isinstance(column.dtype, pl.List):
        return pad_lists(column)
    values = column.to_numpy()
    if column.dtype != pl.String or column.null_count():
        return values
    distinct, places = np.unique(values, return_inverse=True)
    return distinct[places]  # so that equal strings share one object


def _match(
    space: Space, parts: Sequence[Rows]
) -> tuple[Int[np.ndarray, " finished"], Int[np.ndarray, " finished"]]:
    """Return the places of the finished runs in the space, in increasing order, and which rows are theirs.

    A search, or a sweep extended to more steps, holds a run at several lengths; the longest one counts.
    """
    place_of_run = {run_id: place for place, run_id in enumerate(space.ids().tolist())}
    places = np.array([place_of_run.get(run_id, -1) for part in parts for run_id in part["id"]])
    lengths = np.zeros(len(places))
    if all("step_curve" in part for part in parts):
        lengths = np.concatenate([np.fmax.reduce(part["step_curve"], axis=1) for part in parts])
    order = np.lexsort((-lengths, places))  # stable: of equally long ones, the first
    finished, first = np.unique(places[order], return_index=True)
    is_known = finished >= 0
    return finished[is_known], order[first[is_known]]


def _join(columns: Sequence[np.ndarray | None], sizes: Sequence[int]) -> Shaped[np.ndarray, "runs ..."]:
    """Concatenate the columns of several parts; NaN stands for missing columns and pads shorter curves."""
    known = [column for column in columns if column is not None]
    shapes = {column.shape[1:] for column in known}
    if len(known) == len(columns) and len(shapes) == 1:
        return np.concatenate(known)
    joined = np.full((sum(sizes), *max(shapes)), np.nan, np.result_type(*known, np.float32))
    for column, start, size in zip(columns, np.cumsum(sizes) - sizes, sizes, strict=True):
        if column is not None:
            joined[(slice(start, start + size), *map(slice, column.shape[1:]))] = column
    return joined
