"""Metrics of a set of examples: `metric(outputs, targets)` returns a number or an array.

`outputs` are logits `[n, classes]` or predictions `[n, outputs]`, as for losses. Metrics that are numbers become
columns of a sweep's table; `evaluate` accepts both kinds. A row of logits that is not finite, or a target without an
output, counts as wrong, and makes `nll` and `brier` NaN. float16 and bfloat16 are computed in float32.

A metric may be a plain function; then lower is better. `Metric(function, higher_is_better=True)` says otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from fnnet.confusion import (
    check_classes,
    confusion_matrix,
    f1,
    is_class,
    is_finite,
    macro_f1,
    precision,
    recall,
)
from fnnet.errors import InputError, check_integer
from fnnet.losses import cross_entropy, mean_loss, one_hot
from fnnet.names import DIRECTIONS, lookup, named
from fnnet.regression import huber, mae, r2, rmse

MetricFunction = Callable[[Array, Array], Array]


class Metric(NamedTuple):
    """A function of outputs and targets, and its direction, by which results are ranked.

    function: maps the outputs `[n, outputs]` and the targets of all examples to a number or an array.
    higher_is_better: its direction.

    Example:
        >>> within_one = Metric(lambda outputs, targets: jnp.mean(abs(outputs - targets) < 1), higher_is_better=True)
        >>> float(within_one(jnp.array([[0.5], [3.0]]), jnp.array([[1.0], [1.0]])))
        0.5
    """

    function: MetricFunction
    higher_is_better: bool = False

    def __call__(self, outputs: Array, targets: Array) -> Any:
        return self.function(outputs, targets)


def accuracy(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, ""]:
    """Compute the share of examples whose largest output is the target's.

    Rows that are not finite count as wrong, so a network that diverged has an accuracy of 0.

    Args:
        outputs: logits or probabilities.
        targets: classes.

    Returns:
        The share, in [0, 1].

    Example:
        >>> outputs = jnp.array([[0.0, 3.0], [1.0, 2.0], [jnp.nan, 0.0]])
        >>> round(float(accuracy(outputs, jnp.array([1, 0, 1]))), 4)
        0.3333
    """
    outputs, targets = check_classes(outputs, targets)
    return jnp.mean(_is_right(outputs, targets), dtype=outputs.dtype)


def top_k_accuracy(
    outputs: Float[Array, "n classes"], targets: Integer[Array, " n"], k: int = 5
) -> Float[Array, ""]:
    """Compute the share of examples whose target is among the `k` largest outputs.

    Of equal outputs, the first counts as larger. `k=1` is `accuracy`.

    Args:
        outputs: logits or probabilities.
        targets: classes.
        k: number of outputs.

    Returns:
        The share, in [0, 1].

    Raises:
        InputError: when `k` is not a positive integer.

    Example:
        >>> outputs = jnp.array([[0.0, 3.0, 1.0], [1.0, 2.0, 0.0]])
        >>> float(top_k_accuracy(outputs, jnp.array([2, 2]), k=2))
        0.5
    """
    check_integer("k", k)
    outputs, targets = check_classes(outputs, targets)
    of_target = jnp.take_along_axis(outputs, targets[:, None], axis=-1)
    is_before = jnp.arange(outputs.shape[-1], dtype=targets.dtype)[None] < targets[:, None]
    num_larger = jnp.sum((outputs > of_target) | ((outputs == of_target) & is_before), axis=-1)
    is_right = (num_larger < k) & is_finite(outputs) & is_class(targets, outputs.shape[-1])
    return jnp.mean(is_right, dtype=outputs.dtype)


def nll(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, ""]:
    """Compute the mean negative log-likelihood of the target classes, in nats, from logits.

    Returns:
        The mean of `-log softmax(outputs)[target]`.

    Example:
        >>> round(float(nll(jnp.zeros((2, 4)), jnp.array([0, 3]))), 4)  # log 4
        1.3863
    """
    return mean_loss(cross_entropy, outputs, targets)


def brier(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, ""]:
    """Compute the mean squared distance between probabilities and one-hot targets, from logits.

    Returns:
        The mean of `sum_k (softmax(outputs)_k - [k is the target])^2`, in [0, 2].

    Example:
        >>> float(brier(jnp.zeros((2, 4)), jnp.array([0, 3])))  # (3/4)^2 + 3 (1/4)^2
        0.75

    Source: Brier (1950), eq. 2.
    """
    outputs, targets = check_classes(outputs, targets)
    truth = one_hot(targets, outputs.shape[-1], outputs.dtype)
    return jnp.mean(jnp.sum(jnp.square(jax.nn.softmax(outputs) - truth), axis=-1))


def ece(
    outputs: Float[Array, "n classes"],
    targets: Integer[Array, " n"],
    num_bins: int = 15,
    adaptive: bool = False,
) -> Float[Array, ""]:
    """Compute the expected calibration error of the largest probability, from logits.

    Examples are binned by their confidence `c`, the largest probability. With `a = 1` where the prediction is
    right and 0 where it is wrong, the error is `sum over bins |sum in the bin (a - c)| / n`. A row that is not
    finite counts as wrong with confidence 1, so a network that diverged has an error of 1.

    Args:
        outputs: logits.
        targets: classes.
        num_bins: number of bins.
        adaptive: True: bins hold equally many examples. False: bins have equal widths,
            `((m - 1) / num_bins, m / num_bins]`.

    Returns:
        The error, in [0, 1].

    Raises:
        InputError: when `num_bins` is not a positive integer.

    Example:
        >>> outputs = jnp.log(jnp.array([[0.8, 0.2], [0.8, 0.2], [0.4, 0.6]]))
        >>> round(float(ece(outputs, jnp.array([0, 1, 1]))), 4)  # (|1 + 0 - 1.6| + |1 - 0.6|) / 3
        0.3333

    Source: Guo et al. (2017), eq. 3; with equally filled bins, Nguyen and O'Connor (2015), section 3.
    """
    check_integer("num_bins", num_bins)
    outputs, targets = check_classes(outputs, targets)
    right = _is_right(outputs, targets)
    confidence = jnp.where(is_finite(outputs), jnp.max(jax.nn.softmax(outputs), axis=-1), 1)
    gap = right.astype(outputs.dtype) - confidence
    if adaptive:
        gap = gap[jnp.argsort(confidence)]
        bins = jnp.arange(len(gap)) * num_bins // len(gap)
    else:
        bins = jnp.clip(jnp.ceil(confidence * num_bins).astype(jnp.int32) - 1, 0, num_bins - 1)
    return jnp.sum(jnp.abs(jax.ops.segment_sum(gap, bins, num_bins))) / len(gap)


def outputs(outputs: Float[Array, "n ..."], targets: Any) -> Float[Array, "n ..."]:
    """Return the outputs unchanged, so that `evaluate` can return them next to other metrics."""
    del targets
    return outputs


METRICS: dict[str, Metric] = {
    name: Metric(function, DIRECTIONS[name])
    for name, function in named(
        accuracy, top_k_accuracy, macro_f1, r2, nll, brier, ece, rmse, mae, huber
    ).items()
}
"""The metrics that are numbers, by name."""

ARRAY_METRICS: dict[str, Metric] = {
    name: Metric(function)
    for name, function in named(confusion_matrix, precision, recall, f1, outputs).items()
}
"""The metrics that are arrays, by name. They rank nothing, so their direction means nothing."""


MetricChoice = Sequence[str | Metric | MetricFunction] | Mapping[str, str | Metric | MetricFunction]
"""Names and functions, or a dict that names either: `{"ece_20": lambda o, t: ece(o, t, 20)}`."""


def find_metrics(
    metrics: MetricChoice | None, targets: Any, table: Mapping[str, Metric]
) -> dict[str, Metric]:
    """Look up metrics by name, and name metrics that are functions.

    Args:
        metrics: names in the table and functions; None for accuracy of classes and R2 of numbers.
        targets: what outputs are compared with.
        table: the known names.

    Raises:
        InputError: when a name is unknown, or two functions share a name or have none.

    Example:
        >>> list(find_metrics(["nll", brier], jnp.array([0, 1]), METRICS))
        ['nll', 'brier']
    """
    if metrics is None:
        metrics = ["accuracy" if jnp.issubdtype(targets.dtype, jnp.integer) else "r2"]
    if isinstance(metrics, str):
        raise InputError(f"metrics must be a list of names, got {metrics!r}; write [{metrics!r}]")
    if isinstance(metrics, Mapping):
        return {name: _as_metric(name, metric, table) for name, metric in metrics.items()}
    chosen = [_as_metric(getattr(metric, "__name__", ""), metric, table) for metric in metrics]
    names = [getattr(metric.function, "__name__", "<lambda>") for metric in chosen]
    for name in names:
        if not name.isidentifier() or names.count(name) > 1:
            raise InputError(
                f"a metric is called {name!r}; name metrics in a dict, such as {{'mine': function}}"
            )
    return dict(zip(names, chosen, strict=True))


def directions(metrics: MetricChoice | None) -> dict[str, bool]:
    """Return by name whether higher values of some metrics are better.

    Args:
        metrics: as for `find_metrics`.

    Example:
        >>> directions(["accuracy", ece])
        {'accuracy': True, 'ece': False}
        >>> directions(None)
        {'accuracy': True, 'r2': True}
    """
    chosen = find_metrics(["accuracy", "r2"] if metrics is None else metrics, None, METRICS)
    return {name: metric.higher_is_better for name, metric in chosen.items()}


def _as_metric(name: str, choice: object, table: Mapping[str, Metric]) -> Metric:
    """Look up a metric; a plain function has the direction of the known one that it is or is called."""
    found: Any = lookup("metric", choice, table)
    if isinstance(found, Metric):
        return found
    alike = [metric for known, metric in table.items() if metric.function is found or known == name]
    return alike[0]._replace(function=found) if alike else Metric(found)


def _is_right(outputs: Array, targets: Array) -> Array:
    return is_finite(outputs) & (jnp.argmax(outputs, axis=-1).astype(targets.dtype) == targets)
