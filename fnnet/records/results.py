"""Results: the table of a sweep, its learning curves and its trained parameters."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.records.columns import RECORDS, STORE_COLUMNS
from fnnet.records.curves import last_finite, to_data_array
from fnnet.records.members import load_member, load_members
from fnnet.records.ranking import Best, find_best, is_higher_better, rank
from fnnet.records.selection import find_run, find_runs
from fnnet.records.statistics import Configurations, averaged_axes, check_numeric, find_configurations
from fnnet.records.store import Store
from fnnet.space.space import Space

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a sweep, one row per run in the order of its space.

    space: the runs' hyper-parameters.
    columns: by name, an array `[runs]`: the metrics, "diverged", "diverged_at" (a step, or -1), "seconds" (the
        run's share of its chunk's time, including compilation), and the location of the run in the store.
    history: by name, an array `[runs, evaluations]`: "step" is the number of updates, "batch_loss" the mean loss
        of the steps since the previous evaluation (its last digit may depend on the number of lanes), and the
        rest are the task's metrics. NaN pads the rows of runs with fewer evaluations.
    store: where the runs are kept, if anywhere.
    higher_is_better: the direction of metrics of the user's own, by name.
    """

    space: Space
    columns: dict[str, np.ndarray]
    history: dict[str, np.ndarray]
    store: Store | None = None
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)

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
            records: whether to add the columns "id", "chunk", "lane" and "fingerprint", which locate each run in
                the store.

        Example:
            >>> from fnnet import grid
            >>> Results(grid(depth=[1, 2]), {"loss": np.array([0.5, 0.25])}, history={}).table().columns
            ['depth', 'loss']
        """
        import polars as pl

        axes = {name: self.space.table_column(name) for name in self.space.axes}
        last = [name for name in RECORDS if name in self.columns and (records or name not in STORE_COLUMNS)]
        metrics = {name: column for name, column in self.columns.items() if name not in RECORDS}
        return pl.DataFrame(axes | metrics | {name: self.columns[name] for name in last})

    def curves(self, metric: str) -> "xr.DataArray":
        """Return the learning curves of a metric as a labeled array.

        A full grid of runs has one dimension per axis of the space, in its order. Other runs have the single
        dimension "run", in the order of the table, with the axes as coordinates. The last dimension is "step".

        Args:
            metric: its name in `history`, such as "test_loss".

        Returns:
            The curves, NaN where a run was not evaluated. "step" covers all steps at which any run was. Note that
            xarray's means skip NaN, also that of diverged runs, unless told `skipna=False`.

        Raises:
            InputError: when there is no such metric.

        Example:
            >>> from fnnet import grid
            >>> steps, losses = np.tile([10, 20], (6, 1)), np.arange(12.0).reshape(6, 2)
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), {}, {"step": steps, "loss": losses})
            >>> curves = results.curves("loss")
            >>> curves.dims, curves.shape
            (('depth', 'seed', 'step'), (2, 3, 2))
            >>> curves.sel(depth=2, step=20).mean("seed").item()
            9.0
        """
        if metric not in self.history:
            raise unknown_name("metric", metric, self.history)
        return to_data_array(self.space, self.history["step"], self.history[metric], metric)

    def last_finite(self, metric: str) -> np.ndarray:
        """Return a metric at each run's last evaluation before it diverged, or its last one if it did not.

        Args:
            metric: its name in `history`.

        Returns:
            An array `[runs]`, NaN where a run diverged before its first evaluation.

        Raises:
            InputError: when there is no such metric.

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
        """Select the runs that have the given values, in the same order.

        Args:
            **values: by axis, one value or a list of values to keep. Runs without the axis are dropped.

        Raises:
            InputError: when there is no such axis, or no run has one of the values or all of them together.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.arange(6.0)}
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), columns, history={})
            >>> results.where(depth=2, seed=[0, 2]).columns
            {'loss': array([3., 5.])}
        """
        return self._take(find_runs(self.space, values))

    def member(self, run: SupportsIndex | None = None, /, **values: Any) -> Any:
        """Load the trained parameters of one run of a sweep with `save_params=True`.

        Args:
            run: its row in the table; or instead
            **values: by axis, values that select exactly this run.

        Returns:
            The parameters as nested lists and dicts, as `mlp(...).init` returns them.

        Raises:
            InputError: when the parameters were not kept or are damaged, or the values select no run or several.

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
            run = find_run(self.space, values)
        return load_member(self.columns, self.store, range(len(self.space))[run])

    def params(self) -> Any:
        """Load the trained parameters of all runs of a sweep with `save_params=True`, stacked for `vmap`.

        Returns:
            The parameters as `member` returns them, each leaf with a leading axis `[runs, ...]` in the order of
            the table.

        Raises:
            InputError: when parameters were not kept or are damaged, or their shapes differ between runs.

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

    def over(self, *axes: str) -> Configurations:
        """Find the configurations of the other axes; their `mean_ci` averages over `axes`, with intervals.

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
        return find_configurations(self.space, self.columns, others)

    def best(
        self, metric: str, *, over: str | Sequence[str] = "seed", higher_is_better: bool | None = None
    ) -> Best:
        """Find the configuration with the best mean, and compare it with the runner-up.

        The best of many means is partly luck: report it on seeds that took no part in the selection. If a search
        stopped runs early, only fully trained ones are compared.

        Args:
            metric: a column.
            over: the axis or axes to average over; a sweep need not have the axis "seed".
            higher_is_better: the direction; None for that of the metric.

        Raises:
            InputError: when the metric, its direction or an axis is unknown, or all means are NaN.

        Example:
            >>> from fnnet import grid
            >>> columns = {"sharpness": np.array([3.0, 5.0, 2.0, 1.0]), "diverged": np.zeros(4, bool)}
            >>> results = Results(grid(depth=[1, 2], seed=range(2)), columns, history={})
            >>> results.best("sharpness", higher_is_better=False).config
            {'depth': 2}
        """
        configurations = self._finished().over(*averaged_axes(self.space, over))
        return find_best(configurations, metric, self.direction(metric, higher_is_better))

    def top(self, metric: str, num_runs: int, *, higher_is_better: bool | None = None) -> "Results":
        """Select the runs with the best values of a metric, best first, for example for an `ensemble`.

        Select on the validation split what you report on the test split. If a search stopped runs early, only
        fully trained ones are compared.

        Args:
            metric: a column.
            num_runs: how many.
            higher_is_better: the direction; None for that of the metric.

        Raises:
            InputError: when fewer runs have a value that is not NaN, or the metric or its direction is unknown.

        Example:
            >>> from fnnet import grid
            >>> columns = {"test_loss": np.array([0.7, 0.2, np.nan, 0.5])}
            >>> Results(grid(seed=range(4)), columns, history={}).top("test_loss", 2).table().rows()
            [(1, 0.2), (3, 0.5)]
        """
        finished = self._finished()
        direction = finished.direction(metric, higher_is_better)
        values = check_numeric(metric, finished.columns[metric])
        order = rank(values, direction)
        num_known = int(np.sum(~np.isnan(values)))
        if not 1 <= num_runs <= num_known:
            raise InputError(
                f"num_runs must be from 1 to {num_known}, the runs with a {metric}; got {num_runs}"
            )
        return finished._take(order[:num_runs])

    def direction(self, metric: str, given: bool | None = None) -> bool:
        """Return whether higher values of a column are better.

        Args:
            metric: a column.
            given: the direction, where it is known already.

        Raises:
            InputError: when there is no such column, or its direction is neither given nor known.

        Example:
            >>> from fnnet import grid
            >>> columns = {"test_accuracy": np.array([0.5]), "hits": np.array([7])}
            >>> results = Results(grid(seed=[0]), columns, {}, higher_is_better={"hits": True})
            >>> results.direction("test_accuracy"), results.direction("hits")
            (True, True)
        """
        if metric not in self.columns:
            raise unknown_name("metric", metric, self.columns.keys() - set(STORE_COLUMNS))
        return is_higher_better(metric, self.higher_is_better, given)

    def _finished(self) -> "Results":
        """Select the runs that no search stopped early."""
        steps = self.columns.get("steps")
        return self if steps is None or not len(steps) else self._take(np.flatnonzero(steps == steps.max()))

    def _take(self, rows: Int[np.ndarray, " kept"]) -> "Results":
        return Results(
            self.space.take(rows),
            {name: column[rows] for name, column in self.columns.items()},
            {name: points[rows] for name, points in self.history.items()},
            self.store,
            self.higher_is_better,
        )
