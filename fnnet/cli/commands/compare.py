"""`fnnet compare`: two sweeps."""

from pathlib import Path

import tyro

from fnnet.cli.formats import Format, FormatOptions
from fnnet.cli.selection import open_finished
from fnnet.errors import InputError


def compare(
    store: tyro.conf.Positional[Path],
    other: tyro.conf.Positional[Path],
    /,
    metric: str | None = None,
    over: str = "seed",
    where: str | None = None,
    format: Format = FormatOptions(),
) -> None:
    """Compare a metric of two sweeps, configuration by configuration, with Welch's t-test.

        fnnet compare results/relu results/tanh --metric test_loss

    Args:
        store: the folder of a sweep.
        other: the folder of another one.
        metric: a column of both; by default test_accuracy, else test_r2, else the first in both.
        over: the axes to average over, as A,B.
        where: conditions on the runs of both, as "depth=1,2 learning_rate>0.1".
        format: the format of the table.
    """
    format.choice()
    from fnnet.records.columns import metric_names
    from fnnet.records.ranking import usual_metric
    from fnnet.report.tables import short

    one, two = open_finished(store, where), open_finished(other, where)
    shared = [name for name in metric_names(one) if name in metric_names(two)]
    if metric is None and not shared:
        raise InputError(f"{store} and {other} have no metric in common")
    name = metric or usual_metric(shared, one.higher_is_better)
    table = one.compare(two, name, over=[axis.strip() for axis in over.split(",") if axis.strip()])
    measured = ("mean", "other_mean", "difference", "low", "high", "p_value")
    axes = [axis for axis in table.columns if axis not in measured]
    varied = [axis for axis in axes if table[axis].n_unique() > 1] or axes
    lines = [
        [
            *(short(row[axis]) for axis in varied),
            *(f"{row['mean']:.4f}", f"{row['other_mean']:.4f}"),
            f"{row['difference']:+.4f} ± {(row['high'] - row['low']) / 2:.4f}",
            f"{row['p_value']:.2g}",
        ]
        for row in table.iter_rows(named=True)
    ]
    headings = [*varied, "mean", "other", "difference", "p"]
    format.print(table, headings, lines, f"{name}, mean over {over}: {store} minus {other}, ± 95 % interval")
