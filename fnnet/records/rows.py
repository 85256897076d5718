"""Rows: the committed runs of a store, collected into results."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fnnet.errors import InputError
from fnnet.records.arrays import pad_lists
from fnnet.records.results import Results
from fnnet.records.store import Store
from fnnet.space.space import Space

if TYPE_CHECKING:
    import polars as pl


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
    plan, rows = store.read_plan(), store.read_rows()
    if plan is None:
        raise InputError(f"{folder} holds no sweep: it has no plan.json")
    results = collect(Space.from_json(plan["space"]), rows, store, plan["higher_is_better"])
    if plan.get("earlier_num_steps") and len(results):
        num_steps = plan["settings"]["num_steps"]
        is_shorter = np.nanmax(results["step_curve"], axis=1) < num_steps
        if is_shorter.any():
            warnings.warn(
                f"{is_shorter.sum():,} of {len(results):,} runs in {folder} have not gone on to {num_steps:,} steps yet",
                stacklevel=2,
            )
    return results


def collect(
    space: Space,
    parts: Sequence["pl.DataFrame"],
    store: Store | None = None,
    higher_is_better: Mapping[str, bool] | None = None,
) -> Results:
    """Collect the rows of all chunks in the order of the space, without unfinished runs; NaN for what a run lacks.

    Args:
        space: the runs.
        parts: the rows of each chunk, with the columns "id", axes, metrics and curves.
        store: where the rows are kept.
        higher_is_better: the direction of metrics, by name.

    Example:
        >>> import polars as pl
        >>> from fnnet import grid
        >>> space = grid(depth=[1, 2], seed=range(3))
        >>> done = pl.DataFrame({"id": space.ids()[[4, 0]], "loss": [0.5, 0.25]})
        >>> collect(space, [done]).table().rows()
        [(1, 0, 0.25), (2, 1, 0.5)]
    """
    import polars as pl

    directions = higher_is_better or {}
    if not parts:
        return Results(space.take(np.zeros(0, np.int64)), {}, store, directions)
    rows = pl.concat(parts, how="diagonal_relaxed")
    found = rows.select("id").with_row_index("row")  # without the runs' own columns, which may have any name
    if "step_curve" in rows.columns:  # a search, or a sweep that went on, holds a run at several lengths
        last_step = rows["step_curve"].list.last()
        found = found.sort(last_step, descending=True, maintain_order=True)
    found = found.unique("id", keep="first", maintain_order=True)
    order = pl.DataFrame({"id": space.ids(), "place": np.arange(len(space))})
    order = order.join(found, on="id", how="inner").sort("place")
    rows = rows[order["row"]]
    if "rung" in rows.columns:  # runs were stopped at different steps
        rows = rows.with_columns(steps=pl.col("step_curve").list.last())
    columns = {
        name: pad_lists(rows[name]) if name.endswith("_curve") else rows[name].to_numpy()
        for name in rows.columns
        if name not in space.axes
    }
    done = order["place"].to_numpy()
    finished = space if len(done) == len(space) else space.take(done)
    return Results(finished, columns, store, directions)
