"""Tables for the terminal: results and estimated costs."""

import math
from collections.abc import Sequence

from rich.table import Table

from fnnet.records.ranking import rank
from fnnet.records.results import Results
from fnnet.sweeps.job import Estimate
from fnnet.sweeps.progress import seconds_in_words


def best_rates(results: Results, metric: str, *, higher_is_better: bool | None = None) -> Table:
    """Tabulate the learning rate with the best mean over seeds, one row per configuration of the other axes.

    Columns are the mean (or "-" where it is not finite) with its 95 % interval, the number of runs and how many
    diverged, at the best rate and at any.

    Args:
        results: of a sweep; without an axis "learning_rate" every configuration has a row.
        metric: the column to rank by and to show.
        higher_is_better: the direction; None for that of the metric.

    Raises:
        InputError: when the metric or its direction is unknown.
    """
    higher_is_better = results.direction(metric, higher_is_better)
    configurations = results.over(*({"seed"} & set(results.space.axes)))
    means = configurations.mean_ci(metric)
    rows: dict[tuple, list[int]] = {}
    for place, config in enumerate(configurations.configs):
        key = tuple((name, value) for name, value in config.items() if name != "learning_rate")
        rows.setdefault(key, []).append(place)

    others = (name for name in configurations.axes if name != "learning_rate")
    shown = [name for name in others if len(results.space.axes[name]) > 1]
    title = f"best mean {metric} over seeds, ± 95 % interval"
    if (means.num_runs == 1).all():
        title = f"best {metric} (1 run each: no interval)"
    table = Table(title=title, min_width=len(title))
    for name in shown:
        table.add_column(name, justify="right")
    if "learning_rate" in configurations.axes:
        table.add_column("best learning_rate", justify="right")
    for heading in (metric, "runs", "diverged", "diverged at any rate"):
        table.add_column(heading, justify="right", no_wrap=heading == metric)
    for places in rows.values():
        best = places[int(rank(means.mean[places], higher_is_better)[0])]
        config = configurations.configs[best]
        all_runs, all_diverged = means.num_runs[places].sum(), means.num_diverged[places].sum()
        cells = [str(config[name]) for name in shown]
        if "learning_rate" in config:
            cells.append(f"{config['learning_rate']:.3g}" if math.isfinite(means.mean[best]) else "-")
        cells += [
            _with_interval(means.mean[best], means.high[best]),
            str(means.num_runs[best]),
            str(means.num_diverged[best]),
            f"{all_diverged} of {all_runs}",
        ]
        table.add_row(*cells)
    return table


def estimates(groups: Sequence[Estimate], num_steps: int) -> Table:
    """Tabulate the estimated cost of a sweep of `num_steps` updates per run, one row per group, with totals."""
    num_runs = sum(group.num_runs for group in groups)
    num_missing = sum(group.num_missing for group in groups)
    title = f"{num_runs} runs of {num_steps} steps in {len(groups)} program{'s' * (len(groups) > 1)}"
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


def _with_interval(mean: float, high: float) -> str:
    """Format a mean with half the width of its interval, if it has one.

    Example:
        >>> _with_interval(0.5, 0.75), _with_interval(0.5, math.nan), _with_interval(math.nan, math.nan)
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
    return seconds_in_words(number) if math.isfinite(number) else "does not fit"
