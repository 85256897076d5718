"""Results: the table of a sweep, means over seeds with intervals, and the best configuration."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

import numpy as np
from scipy import stats

from fnnet.errors import InputError, unknown_name
from fnnet.metrics import HIGHER_IS_BETTER, LOWER_IS_BETTER
from fnnet.sweep.space import Config, Space
from fnnet.sweep.store import Store, load_params, read_chunks, read_plan

if TYPE_CHECKING:
    import polars as pl


RECORDS = ("diverged", "diverged_at", "seconds", "id", "chunk", "lane", "fingerprint")
"""Columns that tell of the run and not of the network; they come last, and no axis may have their names."""


class MeanCI(NamedTuple):
    """Means over some axis, an array `[configurations]` each.

    mean: the mean; not finite where a run's value is not.
    low, high: the 95 % interval of the mean, from Student's t; NaN where there is one run.
    num_runs: how many runs were averaged.
    num_diverged: how many of these diverged. They are averaged like the others.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    num_runs: np.ndarray
    num_diverged: np.ndarray


class Best(NamedTuple):
    """The best configuration of a sweep and how sure that is.

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


@dataclass(frozen=True, eq=False)
class Results:
    """What a sweep gave, a row for each run in the order of its space.

    space: the runs' hyper-parameters.
    columns: by name, an array `[runs]`: the metrics, "diverged", "diverged_at" (a step, or -1), "seconds" (a
        run's share of the time of its chunk, compilation included), and where a store keeps the run.
    curves: by name, an array `[runs, evaluations]`: "step" counts the updates made, "batch_loss" is the mean
        loss of the steps since the evaluation before (its last digit may depend on the number of lanes), and
        the rest is what the task measured.
    store: where the runs are kept, if anywhere.
    """

    space: Space
    columns: dict[str, np.ndarray]
    curves: dict[str, np.ndarray]
    store: Store | None = None

    def table(self) -> "pl.DataFrame":
        """Give the table: a row a run, a column an axis, then the metrics."""
        import polars as pl

        axes = {name: self.space.column(name) for name in self.space.axes}
        last = [name for name in RECORDS if name in self.columns]
        metrics = {name: column for name, column in self.columns.items() if name not in last}
        return pl.DataFrame(axes | metrics | {name: self.columns[name] for name in last})

    def member(self, run: int) -> Any:
        """Load the trained parameters of one run, of a sweep with `save_params=True`.

        Args:
            run: its place in the space, which is its row in the table.

        Returns:
            The parameters as nested lists and dicts, as `mlp(...).init` gives them.

        Raises:
            InputError: when the parameters were not kept or are damaged.
        """
        chunk = str(self.columns["chunk"][run]) if "chunk" in self.columns else ""
        arrays = load_params(self.store, chunk) if self.store is not None and chunk else None
        if arrays is None:
            raise InputError(
                f"no parameters are kept of run {run}: sweep with store=... and save_params=True"
            )
        return unpack({name: leaf[self.columns["lane"][run]] for name, leaf in arrays.items()})

    def over(self, *axes: str) -> "Grouped":
        """Group the runs that differ in nothing but `axes`, to average over them.

        Raises:
            InputError: when there is no such axis.
        """
        for name in axes:
            if name not in self.space.axes:
                raise unknown_name("axis", name, self.space.axes)
        return Grouped(self, tuple(name for name in self.space.axes if name not in axes))

    def best(self, metric: str, over: str | Sequence[str] = "seed") -> Best:
        """Find the configuration with the best mean, and compare it with the runner-up.

        The best of many means is chosen for its luck as well; report it from seeds it was not chosen on
        where that matters.

        Args:
            metric: a column; whether more is better follows from its name.
            over: the axis or axes to average over; one that the space lacks is passed over.

        Returns:
            The best configuration.

        Raises:
            InputError: when the metric is unknown, or all means are NaN.
        """
        names = [over] if isinstance(over, str) else list(over)
        grouped = self.over(*(name for name in names if name in self.space.axes))
        means = grouped.mean_ci(metric)
        order = rank(means.mean, metric)
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


class Grouped:
    """Runs grouped by some axes.

    axes: the axes that tell the groups apart.
    configs: the groups' values of these axes, in order of first appearance.
    """

    def __init__(self, results: Results, axes: tuple[str, ...]):
        space = results.space
        codes = np.stack([space.codes[name] for name in axes] or [np.zeros(len(space), np.int32)])
        _, first, inverse = np.unique(codes, axis=1, return_index=True, return_inverse=True)
        rank_of = np.argsort(np.argsort(first))
        self._results = results
        self._group_of_run = rank_of[inverse.ravel()]
        self.axes = axes
        self.configs: list[Config] = [
            {name: value for name, value in space[run].items() if name in axes} for run in np.sort(first)
        ]

    def values(self, metric: str, group: SupportsIndex) -> np.ndarray:
        """Give the metric of the runs of one group, an array `[runs]`."""
        return self._column(metric)[self._group_of_run == group]

    def mean_ci(self, metric: str) -> MeanCI:
        """Average a metric in each group, with its 95 % interval.

        Args:
            metric: a column of the results.

        Returns:
            The means, in the order of `configs`.

        Raises:
            InputError: when there is no such column.

        Example:
            >>> from fnnet import Results, grid
            >>> results = Results(
            ...     grid(depth=[1, 2], seed=range(3)),
            ...     {"loss": np.array([1.0, 2.0, 3.0, 5.0, 5.0, 5.0]), "diverged": np.zeros(6, bool)},
            ...     curves={},
            ... )
            >>> means = results.over("seed").mean_ci("loss")
            >>> means.mean.tolist(), means.high.round(3).tolist(), means.num_runs.tolist()
            ([2.0, 5.0], [4.484, 5.0], [3, 3])
        """
        values = self._column(metric).astype(float)
        diverged = self._column("diverged")
        group = self._group_of_run
        count = np.bincount(group)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(group, values) / count
            variance = np.bincount(group, np.square(values - mean[group])) / (count - 1)
            half = stats.t.ppf(0.975, np.maximum(count - 1, 1)) * np.sqrt(variance / count)
        half = np.where(count > 1, half, np.nan)
        return MeanCI(mean, mean - half, mean + half, count, np.bincount(group, diverged).astype(int))

    def _column(self, name: str) -> np.ndarray:
        if name not in self._results.columns:
            raise unknown_name("metric", name, self._results.columns)
        return self._results.columns[name]


def open_results(folder: str | os.PathLike[str]) -> Results:
    """Read a store: the runs that are committed, in the order of the space.

    Args:
        folder: of a sweep, finished or not, also while it is written.

    Returns:
        The results.

    Raises:
        InputError: when there is no store or its plan is damaged.
    """
    store = Store(Path(folder))
    plan = read_plan(store)
    if plan is None:
        raise InputError(f"{folder} holds no sweep: it has no plan.json")
    return collect(Space.from_json(plan["space"]), list(read_chunks(store).values()), store)


def collect(space: Space, parts: Sequence["pl.DataFrame"], store: Store | None = None) -> Results:
    """Put the rows of all chunks into the order of the space; runs that are in none are left out.

    Args:
        space: the runs.
        parts: rows with the columns "id", axes, metrics and curves.
        store: where the rows are kept.

    Returns:
        The results. What a run did not measure is NaN.
    """
    import polars as pl

    if not parts:
        return Results(space.take(np.zeros(0, np.int64)), {}, {}, store)
    rows = pl.concat(parts, how="diagonal_relaxed")
    order = pl.DataFrame({"id": space.ids(), "place": np.arange(len(space))})
    rows = order.join(rows.unique("id", keep="first"), on="id", how="inner").sort("place")
    columns, curves = {}, {}
    for name in rows.columns:
        if name.endswith("_curve"):
            curves[name.removesuffix("_curve")] = _rectangle(rows[name])
        elif name not in space.axes and name != "place":
            columns[name] = rows[name].to_numpy()
    done = rows["place"].to_numpy()
    return Results(space if len(done) == len(space) else space.take(done), columns, curves, store)


def unpack(arrays: Mapping[str, Any]) -> Any:
    """Rebuild nested lists and dicts from leaves named by their paths.

    Example:
        >>> unpack({"0/w": 1, "0/b": 2, "1/w": 3})
        [{'w': 1, 'b': 2}, {'w': 3}]
    """
    if list(arrays) == [""]:
        return arrays[""]
    branches: dict[str, dict[str, Any]] = {}
    for name, leaf in arrays.items():
        first, _, rest = name.partition("/")
        branches.setdefault(first, {})[rest] = leaf
    children = {name: unpack(branch) for name, branch in branches.items()}
    if all(name.isdecimal() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


def _rectangle(column: "pl.Series") -> np.ndarray:
    """Turn a column of lists into an array, filled with NaN where a run has fewer evaluations."""
    lists = column.to_list()
    width = max((len(points) for points in lists if points is not None), default=0)
    whole = all(points is not None and len(points) == width for points in lists)
    if whole:
        return np.asarray(column.explode().to_numpy()).reshape(len(lists), width)
    table = np.full((len(lists), width), np.nan)
    for row, points in enumerate(lists):
        table[row, : len(points or ())] = points or ()
    return table


def rank(values: np.ndarray, metric: str) -> np.ndarray:
    """Order places from the best value to the worst; NaN comes last, ties stay in order.

    Args:
        values: `[n]` values of the metric.
        metric: a column's name, such as "test_accuracy"; what follows its split says which end is better.

    Returns:
        The places `[n]`.

    Raises:
        InputError: when the name does not tell.

    Example:
        >>> rank(np.array([0.5, np.nan, 0.9]), "test_accuracy").tolist()
        [2, 0, 1]
    """
    name = metric.partition("_")[2] if metric.startswith(("train_", "validation_", "test_")) else metric
    if name not in HIGHER_IS_BETTER | LOWER_IS_BETTER:
        raise unknown_name("metric to rank by", metric, HIGHER_IS_BETTER | LOWER_IS_BETTER)
    return np.argsort(-values if name in HIGHER_IS_BETTER else values, kind="stable")


def _welch(first: Any, second: Any) -> float:
    if min(len(first), len(second)) < 2 or (np.ptp(first) == 0 and np.ptp(second) == 0):
        return np.nan
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)
