"""Statistics: means over runs of one configuration, with confidence intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from fnnet.errors import InputError, unknown_name
from fnnet.space.space import Config, Space


class MeanInterval(NamedTuple):
    """The mean of some runs and its 95 % interval: four numbers, or an array of each for several means.

    mean: not finite where a run's value is not.
    low, high: the interval `mean ± t * s / sqrt(n)`, with the standard deviation `s` of the `n` runs and the 0.975
        quantile `t` of Student's distribution with `n - 1` degrees of freedom; NaN for a single run.
    num_runs: `n`.

    Example:
        >>> mean_interval([1.0, 2.0, 3.0]).mean
        2.0
    """

    mean: Any
    low: Any
    high: Any
    num_runs: Any


class Configurations(NamedTuple):
    """The distinct configurations of some axes, and the runs of each.

    axes: the names of these axes.
    configs: their values, in order of first appearance.
    config_of_run: for each run, the index of its configuration in `configs`.
    """

    axes: tuple[str, ...]
    configs: list[Config]
    config_of_run: Int[np.ndarray, " runs"]

    def __repr__(self) -> str:
        axes = ", ".join(self.axes) or "no axis"
        return f"Configurations: {len(self.configs)} of {axes} from {len(self.config_of_run)} runs"

    @property
    def first_runs(self) -> Int[np.ndarray, " configs"]:
        """The first run of each configuration.

        Example:
            >>> from fnnet import grid
            >>> find_configurations(grid(depth=[1, 2], seed=range(3)), "seed").first_runs
            array([0, 3])
        """
        return np.unique(self.config_of_run, return_index=True)[1]

    def count_true(self, is_counted: Shaped[np.ndarray, " runs"]) -> Int[np.ndarray, " configs"]:
        """Count the runs of each configuration for which something is true, such as "diverged"."""
        return np.bincount(self.config_of_run, is_counted, len(self.configs)).astype(int)

    def mean_interval(self, values: Shaped[np.ndarray, "runs ..."]) -> MeanInterval:
        """Compute the mean of each configuration, with its 95 % interval.

        Args:
            values: a column of the results, or curves.

        Returns:
            Arrays `[configurations, ...]`; `num_runs` is an array `[configurations]`.

        Example:
            >>> from fnnet import grid
            >>> configurations = find_configurations(grid(depth=[1, 2], seed=range(3)), "seed")
            >>> means = configurations.mean_interval(np.array([1.0, 2.0, 3.0, 5.0, 5.0, 5.0]))
            >>> means.mean.tolist(), means.high.round(3).tolist(), means.num_runs.tolist()
            ([2.0, 5.0], [4.484, 5.0], [3, 3])
        """
        config, values = self.config_of_run, values.astype(float)
        num_runs = np.bincount(config, minlength=len(self.configs))
        count = num_runs.reshape(-1, *(1,) * (values.ndim - 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._sum(values) / count
            variance = self._sum(np.square(values - mean[config])) / (count - 1)
        half = _half_width(variance, count)
        return MeanInterval(mean, mean - half, mean + half, num_runs)

    def _sum(self, values: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(self.configs), *values.shape[1:]))
        np.add.at(sums, self.config_of_run, values)
        return sums


def mean_interval(values: Shaped[np.ndarray, "... runs"] | Sequence[float]) -> MeanInterval:
    """Compute the mean over runs, with its 95 % interval `mean ± t * s / sqrt(n)`.

    Args:
        values: one number for each run; or an array with the runs along its last axis.

    Returns:
        The mean, not finite where a value is not; its interval is NaN for a single value. Numbers for one row of runs,
        and arrays `[...]` for several.

    Raises:
        InputError: when there is no value.

    Example:
        >>> mean = mean_interval([1.0, 2.0, 3.0])
        >>> mean.mean, round(mean.low, 3), round(mean.high, 3), mean.num_runs
        (2.0, -0.484, 4.484, 3)
        >>> mean_interval(np.array([[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]])).mean
        array([2., 8.])

    Source: Student (1908).
    """
    values = np.asarray(values, float)
    num_runs = values.shape[-1] if values.ndim else 0
    if not num_runs:
        raise InputError("a mean needs at least one value, got none")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Any = values.mean(axis=-1)
        variance = np.square(values - mean[..., None]).sum(axis=-1) / np.float64(num_runs - 1)
    half = _half_width(variance, np.float64(num_runs))
    if values.ndim == 1:
        mean, half = float(mean), float(half)
    return MeanInterval(mean, mean - half, mean + half, num_runs)


def _half_width(variance: Any, count: Any) -> Any:
    """Compute half the width of an interval; NaN for a single run."""
    from scipy import special  # takes longer to load than opening a store

    with np.errstate(invalid="ignore"):
        return special.stdtrit(np.maximum(count - 1, 1), 0.975) * np.sqrt(variance / count)


class Difference(NamedTuple):
    """The difference of two means with its 95 % interval, and the p-value of Welch's t-test (Welch 1947)."""

    difference: float
    low: float
    high: float
    p_value: float


def compare_means(first: Float[np.ndarray, " runs"], second: Float[np.ndarray, " others"]) -> Difference:
    """Compare the means of two sets of runs, whose variances may differ.

    Returns:
        The first mean minus the second. Its interval and p-value are NaN if one has fewer than two runs or a value that
        is not finite, and where all values of each are the same.

    Example:
        >>> found = compare_means(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 3.0]))
        >>> found.difference, round(found.low, 3), round(found.p_value, 3)
        (2.0, -0.267, 0.07)
    """
    from scipy import special

    with np.errstate(invalid="ignore"):
        difference = float(first.mean() - second.mean())
    is_finite = bool(np.isfinite(first).all() and np.isfinite(second).all())
    if not is_finite or min(len(first), len(second)) < 2 or np.ptp(first) == np.ptp(second) == 0:
        return Difference(difference, np.nan, np.nan, np.nan)
    parts = [each.var(ddof=1) / len(each) for each in (first, second)]
    error = np.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(first) - 1) + parts[1] ** 2 / (len(second) - 1))
    half = special.stdtrit(freedom, 0.975) * error
    p_value = 2 * special.stdtr(freedom, -abs(difference) / error)
    return Difference(difference, float(difference - half), float(difference + half), float(p_value))


def find_configurations(space: Space, over: str | Sequence[str]) -> Configurations:
    """Find the configurations of all axes but some, and the runs of each.

    Args:
        space: the runs.
        over: the axis or axes in which the runs of a configuration differ; a space need not have the axis "seed".

    Raises:
        InputError: when there is no such axis.

    Example:
        >>> from fnnet import grid
        >>> find_configurations(grid(depth=[1, 2], seed=range(2)), over="seed")
        Configurations: 2 of depth from 4 runs
    """
    averaged = averaged_axes(space, over)
    axes = tuple(name for name in space.axes if name not in averaged)
    codes = np.stack([space.codes[name] for name in axes] or [np.zeros(len(space), np.int32)])
    _, first, inverse = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    rank_of = np.argsort(np.argsort(first))
    configs: list[Config] = [
        {name: value for name, value in space[run].items() if name in axes} for run in np.sort(first)
    ]
    return Configurations(axes, configs, rank_of[inverse.ravel()])


def average(
    space: Space,
    metrics: Mapping[str, Shaped[np.ndarray, " runs"]],
    diverged: Shaped[np.ndarray, " runs"],
    over: str | Sequence[str],
) -> dict[str, Any]:
    """Return the columns of the table of configurations, as `Results.table(over=...)` does.

    Args:
        space: the runs.
        metrics: by name.
        diverged: whether each run diverged.
        over: the axis or axes to average over.
    """
    configurations = find_configurations(space, over)
    firsts = space.take(configurations.first_runs)
    columns: dict[str, Any] = {name: firsts.table_column(name) for name in configurations.axes}
    for name, values in metrics.items():
        means = configurations.mean_interval(check_numeric(name, values))
        columns |= {name: means.mean, f"{name}_low": means.low, f"{name}_high": means.high}
    columns["num_runs"] = configurations.count_true(np.ones(len(space), bool))
    columns["num_diverged"] = configurations.count_true(diverged)
    return columns


def averaged_axes(space: Space, over: str | Sequence[str]) -> tuple[str, ...]:
    """Return the axes to average over that a space has; only "seed", the default of most functions, may be missing.

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


def check_numeric(name: str, column: np.ndarray) -> np.ndarray:
    """Return a column that can be averaged and ranked.

    Raises:
        InputError: when it holds no numbers.

    Example:
        >>> check_numeric("diverged", np.array([True, False]))
        array([ True, False])
    """
    if column.dtype.kind not in "biuf":
        raise InputError(f"column {name!r} holds no numbers, so it cannot be averaged or ranked")
    return column
