"""The commands that train sweeps, or plan them: functions whose arguments tyro turns into options.

Heavy imports wait until a command runs, so that `--help` answers at once.
"""

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fnnet.cli import output, usage
from fnnet.cli.data_options import DataOptions
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.own_recipe import load_recipe
from fnnet.errors import InputError
from fnnet.space.text import parse_part, parse_space

if TYPE_CHECKING:
    from fnnet.sweeps.prepare import Prepared

Data = Annotated[DataOptions, tyro.conf.arg(name="")]
Where = Annotated[EngineOptions, tyro.conf.arg(name="")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Axes = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="AXIS=VALUES")]]


def sweep(
    axes: Axes,
    /,
    data: Data = DataOptions(),  # noqa: B008 (frozen)
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
    where: Where = EngineOptions(),  # noqa: B008 (frozen)
) -> None:
    """Train fully connected networks on every combination of the axes and tabulate the results.

    An axis is a name and its values:
      depth=1,2,4                    a list of numbers, names, or yes and no
      learning_rate=log:1e-3:10:16   16 geometrically spaced numbers from 0.001 to 10
      weight_decay=lin:0:0.1:3       3 evenly spaced numbers from 0 to 0.1
      seed=range:4                   0, 1, 2, 3; also range:START:STOP[:STEP]

    Traced axes, whose values share one compiled program: learning_rate, seed, data_seed, dropout,
    max_norm, warmup_fraction, and the numbers of the optimizer and the schedule. Static axes, compiled once per value:
    depth, width, activation, initializer, parameterization (standard, ntk, or mup with base_width), use_bias, loss,
    batch_size (an integer or full), order, optimizer, schedule, nesterov, keep_best (validation_loss keeps the parameters
    of the evaluation where it was lowest, not those after the last step; with --eval-every and --validation-fraction).

    Optimizers: sgd (numbers: momentum, weight_decay), and optax's adabelief, adadelta, adagrad, adam, adamax,
    adamaxw, adamw, adan, amsgrad, lion, nadam, nadamw, radam, rmsprop, rprop, sign_sgd, yogi (numbers as optax names
    them: b1, b2, eps, decay, weight_decay and so on). Schedules, after a linear warmup over warmup_fraction of the
    steps: constant; cosine and linear, to final_factor (default 0) times learning_rate; step, times step_factor
    (default 0.1) every step_fraction (default 1/3) of the steps.

    Every finished run is kept. Rerunning the command resumes an interrupted sweep; with more values it trains
    only the new runs, and with --keep-states and more steps it goes on from the last ones.

    Beyond one machine, --engine ray trains on a cluster. Or start the command once per --part, as with a job array of
    SLURM (--part $SLURM_ARRAY_TASK_ID/16), and join the folders with fnnet merge.

    Args:
        axes: the axes, as NAME=VALUES; the last axis changes fastest.
        data: the data set.
        recipe: a recipe of your own, as MODULE:FUNCTION, imported from the working directory; its arguments are the
            static axes, and the first may be data. With --help, its axes are listed.
        steps: number of updates of each run, unless num_steps is an axis.
        eval_every: evaluate every this many steps and at the end, for curves; by default only at the end.
        metric: metric of the summary; by default test_accuracy for classification and test_r2 for regression.
        out: folder of the sweep, which also receives table.parquet, table.csv and heatmap.png; by default
            results/DATASET-AXES.
        lanes: number of runs that train together on one device; by default chosen for each group.
        state_every: seconds between saves of the state of unfinished runs.
        save_params: keep the trained parameters, and retrain finished runs that lack them; by default they are
            kept if they take less than 1 GB in total.
        no_save_params: do not keep the trained parameters.
        keep_states: keep the last states of the runs, so that the same command with larger --steps goes on from them.
        accept_fingerprint: continue a sweep that was started with other versions, another device or another recipe.
        part: train only a part of the runs: 3/16 is the third of 16 parts. With the same --lanes, the merged parts are
            to the bit what the whole sweep is.
        where: the engine.
    """
    where.check()
    from fnnet.sweeps.execution import describe_stored, execute

    with where.open() as engine:
        prepared = _prepare(
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
            engine=engine,
        )
        assert prepared.store is not None
        output.print_estimates(prepared)
        if engine is not None:
            output.print_line(where.describe(engine))
        if line := describe_stored(prepared):
            output.print_line(line)
        results = execute(prepared)
    if len(results):
        metric = metric or _usual_metric(prepared)
        output.print_results(results, metric, prepared.data.train.inputs)
        for path in output.write_results(results, metric, prepared.store.folder):
            output.print_line(f"wrote {path}")
    finished = set(results["id"].tolist()) if len(results) else set()
    wanted = prepared.plan.space.ids()[prepared.runs].tolist()
    if num_given_up := sum(run_id not in finished for run_id in wanted):
        output.print_line(
            f"{num_given_up:,} of {len(wanted):,} runs were given up, since they ended every worker that trained them; "
            f"{prepared.store.attempts_path} says why, and the same command tries them again"
        )
        sys.exit(1)


def plan(
    axes: Axes,
    /,
    data: Data = DataOptions(),  # noqa: B008 (frozen)
    recipe: str | None = None,
    steps: int = 1000,
    eval_every: int | None = None,
    out: Path | None = None,
    lanes: int | None = None,
    part: str | None = None,
) -> None:
    """Estimate the cost of a sweep without training: programs, lanes, chunks, memory, operations and time.

    Each program is compiled and a few of its steps are timed; the sweep reuses both.

    Args:
        axes: as for sweep.
        data: as for sweep.
        recipe: as for sweep.
        steps: as for sweep.
        eval_every: as for sweep.
        out: as for sweep; runs finished in this folder are not counted.
        lanes: as for sweep.
        part: as for sweep.
    """
    prepared = _prepare(
        axes,
        data,
        recipe,
        out,
        None,
        num_steps=steps,
        eval_every=eval_every,
        lanes=lanes,
        accept_fingerprint=True,
        part=None if part is None else parse_part(part),
    )
    output.print_estimates(prepared)


def _prepare(
    axes: Sequence[str],
    data_options: DataOptions,
    recipe_path: str | None,
    out: Path | None,
    metric: str | None,
    *,
    part: tuple[int, int] | None = None,
    **options: Any,
) -> "Prepared":
    """Check the arguments, load the data and prepare the sweep."""
    space = parse_space(axes)
    if "num_steps" in space.axes:
        options |= {"num_steps": None}
    usage.check_numbers(**options)
    from fnnet.hparams import MissingHparam
    from fnnet.recipes import mlp_recipe
    from fnnet.space.groups import split_axes
    from fnnet.sweeps.prepare import prepare

    data = data_options.load()
    print(data.summary, flush=True)  # before what may take minutes
    source = data.name if recipe_path is None else f"{data.name}-{recipe_path}"
    names = [re.sub(r"[^A-Za-z0-9_-]", "_", source), *space.axes]
    names += [] if part is None else [f"part-{part[0]}-of-{part[1]}"]
    folder = out or Path("results", "-".join(names))
    usage.check_folder(folder)
    recipe = mlp_recipe(data) if recipe_path is None else load_recipe(recipe_path, data)
    static_axes, _ = split_axes(recipe, space)
    num_programs = math.prod(len(space.axes[name]) for name in static_axes)
    sys.stderr.write(usage.planning_notice(len(space), num_programs))
    try:
        return prepare(
            recipe, space, data, store=folder, metric=metric, part=part, show_progress=True, **options
        )
    except MissingHparam as error:
        if error.name != "learning_rate":
            raise
        raise InputError(
            "a sweep needs the axis learning_rate, such as learning_rate=log:1e-3:1:8; "
            f"got {', '.join(space.axes)}"
        ) from None


def _usual_metric(prepared: "Prepared") -> str:
    usual = "test_accuracy" if prepared.data.is_classification else "test_r2"
    return usual if usual in prepared.plan.metrics else prepared.metric or prepared.plan.metrics[0]
