"""`fnnet results`: the table of a sweep, best first."""

from pathlib import Path

import tyro

from fnnet.cli.formats import Flag, Format, FormatOptions
from fnnet.cli.selection import open_finished
from fnnet.errors import check_integer

USUAL_ROWS = 20  # in the terminal


def results(
    store: tyro.conf.Positional[Path],
    /,
    metric: str | None = None,
    where: str | None = None,
    by: str | None = None,
    each_run: Flag = False,
    top: int | None = None,
    format: Format = FormatOptions(),
) -> None:
    """Print the results of a sweep, best first: each configuration's mean over seeds, or each run.

        fnnet results results/digits --where "depth=1,2 learning_rate>0.01" --top 5

    The sweep may still be training.

    Args:
        store: the folder of the sweep.
        metric: the column to rank by; by default test_accuracy, else test_r2, else the first with a known direction.
        where: conditions on axes and columns, as "depth=1,2 learning_rate>0.1".
        by: the axes of the table, as A,B; means are over all others. By default all but seed.
        each_run: one row per run, with the first digits of its id.
        top: number of rows; by default 20 in the terminal, else all.
        format: the format of the table.
    """
    chosen = format.choice()
    if top is not None:
        check_integer("--top", top)
    from fnnet.records.columns import metric_names
    from fnnet.records.ranking import usual_metric
    from fnnet.report.ranked import ranked, shown

    found = open_finished(store, where)
    name = metric or usual_metric(metric_names(found), found.higher_is_better)
    axes = None if by is None else [axis.strip() for axis in by.split(",") if axis.strip()]
    table = ranked(found, name, by=axes, each_run=each_run)
    limit = top or (USUAL_ROWS if chosen is None else table.height)
    varied = [axis for axis in found.space.axes if len(found.space.axes[axis]) > 1]
    headings, lines = shown(table[:limit], name, varied)
    rows = "runs" if each_run else "configurations"
    title = f"{name}, best of {table.height:,} {rows}" + ("" if each_run else ", mean ± 95 % interval")
    format.print(table[:limit], headings, lines, title)
    if chosen is None and top is None and table.height > limit:
        print(f"and {table.height - limit:,} more (--top {table.height} shows all, --csv every column)")
