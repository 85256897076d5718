"""Statistics: means over runs with intervals, and the best configuration with its significance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Int, Shaped
from scipy import special

from fnnet.errors import InputError, unknown_name
from fnnet.metrics import HIGHER_IS_BETTER, LOWER_IS_BETTER
from fnnet.space.space import Config, Space


class MeanCI(NamedTuple):
    """Means over some axis, an array `[configurations]` each.

    mean: the mean; not finite where a run's value is not.
    low, high: the 95 % interval of the mean, from Student's t; NaN for a single run.
    num_runs: how many runs were averaged.
    num_diverged: how many of these diverged. They are averaged like the others.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    num_runs: np.ndarray
    num_diverged: np.ndarray


class MeanInterval(NamedTuple):
    """A mean, its 95 % interval from Student's t, and how many runs were averaged."""

    mean: float
    low: float
    high: float
    num_runs: int


class Best(NamedTuple):
    """The best configuration of a sweep and its significance.

    config: its values, without the axis averaged over.
    mean, low, high, num_runs, num_diverged: of the metric, as in `MeanCI`.
    gap: by how much the runner-up is worse; NaN where there is none.
    p_value: of Welch's t test between the two, two-sided; NaN with fewer than two runs each.
    beyond_noise: whether `p_value` is below 0.05.
    """

    config: Config
    mean: float
    low: float
    high: float
    num_runs: int
    num_diverged: int
    gap: float
    p_value: float
    beyond_noise: bool


class Grouped(NamedTuple):
    """Runs grouped by some axes.

    axes: the axes that distinguish groups.
    configs: the groups' values of these axes, in order of first appearance.
    group_of_run: for each run its group's place in `configs`.
    columns: by name, an array `[runs]`: the metrics, and "diverged".
    """

    axes: tuple[str, ...]
    configs: list[Config]
    group_of_run: Int[np.ndarray, " runs"]
    columns: Mapping[str, Shaped[np.ndarray, " runs"]]

    def __repr__(self) -> str:
        num_runs = len(self.group_of_run)
        return (
            f"Grouped: {num_runs} runs in {len(self.configs)} groups by {', '.join(self.axes) or 'nothing'}"
        )

    def values(self, metric: str, group: SupportsIndex) -> np.ndarray:
        """Return the metric of the runs of one group, as an array `[runs]`.

        Raises:
            InputError: when there is no such column.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.array([1.0, 2.0, 3.0, 5.0])}
            >>> group_runs(grid(depth=[1, 2], seed=range(2)), columns, ("depth",)).values("loss", 1)
            array([3., 5.])
        """
        return self._column(metric)[self.group_of_run == group]

    def mean_ci(self, metric: str) -> MeanCI:
        """Average a metric in each group, with its 95 % interval.

        The interval is `mean ± t * s / sqrt(n)`, with the standard deviation `s` of the group's `n` runs and
        the 0.975 quantile `t` of Student's distribution with `n - 1` degrees of freedom (Student 1908).

        Args:
            metric: a column of the results.

        Returns:
            The means, in the order of `configs`.

        Raises:
            InputError: when there is no such column.

        Example:
            >>> from fnnet import Results, grid
            >>> columns = {"loss": np.array([1.0, 2.0, 3.0, 5.0, 5.0, 5.0]), "diverged": np.zeros(6, bool)}
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), columns, history={})
            >>> means = results.over("seed").mean_ci("loss")
            >>> means.mean.tolist(), means.high.round(3).tolist(), means.num_runs.tolist()
            ([2.0, 5.0], [4.484, 5.0], [3, 3])
        """
        values = _numbers(metric, self._column(metric)).astype(float)
        diverged = self._column("diverged")
        group = self.group_of_run
        count = np.bincount(group)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(group, values) / count
            variance = np.bincount(group, np.square(values - mean[group])) / (count - 1)
            half = special.stdtrit(np.maximum(count - 1, 1), 0.975) * np.sqrt(variance / count)
        half = np.where(count > 1, half, np.nan)
        return MeanCI(mean, mean - half, mean + half, count, np.bincount(group, diverged).astype(int))

    def _column(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise unknown_name("metric", name, self.columns)
        return self.columns[name]


def mean_interval(values: Shaped[np.ndarray, " runs"] | Sequence[float]) -> MeanInterval:
    """Average numbers of several runs, with the 95 % interval `mean ± t * s / sqrt(n)`.

    Args:
        values: one for each run.

    Returns:
        The mean with its interval, which is NaN for one run; not finite where a value is not.

    Raises:
        InputError: when there is no value.

    Example:
        >>> mean = mean_interval([1.0, 2.0, 3.0])
        >>> mean.mean, round(mean.low, 3), round(mean.high, 3), mean.num_runs
        (2.0, -0.484, 4.484, 3)

    Source: Student (1908).
    """
    values = np.asarray(values, float)
    if not len(values):
        raise InputError("a mean needs at least one value, got none")
    grouped = Grouped(
        (), [{}], np.zeros(len(values), int), {"value": values, "diverged": ~np.isfinite(values)}
    )
    means = grouped.mean_ci("value")
    return MeanInterval(float(means.mean[0]), float(means.low[0]), float(means.high[0]), len(values))


def group_runs(space: Space, columns: Mapping[str, np.ndarray], axes: tuple[str, ...]) -> Grouped:
    """Group the runs that are equal in some axes.

    Args:
        space: the runs.
        columns: by name, what they measured, an array `[runs]` each.
        axes: the axes that distinguish groups.

    Returns:
        The groups.

    Example:
        >>> from fnnet import grid
        >>> group_runs(grid(depth=[1, 2], seed=range(2)), {}, ("depth",)).group_of_run
        array([0, 0, 1, 1])
    """
    codes = np.stack([space.codes[name] for name in axes] or [np.zeros(len(space), np.int32)])
    _, first, inverse = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    rank_of = np.argsort(np.argsort(first))
    configs: list[Config] = [
        {name: value for name, value in space[run].items() if name in axes} for run in np.sort(first)
    ]
    return Grouped(axes, configs, rank_of[inverse.ravel()], columns)


def averaged_axes(space: Space, over: str | Sequence[str]) -> tuple[str, ...]:
    """Return the axes of a space to average over.

    Args:
        space: the runs.
        over: one name or several. Only "seed", the default of most functions, may be missing from the space.

    Raises:
        InputError: when there is no such axis.

    Example:
        >>> from fnnet import grid
        >>> averaged_axes(grid(depth=[1, 2]), "seed"), averaged_axes(grid(depth=[1, 2]), ["depth"])
        ((), ('depth',))
    """
    names = (over,) if isinstance(over, str) else tuple(over)
    for name in names:
        if name not in space.axes and name != "seed":
            raise unknown_name("axis", name, space.axes)
    return tuple(name for name in names if name in space.axes)


def find_best(grouped: Grouped, metric: str, maximize: bool | None = None) -> Best:
    """Find the group with the best mean, and compare it with the runner-up.

    Args:
        grouped: the runs.
        metric: a column.
        maximize: whether more is better; None to infer that from the metric's name.

    Returns:
        The best configuration.

    Raises:
        InputError: when the metric is unknown, its name does not say whether more is better and `maximize` is
            not given, or all means are NaN.

    Example:
        >>> from fnnet import grid
        >>> columns = {"loss": np.array([1.0, 2.0, 5.0, 7.0]), "diverged": np.zeros(4, bool)}
        >>> best = find_best(group_runs(grid(depth=[1, 2], seed=range(2)), columns, ("depth",)), "loss")
        >>> best.config, best.mean, best.gap, best.beyond_noise
        ({'depth': 1}, 1.5, 4.5, False)
    """
    means = grouped.mean_ci(metric)
    order = rank(means.mean, metric, maximize)
    if np.isnan(means.mean[order[0]]):
        raise InputError(f"every mean of {metric!r} is NaN: all runs diverged")
    first, second = order[0], order[1] if len(order) > 1 else None
    gap = p_value = np.nan
    if second is not None:
        gap = abs(means.mean[first] - means.mean[second])
        p_value = _welch(grouped.values(metric, first), grouped.values(metric, second))
    return Best(
        config=grouped.configs[first],
        mean=float(means.mean[first]),
        low=float(means.low[first]),
        high=float(means.high[first]),
        num_runs=int(means.num_runs[first]),
        num_diverged=int(means.num_diverged[first]),
        gap=float(gap),
        p_value=float(p_value),
        beyond_noise=bool(p_value < 0.05),
    )


def rank(
    values: Shaped[np.ndarray, " n"], metric: str, maximize: bool | None = None
) -> Int[np.ndarray, " n"]:
    """Return the indices that sort values from best to worst; NaN comes last, ties stay in order.

    Args:
        values: of the metric.
        metric: a column's name, such as "test_accuracy"; what follows its split says which end is better.
        maximize: whether more is better, whatever the name says; None to tell from the name.

    Returns:
        The places.

    Raises:
        InputError: when the name does not tell and `maximize` is not given, or the values are no numbers.

    Example:
        >>> rank(np.array([0.5, np.nan, 0.9]), "test_accuracy").tolist()
        [2, 0, 1]
        >>> rank(np.array([0.5, np.nan, 0.9]), "sharpness", maximize=False).tolist()
        [0, 2, 1]
    """
    is_up = is_higher_better(metric, maximize)
    places = _numbers(metric, values)
    _, codes = np.unique(places, return_inverse=True)  # integers with a sign: counts and booleans have none
    return np.lexsort((-codes if is_up else codes, np.isnan(places)))


def is_higher_better(metric: str, maximize: bool | None = None) -> bool:
    """Return whether more of a metric is better.

    Args:
        metric: a column's name, such as "test_accuracy"; what follows its split is looked up.
        maximize: overrides what the name says; None to infer the answer from the name.

    Returns:
        Whether more is better.

    Raises:
        InputError: when the name does not tell and `maximize` is not given.

    Example:
        >>> is_higher_better("test_accuracy"), is_higher_better("sharpness", maximize=False)
        (True, False)
    """
    if maximize is not None:
        return maximize
    name = metric.partition("_")[2] if metric.startswith(("train_", "validation_", "test_")) else metric
    if name not in HIGHER_IS_BETTER | LOWER_IS_BETTER:
        error = unknown_name("metric to rank by", metric, HIGHER_IS_BETTER | LOWER_IS_BETTER)
        raise InputError(f"{error}; maximize=True or maximize=False ranks by any column")
    return name in HIGHER_IS_BETTER


def _numbers(name: str, column: np.ndarray) -> np.ndarray:
    """Return a column, refusing one that cannot be averaged and ranked."""
    if column.dtype.kind not in "biuf":
        raise InputError(f"column {name!r} holds no numbers, so it cannot be averaged or ranked")
    return column


def _welch(first: np.ndarray, second: np.ndarray) -> float:
    """Compute the p value of Welch's t test (Welch 1947); NaN where there is no variance."""
    if min(len(first), len(second)) < 2 or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return np.nan
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return np.nan
    from scipy import stats  # takes as long to load as JAX

    # From means and deviations, since scipy warns of groups that hardly vary when it has to compute them itself.
    moments = (number for each in (first, second) for number in (each.mean(), each.std(ddof=1), len(each)))
    return float(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)
