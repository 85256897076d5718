"""The commands of the command line: functions whose arguments tyro turns into options.

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
from fnnet.errors import InputError, check_integer
from fnnet.records.columns import metric_names
from fnnet.space.text import parse_axes, parse_part, parse_space

if TYPE_CHECKING:
    from fnnet.records.results import Results
    from fnnet.sweeps.prepare import Prepared

app = tyro.extras.SubcommandApp()

Data = Annotated[DataOptions, tyro.conf.arg(name="")]
Where = Annotated[EngineOptions, tyro.conf.arg(name="")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Axes = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="AXIS=VALUES")]]


@app.command
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
    metric = metric or _usual_metric(prepared)
    output.print_results(results, metric, prepared.data.train.inputs)
    for path in output.write_results(results, metric, prepared.store.folder):
        output.print_line(f"wrote {path}")


@app.command
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


@app.command
def merge(
    stores: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="STORE")]], /, *, out: Path
) -> None:
    """Join the folders of the parts of a sweep into one, which is like that of the whole sweep.

    Merging again adds what has come since, and completes a merge that was interrupted. Runs that are missing are trained
    by the command of the whole sweep, without --part and with this folder as --out.

    Args:
        stores: the folders, such as results/digits-depth-part-*.
        out: the folder to write, a new one or that of an earlier merge, which also receives table.parquet, table.csv
            and heatmap.png.
    """
    from fnnet.records.rows import open_results
    from fnnet.sweeps.merging import join

    missing = join(stores, out)
    results = open_results(out)
    print(f"merged {missing or f'all {len(results):,} runs'}")
    measured = metric_names(results)
    usual = [name for name in ("test_accuracy", "test_r2") if name in measured]
    for path in output.write_results(results, [*usual, *measured][0], out):
        output.print_line(f"wrote {path}")


@app.command
def verify(store: tyro.conf.Positional[Path], /, runs: int = 4, recipe: str | None = None) -> None:
    """Retrain some runs of a finished sweep, one by one, and compare them with the stored results.

    The folder records the data, and the recipe if it is fnnet's. The exit code is 1 if a result differs.

    Args:
        store: the folder of the sweep.
        runs: number of runs to draw at random.
        recipe: the recipe of your own that made the sweep, as MODULE:FUNCTION.
    """
    from fnnet.data.record import reload_data
    from fnnet.records.rows import open_results
    from fnnet.records.store import Store
    from fnnet.sweeps.verify import verify as verify_store

    check_integer("--runs", runs)
    results = open_results(store)
    if recipe is None:
        differences = verify_store(store=store, num_runs=runs)
    else:
        data = reload_data((Store(store).read_plan() or {}).get("data") or {})
        differences = verify_store(load_recipe(recipe, data), store, data, num_runs=runs)
    num_runs = len(results.space)
    drawn = f"all {num_runs:,} runs" if runs >= num_runs else f"{runs:,} of {num_runs:,} runs"
    print(f"trained {drawn} again, one by one, and compared with {store}")
    if not output.print_differences(differences, results):
        sys.exit(1)


@app.command
def export(
    store: tyro.conf.Positional[Path],
    values: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="[AXIS=VALUE ...]")]] = (),
    /,
    *,
    to: Path,
    best: str | None = None,
) -> None:
    """Export one trained network of a sweep, with its preprocessing, to a safetensors file.

    The sweep must have kept its parameters (see --save-params). Select the run by its values, such as depth=2 seed=0,
    which the table of the sweep lists.

    Args:
        store: the folder of the sweep.
        values: the values of the run; axes with a single value can be left out.
        to: the file to write, such as model.safetensors; it must not exist.
        best: a metric such as test_accuracy, by which to choose among several runs with these values.
    """
    axes = parse_axes(values)
    from fnnet.evaluation.export import trained_model
    from fnnet.interop import safetensors
    from fnnet.records.rows import open_results

    results = open_results(store).where(**axes)
    run = _choose_run(results, best)
    safetensors.save(to, trained_model(results, run))
    chosen = " ".join(f"{name}={value}" for name, value in results.space[run].items())
    print(f"wrote {to}: {chosen}")


@app.command
def predict(
    model: tyro.conf.Positional[Path],
    data: tyro.conf.Positional[Path],
    /,
    id: str | None = None,
    to: Path | None = None,
) -> None:
    """Print the predictions of an exported network for each row of a table: class and probabilities, or values.

    The table needs the columns that the network was trained on, in their original units and in any order; they are
    encoded, filled and standardized as in training. Targets and columns that training left out are ignored.

    Args:
        model: a file written by export.
        data: a .csv or .parquet file; or, for a model trained on arrays, an .npz file with the array X, x or inputs.
        id: the column that identifies the rows, copied to the output; by default that of the training data.
        to: a .csv file to write instead of printing; it must not exist.
    """
    from fnnet.data.files import ARRAYS, check_file, read_table
    from fnnet.data.npz import read_npz_inputs
    from fnnet.evaluation.model import predict as predict_outputs
    from fnnet.evaluation.model import prepare_array, prepare_table, tabulate, to_csv
    from fnnet.interop import safetensors
    from fnnet.records.durable import write_new

    if to is not None and to.suffix.lower() != ".csv":
        raise InputError(f"--to must be a .csv file, got {to}")
    loaded = safetensors.load(model)
    try:
        if check_file(data) in ARRAYS:
            table = prepare_array(loaded, read_npz_inputs(data))
        else:
            table = prepare_table(loaded, read_table(data).frame, id)
        outputs = predict_outputs(loaded, table.inputs)
    except InputError as error:
        raise InputError(f"{data}: {error}") from error
    if table.notes:
        sys.stderr.write(f"{data}: {'; '.join(table.notes)}\n")
    text = to_csv(tabulate(loaded, outputs, table.ids))
    if to is None:
        print(text, end="")
    else:
        write_new(to, text.encode())
        print(f"wrote {to}")


COMMANDS = {command.__name__: command for command in (sweep, plan, merge, verify, export, predict)}


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


def _choose_run(results: "Results", best: str | None) -> int:
    """Return the index of the only run, or of the best of several."""
    if best is not None:
        return results.space.ids().tolist().index(results.top(best, 1).space.ids()[0])
    if len(results.space) != 1:
        varied = [name for name, values in results.space.axes.items() if len(values) > 1]
        raise InputError(
            f"{len(results.space)} runs have these values; specify {', '.join(varied)} too, "
            "or choose the best with --best test_accuracy"
        )
    return 0
