"""`fnnet evaluate`: the networks of a sweep on other data."""

from pathlib import Path

import tyro

from fnnet.cli.formats import Format, FormatOptions
from fnnet.cli.output import print_line
from fnnet.cli.own_recipe import load_recipe
from fnnet.cli.selection import open_finished
from fnnet.errors import InputError, check_integer


def evaluate(
    store: tyro.conf.Positional[Path],
    /,
    *,
    dataset: str,
    metrics: str | None = None,
    where: str | None = None,
    top: int | None = None,
    by: str | None = None,
    recipe: str | None = None,
    format: Format = FormatOptions(),
) -> None:
    """Evaluate the trained networks of a sweep on other data.

        fnnet evaluate results/mnist --dataset fashion_mnist --top 5

    The data are encoded and scaled as in training. The sweep must have kept its parameters (see --save-params).

    Args:
        store: the folder of the sweep.
        dataset: the name of a data set, whose test split is used, or a file with the columns and the target of the
            training data.
        metrics: names of metrics, as A,B; by default accuracy for classes and r2 for numbers.
        where: conditions on the runs, as "depth=1,2 learning_rate>0.1".
        top: evaluate only this many runs, the best by the metric --by.
        by: a column of the sweep; by default test_accuracy, else test_r2, else the first with a known direction.
        recipe: the recipe of your own that made the sweep, as MODULE:FUNCTION.
        format: the format of the table.
    """
    chosen = format.choice()
    if top is not None:
        check_integer("--top", top)
    results = open_finished(store, where)
    from fnnet.data.record import abstract_data
    from fnnet.evaluation.evaluate import evaluate_results
    from fnnet.evaluation.other_data import load_other_data
    from fnnet.records.columns import metric_names
    from fnnet.records.ranking import usual_metric
    from fnnet.records.store import Store
    from fnnet.report.tables import short
    from fnnet.sweeps.verify import stored_recipe

    stored = Store(store).read_plan() or {}
    data = abstract_data(stored.get("data") or {})
    made_by = stored_recipe(store, stored, data) if recipe is None else load_recipe(recipe, data)
    if top is not None:
        name = by or usual_metric(metric_names(results), results.higher_is_better)
        results = results.top(name, min(top, len(results)))
    elif by is not None:
        raise InputError("--by is for --top, which ranks runs by it")
    other = load_other_data(stored.get("data") or {}, dataset)
    names = None if metrics is None else [each.strip() for each in metrics.split(",") if each.strip()]
    found = evaluate_results(made_by, results, other.examples, names)
    arrays = [name for name, values in found.items() if values.ndim > 1]
    if arrays:
        raise InputError(
            f"{arrays[0]} is an array for each run; choose metrics that are numbers, or use fn.evaluate_results"
        )
    import polars as pl

    ids = [run_id[:8] for run_id in results.space.ids().tolist()]
    axes = {name: results.space.table_column(name) for name in results.space.axes}
    table = pl.DataFrame({"run": ids, **axes, **found})
    varied = [name for name in axes if len(results.space.axes[name]) > 1]
    lines = [
        [row["run"], *(short(row[name]) for name in varied), *(f"{row[name]:.4f}" for name in found)]
        for row in table.iter_rows(named=True)
    ]
    if chosen is None:
        print_line(other.summary)
    format.print(table, ["run", *varied, *found], lines)
