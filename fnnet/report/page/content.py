"""Content: everything that a page shows, collected from the results of a sweep as one JSON object."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.records.ranking import usual_metric
from fnnet.records.results import Results
from fnnet.records.statistics import Configurations
from fnnet.report.page import sentences
from fnnet.report.page.columns import Axis, Metric, find_axes, find_metrics, is_number
from fnnet.report.page.curves import CHOSEN, QUANTILES, Curves, choose_runs, collect_curves
from fnnet.report.page.importance import find_importance
from fnnet.report.page.provenance import describe_made
from fnnet.report.page.rows import Rows, find_seeds, rows_of_means, rows_of_runs
from fnnet.report.page.spread import find_spread

MAX_RUNS = 2**16
EXACT = 2**53  # larger integers are not exact in JavaScript, so the page holds them as text
MOST_FREEDOM = (
    200  # degrees of freedom up to which the page holds Student's quantiles; it approximates the others
)


class Gathered(NamedTuple):
    """Results, with their axes, metrics, seeds and rows."""

    results: Results
    axes: list[Axis]
    metrics: list[Metric]
    seeds: Configurations | None
    rows: dict[str, Rows]


def collect_content(
    results: Results, metric: str | None = None, *, max_runs: int = MAX_RUNS
) -> dict[str, Any]:
    """Collect everything that a page shows.

    Args:
        results: the results of a sweep.
        metric: the metric that the page opens with; None for the one that a search ranked by, or else the usual one.
        max_runs: the largest number of runs in a page. Sentences and importance are about all runs, held or not.

    Returns:
        A JSON object, with arrays encoded by `encode_array`.

    Raises:
        InputError: when there are no runs, or none of the metrics is a number.
    """
    if not len(results):
        raise InputError("a report needs at least one finished run")
    if "diverged" not in results:
        results = _take(results, np.arange(len(results)))
    whole = _gather(results)
    by_name = {each.name: each for each in whole.metrics}
    if not by_name:
        raise InputError("a report needs a metric, got runs without a numeric column")
    made = describe_made(results)
    if metric is None and made.ranked_by in by_name:
        metric = made.ranked_by
    first = usual_metric(list(by_name), results.higher_is_better) if metric is None else metric
    if first not in by_name:
        raise unknown_name("metric", first, by_name)
    higher_is_better = bool(by_name[first].higher_is_better)
    kept = choose_runs(whole.seeds, by_name[first].values, higher_is_better, max_runs)
    shown = whole if len(kept) == len(results) else _gather(_take(results, kept))
    curves = collect_curves(shown.results, shown.seeds, by_name[first].values[kept], higher_is_better)
    about = _about(whole, made.num_planned)
    if shown is not whole:
        about.insert(0, f"The panels hold {len(kept):,} of {len(results):,} runs: {CHOSEN}.")
    _, axes, metrics, seeds, rows = shown
    return {
        "title": made.title,
        "axes": [_axis(axis) for axis in axes],
        "metrics": [
            {"name": each.name, "higher": each.higher_is_better, "scale": each.scale} for each in metrics
        ],
        "views": {view: _rows(each) for view, each in rows.items()},
        "config_of_run": None if seeds is None else encode_array(seeds.config_of_run),
        "opens": {"metric": first, "view": "means" if seeds is not None else "runs", **_opening_axes(axes)},
        "head": {"best": _best(whole), "about": about},
        "importance": _importance(whole),
        "spread": {} if seeds is None else {each.name: _spread(each, seeds) for each in metrics},
        "curves": None if curves is None else _curves(curves),
        "left_out": [] if curves is None else curves.left_out,
        "facts": [list(fact) for fact in made.facts],
        "student": _quantiles(),
    }


def encode_array(values: np.ndarray) -> dict[str, str]:
    """Encode numbers exactly, as bytes in base64: float32, float64, or integers.

    Example:
        >>> encode_array(np.array([1, -1], np.int64))
        {'type': 'Int32', 'bytes': 'AQAAAP////8='}
    """
    kind = {"f": "Float64", "b": "Int32"}.get(values.dtype.kind, "Int32")
    if values.dtype == np.float32:
        kind = "Float32"
    elif values.dtype.kind in "iu" and values.size and np.abs(values).max() > np.iinfo(np.int32).max:
        kind = "Float64"
    content = np.ascontiguousarray(values, dtype={"Int32": "<i4", "Float32": "<f4", "Float64": "<f8"}[kind])
    return {"type": kind, "bytes": base64.b64encode(content.tobytes()).decode()}


def _take(results: Results, rows: Int[np.ndarray, " kept"]) -> Results:
    """Select runs by their indices; results built by hand, without the column "diverged", get it."""
    columns = {name: results[name] for name in results if name not in results.space.axes}
    columns = {"diverged": np.zeros(len(results), bool), **columns}
    taken = {name: column[rows] for name, column in columns.items()}
    return Results(results.space.take(rows), taken, results.store, results.higher_is_better)


def _gather(results: Results) -> Gathered:
    axes, metrics, seeds = find_axes(results), find_metrics(results), find_seeds(results)
    rows = {"runs": rows_of_runs(results, axes, metrics)}
    if seeds is not None:
        rows["means"] = rows_of_means(results, axes, metrics, seeds)
    return Gathered(results, axes, metrics, seeds, rows)


def _axis(axis: Axis) -> dict[str, Any]:
    is_numeric = axis.scale != "category"
    return {
        "name": axis.name,
        "values": [
            value if is_number(value) and abs(value) <= EXACT else str(value) for value in axis.values
        ],
        "numeric": is_numeric,
        "scale": axis.scale,
        "level_of_value": encode_array(axis.level_of_value),
        "levels": list(axis.levels),
    }


def _rows(rows: Rows) -> dict[str, Any]:
    metrics = {
        name: {kind: encode_array(column) for kind, column in each._asdict().items() if column is not None}
        for name, each in rows.metrics.items()
    }
    return {
        "codes": {name: encode_array(codes) for name, codes in rows.codes.items()},
        "metrics": metrics,
        "num_runs": encode_array(rows.num_runs),
        "num_diverged": encode_array(rows.num_diverged),
        "records": {name: encode_array(column) for name, column in rows.records.items()},
    }


def _opening_axes(axes: Sequence[Axis]) -> dict[str, str | None]:
    """Choose the axes that the page opens with: the learning rate, or else the number with the most values."""
    varied = [axis for axis in axes if axis.name not in ("seed", "rung", "bracket")] or list(axes)
    by_length = sorted(varied, key=lambda axis: (axis.scale == "category", -len(axis.values)))
    x = next((axis.name for axis in varied if axis.name == "learning_rate"), None)
    x = x or next((axis.name for axis in by_length), None)
    others = [axis.name for axis in varied if axis.name != x]
    return {"x": x, "color": next(iter(others), None)}


def _best(whole: Gathered) -> dict[str, Any]:
    """Return the sentences about the best, by metric and view."""
    views: dict[str, Any] = {"runs": (), "means": "seed"}
    return {
        metric.name: {
            view: sentences.describe_best(whole.results, metric, over=over) for view, over in views.items()
        }
        for metric in whole.metrics
    }


def _about(whole: Gathered, num_planned: int | None) -> list[str]:
    """Return sentences about all runs."""
    results = whole.results
    about = [f"{results.space.summary}.", sentences.describe_diverged(results, whole.axes)]
    if (line := sentences.describe_constants(results)) is not None:
        about.append(line)
    if num_planned is not None and len(results) < num_planned:
        about.insert(
            0, f"{len(results):,} of {num_planned:,} runs are finished; the others are not in this page."
        )
    if whole.seeds is None:
        about.append("Each configuration has one run, so the spread over seeds is unknown.")
    return about


def _importance(whole: Gathered) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for view, rows in whole.rows.items():
        names = [name for name in whole.results.space.axes if name in rows.codes]  # a rung is an outcome
        axes = [axis for axis in whole.axes if axis.name in names]
        by_metric = {metric.name: find_importance(rows, axes, metric) for metric in whole.metrics}
        found[view] = {
            name: None if one is None else {"method": one.method, "shares": list(one.shares.items())}
            for name, one in by_metric.items()
        }
    return found


def _spread(metric: Metric, seeds: Configurations) -> dict[str, Any]:
    spread = find_spread(metric.values, seeds)
    text = None
    if spread.num_configs > 1:
        num_runs = int(np.bincount(seeds.config_of_run).max())
        text = sentences.describe_noise(
            metric.name, spread.within, spread.between, spread.num_configs, num_runs
        )
        if num_left := len(seeds.configs) - spread.num_configs:
            text += f" {num_left:,} configurations without a finite value of every run are left out."
    return {
        "deviations": encode_array(spread.deviations),
        "within": _finite(spread.within),
        "between": _finite(spread.between),
        "text": text,
    }


def _curves(curves: Curves) -> dict[str, Any]:
    return {
        "steps": curves.steps.tolist(),
        "quantiles": QUANTILES,
        "runs": {
            "rows": encode_array(curves.runs),
            "value": {name: encode_array(_single(values)) for name, values in curves.of_runs.items()},
        },
        "means": {
            "rows": encode_array(curves.configs),
            "value": {name: encode_array(_single(each.mean)) for name, each in curves.of_means.items()},
            "low": {name: encode_array(_single(each.low)) for name, each in curves.of_means.items()},
            "high": {name: encode_array(_single(each.high)) for name, each in curves.of_means.items()},
        },
        "envelope": {name: encode_array(_single(values)) for name, values in curves.envelope.items()},
    }


def _single(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _quantiles() -> dict[str, str]:
    """Return Student's 0.975 quantile for 1, 2, ... degrees of freedom."""
    from scipy import special

    return encode_array(special.stdtrit(np.arange(1, MOST_FREEDOM + 1), 0.975))
