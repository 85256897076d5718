"""`fnnet sweep`: train every combination of the axes."""

import sys
from pathlib import Path

from fnnet.cli import output
from fnnet.cli.commands.plan import plan
from fnnet.cli.data_options import DataOptions
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.formats import Flag
from fnnet.cli.preparation import Axes, Data, Engine, prepare_sweep
from fnnet.space.text import parse_part


def sweep(
    axes: Axes,
    /,
    data: Data = DataOptions(),
    recipe: str | None = None,
    steps: int = 1000,
    eval_every: int | None = None,
    metric: str | None = None,
    out: Path | None = None,
    lanes: int | None = None,
    state_every: float = 60.0,
    save_params: Flag = False,
    no_save_params: Flag = False,
    keep_states: Flag = False,
    accept_fingerprint: bool = False,
    part: str | None = None,
    dry_run: Flag = False,
    engine: Engine = EngineOptions(),
) -> None:
    """Train networks on every combination of the axes and tabulate the results.

        fnnet sweep --dataset digits depth=1,2 learning_rate=log:0.01:1:8 seed=range:4

    Every finished run is kept. The same command resumes an interrupted sweep; with more values it trains only the new
    runs, and with --keep-states and more --steps it continues the old ones. `fnnet help axes` lists the axes.

    The first word may be a file such as the sweep.toml of fnnet init; words after it override the file.

    Args:
        axes: the axes, as NAME=VALUES.
        data: the data set.
        recipe: a recipe of your own, as MODULE:FUNCTION; --help then lists its axes.
        steps: updates of each run, unless num_steps is an axis.
        eval_every: steps between evaluations, for curves.
        metric: the metric of the summary; by default test_accuracy or test_r2.
        out: folder of the sweep; by default results/DATASET-AXES.
        lanes: runs that train together on a device; else automatic.
        state_every: seconds between saves of unfinished runs.
        save_params: keep the trained parameters; by default if they are under 1 GB.
        no_save_params: do not keep the trained parameters.
        keep_states: keep the last states, to continue with more steps later.
        accept_fingerprint: continue with other versions or another device.
        part: a part of the runs, such as 3/16; fnnet merge joins them.
        dry_run: estimate the cost without training, like fnnet plan.
        engine: where to train.
    """
    engine.check()
    if dry_run:
        plan(axes, data, recipe, steps, eval_every, out, lanes, part)
        return
    with engine.open() as workers:
        prepared = prepare_sweep(
            axes,
            data,
            recipe,
            out,
            metric,
            num_steps=steps,
            eval_every=eval_every,
            lanes=lanes,
            state_every=state_every,
            save_params=save_params or (False if no_save_params else None),
            keep_states=keep_states,
            accept_fingerprint=accept_fingerprint,
            part=None if part is None else parse_part(part),
            engine=workers,
        )
        assert prepared.store is not None
        from fnnet.records.ranking import usual_metric
        from fnnet.sweeps.execution import describe_stored, execute

        output.print_estimates(prepared)
        if workers is not None:
            output.print_line(engine.describe(workers))
        if line := describe_stored(prepared):
            output.print_line(line)
        results = execute(prepared)
    if len(results):
        metric = metric or usual_metric(prepared.plan.metrics, results.higher_is_better)
        output.print_results(results, metric, prepared.data.train.inputs)
        for path in output.write_results(results, metric, prepared.store.folder):
            output.print_line(f"wrote {path}")
    finished = set(results["id"].tolist()) if len(results) else set()
    wanted = prepared.plan.space.ids()[prepared.runs].tolist()
    if num_given_up := sum(run_id not in finished for run_id in wanted):
        output.print_line(
            f"{num_given_up:,} of {len(wanted):,} runs were given up, since every worker that trained them died; "
            f"{prepared.store.attempts_path} says why, and the same command tries them again"
        )
        sys.exit(1)
