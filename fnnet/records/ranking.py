"""Ranking: runs and configurations from best to worst, and the significance of the best."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from fnnet.errors import InputError, unknown_name
from fnnet.names import DIRECTIONS, find_direction
from fnnet.records.statistics import Configurations, MeanInterval, compare_means
from fnnet.space.space import Config


class Best(NamedTuple):
    """The best configuration of a sweep and its significance.

    config: its values, without the axes averaged over.
    interval: the mean of the metric over these axes, with its interval.
    num_diverged: how many of the averaged runs diverged.
    gap: by how much the runner-up is worse; NaN where there is none.
    p_value: the p-value of a two-sided Welch's t-test between the two; NaN with fewer than two runs each.
    beyond_noise: whether `p_value` is below 0.05.
    """

    config: Config
    interval: MeanInterval
    num_diverged: int
    gap: float
    p_value: float
    beyond_noise: bool


def find_best(
    configurations: Configurations,
    values: Shaped[np.ndarray, " runs"],
    diverged: Shaped[np.ndarray, " runs"],
    higher_is_better: bool,
) -> Best:
    """Find the configuration with the best mean, and compare it with the runner-up, as `Results.best` does.

    Raises:
        InputError: when all means are NaN.

    Example:
        >>> from fnnet import grid
        >>> from fnnet.records.statistics import find_configurations
        >>> configurations = find_configurations(grid(depth=[1, 2], seed=range(2)), over="seed")
        >>> best = find_best(configurations, np.array([1.0, 2.0, 5.0, 7.0]), np.zeros(4, bool), False)
        >>> best.config, best.interval.mean, best.gap, best.beyond_noise
        ({'depth': 1}, 1.5, 4.5, False)
    """
    means = configurations.mean_interval(values)
    first, *others = rank(means.mean, higher_is_better)
    if np.isnan(means.mean[first]):
        raise InputError("every mean is NaN: all runs diverged")
    gap = p_value = np.nan
    if others:
        one, other = (values[configurations.config_of_run == each] for each in (first, others[0]))
        gap = float(abs(means.mean[first] - means.mean[others[0]]))
        p_value = compare_means(one.astype(float), other.astype(float)).p_value
    interval = MeanInterval(*(column[first].item() for column in means))
    num_diverged = configurations.count_true(diverged)[first].item()
    return Best(configurations.configs[first], interval, num_diverged, gap, p_value, p_value < 0.05)


def find_top(
    metric: str, values: Shaped[np.ndarray, " runs"], num_runs: int, higher_is_better: bool
) -> Int[np.ndarray, " top"]:
    """Find the runs with the best values of a metric, best first, as `Results.top` does.

    Raises:
        InputError: when fewer runs have a value that is not NaN.

    Example:
        >>> find_top("loss", np.array([0.7, 0.2, np.nan, 0.5]), 2, higher_is_better=False)
        array([1, 3])
    """
    num_known = int(np.sum(~np.isnan(values)))
    if not 1 <= num_runs <= num_known:
        raise InputError(f"num_runs must be from 1 to {num_known}, the runs with a {metric}; got {num_runs}")
    return rank(values, higher_is_better)[:num_runs]


def rank(values: Shaped[np.ndarray, " n"], higher_is_better: bool) -> Int[np.ndarray, " n"]:
    """Return the indices that sort numbers from best to worst; NaN comes last, ties stay in order.

    Example:
        >>> rank(np.array([0.5, np.nan, 0.9]), higher_is_better=True).tolist()
        [2, 0, 1]
        >>> rank(np.array([0.5, np.nan, 0.9]), higher_is_better=False).tolist()
        [0, 2, 1]
    """
    _, codes = np.unique(values, return_inverse=True)  # signed, unlike counts and booleans
    return np.lexsort((-codes if higher_is_better else codes, np.isnan(values)))


def is_higher_better(metric: str, known: Mapping[str, bool], given: bool | None = None) -> bool:
    """Return whether higher values of a metric are better.

    Args:
        metric: a column's name, such as "test_accuracy"; what follows the split is looked up too.
        known: the directions of a sweep's own metrics, by name.
        given: the direction, if it is already known.

    Raises:
        InputError: when the direction is neither given nor known.

    Example:
        >>> is_higher_better("test_accuracy", {}), is_higher_better("test_hits", {"hits": True})
        (True, True)
    """
    if given is not None:
        return given
    found = find_direction(metric, {**DIRECTIONS, **known})
    if found is None:
        error = unknown_name("metric to rank by", metric, {*DIRECTIONS, *known})
        raise InputError(f"{error}; higher_is_better=True or False ranks by any column")
    return found


def usual_metric(metrics: Sequence[str], known: Mapping[str, bool]) -> str:
    """Choose the metric that summaries show: the accuracy or R2 of the test split, else one whose direction is known.

    Args:
        metrics: at least one.
        known: as for `is_higher_better`.

    Example:
        >>> usual_metric(["train_loss", "test_loss", "test_r2"], {}), usual_metric(["sharpness", "train_loss"], {})
        ('test_r2', 'train_loss')
    """
    usual = [name for name in ("test_accuracy", "test_r2") if name in metrics]
    ranked = [name for name in metrics if find_direction(name, {**DIRECTIONS, **known}) is not None]
    return [*usual, *ranked, *metrics][0]
