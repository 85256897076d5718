"""Sentences: the results of a sweep in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from fnnet.errors import InputError
from fnnet.records.ranking import Best
from fnnet.records.results import Results
from fnnet.report.page.columns import Axis, Metric


def describe_best(results: Results, metric: Metric, *, over: str | tuple[()]) -> list[str]:
    """Say which configuration is best, how sure that is, and whether the runner-up is as good.

    Args:
        results: the results of a sweep.
        metric: the metric that ranks configurations.
        over: "seed", or () for single runs.

    Example:
        >>> from fnnet import grid
        >>> columns = {"test_loss": np.array([0.2, 0.3, 0.8, 0.9]), "diverged": np.zeros(4, bool)}
        >>> results = Results(grid(depth=[1, 2], seed=[0, 1]), columns)
        >>> for line in describe_best(results, Metric("test_loss", columns["test_loss"], False, "linear"), over="seed"):
        ...     print(line)
        Best configuration: depth 1, with test_loss 0.2500 (95 % interval -0.39 to 0.89, n = 2).
        The runner-up is 0.6000 worse, beyond noise (p = 0.014).
    """
    if metric.higher_is_better is None:
        return [f"It is not known whether higher values of {metric.name} are better, so none is called best."]
    try:
        best = results.best(metric.name, over=over, higher_is_better=metric.higher_is_better)
    except InputError:
        return [f"No run has a {metric.name} to rank by."]
    lines = [_best_line(results, metric, best, over)]
    steps = results["steps"] if "steps" in results else np.zeros(0)
    if len(steps) and (num_stopped := int((steps < steps.max()).sum())):
        lines.append(
            f"Only the {len(steps) - num_stopped:,} runs trained to step {int(steps.max()):,} were compared; "
            f"{num_stopped:,} were stopped earlier, and the panels show them as they were then."
        )
    if over == () or math.isnan(best.gap):
        return lines
    if best.gap == 0:
        lines.append("The runner-up is just as good.")
    elif math.isnan(best.p_value):
        lines.append(
            f"The runner-up is {_number(best.gap)} worse; with one run each, that may be noise."
            if best.interval.num_runs == 1
            else f"The runner-up is {_number(best.gap)} worse."
        )
    else:
        verdict = "beyond" if best.beyond_noise else "within"
        p_value = f"p = {best.p_value:.2g}" if best.p_value >= 1e-4 else "p < 0.0001"
        lines.append(f"The runner-up is {_number(best.gap)} worse, {verdict} noise ({p_value}).")
    return lines


def describe_diverged(results: Results, axes: Sequence[Axis]) -> str:
    """Say how many runs diverged, and at which values.

    Example:
        >>> from fnnet import grid
        >>> from fnnet.report.page.columns import find_axes
        >>> columns = {"diverged": np.array([False, False, True, False, True, True])}
        >>> results = Results(grid(depth=[1, 2], learning_rate=[0.1, 1.0, 3.0]), columns)
        >>> describe_diverged(results, find_axes(results))
        '3 of 6 runs diverged, all of them with learning_rate >= 1; of those, 3 of 4 did.'
    """
    diverged = results["diverged"].astype(bool)
    number, whole = int(diverged.sum()), len(diverged)
    if not number:
        return f"None of {whole:,} runs diverged."
    if number == whole:
        return f"All {whole:,} runs diverged."
    text = f"{number:,} of {whole:,} runs diverged"
    found = [_holding(axis, diverged) for axis in axes if axis.name != "seed"]
    where = [(num_inside, words) for num_inside, words in found if num_inside < whole]
    if not where:
        return f"{text}, at values of every axis."
    num_inside, words = min(where)
    if num_inside == number:
        return f"{text}: those with {words}, and no others."
    if number == 1:
        return f"{text}, one of the {num_inside:,} with {words}."
    return f"{text}, all of them with {words}; of those, {number:,} of {num_inside:,} did."


def describe_constants(results: Results) -> str | None:
    """List the values that all runs share.

    Example:
        >>> from fnnet import grid
        >>> describe_constants(Results(grid(depth=2, width=64, seed=range(3)), {}))
        'All runs have depth 2, width 64.'
    """
    varied = results.space.varied_axes
    same = {name: values[0] for name, values in results.space.axes.items() if values and name not in varied}
    return f"All runs have {_config(same)}." if same else None


def describe_noise(metric: str, within: float, between: float, num_configs: int, num_runs: int) -> str:
    """Compare the spread over seeds with that over configurations.

    Args:
        metric: the name of the metric.
        within: the standard deviation over seeds, pooled.
        between: the standard deviation of the means of configurations.
        num_configs: number of configurations.
        num_runs: number of runs of each.

    Example:
        >>> print(describe_noise("loss", 0.01, 0.2, 12, 4))
        The standard deviation of loss is 0.01000 over seeds (pooled) and 0.2000 over the means of 12 configurations.
        Two given configurations of 4 runs each differ beyond noise if their means are more than 0.01434 apart.
    """
    from scipy import special

    least = special.stdtrit(num_configs * (num_runs - 1), 0.975) * within * math.sqrt(2 / num_runs)
    return (
        f"The standard deviation of {metric} is {_number(within)} over seeds (pooled) and {_number(between)} over the "
        f"means of {num_configs:,} configurations. Two given configurations of {num_runs} runs each differ beyond "
        f"noise if their means are more than {_number(float(least))} apart."
    )


def _best_line(results: Results, metric: Metric, best: Best, over: str | tuple[()]) -> str:
    kind = "Best run" if over == () else "Best configuration"
    varied = results.space.varied_axes
    shown = {name: value for name, value in best.config.items() if name in varied} or best.config
    text = f"{kind}: {_config(shown)}, with {metric.name} {_number(best.interval.mean)}"
    if over == ():
        return f"{text}; the best of {len(results):,} is partly luck."
    num_runs = best.interval.num_runs
    if math.isfinite(best.interval.low):
        low, high = _interval(best.interval.low, best.interval.high)
        return f"{text} (95 % interval {low} to {high}, n = {num_runs})."
    return f"{text} (n = {num_runs}{', so no interval' if num_runs == 1 else ''})."


def _holding(axis: Axis, diverged: Bool[np.ndarray, " runs"]) -> tuple[int, str]:
    """Find the smallest range of an axis with all diverged runs; return its number of runs, and the range in words."""
    codes = np.unique(axis.codes[diverged])
    if axis.scale == "category" or -1 in codes:
        inside = int(np.isin(axis.codes, codes).sum())
        named = [_value(axis.values[code]) if code >= 0 else "missing" for code in codes]
        words = f"{axis.name} {' or '.join(named)}"
        return (inside, words) if len(codes) <= 3 else (len(axis.codes), words)
    low, high = codes[0], codes[-1]
    above, below = int((axis.codes >= low).sum()), int(((axis.codes <= high) & (axis.codes >= 0)).sum())
    if above <= below:
        return above, f"{axis.name} >= {_value(axis.values[low])}"
    return below, f"{axis.name} <= {_value(axis.values[high])}"


def _config(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in config.items()) or "the only one"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _interval(low: float, high: float) -> tuple[str, str]:
    """Format an interval to two digits of its width or more.

    Example:
        >>> _interval(0.97123, 0.97456), _interval(-0.387, 0.884)
        (('0.97123', '0.97456'), ('-0.39', '0.88'))
    """
    width = high - low
    places = max(0, 2 - math.floor(math.log10(width))) if 0 < width < math.inf else 4
    return (f"{low:.{places}f}", f"{high:.{places}f}") if places < 8 else (f"{low:.4g}", f"{high:.4g}")


def _number(value: float) -> str:
    """Format a number to four digits.

    Example:
        >>> _number(0.25), _number(0.00001234), _number(123456.0)
        ('0.2500', '1.234e-05', '1.235e+05')
    """
    return f"{value:#.4g}".rstrip(".")
