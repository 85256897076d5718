"""Rows: the runs, or their means over seeds, which the page draws and lists."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from fnnet.records.results import Results
from fnnet.records.statistics import Configurations, find_configurations
from fnnet.report.page.columns import Axis, Metric


class Estimates(NamedTuple):
    """A metric's value in each row and, if rows are means, its 95 % interval, NaN for a single run."""

    value: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


class Rows(NamedTuple):
    """The runs, or the means of the runs that differ only in their seed; columns `[rows]`.

    codes: by axis, the index of the row's value, or -1.
    metrics: the metrics by name.
    num_runs, num_diverged: numbers of runs in each row.
    records: other columns of the table, by name.
    """

    codes: dict[str, Int[np.ndarray, " rows"]]
    metrics: dict[str, Estimates]
    num_runs: Int[np.ndarray, " rows"]
    num_diverged: Int[np.ndarray, " rows"]
    records: dict[str, np.ndarray]


def rows_of_runs(results: Results, axes: list[Axis], metrics: list[Metric]) -> Rows:
    """Return one row per run.

    Example:
        >>> from fnnet import grid
        >>> from fnnet.report.page.columns import find_axes, find_metrics
        >>> results = Results(grid(depth=[1, 2]), {"loss": np.array([0.5, 0.25]), "diverged": np.zeros(2, bool)})
        >>> rows = rows_of_runs(results, find_axes(results), find_metrics(results))
        >>> rows.metrics["loss"].value, rows.num_diverged
        (array([0.5 , 0.25]), array([0, 0]))
    """
    return Rows(
        {axis.name: axis.codes for axis in axes},
        {metric.name: Estimates(metric.values) for metric in metrics},
        np.ones(len(results), int),
        results["diverged"].astype(int),
        {name: results[name] for name in ("steps", "diverged_at") if name in results},
    )


def find_seeds(results: Results) -> Configurations | None:
    """Return the configurations without their seeds; None if none was trained with several."""
    configurations = find_configurations(results.space, "seed")
    return configurations if len(configurations.configs) < len(results) else None


def rows_of_means(
    results: Results, axes: list[Axis], metrics: list[Metric], configurations: Configurations
) -> Rows:
    """Return one row per configuration, with the values of `results.table(over="seed")`.

    Example:
        >>> from fnnet import grid
        >>> from fnnet.report.page.columns import find_axes, find_metrics
        >>> columns = {"loss": np.array([1.0, 3.0, 5.0, 5.0]), "diverged": np.zeros(4, bool)}
        >>> results = Results(grid(depth=[1, 2], seed=[0, 1]), columns)
        >>> seeds = find_seeds(results)
        >>> rows_of_means(results, find_axes(results), find_metrics(results), seeds).metrics["loss"].value
        array([2., 5.])
    """
    first = configurations.first_runs
    means = {metric.name: configurations.mean_interval(metric.values) for metric in metrics}
    return Rows(
        {axis.name: axis.codes[first] for axis in axes if axis.name != "seed"},
        {name: Estimates(mean.mean, mean.low, mean.high) for name, mean in means.items()},
        np.bincount(configurations.config_of_run, minlength=len(configurations.configs)),
        configurations.count_true(results["diverged"]),
        {},
    )
