"""Output: what the command line prints, and the tables and figures that it writes into a store."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnnet.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from fnnet.records.results import Results
    from fnnet.sweeps.prepare import Prepared


def print_estimates(prepared: "Prepared") -> None:
    """Print the estimated cost of a sweep."""
    from fnnet.report import tables

    print_content(tables.estimates(prepared.estimates, prepared.steps))


def print_results(results: "Results", metric: str, inputs: "np.ndarray") -> None:
    """Print the best learning rates of a sweep, and advice."""
    from fnnet.report import tables
    from fnnet.report.advice import advice

    try:
        print_content(tables.best(results, metric))
    except InputError as error:  # the direction of a recipe's own metric may be unknown
        sys.stderr.write(f"no summary: {error}\n")
    if (line := advice(results, inputs)) is not None:
        print_line(line)


def print_ranked(results: "Results", metric: str, higher_is_better: bool | None, num_rows: int = 5) -> None:
    """Print the best configurations of a search."""
    from fnnet.report.ranked import ranked, shown

    table = ranked(results, metric, higher_is_better=higher_is_better)
    headings, lines = shown(table[:num_rows], metric, results.space.varied_axes)
    print_table(headings, lines, f"{metric}, best of {table.height:,} fully trained configurations")


def print_line(line: str) -> None:
    """Print one line without wrapping it."""
    print_content(line, highlight=False, markup=False, soft_wrap=True)


def print_differences(differences: Mapping[str, float], results: "Results", as_json: bool = False) -> bool:
    """Print the largest difference of retrained from stored metrics; return whether all agree."""
    from fnnet.sweeps.verify import judge

    rows = []
    for name, difference in differences.items():
        verdict, scale = judge(difference, results[name])
        rows.append({"metric": name, "difference": difference, "scale": scale, "verdict": verdict})
        if not as_json:
            print(f"  {name}: at most {difference:.3g} apart, of values up to {scale:.3g}: {verdict}")
    if as_json:
        print_json(rows)
    return all(row["verdict"] != "different" for row in rows)


def write_results(results: "Results", metric: str, folder: Path, *, heatmap: bool = True) -> list[Path]:
    """Write table.parquet, table.csv, report.html and, unless it would be too large, heatmap.png; return the paths.

    The runs of a search, which were trained for different times, have no heat map.
    """
    from fnnet.records.durable import naming
    from fnnet.report import plots

    table = results.table(records=True)
    paths = [folder / name for name in ("table.parquet", "table.csv")]
    with naming(paths[0]), paths[0].open("wb") as file:  # polars' own errors have no file name
        table.write_parquet(file)
    with naming(paths[1]), paths[1].open("wb") as file:
        table.write_csv(file)
    drawn = {"report.html": lambda path: results.report(metric).save(path)}
    if heatmap:
        drawn["heatmap.png"] = lambda path: plots.heatmap(results, metric).savefig(path, dpi=150)
    for name, draw in drawn.items():
        try:
            draw(folder / name)
        except InputError as error:  # not fatal: the table has been written
            sys.stderr.write(f"no {name}: {error}\n")
        else:
            paths.append(folder / name)
    return paths


def print_content(content: Any, **options: Any) -> None:
    """Print something with rich, without any style if NO_COLOR is set."""
    from rich.console import Console

    console = Console(color_system=None) if os.environ.get("NO_COLOR") else Console()
    with console.capture() as captured:
        console.print(content, **options)
    print(captured.get(), end="")  # if rich itself met a closed stdout, it would exit with 1


def print_table(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    title: str = "",
    style: str | None = None,
) -> None:
    """Print a table for the terminal, for Markdown or for LaTeX."""
    from fnnet.report.text_table import text_table

    made = text_table(headings, lines, title=title, style=style)
    print(made) if isinstance(made, str) else print_content(made)


def print_json(value: Any) -> None:
    """Print a value as JSON: named tuples as objects, paths as strings, numbers that are not finite as null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """Convert a value to the types of JSON.

    Example:
        >>> _plain({"loss": float("nan"), "widths": (3, 4), "folder": Path("a")})
        {'loss': None, 'widths': [3, 4], 'folder': 'a'}
    """
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
