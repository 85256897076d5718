"""Statistics: means over runs of one configuration, with confidence intervals."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Int, Shaped

from fnnet.errors import InputError, unknown_name
from fnnet.space.space import Config, Space


class MeanCI(NamedTuple):
    """Means with confidence intervals, an array `[configurations]` each.

    mean: not finite where a run's value is not.
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


class Configurations(NamedTuple):
    """The distinct configurations of some axes, and the runs of each.

    axes: the names of these axes.
    configs: their values, in order of first appearance.
    config_of_run: for each run, the index of its configuration in `configs`.
    columns: by name, an array `[runs]`: the metrics, and "diverged".
    """

    axes: tuple[str, ...]
    configs: list[Config]
    config_of_run: Int[np.ndarray, " runs"]
    columns: Mapping[str, Shaped[np.ndarray, " runs"]]

    def __repr__(self) -> str:
        axes = ", ".join(self.axes) or "no axis"
        return f"Configurations: {len(self.configs)} of {axes} from {len(self.config_of_run)} runs"

    def values(self, metric: str, config: SupportsIndex) -> np.ndarray:
        """Return the metric of the runs of one configuration, as an array `[runs]`.

        Raises:
            InputError: when there is no such column.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.array([1.0, 2.0, 3.0, 5.0])}
            >>> find_configurations(grid(depth=[1, 2], seed=range(2)), columns, ("depth",)).values("loss", 1)
            array([3., 5.])
        """
        return self._column(metric)[self.config_of_run == config]

    def mean_ci(self, metric: str) -> MeanCI:
        """Compute the mean of a metric for each of `configs`, with its 95 % interval.

        The interval is `mean ± t * s / sqrt(n)`, with the standard deviation `s` of the `n` runs and the 0.975
        quantile `t` of Student's distribution with `n - 1` degrees of freedom (Student 1908).

        Raises:
            InputError: when there is no such column or it is not numeric.

        Example:
            >>> from fnnet import Results, grid
            >>> columns = {"loss": np.array([1.0, 2.0, 3.0, 5.0, 5.0, 5.0]), "diverged": np.zeros(6, bool)}
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), columns, history={})
            >>> means = results.over("seed").mean_ci("loss")
            >>> means.mean.tolist(), means.high.round(3).tolist(), means.num_runs.tolist()
            ([2.0, 5.0], [4.484, 5.0], [3, 3])
        """
        from scipy import special  # takes longer to load than opening a store

        values = check_numeric(metric, self._column(metric)).astype(float)
        diverged = self._column("diverged")
        config = self.config_of_run
        count = np.bincount(config)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(config, values) / count
            variance = np.bincount(config, np.square(values - mean[config])) / (count - 1)
            half = special.stdtrit(np.maximum(count - 1, 1), 0.975) * np.sqrt(variance / count)
        return MeanCI(mean, mean - half, mean + half, count, np.bincount(config, diverged).astype(int))

    def _column(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise unknown_name("metric", name, self.columns)
        return self.columns[name]


def mean_interval(values: Shaped[np.ndarray, " runs"] | Sequence[float]) -> MeanInterval:
    """Compute the mean of one number per run, with its 95 % interval `mean ± t * s / sqrt(n)`.

    Args:
        values: at least one.

    Returns:
        The mean, not finite where a value is not; its interval is NaN for a single value.

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
    columns = {"value": values, "diverged": ~np.isfinite(values)}
    means = Configurations((), [{}], np.zeros(len(values), int), columns).mean_ci("value")
    return MeanInterval(means.mean.item(), means.low.item(), means.high.item(), len(values))


def find_configurations(
    space: Space, columns: Mapping[str, np.ndarray], axes: tuple[str, ...]
) -> Configurations:
    """Find the distinct configurations of some axes, and the runs of each.

    Args:
        space: the runs.
        columns: by name, what they measured, an array `[runs]` each.
        axes: names of axes of the space.

    Example:
        >>> from fnnet import grid
        >>> find_configurations(grid(depth=[1, 2], seed=range(2)), {}, ("depth",)).config_of_run
        array([0, 0, 1, 1])
    """
    codes = np.stack([space.codes[name] for name in axes] or [np.zeros(len(space), np.int32)])
    _, first, inverse = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    rank_of = np.argsort(np.argsort(first))
    configs: list[Config] = [
        {name: value for name, value in space[run].items() if name in axes} for run in np.sort(first)
    ]
    return Configurations(axes, configs, rank_of[inverse.ravel()], columns)


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
