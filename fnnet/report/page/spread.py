"""Spread: how much a metric differs between seeds, and between configurations."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fnnet.records.statistics import Configurations


class Spread(NamedTuple):
    """The spread of a metric.

    deviations: the standard deviation over the seeds of each configuration; NaN if it has fewer than two runs, or one
        without a finite value.
    within: the root mean square of the deviations, weighted by degrees of freedom; NaN if there are none.
    between: the standard deviation of the means of the configurations that have a deviation.
    num_configs: the number of these configurations.
    """

    deviations: Float[np.ndarray, " configs"]
    within: float
    between: float
    num_configs: int


def find_spread(values: np.ndarray, configurations: Configurations) -> Spread:
    """Compare the spread over seeds with that over configurations.

    Args:
        values: one per run.
        configurations: the configurations without their seeds.

    Example:
        >>> from fnnet import grid
        >>> from fnnet.records.statistics import find_configurations
        >>> configurations = find_configurations(grid(depth=[1, 2, 4], seed=range(2)), over="seed")
        >>> spread = find_spread(np.array([1.0, 3.0, 5.0, 9.0, np.nan, 4.0]), configurations)
        >>> spread.deviations.round(3).tolist(), round(spread.within, 3), round(spread.between, 3)
        ([1.414, 2.828, nan], 2.236, 3.536)
    """
    means = configurations.mean_interval(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.square(values.astype(float) - means.mean[configurations.config_of_run])
        sums = np.zeros(len(means.mean))
        np.add.at(sums, configurations.config_of_run, squares)
        deviations = np.sqrt(sums / np.where(means.num_runs > 1, means.num_runs - 1, np.nan))
    is_known = np.isfinite(deviations)
    if not is_known.any():
        return Spread(deviations, np.nan, np.nan, 0)
    freedom = means.num_runs[is_known] - 1
    within = np.sqrt(np.average(np.square(deviations[is_known]), weights=freedom))
    between = means.mean[is_known].std(ddof=1) if is_known.sum() > 1 else np.nan
    return Spread(deviations, float(within), float(between), int(is_known.sum()))
