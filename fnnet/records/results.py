"""Results: the table of a sweep, its curves and its trained parameters, by run or by axis."""

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.records.curves import NamedArray, last_finite, lay_out, rectangle
from fnnet.records.members import load_member, load_members
from fnnet.records.statistics import Best, Grouped, averaged_axes, find_best, group_runs, rank
from fnnet.records.store import Store
from fnnet.space.space import Space
from fnnet.space.values import find_codes

if TYPE_CHECKING:
    import polars as pl


RECORDS = (
    "bracket",
    "rung",
    "steps",
    "diverged",
    "diverged_at",
    "seconds",
    "id",
    "chunk",
    "lane",
    "fingerprint",
)
"""Columns that describe the run and not the network; they come last, and no axis or metric may have their names."""
_OF_THE_STORE = ("id", "chunk", "lane", "fingerprint")
CURVES = ("step", "batch_loss")
"""Curves that every run has, whatever its task measures; no metric may have their names."""


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a sweep, one row per run in the order of its space.

    space: the runs' hyper-parameters.
    columns: by name, an array `[runs]`: the metrics, "diverged", "diverged_at" (a step, or -1), "seconds" (a
        run's share of the time of its chunk, compilation included), and where a store keeps the run.
    history: by name, an array `[runs, evaluations]`: "step" counts the updates made, "batch_loss" is the mean
        loss of the steps since the evaluation before (its last digit may depend on the number of lanes), and
        the rest are the task's metrics. NaN pads the rows of runs with fewer evaluations.
    store: where the runs are kept, if anywhere.
    """

    space: Space
    columns: dict[str, np.ndarray]
    history: dict[str, np.ndarray]
    store: Store | None = None

    def __repr__(self) -> str:
        """Summarize the runs, their axes and their metrics.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.arange(6.0), "diverged": np.arange(6) > 4}
            >>> Results(grid(depth=[1, 2], seed=range(3)), columns, history={})
            Results: 6 runs (depth: 2 x seed: 3), 1 diverged; metrics: loss
        """
        num_diverged = int(np.sum(self.columns.get("diverged", 0)))
        metrics = [name for name in self.columns if name not in RECORDS]
        diverged = f", {num_diverged} diverged" if num_diverged else ""
        measured = f"; metrics: {', '.join(metrics)}" if metrics else ""
        return f"Results: {self.space.summary}{diverged}{measured}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.table()._repr_html_()}"

    def table(self, records: bool = False) -> "pl.DataFrame":
        """Return the table: one row per run, one column per axis, then the metrics.

        Args:
            records: whether to add the columns that say where and how a store keeps each run: "id", "chunk",
                "lane" and "fingerprint".

        Example:
            >>> from fnnet import grid
            >>> Results(grid(depth=[1, 2]), {"loss": np.array([0.5, 0.25])}, history={}).table().columns
            ['depth', 'loss']
        """
        import polars as pl

        axes = {name: self.space.table_column(name) for name in self.space.axes}
        last = [name for name in RECORDS if name in self.columns and (records or name not in _OF_THE_STORE)]
        metrics = {name: column for name, column in self.columns.items() if name not in RECORDS}
        return pl.DataFrame(axes | metrics | {name: self.columns[name] for name in last})

    def curves(self, metric: str) -> NamedArray:
        """Return the learning curves of a metric, as an array with named axes.

        Runs that are a full grid have an axis for each axis of the space, in the space's order; any other runs
        have the one axis "run", in the table's order. The last axis is "step".

        Args:
            metric: its name, such as "test_loss"; see `history`.

        Returns:
            `values`, NaN where a run was not measured, and `coordinates`: by axis, its values. Those of "step"
            count updates, over all steps at which any of the runs was measured.

        Raises:
            InputError: when no such metric was measured.

        Example:
            >>> from fnnet import grid
            >>> steps, losses = np.tile([10, 20], (6, 1)), np.arange(12.0).reshape(6, 2)
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), {}, {"step": steps, "loss": losses})
            >>> curves = results.curves("loss")
            >>> curves.values.shape, curves.coordinates
            ((2, 3, 2), {'depth': (1, 2), 'seed': (0, 1, 2), 'step': (10, 20)})
        """
        if metric not in self.history:
            raise unknown_name("metric", metric, self.history)
        return lay_out(self.space, self.history["step"], self.history[metric])

    def last_finite(self, metric: str) -> np.ndarray:
        """Return each run's metric at its last evaluation before it diverged, or at its last one if it did not.

        Args:
            metric: its name; see `history`.

        Returns:
            An array `[runs]`, NaN where a run diverged before its first evaluation.

        Raises:
            InputError: when no such metric was measured.

        Example:
            >>> from fnnet import grid
            >>> points = {"step": np.array([[10, 20]]), "loss": np.array([[0.5, np.inf]])}
            >>> columns = {"diverged_at": np.array([13])}
            >>> Results(grid(seed=[0]), columns, points).last_finite("loss")
            array([0.5])
        """
        if metric not in self.history:
            raise unknown_name("metric", metric, self.history)
        return last_finite(self.history["step"], self.history[metric], self.columns["diverged_at"])

    def where(self, /, **values: Any) -> "Results":
        """Keep the runs that have some values.

        Args:
            **values: by axis, a value or a list of values to keep. A run that lacks the axis is not kept.

        Returns:
            The results of these runs, in the same order.

        Raises:
            InputError: when there is no such axis, no run has one of the values, or no run has them together.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.arange(6.0)}
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), columns, history={})
            >>> results.where(depth=2, seed=[0, 2]).columns
            {'loss': array([3., 5.])}
        """
        return self._take(_find_runs(self.space, values))

    def member(self, run: SupportsIndex | None = None, /, **values: Any) -> Any:
        """Load the trained parameters of one run, of a sweep with `save_params=True`.

        Args:
            run: its place in the space, which is its row in the table; or instead
            **values: by axis, values that this run has and no other.

        Returns:
            The parameters as nested lists and dicts, as `mlp(...).init` gives them.

        Raises:
            InputError: when the parameters were not kept or are damaged, or the values are those of no run or
                of several.

        Example:
            >>> import tempfile
            >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
            >>> data = load_dataset("iris")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     space = grid(depth=0, learning_rate=0.1, seed=range(3))
            ...     results = sweep(mlp_recipe(data), space, data, num_steps=5, store=folder, save_params=True)
            ...     params = results.member(seed=2)
            >>> params[0]["w"].shape
            (4, 3)
        """
        if (run is None) != bool(values):
            raise InputError(
                "a member is named by its row, member(7), or by its values, member(depth=2, seed=0)"
            )
        if run is None:
            run = _find_run(self.space, values)
        return load_member(self.columns, self.store, range(len(self.space))[run])

    def params(self) -> Any:
        """Load the trained parameters of all runs, of a sweep with `save_params=True`, for use with `vmap`.

        Returns:
            The parameters as `member` gives them, each leaf with one more axis in front, `[runs, ...]`, in the
            order of the table.

        Raises:
            InputError: when parameters were not kept or are damaged, or the runs' shapes differ, naming the
                axes that may be why.

        Example:
            >>> import tempfile
            >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
            >>> data = load_dataset("iris")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     space = grid(depth=[0, 1], learning_rate=0.1, seed=range(3))
            ...     results = sweep(mlp_recipe(data), space, data, num_steps=5, store=folder, save_params=True)
            ...     params = results.where(depth=0).params()
            >>> params[0]["w"].shape
            (3, 4, 3)
        """
        return load_members(self.space, self.columns, self.store)

    def over(self, *axes: str) -> Grouped:
        """Group the runs that differ in nothing but `axes`, to average over them.

        Returns:
            The groups, of which `mean_ci` gives means with intervals.

        Raises:
            InputError: when there is no such axis.

        Example:
            >>> from fnnet import grid
            >>> Results(grid(depth=[1, 2], seed=range(3)), {}, history={}).over("seed").configs
            [{'depth': 1}, {'depth': 2}]
        """
        for name in axes:
            if name not in self.space.axes:
                raise unknown_name("axis", name, self.space.axes)
        others = tuple(name for name in self.space.axes if name not in axes)
        return group_runs(self.space, self.columns, others)

    def best(self, metric: str, over: str | Sequence[str] = "seed", maximize: bool | None = None) -> Best:
        """Find the configuration with the best mean, and compare it with the runner-up.

        The best of many means is partly luck; where that matters, report it on seeds that did not take part in the
        choice. Where a search stopped runs early, only fully trained ones are compared.

        Args:
            metric: a column.
            over: the axis or axes to average over; a sweep need not have the axis "seed".
            maximize: whether more is better; None to infer that from the metric's name.

        Returns:
            The best configuration.

        Raises:
            InputError: when the metric or an axis is unknown, the metric's name does not say whether more is better
                and `maximize` is not given, or all means are NaN.

        Example:
            >>> from fnnet import grid
            >>> columns = {"sharpness": np.array([3.0, 5.0, 2.0, 1.0]), "diverged": np.zeros(4, bool)}
            >>> results = Results(grid(depth=[1, 2], seed=range(2)), columns, history={})
            >>> results.best("sharpness", maximize=False).config
            {'depth': 2}
        """
        grouped = self._finished().over(*averaged_axes(self.space, over))
        return find_best(grouped, metric, maximize)

    def top(self, num_runs: int, metric: str, maximize: bool | None = None) -> "Results":
        """Keep the runs with the best values of a metric, the best first, as for an `ensemble`.

        Choose by the validation split what is to be reported on the test split. Where a search stopped runs
        early, only fully trained ones are compared.

        Args:
            num_runs: how many.
            metric: a column.
            maximize: whether more is better; None to infer that from the metric's name.

        Returns:
            The results of these runs.

        Raises:
            InputError: when fewer runs have a number for the metric, the metric is unknown, or its name does not say
                whether more is better and `maximize` is not given.

        Example:
            >>> from fnnet import grid
            >>> columns = {"test_loss": np.array([0.7, 0.2, np.nan, 0.5])}
            >>> Results(grid(seed=range(4)), columns, history={}).top(2, "test_loss").table().rows()
            [(1, 0.2), (3, 0.5)]
        """
        finished = self._finished()
        if metric not in finished.columns:
            raise unknown_name("metric", metric, finished.columns.keys() - set(_OF_THE_STORE))
        values = finished.columns[metric]
        places = rank(values, metric, maximize)
        num_known = int(np.sum(~np.isnan(values)))
        if not 1 <= num_runs <= num_known:
            raise InputError(
                f"num_runs must be from 1 to {num_known}, the runs with a {metric}; got {num_runs}"
            )
        return finished._take(places[:num_runs])

    def _finished(self) -> "Results":
        """Keep the runs that no search stopped early."""
        steps = self.columns.get("steps")
        return self if steps is None or not len(steps) else self._take(np.flatnonzero(steps == steps.max()))

    def _take(self, rows: Int[np.ndarray, " kept"]) -> "Results":
        return Results(
            self.space.take(rows),
            {name: column[rows] for name, column in self.columns.items()},
            {name: points[rows] for name, points in self.history.items()},
            self.store,
        )


def open_results(folder: str | os.PathLike[str]) -> Results:
    """Load the results of a store: the committed runs, in the order of the space.

    Args:
        folder: of a sweep, finished or not; reading while it trains is safe.

    Returns:
        The results.

    Raises:
        InputError: when there is no store or its plan is damaged.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = grid(depth=0, learning_rate=0.1, seed=range(3))
        ...     results = sweep(mlp_recipe(data), space, data, num_steps=5, store=folder)
        ...     same = open_results(folder)
        >>> same.table().equals(results.table())
        True
    """
    store = Store(folder)
    plan = store.read_plan()
    if plan is None:
        raise InputError(f"{folder} holds no sweep: it has no plan.json")
    return collect(Space.from_json(plan["space"]), store.read_rows(), store)


def collect(space: Space, parts: Sequence["pl.DataFrame"], store: Store | None = None) -> Results:
    """Collect the rows of all chunks in the order of the space; unfinished runs are left out.

    Args:
        space: the runs.
        parts: rows with the columns "id", axes, metrics and curves.
        store: where the rows are kept.

    Returns:
        The results. What a run did not measure is NaN.

    Example:
        >>> import polars as pl
        >>> from fnnet import grid
        >>> space = grid(depth=[1, 2], seed=range(3))
        >>> done = pl.DataFrame({"id": space.ids()[[4, 0]], "loss": [0.5, 0.25]})
        >>> collect(space, [done]).table().rows()
        [(1, 0, 0.25), (2, 1, 0.5)]
    """
    import polars as pl

    if not parts:
        return Results(space.take(np.zeros(0, np.int64)), {}, {}, store)
    rows = pl.concat(parts, how="diagonal_relaxed")
    if "rung" in rows.columns:  # only the last rung that a run reached counts
        rows = rows.sort("rung", descending=True, maintain_order=True)
    rows = rows.unique("id", keep="first", maintain_order=True)
    found = rows.select("id").with_row_index("row")  # no column of the runs: these may have any names
    order = pl.DataFrame({"id": space.ids(), "place": np.arange(len(space))})
    order = order.join(found, on="id", how="inner").sort("place")
    rows = rows[order["row"]]
    if "rung" in rows.columns:  # runs were stopped at different steps
        rows = rows.with_columns(steps=pl.col("step_curve").list.last())
    columns, history = {}, {}
    for name in rows.columns:
        if name.endswith("_curve"):
            history[name.removesuffix("_curve")] = rectangle(rows[name])
        elif name not in space.axes:
            columns[name] = rows[name].to_numpy()
    done = order["place"].to_numpy()
    return Results(space if len(done) == len(space) else space.take(done), columns, history, store)


def check_names(axes: Iterable[str], metrics: Iterable[str]) -> None:
    """Refuse an axis or a metric with the name of another column, which would replace it or vanish.

    Raises:
        InputError: naming it.

    Example:
        >>> check_names(["depth", "seed"], ["test_loss"])
    """
    for kind, names, taken in (
        ("axis", axes, {*RECORDS, *metrics}),
        ("metric", metrics, {*RECORDS, *CURVES}),
    ):
        for name in names:
            if name in taken:
                raise InputError(
                    f"{kind} {name!r} has the name of a column of the results; give it another name"
                )
            if name.endswith("_curve"):
                raise InputError(
                    f"{kind} {name!r} has the name of a curve of the results; give it another name, such as "
                    f"{name.removesuffix('_curve')!r}"
                )


def _find_runs(space: Space, values: Mapping[str, Any]) -> Int[np.ndarray, " found"]:
    """Find the runs that have some values."""
    is_found = np.ones(len(space), bool)
    for name, given in values.items():
        if name not in space.axes:
            raise unknown_name("axis", name, space.axes)
        is_found &= np.isin(space.codes[name], find_codes(name, space.axes[name], given))
    if values and not is_found.any():
        raise InputError(f"no run has {_written(values)} together")
    return np.flatnonzero(is_found)


def _find_run(space: Space, values: Mapping[str, Any]) -> int:
    """Find the one run that has some values."""
    rows = _find_runs(space, values)
    if len(rows) > 1:
        others = ", ".join(space.take(rows).varied_axes)
        raise InputError(f"{len(rows)} runs have {_written(values)}; they differ in {others}")
    return int(rows[0])


def _written(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
