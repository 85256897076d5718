"""Ranked results: the runs or configurations of a sweep from best to worst."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fnnet.errors import InputError, check_integer, unknown_name
from fnnet.records.ranking import is_higher_better, rank
from fnnet.records.results import Results
from fnnet.records.statistics import check_numeric
from fnnet.report.tables import short, with_interval

if TYPE_CHECKING:
    import polars as pl


def ranked(
    results: Results,
    metric: str,
    *,
    by: Sequence[str] | None = None,
    each_run: bool = False,
    top: int | None = None,
    higher_is_better: bool | None = None,
) -> "pl.DataFrame":
    """Return the table of results, best first.

    If a search stopped runs early, only fully trained runs are ranked.

    Args:
        results: the results of a sweep.
        metric: the column to rank by.
        by: the axes of the table; metrics are averaged over all others. None for all but "seed".
        each_run: whether to return one row per run instead, with the column "run", the first digits of its id.
        top: number of rows; None for all.
        higher_is_better: the direction; None for that of the metric.

    Returns:
        The sorted rows of `Results.table`: without `over` if `each_run`, else averaged over all axes that are not in
        `by`.

    Raises:
        InputError: when the metric, its direction or an axis is unknown, or no run is finished.

    Example:
        >>> import numpy as np
        >>> from fnnet import grid
        >>> columns = {"test_loss": np.array([0.3, 0.5, 0.2, 0.4]), "diverged": np.zeros(4, bool)}
        >>> results = Results(grid(depth=[1, 2], learning_rate=[0.1, 0.3]), columns)
        >>> ranked(results, "test_loss", by=["depth"]).select("depth", "test_loss").rows()
        [(2, 0.30000000000000004), (1, 0.4)]
        >>> ranked(results, "test_loss", each_run=True, top=1).select("run", "depth", "learning_rate").rows()
        [('33620231', 2, 0.1)]
    """
    import polars as pl

    if not len(results):
        raise InputError("no run of this sweep is finished yet")
    if top is not None:
        check_integer("top", top)
    for name in by or ():
        if name not in results.space.axes:
            raise unknown_name("axis", name, results.space.axes)
    check_numeric(metric, results[metric])
    direction = is_higher_better(metric, results.higher_is_better, higher_is_better)
    if "steps" in results:
        results = results.where(steps=int(results["steps"].max()))
    if each_run:
        ids = pl.Series("run", [run_id[:8] for run_id in results.space.ids().tolist()])
        table = results.table().insert_column(0, ids)
    else:
        axes = results.space.axes
        table = results.table(over="seed" if by is None else [name for name in axes if name not in by])
    return table[rank(table[metric].to_numpy(), direction)[:top]]


def shown(table: "pl.DataFrame", metric: str, axes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of a ranked table for the terminal, which shows one metric.

    Args:
        table: the result of `ranked`.
        metric: the metric to show, with its interval if it is a mean.
        axes: the axes to show; those that the table lacks are ignored.

    Example:
        >>> import polars as pl
        >>> columns = {"depth": [2], "test_loss": [0.5], "test_loss_high": [0.75], "num_runs": [3], "num_diverged": [0]}
        >>> shown(pl.DataFrame(columns), "test_loss", ["depth"])
        (['depth', 'test_loss', 'runs', 'diverged'], [['2', '0.5000 ± 0.2500', '3', '0']])
    """
    named = [name for name in ("run", *axes) if name in table.columns]
    headings, lines = [*named, metric], []
    is_mean = "num_runs" in table.columns
    headings += ["runs", "diverged"] if is_mean else ["diverged"]
    for row in table.iter_rows(named=True):
        cells = ["-" if row[name] is None else short(row[name]) for name in named]
        high = row[f"{metric}_high"] if is_mean else float("nan")
        cells.append(with_interval(row[metric], high))
        cells += (
            [str(row["num_runs"]), str(row["num_diverged"])]
            if is_mean
            else ["yes" if row["diverged"] else "no"]
        )
        lines.append(cells)
    return headings, lines
