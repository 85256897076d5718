"""`fnnet status`: the progress of a sweep."""

import datetime
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from fnnet.cli.formats import Flag, Json
from fnnet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from fnnet.records.status import Status

WATCH_SECONDS = 2.0


def status(
    store: tyro.conf.Positional[Path],
    /,
    watch: Flag = False,
    json: Json = False,
) -> None:
    """Print the progress of a sweep: runs done, running, failed and diverged, and the time left.

        fnnet status results/digits --watch

    The store is only read, so this is safe while a sweep trains. The exit code is 1 if runs were given up.

    Args:
        store: the folder of the sweep.
        watch: print it every 2 seconds until the sweep is finished.
        json: print JSON; with --watch, one object after another.
    """
    from fnnet.records.status import read_status

    while True:
        found = read_status(store)
        if json:
            print_json({"store": store, **found._asdict()})
        else:
            _print(store, found, short=watch)
        sys.stdout.flush()
        if not watch or found.state == "finished":
            break
        time.sleep(WATCH_SECONDS)
    if found.num_failed:
        sys.exit(1)


def _print(store: Path, found: "Status", short: bool) -> None:
    from fnnet.report.tables import short as spell

    writer = f" (process {found.writer})" if found.writer else ""
    parts = [f"{found.num_done:,} of {found.num_runs:,} runs done", f"{found.num_running:,} running"]
    parts += [f"{found.num_failed:,} failed", f"{found.num_diverged:,} diverged"]
    if found.num_saved and not found.num_running:
        parts.append(f"{found.num_saved:,} started, with a saved state")
    if found.seconds_left is not None:
        parts.append(f"about {datetime.timedelta(seconds=round(found.seconds_left))} left")
    print(f"{store}: {found.state}{writer}: {', '.join(parts)}")
    if short:
        return
    if found.reason is not None:
        print(f"failed: {' '.join(found.reason.split())}")
    if found.rungs:
        print_table(
            ["steps", "runs that reached them"],
            [[f"{step:,}", f"{runs:,}"] for step, runs in found.rungs.items()],
        )
    axes = list(dict.fromkeys(name for group in found.groups for name in group.static))
    if axes:
        lines = [
            [
                *(spell(group.static.get(name, "-")) for name in axes),
                *(f"{number:,}" for number in (group.num_runs, group.num_done, group.num_diverged)),
            ]
            for group in found.groups
        ]
        print_table([*axes, "runs", "done", "diverged"], lines)
