"""Results: the table of a sweep, its learning curves and its trained parameters."""

import html
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
from jaxtyping import Int

from fnnet.errors import unknown_name
from fnnet.records.arrays import align, label, label_means
from fnnet.records.columns import curve_names, listed_names, metric_names
from fnnet.records.comparison import compare_columns
from fnnet.records.params import load_run, load_runs
from fnnet.records.ranking import Best, find_best, find_top, is_higher_better
from fnnet.records.selection import find_runs
from fnnet.records.statistics import average, check_numeric, find_configurations
from fnnet.records.store import Store
from fnnet.records.webpage import WebPage
from fnnet.space.space import Space

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a sweep, one row per run in the order of its space.

    `results["test_loss"]` is a column, an array `[runs]`: an axis, a metric, or a record: "diverged", "diverged_at" (a
    step, or -1) and "seconds" (the run's share of its chunk's time, including compilation). The evaluations of a run
    are columns too, arrays `[runs, evaluations]`: "step_curve" is the number of updates, "batch_loss_curve" the mean
    loss of the steps since the previous evaluation (its last digit may depend on the number of lanes), and
    "test_loss_curve" the metric "test_loss". NaN pads the rows of runs with fewer evaluations. `for name in results`
    lists the columns, and `len(results)` counts the runs.

    space: the runs' hyper-parameters.
    store: where the runs are kept, if anywhere.
    higher_is_better: the direction of metrics of the user's own, by name.

    Example:
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> space = grid(depth=0, learning_rate=[0.1, 0.3], seed=range(3))
        >>> results = sweep(mlp_recipe(data), space, data, num_steps=50)
        >>> len(results), results["test_loss"].shape, results.best("test_accuracy").interval.num_runs
        (6, (6,), 3)
    """

    space: Space
    _columns: dict[str, np.ndarray]
    store: Store | None = None
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self._columns:
            return self._columns[name]
        if name not in self.space.axes:
            is_curve = name.endswith("_curve")
            raise unknown_name("column", name, [each for each in self if each.endswith("_curve") == is_curve])
        return self.space.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter((*self.space.axes, *self._columns))

    def __len__(self) -> int:
        return len(self.space)

    def __repr__(self) -> str:
        """Summarize the runs, their axes and their metrics.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.arange(6.0), "diverged": np.arange(6) > 4}
            >>> Results(grid(depth=[1, 2], seed=range(3)), columns)
            Results: 6 runs (depth: 2 x seed: 3), 1 diverged; metrics: loss
        """
        number = int(np.sum(self._columns.get("diverged", 0)))
        diverged = f", {number} diverged" if number else ""
        metrics = metric_names(self._columns)
        measured = f"; metrics: {', '.join(metrics)}" if metrics else ""
        return f"Results: {self.space.summary}{diverged}{measured}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.table()._repr_html_()}"

    def table(self, *, over: str | Sequence[str] | None = None, records: bool = False) -> "pl.DataFrame":
        """Return the table: one row per run, one column per axis, then the metrics.

        Args:
            over: the axis or axes to average over, such as "seed": then there is one row per configuration of the
                others, and the column "test_loss" is a mean, "test_loss_low" to "test_loss_high" its 95 % interval,
                "num_runs" the number of runs and "num_diverged" of those that diverged.
            records: whether to add the columns "id", "chunk", "lane" and "fingerprint", which locate each run in
                the store.

        Raises:
            InputError: when there is no such axis.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.array([1.0, 3.0, 5.0, 5.0]), "diverged": np.zeros(4, bool)}
            >>> results = Results(grid(depth=[1, 2], seed=[0, 1]), columns)
            >>> results.table().columns
            ['depth', 'seed', 'loss', 'diverged']
            >>> results.table(over="seed").select("depth", "loss", "num_runs").rows()
            [(1, 2.0, 2), (2, 5.0, 2)]
        """
        import polars as pl

        if over is None:
            return pl.DataFrame(self._table_columns(records))
        metrics = {name: self[name] for name in metric_names(self._columns)}
        return pl.DataFrame(average(self.space, metrics, self["diverged"], over))

    def to_pandas(self) -> "pd.DataFrame":
        """Return `table()` as a data frame of pandas.

        Example:
            >>> from fnnet import grid
            >>> Results(grid(depth=[1, 2]), {"loss": np.array([0.5, 0.25])}).to_pandas().loc[1, "loss"].item()
            0.25
        """
        import pandas as pd

        return pd.DataFrame(self._table_columns())

    def to_xarray(self) -> "xr.Dataset":
        """Return the metrics and all curves as labeled arrays, with dimensions as those of `curves`.

        Example:
            >>> from fnnet import grid
            >>> columns = {"loss": np.array([2.0, 4.0]), "step_curve": np.array([[5, 9], [5, 9]])}
            >>> columns["loss_curve"] = np.array([[3.0, 2.0], [5.0, 4.0]])
            >>> Results(grid(depth=[1, 2]), columns).to_xarray().sel(depth=2)["loss_curve"].values
            array([5., 4.])
        """
        import xarray as xr

        metrics = {name: label(self.space, self[name], name) for name in listed_names(self._columns)}
        return xr.Dataset(metrics | {f"{name}_curve": self.curves(name) for name in curve_names(self)})

    @overload
    def curves(self, metric: str, *, over: None = None) -> "xr.DataArray": ...

    @overload
    def curves(self, metric: str, *, over: str | Sequence[str]) -> "xr.Dataset": ...

    def curves(self, metric: str, *, over: str | Sequence[str] | None = None) -> "xr.DataArray | xr.Dataset":
        """Return the learning curves of a metric as a labeled array.

        A full grid of runs has one dimension per axis of the space. Other runs have the single dimension "run", in the
        order of the table, with the axes as coordinates. The last dimension is "step".

        Args:
            metric: such as "test_loss" or "batch_loss".
            over: as for `table`.

        Returns:
            The curves, NaN where a run was not evaluated (xarray's means skip NaN, also of diverged runs, unless told
            `skipna=False`). With `over`, a data set of the arrays "mean", and "low" and "high" of its 95 % interval.

        Raises:
            InputError: when there is no such metric or axis.

        Example:
            >>> from fnnet import grid
            >>> columns = {"step_curve": np.tile([10, 20], (6, 1)), "loss_curve": np.arange(12.0).reshape(6, 2)}
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), columns)
            >>> curves = results.curves("loss")
            >>> curves.dims, curves.shape
            (('depth', 'seed', 'step'), (2, 3, 2))
            >>> results.curves("loss", over="seed")["mean"].sel(depth=2, step=20).item()
            9.0
        """
        if metric not in curve_names(self):
            raise unknown_name("metric", metric, curve_names(self))
        steps, values = align(self["step_curve"], self[f"{metric}_curve"])
        if over is None:
            return label(self.space, values, metric, steps)
        return label_means(self.space, values, over, steps)

    def where(self, /, **wanted: object | Callable[[Any], object]) -> "Results":
        """Select runs by the values of columns, in the same order.

        Args:
            **wanted: by axis or column, a value, a list of values, or a function that says whether a value is wanted.
                Runs without the axis are dropped.

        Raises:
            InputError: when there is no such column, or no run has one of the values or all of them together.

        Example:
            >>> from fnnet import grid
            >>> results = Results(grid(depth=[1, 2], seed=range(3)), {"loss": np.arange(6.0)})
            >>> results.where(depth=2, seed=[0, 2])["loss"]
            array([3., 5.])
            >>> results.where(seed=lambda seed: seed > 0, loss=lambda loss: loss < 5)["loss"]
            array([1., 2., 4.])
        """
        return self._take(find_runs(self.space, self._columns, wanted))

    def params(self, run: SupportsIndex | None = None) -> Any:
        """Load the trained parameters of a sweep with `save_params=True`.

        Args:
            run: its row in the table, such as 0 for the only run of `where(depth=2, seed=0)`; None for all runs.

        Returns:
            The parameters of the run, with the structure of what its task keeps, such as `mlp(...).init` returns; of
            all runs in the order of the table, stacked to `[runs, ...]` in each leaf, for `jax.vmap`.

        Raises:
            InputError: when the parameters were not kept or are damaged, or the shapes of all differ between runs.

        Example:
            >>> import tempfile
            >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
            >>> data = load_dataset("iris")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     space = grid(depth=[0, 1], learning_rate=0.1, seed=range(3))
            ...     results = sweep(mlp_recipe(data), space, data, num_steps=5, store=folder, save_params=True)
            ...     one, stacked = results.params(0), results.where(depth=0).params()
            >>> one[0]["w"].shape, stacked[0]["w"].shape
            ((4, 3), (3, 4, 3))
        """
        if run is None:
            return load_runs(self.space, self._columns, self.store)
        return load_run(self._columns, self.store, range(len(self))[run])

    def best(
        self, metric: str, *, over: str | Sequence[str] = "seed", higher_is_better: bool | None = None
    ) -> Best:
        """Find the configuration with the best mean, and compare it with the runner-up.

        The best of many means is partly luck: report it with seeds that took no part in the selection. If a search
        stopped runs early, only fully trained ones are compared. The arguments are those of `top` and `table`.

        Raises:
            InputError: when the metric, its direction or an axis is unknown, or all means are NaN.

        Example:
            >>> from fnnet import grid
            >>> columns = {"sharpness": np.array([3.0, 5.0, 2.0, 1.0]), "diverged": np.zeros(4, bool)}
            >>> results = Results(grid(depth=[1, 2], seed=range(2)), columns)
            >>> results.best("sharpness", higher_is_better=False).config
            {'depth': 2}
        """
        some = self._finished()
        values = check_numeric(metric, some[metric])
        direction = is_higher_better(metric, self.higher_is_better, higher_is_better)
        return find_best(find_configurations(some.space, over), values, some["diverged"], direction)

    def top(self, metric: str, num_runs: int, *, higher_is_better: bool | None = None) -> "Results":
        """Select the runs with the best values of a metric, best first, for example for an `ensemble`.

        Select on the validation split what you report on the test split. If a search stopped runs early, only fully
        trained ones are compared.

        Args:
            metric: a column.
            num_runs: how many.
            higher_is_better: the direction; None for that of the metric.

        Raises:
            InputError: when fewer runs have a value that is not NaN, or the metric or its direction is unknown.

        Example:
            >>> from fnnet import grid
            >>> columns = {"test_loss": np.array([0.7, 0.2, np.nan, 0.5])}
            >>> Results(grid(seed=range(4)), columns).top("test_loss", 2).table().rows()
            [(1, 0.2), (3, 0.5)]
        """
        some = self._finished()
        values = check_numeric(metric, some[metric])
        direction = is_higher_better(metric, self.higher_is_better, higher_is_better)
        return some._take(find_top(metric, values, num_runs, direction))

    def compare(self, other: "Results", metric: str, *, over: str | Sequence[str] = "seed") -> "pl.DataFrame":
        """Compare a metric with that of other results, one row per configuration that both have.

        Args:
            other: results of another sweep, or of other runs of the same.
            metric: a column of both.
            over: as for `table`.

        Returns:
            The axes of both; "mean" here and "other_mean" there; and "difference" with its 95 % interval "low" to
            "high" and "p_value", of Welch's t-test, NaN where one has a single run.

        Raises:
            InputError: when the metric is unknown, only one of the results varies an axis, or they share no
                configuration.

        Example:
            >>> from fnnet import grid
            >>> before = Results(grid(depth=[1, 2], seed=[0, 1]), {"loss": np.array([3.0, 5.0, 2.0, 2.5])})
            >>> after = Results(grid(depth=[2, 4], seed=[0, 1]), {"loss": np.array([1.0, 1.5, 0.5, 0.5])})
            >>> after.compare(before, "loss").select("depth", "mean", "other_mean", "difference").rows()
            [(2, 1.25, 2.25, -1.0)]

        Source: Welch (1947).
        """
        here, there = ((each.space, check_numeric(metric, each[metric])) for each in (self, other))
        return compare_columns(here, there, over)

    def report(self, metric: str | None = None) -> WebPage:
        """Make an interactive report, a web page that needs no server: a notebook shows it, `save` writes it.

        Its panels are linked: lines, a heat map, parallel coordinates, learning curves, the importance of axes, the
        spread over seeds, and the table.

        Args:
            metric: that it opens with; None for the usual one, such as "test_accuracy".

        Raises:
            InputError: when there are no runs, or the metric is unknown.

        Example:
            >>> from fnnet import grid
            >>> results = Results(grid(learning_rate=[0.1, 0.3]), {"test_loss": np.array([0.5, 0.25])})
            >>> results.report()
            WebPage()
        """
        # By name, since records know nothing of what is drawn from them; only this method looks for it.
        page: WebPage = importlib.import_module("fnnet.report.page.document").report(self, metric)
        return page

    def _table_columns(self, records: bool = False) -> dict[str, Any]:
        axes = {name: self.space.table_column(name) for name in self.space.axes}
        return axes | {name: self._columns[name] for name in listed_names(self._columns, records)}

    def _finished(self) -> "Results":
        """Select the runs that no search stopped early."""
        steps = self._columns.get("steps")
        return self if steps is None or not len(steps) else self._take(np.flatnonzero(steps == steps.max()))

    def _take(self, rows: Int[np.ndarray, " kept"]) -> "Results":
        columns = {name: column[rows] for name, column in self._columns.items()}
        return Results(self.space.take(rows), columns, self.store, self.higher_is_better)
