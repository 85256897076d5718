"""`fnnet merge`: join the parts of a sweep."""

from pathlib import Path
from typing import Annotated

import tyro

from fnnet.cli import output


def merge(
    stores: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="STORE")]], /, *, out: Path
) -> None:
    """Join the folders of the parts of a sweep into one, which is like that of the whole sweep.

        fnnet merge results/digits-depth-part-* --out results/all

    Merging again adds new runs, and completes a merge that was interrupted. To train missing runs, repeat the command
    of the sweep without --part and with this folder as --out.

    Args:
        stores: the folders of the parts, such as results/digits-depth-part-*.
        out: the folder to write, a new one or that of an earlier merge; it also gets table.parquet, table.csv,
            heatmap.png and report.html.
    """
    from fnnet.records.columns import metric_names
    from fnnet.records.ranking import usual_metric
    from fnnet.records.rows import open_results
    from fnnet.sweeps.merging import join

    missing = join(stores, out)
    results = open_results(out)
    print(f"merged {missing or f'all {len(results):,} runs'}")
    metric = usual_metric(metric_names(results), results.higher_is_better)
    for path in output.write_results(results, metric, out):
        output.print_line(f"wrote {path}")
