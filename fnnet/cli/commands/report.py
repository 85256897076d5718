"""`fnnet report`: an interactive page of a sweep."""

import sys
import time
from pathlib import Path

import tyro

from fnnet.cli import output
from fnnet.cli.formats import Flag
from fnnet.errors import InputError


def report(
    store: tyro.conf.Positional[Path],
    /,
    out: Path | None = None,
    metric: str | None = None,
    watch: Flag = False,
    every: float = 10.0,
) -> None:
    """Write an interactive page of a sweep, as one self-contained HTML file.

        fnnet report results/digits --watch

    While the sweep is still training, the page shows the finished runs.

    Args:
        store: the folder of the sweep.
        out: the file to write; by default report.html in this folder.
        metric: the metric that the page opens with; by default test_accuracy or test_r2, if there is one.
        watch: rewrite the page as runs finish, until all have; an open page reloads itself.
        every: seconds between checks for finished runs.
    """
    from fnnet.records.rows import open_results
    from fnnet.records.store import Store
    from fnnet.report.page.document import report as make_report
    from fnnet.space.stored import space_from_json

    if not every > 0:
        raise InputError(f"--every must be seconds, more than 0, got {every:g}")
    path = store / "report.html" if out is None else out
    num_shown = -1
    while True:
        results = open_results(store)
        plan = Store(store).read_plan()
        is_last = not watch or plan is None or len(results) == len(space_from_json(plan["space"]))
        if len(results) > num_shown and (len(results) or not watch):
            make_report(results, metric, reload_every=None if is_last else every).save(path)
            num_shown = len(results)
            output.print_line(f"wrote {path}: {num_shown:,} runs")
        if is_last:
            return
        sys.stdout.flush()
        time.sleep(every)
