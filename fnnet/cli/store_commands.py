"""The commands about the folders of sweeps and what is exported from them.

Heavy imports wait until a command runs, so that `--help` answers at once.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fnnet.cli import output
from fnnet.cli.own_recipe import load_recipe
from fnnet.errors import InputError, check_integer
from fnnet.records.columns import metric_names
from fnnet.space.text import parse_axes

if TYPE_CHECKING:
    from fnnet.records.results import Results


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
