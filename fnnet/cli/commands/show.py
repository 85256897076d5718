"""`fnnet show`: one run of a sweep."""

import shlex
from pathlib import Path

import tyro

from fnnet.cli.formats import Json
from fnnet.cli.output import print_json
from fnnet.cli.selection import Run, choose_run, open_finished


def show(
    store: tyro.conf.Positional[Path], run: Run = (), /, *, best: str | None = None, json: Json = False
) -> None:
    """Show one run: its configuration, metrics and curves, and the command that trains it alone.

        fnnet show results/digits depth=2 learning_rate=0.1 seed=0

    Args:
        store: the folder of the sweep.
        run: values of the run, or the first digits of its id; axes with a single value can be left out.
        best: choose the best of several runs by this metric.
        json: print JSON, with whole curves.
    """
    from fnnet.records.runs import read_run
    from fnnet.records.store import Store
    from fnnet.report.sparkline import sparkline

    found = read_run(choose_run(open_finished(store), run, best), Store(store).read_plan() or {})
    if json:
        print_json({**found._asdict(), "command": found.command and shlex.join(found.command)})
        return
    state = f"diverged at step {found.diverged_at:,}" if found.diverged_at >= 0 else "trained"
    print(f"run {found.id}: {state}, {found.steps:,} steps in {found.seconds:.3g} s")
    print(f"chunk {found.chunk}, lane {found.lane}, fingerprint {found.fingerprint}\n")
    width = max(map(len, [*found.config, *found.metrics, *found.curves]))
    for name, value in found.config.items():
        print(f"  {name:{width}}  {value}")
    print()
    for name, number in found.metrics.items():
        print(f"  {name:{width}}  {number:.6g}")
    if len(found.curve_steps) > 1:
        print(f"\n  {'':{width}}  steps {found.curve_steps[0]:,} to {found.curve_steps[-1]:,}")
        for name, values in found.curves.items():
            print(f"  {name:{width}}  {sparkline(values)}  {values[0]:.4g} to {values[-1]:.4g}")
    print(f"\nalone: {shlex.join(found.command) if found.command else found.call}")
