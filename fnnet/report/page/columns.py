"""Columns: the axes and metrics of a sweep, with all that is needed to draw them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError
from fnnet.records.columns import metric_names
from fnnet.records.ranking import is_higher_better
from fnnet.records.results import Results

MAX_LEVELS = 24  # values of an axis; if it has more, they are binned
NUM_BINS = 10
WIDE = 20.0  # smallest ratio of the largest to the smallest value for which a scale may be logarithmic


class Axis(NamedTuple):
    """An axis of the sweep, or a record that is drawn as one, such as "rung".

    name: the name of the axis.
    values: distinct values, numbers in increasing order.
    codes: for each run, the index of its value, or -1 if the run lacks the axis.
    scale: "linear" or "log" for numbers, "category" for anything else.
    level_of_value: for each value, the index of its level.
    levels: the labels of the levels: one per value, or one per bin of an axis with many values.
    """

    name: str
    values: tuple[Any, ...]
    codes: Int[np.ndarray, " runs"]
    scale: str
    level_of_value: Int[np.ndarray, " values"]
    levels: tuple[str, ...]


class Metric(NamedTuple):
    """A metric.

    name: the name of the column.
    values: one per run.
    higher_is_better: the direction; None if it is unknown.
    scale: "linear" or "log".
    """

    name: str
    values: np.ndarray
    higher_is_better: bool | None
    scale: str


def find_axes(results: Results) -> list[Axis]:
    """Return the axes in which runs differ, and the records "bracket" and "rung" if runs differ in them.

    Example:
        >>> from fnnet import grid
        >>> columns = {"loss": np.zeros(6), "rung": np.array([0, 1, 0, 0, 0, 1])}
        >>> [axis.name for axis in find_axes(Results(grid(depth=[1, 2], seed=range(3), width=4), columns))]
        ['depth', 'seed', 'rung']
    """
    space = results.space
    axes = [make_axis(name, space.axes[name], space.codes[name]) for name in space.varied_axes]
    for name in ("bracket", "rung"):
        if (
            name in results
            and len(values := np.unique(results[name][~np.isnan(results[name].astype(float))])) > 1
        ):
            is_there = np.isin(results[name], values)
            codes = np.where(is_there, np.searchsorted(values, results[name]), -1)
            axes.append(make_axis(name, values.astype(int).tolist(), codes))
    return axes


def make_axis(name: str, values: Sequence[Any], codes: Int[np.ndarray, " runs"]) -> Axis:
    """Build an axis: sort its values, choose its scale, and bin the values if there are many.

    Example:
        >>> axis = make_axis("learning_rate", (0.1, 0.001), np.array([0, 1, -1]))
        >>> axis.values, axis.codes.tolist(), axis.scale, axis.levels
        ((0.001, 0.1), [1, 0, -1], 'log', ('0.001', '0.1'))
    """
    if not all(is_number(value) for value in values):
        every = np.arange(len(values))
        return Axis(name, tuple(values), codes, "category", every, tuple(map(str, values)))
    order = np.argsort(np.asarray(values, float), kind="stable")
    place = np.append(np.argsort(order), -1)  # last, where the code -1 finds it
    ordered = tuple(values[each] for each in order)
    level_of_value, levels = _levels(ordered, place[codes])
    return Axis(name, ordered, place[codes], choose_scale(ordered), level_of_value, levels)


def find_metrics(results: Results) -> list[Metric]:
    """Return the numeric metrics, and "seconds" last.

    Example:
        >>> from fnnet import grid
        >>> results = Results(grid(depth=[1, 2]), {"test_loss": np.array([0.1, 90.0]), "note": np.array(["a", "b"])})
        >>> [(metric.name, metric.higher_is_better, metric.scale) for metric in find_metrics(results)]
        [('test_loss', False, 'log')]
    """
    known = {**results.higher_is_better, "seconds": False}
    columns = (name for name in results if name not in results.space.axes)
    names = [name for name in metric_names(columns) if results[name].dtype.kind in "biuf"]
    names += ["seconds"] if "seconds" in results else []
    return [
        Metric(name, results[name], _direction(name, known), choose_scale(_middle(results[name])))
        for name in names
    ]


def choose_scale(values: Sequence[float] | np.ndarray) -> str:
    """Choose a scale: "log" for positive numbers that are geometrically spaced or more evenly spread on it.

    Example:
        >>> [choose_scale(values) for values in ((1, 2, 4, 8), (1, 2, 3), (0.01, 0.1, 0.5), (0, 100), range(1, 90))]
        ['log', 'linear', 'log', 'linear', 'linear']
        >>> choose_scale((0.96, 0.97, 0.98))  # equally spaced on either scale
        'linear'
    """
    numbers = np.unique(np.asarray(values, float))
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < 2 or numbers[0] <= 0:
        return "linear"
    ratios = np.diff(np.log(numbers))
    if len(numbers) > 2 and numbers[-1] > 2 * numbers[0] and np.allclose(ratios, ratios[0], rtol=0.05):
        return "log"
    is_wide = numbers[-1] / numbers[0] >= WIDE
    return "log" if is_wide and _unevenness(np.log(numbers)) <= _unevenness(numbers) else "linear"


def is_number(value: Any) -> bool:
    """Check whether an axis value is a finite number; booleans are not.

    Example:
        >>> [is_number(value) for value in (1, 0.5, True, "1", math.inf)]
        [True, True, False, False, False]
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _levels(values: tuple[Any, ...], codes: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give each value its own level, or bin the values so that all bins hold about the same number of runs."""
    if len(values) <= MAX_LEVELS:
        short = tuple(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
        return np.arange(len(values)), short if len(set(short)) == len(values) else tuple(map(str, values))
    num_runs = np.bincount(codes[codes >= 0], minlength=len(values))
    before = np.cumsum(num_runs) - num_runs
    _, level_of_value = np.unique(before * NUM_BINS // max(1, int(num_runs.sum())), return_inverse=True)
    edges = [np.flatnonzero(level_of_value == level)[[0, -1]] for level in range(level_of_value.max() + 1)]
    labels = (
        f"{values[first]:.3g}" if first == last else f"{values[first]:.3g} to {values[last]:.3g}"
        for first, last in edges
    )
    return level_of_value, tuple(labels)


def _middle(values: np.ndarray) -> np.ndarray:
    """Return the finite values without the 2 % at either end, which say little about the scale of a plot."""
    finite = np.sort(values[np.isfinite(values)].astype(float))
    num_trimmed = len(finite) // 50 if len(finite) and finite[0] > 0 else 0
    return finite[num_trimmed : len(finite) - num_trimmed]


def _unevenness(ordered: np.ndarray) -> float:
    """Return the distance of the median of sorted numbers from the middle of their range, relative to the range."""
    return abs((np.median(ordered) - ordered[0]) / (ordered[-1] - ordered[0]) - 0.5)


def _direction(name: str, known: dict[str, bool]) -> bool | None:
    try:
        return is_higher_better(name, known)
    except InputError:
        return None
