"""The command line: `fnnet sweep --dataset digits depth=1,2,4 learning_rate=log:1e-3:1:8 seed=range:4`.

Nothing heavy is imported before the arguments are read, so that `--help` answers at once.
"""

import contextlib
import errno
import io
import math
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

import fnnet
from fnnet.cli import usage
from fnnet.cli.data_options import DataOptions
from fnnet.errors import InputError
from fnnet.space.text import parse_axes, parse_space
from fnnet.sweeps.interrupt import ignore_signals, raised_signals

if TYPE_CHECKING:
    from fnnet.records.results import Results
    from fnnet.sweeps.prepare import Prepared

app = tyro.extras.SubcommandApp()

AXES = (
    *("depth", "width", "activation", "initializer", "parameterization", "use_bias", "loss", "batch_size"),
    *("order", "nesterov", "learning_rate", "seed", "data_seed", "momentum", "weight_decay", "max_norm"),
)
"""The axes of the ready-made recipe, which is not imported to find what is wrong with a command."""

Data = Annotated[DataOptions, tyro.conf.arg(name="")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Axes = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="AXIS=VALUES")]]


@app.command
def sweep(
    axes: Axes,
    /,
    data: Data = DataOptions(),  # noqa: B008 (frozen)
    steps: int = 1000,
    eval_every: int | None = None,
    metric: str | None = None,
    out: Path | None = None,
    lanes: int | None = None,
    state_every: float = 60.0,
    save_params: Flag = False,
    no_save_params: Flag = False,
    accept_fingerprint: bool = False,
) -> None:
    """Train fully connected networks on every combination of the axes and tabulate the results.

    An axis is a name and its values:
      depth=1,2,4                    a list of numbers, names, or yes and no
      learning_rate=log:1e-3:10:16   16 numbers from 0.001 to 10 at equal ratios
      weight_decay=lin:0:0.1:3       3 numbers from 0 to 0.1 at equal distances
      seed=range:4                   0, 1, 2, 3; also range:START:STOP[:STEP]

    Traced axes, whose values share one compiled program: learning_rate, seed, data_seed, momentum,
    weight_decay, max_norm. Static axes, compiled once per value: depth, width, activation, initializer,
    parameterization, use_bias, loss, batch_size, order, nesterov.

    Every finished run is kept. Rerunning the command resumes an interrupted sweep; with more values it trains
    only the new runs.

    Args:
        axes: what to sweep, as NAME=VALUES; the last axis changes fastest.
        data: which data to load, and how.
        steps: number of updates of each run.
        eval_every: evaluate every this many steps and at the end, for curves; by default only at the end.
        metric: metric of the summary; by default test_accuracy for classification and test_r2 for regression.
        out: folder that keeps the sweep and receives table.parquet, table.csv and heatmap.png; by default
            results/DATASET-AXES.
        lanes: number of runs that train together on one device; by default chosen for each group.
        state_every: seconds between two saves of the state of unfinished runs.
        save_params: keep the trained parameters, and train finished runs without them again; by default they are
            kept if all of them together are under 1 GB.
        no_save_params: do not keep the trained parameters.
        accept_fingerprint: continue a sweep that was started with other versions, another device or another recipe.
    """
    from fnnet.report import tables
    from fnnet.report.advice import advice
    from fnnet.sweeps.execution import describe_stored, execute

    prepared = _prepared(
        axes,
        data,
        out,
        metric,
        num_steps=steps,
        eval_every=eval_every,
        lanes=lanes,
        state_every=state_every,
        save_params=save_params or (False if no_save_params else None),
        accept_fingerprint=accept_fingerprint,
    )
    assert prepared.store is not None
    folder = prepared.store.folder
    console = _console()
    console.print(tables.estimates(prepared.estimates, steps))
    if line := describe_stored(prepared):
        console.print(line, highlight=False, soft_wrap=True)
    results = execute(prepared, show_progress=True)
    metric = metric or ("test_accuracy" if prepared.data.is_classification else "test_r2")
    console.print(tables.best_rates(results, metric))
    if (line := advice(results, prepared.data.train.inputs)) is not None:
        console.print(line, highlight=False, soft_wrap=True)
    for path in _write(results, metric, folder):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


@app.command
def plan(
    axes: Axes,
    /,
    data: Data = DataOptions(),  # noqa: B008 (frozen)
    steps: int = 1000,
    eval_every: int | None = None,
    out: Path | None = None,
    lanes: int | None = None,
) -> None:
    """Estimate the cost of a sweep: programs, lanes, chunks, memory, operations and time. Nothing is trained.

    Each program is compiled and a few of its steps are timed; the sweep reuses both.

    Args:
        axes: as for sweep.
        data: as for sweep.
        steps: as for sweep.
        eval_every: as for sweep.
        out: as for sweep; runs that are finished in this folder are not counted.
        lanes: as for sweep.
    """
    from fnnet.report import tables

    prepared = _prepared(
        axes, data, out, None, num_steps=steps, eval_every=eval_every, lanes=lanes, accept_fingerprint=True
    )
    _console().print(tables.estimates(prepared.estimates, steps))


@app.command
def verify(store: tyro.conf.Positional[Path], /, runs: int = 4) -> None:
    """Train some runs of a finished sweep again, one by one, and compare them with the stored results.

    The folder records the data and the recipe. The exit code is 1 when a result differs.

    Args:
        store: the folder of the sweep.
        runs: number of runs to draw at random.
    """
    from fnnet.records.rows import open_results
    from fnnet.sweeps.verify import judge
    from fnnet.sweeps.verify import verify as verify_store

    if runs < 1:
        raise InputError(f"--runs must be a positive integer, got {runs}")
    results = open_results(store)
    differences = verify_store(store=store, num_runs=runs)
    num_runs = len(results.space)
    drawn = f"all {num_runs:,} runs" if runs >= num_runs else f"{runs:,} of {num_runs:,} runs"
    print(f"trained {drawn} again, one by one, and compared with {store}")
    verdicts = []
    for name, difference in differences.items():
        verdict, scale = judge(difference, results.columns[name])
        verdicts.append(verdict)
        print(f"  {name}: at most {difference:.3g} apart, of values up to {scale:.3g}: {verdict}")
    if "different" in verdicts:
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
    """Write one trained network of a sweep, with its preprocessing, as a safetensors file.

    The sweep must have kept its parameters (see --save-params). Name the run by its values, such as depth=2 seed=0;
    the table of the sweep lists them.

    Args:
        store: the folder of the sweep.
        values: the values of the run; axes with a single value can be left out.
        to: the file to write, such as model.safetensors; it must not exist.
        best: a metric such as test_accuracy; exports the best of the runs with these values.
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
        model: a file that export wrote.
        data: a .csv or .parquet file; or, for a model trained on arrays, an .npz file with the array X, x or inputs.
        id: the column that names the rows, copied to the output; by default that of the training data.
        to: a .csv file to write to instead; it must not exist.
    """
    from fnnet.data.files import ARRAYS, check_file, read_table
    from fnnet.data.npz import read_npz_inputs
    from fnnet.evaluation.model import predict as predict_outputs
    from fnnet.evaluation.model import prepare_array, prepare_table, tabulate, to_csv
    from fnnet.interop import safetensors
    from fnnet.records.durable import write_new

    if to is not None and to.suffix.lower() != ".csv":
        raise InputError(f"--to names a .csv file, got {to}")
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
        return
    write_new(to, text.encode())
    print(f"wrote {to}")


COMMANDS = {command.__name__: command for command in (sweep, plan, verify, export, predict)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Every early end is reported in one line on stderr. The exit code is 2 for input that cannot be used, 1 for a failure
    of the system, and 128 plus the signal's number after a signal: 130 for Ctrl-C, 143 for SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with raised_signals():
            _run(words)
            sys.stdout.flush()
    except InputError as error:
        sys.exit(_fail(error))
    except KeyboardInterrupt as stop:
        if arguments is None:  # the process ends now; a second Ctrl-C must not print a traceback
            ignore_signals()
        sys.stderr.write(f"\nfnnet: stopped{_kept(words)}\n")
        sys.exit(128 + getattr(stop, "signum", signal.SIGINT))
    except BrokenPipeError:  # a reader such as `head` has closed stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again when it exits
        if kept := _kept(words):
            sys.stderr.write(f"fnnet: stopped, stdout is closed{kept}\n")
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        verb = "write" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else "use"
        where = error.filename or "a file"
        sys.stderr.write(f"fnnet: cannot {verb} {where}: {error.strerror or error}{_kept(words)}\n")
        sys.exit(1)


def _kept(words: list[str]) -> str:
    is_sweep = words[:1] == ["sweep"] and not {"-h", "--help"} & set(words)
    return "; all that is finished is kept, and the same command goes on from there" if is_sweep else ""


def _run(words: list[str]) -> None:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if words == ["--version"]:
        print(f"fnnet {fnnet.__version__}")
    elif not words or words[0] in ("--help", "-h"):
        print(usage.overview(COMMANDS, fnnet.__version__), file=sys.stdout if words else sys.stderr)
        if not words:
            sys.exit(2)
    else:
        usage.check_usage(words, COMMANDS, AXES)
        if "--help" not in words and "-h" not in words:
            app.cli(args=words, prog="fnnet")
            return
        text = io.StringIO()  # which is no terminal: help is plain text
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            app.cli(args=words, prog="fnnet")
        print(usage.tidy(text.getvalue()))


def _prepared(
    axes: Sequence[str], data_options: DataOptions, out: Path | None, metric: str | None, **options: Any
) -> "Prepared":
    """Check the arguments, load the data and prepare the sweep."""
    space = parse_space(axes)
    usage.check_numbers(**options)
    from fnnet.hparams import MissingHparam
    from fnnet.recipes import mlp_recipe
    from fnnet.space.groups import split_axes
    from fnnet.sweeps.prepare import prepare

    data = data_options.load()
    folder = out or Path("results", "-".join([_file_name(data.name), *space.axes]))
    usage.check_folder(folder)
    recipe = mlp_recipe(data)
    static_axes, _ = split_axes(recipe, space)
    num_programs = math.prod(len(space.axes[name]) for name in static_axes)
    sys.stderr.write(usage.what_takes_long(len(space), num_programs))
    try:
        prepared = prepare(recipe, space, data, store=folder, metric=metric, show_progress=True, **options)
    except MissingHparam:
        raise InputError(
            "a sweep needs the axis learning_rate, such as learning_rate=log:1e-3:1:8; "
            f"got {', '.join(space.axes)}"
        ) from None
    print(data.summary)
    return prepared


def _choose_run(results: "Results", best: str | None) -> int:
    """Return the place of the only run, or of the best of several."""
    if best is None:
        if len(results.space) != 1:
            varied = [name for name, values in results.space.axes.items() if len(values) > 1]
            raise InputError(
                f"{len(results.space)} runs have these values; give those of {', '.join(varied)} too, "
                "or --best test_accuracy to take the best"
            )
        return 0
    return results.space.ids().tolist().index(results.top(1, best).space.ids()[0])


def _file_name(name: str) -> str:
    """Replace the characters that are not safe in a file's name."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _write(results: "Results", metric: str, folder: Path) -> list[Path]:
    """Write the table and its picture, if it is not too large for one."""
    from fnnet.report import plots

    table = results.table(records=True)
    paths = [folder / "table.parquet", folder / "table.csv", folder / "heatmap.png"]
    table.write_parquet(paths[0])
    table.write_csv(paths[1])
    try:
        figure = plots.heatmap(results, metric)
    except InputError as error:
        sys.stderr.write(f"no heatmap.png: {error}\n")
        return paths[:2]
    figure.savefig(paths[2], dpi=150)
    return paths


def _console() -> Any:
    from rich.console import Console

    return Console()


def _fail(error: InputError) -> int:
    sys.stderr.write(f"fnnet: {usage.in_options(str(error))}\n")
    return 2
