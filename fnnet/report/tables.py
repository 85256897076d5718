"""Tables for the terminal: results and estimated costs."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fnnet.records.ranking import is_higher_better, rank
from fnnet.records.results import Results
from fnnet.records.statistics import check_numeric, find_configurations
from fnnet.report.text_table import text_table

if TYPE_CHECKING:
    from rich.table import Table

    from fnnet.sweeps.estimate import Estimate


def best(
    results: Results,
    metric: str,
    *,
    axis: str = "learning_rate",
    over: str | Sequence[str] = "seed",
    higher_is_better: bool | None = None,
    style: str | None = None,
) -> "Table | str":
    """Tabulate the value of an axis with the best mean, one row per configuration of the other axes.

    The columns are the mean with its 95 % interval ("-" if it is not finite), the number of runs, how many of them
    diverged, and how many diverged at any value of the axis.

    Args:
        results: the results of a sweep; if it lacks the axis, every configuration has a row.
        metric: the column to rank by and to show.
        axis: the axis whose best value is shown.
        over: the axis or axes to average over.
        higher_is_better: the direction; None for that of the metric.
        style: "markdown"; "latex", a `tabular` with the rules of booktabs; None for a table for the terminal.

    Raises:
        InputError: when the metric, its direction, an axis or the style is unknown.

    Example:
        >>> import numpy as np
        >>> from fnnet import grid
        >>> columns = {"test_accuracy": np.array([0.8, 0.9, 0.7, 0.6]), "diverged": np.zeros(4, bool)}
        >>> results = Results(grid(depth=[1, 2], learning_rate=[0.1, 0.3]), columns)
        >>> print(best(results, "test_accuracy", style="markdown"))
        | depth | best learning_rate | test_accuracy | runs | diverged | diverged at any learning_rate |
        |---:|---:|---:|---:|---:|---:|
        | 1 | 0.3 | 0.9000 | 1 | 0 | 0 of 2 |
        | 2 | 0.1 | 0.7000 | 1 | 0 | 0 of 2 |
    """
    values = check_numeric(metric, results[metric])
    higher_is_better = is_higher_better(metric, results.higher_is_better, higher_is_better)
    configurations = find_configurations(results.space, over)
    means, num_diverged = configurations.mean_interval(values), configurations.count_true(results["diverged"])
    rows: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for place, config in enumerate(configurations.configs):
        key = tuple((name, value) for name, value in config.items() if name != axis)
        rows.setdefault(key, []).append(place)

    shown = [name for name in configurations.axes if name != axis and len(results.space.axes[name]) > 1]
    headings = [*shown, *([f"best {axis}"] if axis in configurations.axes else [])]
    headings += [metric, "runs", "diverged", f"diverged at any {axis}"]
    lines = []
    for places in rows.values():
        first = places[int(rank(means.mean[places], higher_is_better)[0])]
        config = configurations.configs[first]
        cells = [str(config.get(name, "-")) for name in shown]
        if axis in configurations.axes:
            cells.append(short(config.get(axis)) if math.isfinite(means.mean[first]) else "-")
        cells += [
            with_interval(means.mean[first], means.high[first]),
            str(means.num_runs[first]),
            str(num_diverged[first]),
            f"{num_diverged[places].sum()} of {means.num_runs[places].sum()}",
        ]
        lines.append(cells)
    averaged = "seeds" if over == "seed" else "runs"
    title = f"best mean {metric} over {averaged}, ± 95 % interval"
    if (means.num_runs == 1).all():
        title = f"best {metric} (1 run each: no interval)"
    return text_table(headings, lines, title=title, style=style, whole=[metric])


def estimates(groups: "Sequence[Estimate]", steps: str) -> "Table":
    """Tabulate the estimated cost of a sweep, one row per group, with totals.

    Args:
        groups: the estimates.
        steps: the length of a run, in words for the title.
    """
    from rich.table import Table

    num_runs = sum(group.num_runs for group in groups)
    num_missing = sum(group.num_missing for group in groups)
    title = f"{num_runs} runs of {steps} in {len(groups)} program{'s' * (len(groups) > 1)}"
    if num_missing < num_runs:
        title += f", {num_missing} still to train"
    table = Table(title=title, min_width=len(title), show_footer=len(groups) > 1)
    axes = list(dict.fromkeys(name for group in groups for name in group.static))
    for name in axes or ["group"]:
        table.add_column(name, justify="right")
    totals = {
        "runs": str(num_missing),
        "lanes": "",
        "chunks": str(sum(group.num_chunks for group in groups)),
        "memory": _bytes(max(group.num_bytes for group in groups)),
        "curves": _bytes(sum(group.curve_bytes for group in groups)),
        "FLOPs": f"{sum(group.flops for group in groups):.2g}",
        "time": _seconds(sum(group.seconds for group in groups)),
    }
    for heading, footer in totals.items():
        table.add_column(heading, footer, justify="right", no_wrap=True)
    for group in groups:
        cells = [str(group.static.get(name, "")) for name in axes] or ["all"]
        if group.num_missing:
            cells += [str(group.num_missing), str(group.lanes), str(group.num_chunks)]
            cells += [_bytes(group.num_bytes), _bytes(group.curve_bytes), f"{group.flops:.2g}"]
            cells.append(_seconds(group.seconds))
        else:
            cells += ["0", *[""] * 5, "done"]
        table.add_row(*cells)
    return table


def short(value: object) -> str:
    """Format the value of an axis.

    Example:
        >>> short(0.0316228), short((16, 16))
        ('0.0316', '(16, 16)')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def with_interval(mean: float, high: float) -> str:
    """Format a mean with half the width of its interval, if it has one.

    Example:
        >>> with_interval(0.5, 0.75), with_interval(0.5, math.nan), with_interval(math.nan, math.nan)
        ('0.5000 ± 0.2500', '0.5000', '-')
    """
    if not math.isfinite(mean):
        return "-"
    return f"{mean:.4f} ± {high - mean:.4f}" if math.isfinite(high) else f"{mean:.4f}"


def _bytes(number: float) -> str:
    """Format a number of bytes.

    Example:
        >>> _bytes(950), _bytes(25_300_000)
        ('950 B', '25.3 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _seconds(number: float) -> str:
    from fnnet.sweeps.progress import seconds_in_words  # loads JAX

    if math.isnan(number):
        return "not measured"
    return seconds_in_words(number) if math.isfinite(number) else "does not fit"
