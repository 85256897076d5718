"""Tables for the terminal."""

from rich.table import Table

from fnnet.sweep.plan import Plan
from fnnet.sweep.results import Results
from fnnet.sweep.statistics import rank


def best_rates(results: Results, metric: str) -> Table:
    """Tabulate, for each value of the other axes, the learning rate with the best mean over seeds.

    Args:
        results: of a sweep; without a `learning_rate` axis every configuration has a row.
        metric: what to rank by and to show.

    Returns:
        A table with mean, 95 % interval, number of runs and number diverged, of the best rate and of all.
    """
    grouped = results.over(*({"seed"} & set(results.space.axes)))
    means = grouped.mean_ci(metric)
    rows: dict[tuple, list[int]] = {}
    for place, config in enumerate(grouped.configs):
        key = tuple((name, value) for name, value in config.items() if name != "learning_rate")
        rows.setdefault(key, []).append(place)

    varied = [name for name in grouped.axes if len(results.space.axes[name]) > 1 or name == "learning_rate"]
    shown = [name for name in varied if name != "learning_rate"]
    title = f"best mean {metric} over seeds, ± 95 % interval"
    table = Table(title=title, min_width=len(title))
    for name in shown:
        table.add_column(name, justify="right")
    if "learning_rate" in grouped.axes:
        table.add_column("best learning_rate", justify="right")
    for heading in (metric, "runs", "diverged", "diverged at any rate"):
        table.add_column(heading, justify="right", no_wrap=heading == metric)
    for places in rows.values():
        best = places[int(rank(means.mean[places], metric)[0])]
        config = grouped.configs[best]
        half = means.high[best] - means.mean[best]
        all_runs, all_diverged = means.num_runs[places].sum(), means.num_diverged[places].sum()
        cells = [str(config[name]) for name in shown]
        if "learning_rate" in config:
            cells.append(f"{config['learning_rate']:.3g}")
        cells += [
            f"{means.mean[best]:.4f} ± {half:.4f}",
            str(means.num_runs[best]),
            str(means.num_diverged[best]),
            f"{all_diverged} of {all_runs}",
        ]
        table.add_row(*cells)
    return table


def groups(plan: Plan, num_steps: int) -> Table:
    """Tabulate what a sweep is going to do, a row for each group.

    Args:
        plan: the groups.
        num_steps: updates in each run.

    Returns:
        A table with the groups' static values and numbers of runs.
    """
    title = f"{len(plan.space)} runs of {num_steps} steps in {len(plan.groups)} programs"
    table = Table(title=title, min_width=len(title))
    for name in plan.static_axes or ("group",):
        table.add_column(name, justify="right")
    table.add_column("runs", justify="right")
    for group in plan.groups:
        table.add_row(*map(str, group.static.values() or ["all"]), str(len(group.runs)))
    return table
