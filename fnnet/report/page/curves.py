"""Curves: the learning curves that a page holds, and the envelope of the curves of all runs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from fnnet.records.arrays import align
from fnnet.records.columns import curve_names
from fnnet.records.ranking import rank
from fnnet.records.results import Results
from fnnet.records.statistics import Configurations, MeanInterval

MAX_POINTS = 2_000_000  # of all curves of a page, four bytes each
MAX_STEPS = 200  # points of a curve
CHOSEN = "the best, the worst, and others evenly in between"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Curves(NamedTuple):
    """Learning curves.

    steps: the steps at which they are drawn.
    runs: indices of the runs whose curves are kept, ascending.
    of_runs: by metric, arrays `[kept runs, steps]`, NaN where a run was not evaluated.
    configs: indices of the configurations whose mean curves are kept, ascending: those with the curves of all runs.
    of_means: by metric, the mean of the seeds' curves and its interval, arrays `[kept configurations, steps]`.
    envelope: by metric, the `QUANTILES` at each step over all runs with a finite value, kept or not.
    left_out: sentences about what is left out.
    """

    steps: Int[np.ndarray, " steps"]
    runs: Int[np.ndarray, " kept"]
    of_runs: dict[str, Float[np.ndarray, "kept steps"]]
    configs: Int[np.ndarray, " configs"]
    of_means: dict[str, MeanInterval]
    envelope: dict[str, Float[np.ndarray, "quantiles steps"]]
    left_out: list[str]


def collect_curves(
    results: Results,
    configurations: Configurations | None,
    metric: Shaped[np.ndarray, " runs"],
    higher_is_better: bool,
    max_points: int = MAX_POINTS,
) -> Curves | None:
    """Collect as many curves as a page can hold: those of the best runs, of the worst, and others evenly in between.

    Args:
        results: the results of a sweep.
        configurations: the configurations without their seeds; None if each has one run.
        metric: the metric that ranks runs, one value per run.
        higher_is_better: the direction of the metric.
        max_points: the largest number of values to keep.

    Returns:
        The curves; None if runs were evaluated only once.

    Example:
        >>> from fnnet import grid
        >>> columns = {"step_curve": np.tile([10, 20], (3, 1)), "loss_curve": np.array([[4.0, 2], [3, 1], [9, 9]])}
        >>> results = Results(grid(depth=[1, 2, 4]), columns)
        >>> curves = collect_curves(results, None, np.array([2.0, 1.0, 9.0]), False, max_points=4)
        >>> curves.runs.tolist(), curves.envelope["loss"][2].tolist(), curves.left_out
        ([1, 2], [4.0, 2.0], ['Curves of 2 of 3 runs: the best, the worst, and others evenly in between.'])
    """
    names = curve_names(results)
    if not names or not len(results) or results["step_curve"].shape[1] < 2:
        return None
    left_out = []
    steps, _ = align(results["step_curve"], results["step_curve"])
    places = np.unique(np.linspace(0, len(steps) - 1, MAX_STEPS).astype(int))
    if len(places) < len(steps):
        left_out.append(f"Curves at {len(places):,} of {len(steps):,} steps.")
    aligned = {name: align(results["step_curve"], results[f"{name}_curve"])[1][:, places] for name in names}
    per_run = len(places) * len(names)
    if configurations is not None:
        per_run += 3 * per_run * len(configurations.configs) // len(results)
    runs = choose_runs(configurations, metric, higher_is_better, max(1, max_points // per_run))
    if len(runs) < len(results):
        left_out.append(f"Curves of {len(runs):,} of {len(results):,} runs: {CHOSEN}.")
    configs, of_means = np.zeros(0, int), {}
    if configurations is not None:
        configs = np.unique(configurations.config_of_run[runs])
        kept = Configurations(
            configurations.axes,
            [configurations.configs[each] for each in configs],
            np.searchsorted(configs, configurations.config_of_run[runs]),
        )
        of_means = {name: kept.mean_interval(values[runs]) for name, values in aligned.items()}
    of_runs = {name: values[runs] for name, values in aligned.items()}
    envelope = {name: find_envelope(values) for name, values in aligned.items()}
    return Curves(steps[places], runs, of_runs, configs, of_means, envelope, left_out)


def find_envelope(values: Float[np.ndarray, "runs steps"]) -> Float[np.ndarray, "quantiles steps"]:
    """Compute the `QUANTILES` of the finite values at each step.

    Example:
        >>> find_envelope(np.array([[1.0, np.nan], [3.0, 5.0], [2.0, np.inf]]))[2]
        array([2., 5.])
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)  # NaN last
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    places = np.outer(QUANTILES, last)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, last)
    every = np.arange(values.shape[1])
    return ordered[low, every] + (places - low) * (ordered[high, every] - ordered[low, every])


def choose_runs(
    configurations: Configurations | None,
    metric: Shaped[np.ndarray, " runs"],
    higher_is_better: bool,
    most: int,
) -> Int[np.ndarray, " chosen"]:
    """Choose the best runs, the worst and others evenly in between, all runs of a configuration or none.

    Args:
        configurations: the configurations without their seeds; None if each has one run.
        metric: the metric that ranks runs, one value per run.
        higher_is_better: the direction of the metric.
        most: the largest number of runs to choose; a single configuration may have more.

    Example:
        >>> choose_runs(None, np.array([2.0, 1.0, 9.0]), higher_is_better=False, most=2)
        array([1, 2])
    """
    if len(metric) <= most:
        return np.arange(len(metric))
    if configurations is None:
        return np.sort(_spread_out(rank(metric, higher_is_better), most))
    means = configurations.mean_interval(metric)
    most_configs = max(1, most // int(means.num_runs.max()))
    chosen = _spread_out(rank(means.mean, higher_is_better), most_configs)
    return np.flatnonzero(np.isin(configurations.config_of_run, chosen))


def _spread_out(ordered: np.ndarray, most: int) -> np.ndarray:
    """Choose the first ones, the last, and others evenly in between."""
    num_first = min(most // 4, 50)
    others = np.linspace(num_first, len(ordered) - 1, min(most, len(ordered)) - num_first).astype(int)
    return ordered[np.unique([*range(num_first), *others])] if most > 1 else ordered[:1]
