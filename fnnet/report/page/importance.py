"""Importance: how much of a metric's variance each axis and each pair of axes explains.

For runs that form a complete grid, the decomposition is exact: the analysis of variance. Others have none; PED-ANOVA
then measures how well each axis separates the best tenth of the runs from all.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from fnnet.report.page.columns import Axis, Metric
from fnnet.report.page.rows import Rows

TOP = 0.1  # the share of the runs that PED-ANOVA counts as good
GRID = 50  # points at which it compares densities of numeric axes


class Importance(NamedTuple):
    """The importance of axes for a metric.

    method: a sentence about the method.
    shares: by axis or pair, such as "depth x learning_rate", the most important first; they sum to at most 1.
    """

    method: str
    shares: dict[str, float]


def find_importance(rows: Rows, axes: Sequence[Axis], metric: Metric) -> Importance | None:
    """Compute the importance of axes for a metric; None if rows or values do not differ.

    Args:
        rows: the runs, or their means over seeds.
        axes: the axes in which they differ.
        metric: a metric of the rows.
    """
    values = rows.metrics[metric.name].value.astype(float)
    factors = {
        axis.name: rows.codes[axis.name]
        for axis in axes
        if axis.name != "seed" and np.ptp(rows.codes[axis.name])
    }
    is_known = np.isfinite(values)
    if not factors or is_known.sum() < 3 or np.ptp(values[is_known]) == 0:
        return None
    if is_complete(factors):
        of_what = f"values of {metric.name}"
        if not is_known.all():
            if metric.higher_is_better is None:
                return None
            values = rank_with_ties(values, metric.higher_is_better)
            of_what = f"ranks of {metric.name}, as {(~is_known).sum():,} values are not finite"
        elif metric.scale == "log" and values.min() > 0:
            values = np.log10(values)
            of_what = f"logarithms of {metric.name}"
        return Importance(
            f"Analysis of variance of the complete grid, exact; {of_what}.", anova(factors, values)
        )
    if metric.higher_is_better is None:
        return None
    varied = [axis for axis in axes if axis.name in factors]
    method = (
        "PED-ANOVA, since the runs do not form a complete grid: which axes separate the best tenth from all. Main "
        "effects only; an axis that some runs lack is judged among those that have it."
    )
    shares = ped_anova(varied, factors, values, metric.higher_is_better)
    return Importance(method, shares) if shares else None


def is_complete(codes: Mapping[str, Int[np.ndarray, " rows"]]) -> bool:
    """Check whether every combination of values occurs, and all equally often.

    Example:
        >>> depth, width = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        >>> is_complete({"depth": depth, "width": width}), is_complete({"depth": depth[:3], "width": width[:3]})
        (True, False)
    """
    if any(column.min() < 0 for column in codes.values()):
        return False
    sizes = [int(column.max()) + 1 for column in codes.values()]
    num_cells = 1
    for size in sizes:
        num_cells *= size
    if num_cells > len(next(iter(codes.values()))):
        return False
    num_rows = np.bincount(np.ravel_multi_index(tuple(codes.values()), sizes), minlength=num_cells)
    return bool((num_rows == num_rows[0]).all())


def anova(
    codes: Mapping[str, Int[np.ndarray, " rows"]], values: Float[np.ndarray, " rows"]
) -> dict[str, float]:
    """Decompose the variance of values on a complete grid. Rows with the same values are repetitions.

    Args:
        codes: by axis, the index of each row's value.
        values: one per row.

    Returns:
        The share of the total sum of squares of each axis, each pair, "more than two axes" and "seeds", the largest
        first; they sum to 1.

    Example:
        >>> depth, width = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        >>> anova({"depth": depth, "width": width}, 3.0 * depth + 4.0 * width)
        {'width': 0.64, 'depth': 0.36, 'depth x width': 0.0}

    Source: Fisher (1925), "Statistical methods for research workers".
    """
    total = np.square(values - values.mean()).sum()
    main = {name: _means(values, column) - values.mean() for name, column in codes.items()}
    squares = {name: np.square(effect).sum() for name, effect in main.items()}
    for first, second in itertools.combinations(codes, 2):
        cell = _means(values, codes[first] * (codes[second].max() + 1) + codes[second]) - values.mean()
        squares[f"{first} x {second}"] = np.square(cell - main[first] - main[second]).sum()
    cells = _means(values, np.ravel_multi_index(tuple(codes.values()), [c.max() + 1 for c in codes.values()]))
    of_cells = np.square(cells - values.mean()).sum()
    if len(codes) > 2:
        squares["more than two axes"] = max(0.0, of_cells - sum(squares.values()))
    if len(values) > np.prod([column.max() + 1 for column in codes.values()]):
        squares["seeds"] = max(0.0, total - of_cells)
    return _sorted({name: float(square / total) for name, square in squares.items()})


def ped_anova(
    axes: Sequence[Axis],
    codes: Mapping[str, Int[np.ndarray, " rows"]],
    values: Float[np.ndarray, " rows"],
    higher_is_better: bool,
) -> dict[str, float]:
    """Measure how far the distribution of each axis among the best rows is from that among all rows.

    The measure is the Pearson divergence of the densities, which are kernel estimates for numbers and frequencies for
    other values.

    Args:
        axes: the axes to compare.
        codes: by axis, the index of each row's value, -1 if it lacks the axis.
        values: one per row; NaN is worst.
        higher_is_better: the direction of the values.

    Returns:
        The share of each axis in the sum of the divergences, the largest first.

    Source: Watanabe, Bansal & Hutter (2023), "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
    subspaces".
    """
    divergences = {}
    for axis in axes:
        has_it = codes[axis.name] >= 0
        own, number = codes[axis.name][has_it], int(has_it.sum())
        if number < 2 or not np.ptp(own):
            continue
        is_good = _best_share(values[has_it], higher_is_better)
        points, size = _on_grid(axis, own)
        estimate = _density if axis.scale != "category" else _frequency
        every, good = estimate(points, size), estimate(points[is_good], size)
        divergences[axis.name] = float(np.sum(every * np.square(good / every - 1)))
    whole = sum(divergences.values())
    return _sorted({name: each / whole for name, each in divergences.items()}) if whole > 0 else {}


def rank_with_ties(values: Float[np.ndarray, " rows"], higher_is_better: bool) -> Float[np.ndarray, " rows"]:
    """Rank values from 0, the worst; equal values share their mean rank, and values that are not finite are worst.

    Example:
        >>> rank_with_ties(np.array([0.5, np.nan, 0.5, 0.9, np.inf]), higher_is_better=True).tolist()
        [2.5, 0.5, 2.5, 4.0, 0.5]
    """
    worst = -np.inf if higher_is_better else np.inf
    known = np.where(np.isfinite(values), values, worst)
    _, codes, num_equal = np.unique(
        known if higher_is_better else -known, return_inverse=True, return_counts=True
    )
    return (np.cumsum(num_equal) - (num_equal + 1) / 2)[codes]


def _means(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return, for each row, the mean of the rows with the same code."""
    with np.errstate(invalid="ignore"):
        return (np.bincount(codes, values) / np.bincount(codes))[codes]


def _best_share(values: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Return which values are among the best share `TOP`, ties with the last of them included."""
    signed = np.where(np.isnan(values), -np.inf, values if higher_is_better else -values)
    number = max(2, int(np.ceil(TOP * len(values))))
    return signed >= np.partition(signed, -number)[-number]


def _on_grid(axis: Axis, codes: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the index of each row's value on a grid, and the size of the grid."""
    if axis.scale == "category":
        return codes, len(axis.values)
    numbers = np.asarray(axis.values, float)
    numbers = np.log(numbers) if axis.scale == "log" else numbers
    size = min(GRID, len(numbers)) if len(numbers) < GRID else GRID
    low, high = numbers.min(), numbers.max()
    return np.rint((numbers[codes] - low) / (high - low) * (size - 1)).astype(int), size


def _frequency(points: np.ndarray, size: int) -> np.ndarray:
    """Estimate frequencies of categories, with one more row spread evenly over all of them."""
    return (np.bincount(points, minlength=size) + 1 / size) / (len(points) + 1)


def _density(points: np.ndarray, size: int) -> np.ndarray:
    """Estimate the density on a grid by normal kernels of Scott's width, with one more kernel as wide as the grid."""
    from scipy import special

    ordered, number = np.sort(points), len(points)
    quartiles = ordered[min(number - 1, 3 * number // 4)] - ordered[max(0, number // 4 - 1)]
    width = max(1.059 * min(points.std(ddof=1), quartiles / 1.34) * number**-0.2, 0.5 / 1.64)
    edges = np.arange(size + 1) - 0.5
    counts = np.append(np.bincount(points, minlength=size), 1)
    centers = np.append(np.arange(size), (size - 1) / 2)[:, None]
    widths = np.append(np.full(size, width), size)[:, None]
    mass = np.diff(special.ndtr((edges - centers) / widths), axis=1)
    return counts @ (mass / mass.sum(axis=1, keepdims=True)) / counts.sum()


def _sorted(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda share: -share[1]))
