"""`fnnet verify`: retrain some runs and compare."""

import sys
from pathlib import Path

import tyro

from fnnet.cli import output
from fnnet.cli.formats import Json
from fnnet.cli.own_recipe import load_recipe
from fnnet.errors import check_integer


def verify(
    store: tyro.conf.Positional[Path], /, runs: int = 4, recipe: str | None = None, json: Json = False
) -> None:
    """Retrain some runs of a finished sweep, one by one, and compare them with the stored results.

        fnnet verify results/digits --runs 8

    The folder records the data, and the recipe if it is fnnet's own. The exit code is 1 if a result differs.

    Args:
        store: the folder of the sweep.
        runs: number of runs to draw at random.
        recipe: the recipe of your own that made the sweep, as MODULE:FUNCTION.
        json: print JSON.
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
    if not json:
        print(f"trained {drawn} again, one by one, and compared with {store}")
    if not output.print_differences(differences, results, json):
        sys.exit(1)
