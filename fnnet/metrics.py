"""Metrics of a batch: `metric(outputs, targets) -> scalar`.

`outputs` are `[n, classes]` logits or `[n, outputs]` predictions, as losses take them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from fnnet.losses import cross_entropy, mean_loss
from fnnet.names import named

Metric = Callable[[Array, Array], Array]


def accuracy(outputs: Float[Array, "n classes"], targets: Int[Array, " n"]) -> Float[Array, ""]:
    """Compute the share of examples whose largest output is the target's.

    An output that is not finite counts as wrong, so a network that diverged has an accuracy of 0.

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
    right = jnp.argmax(outputs, axis=-1).astype(targets.dtype) == targets
    return jnp.mean(right & _is_finite(outputs), dtype=outputs.dtype)


def top_k_accuracy(
    outputs: Float[Array, "n classes"], targets: Int[Array, " n"], k: int = 5
) -> Float[Array, ""]:
    """Compute the share of examples with fewer than `k` outputs larger than the target's.

    Args:
        outputs: logits or probabilities; rows that are not finite count as wrong.
        targets: classes.
        k: how many guesses are allowed.

    Returns:
        The share, in [0, 1].
    """
    of_target = jnp.take_along_axis(outputs, targets[:, None], axis=-1)
    right = jnp.sum(outputs > of_target, axis=-1) < k
    return jnp.mean(right & _is_finite(outputs), dtype=outputs.dtype)


def nll(outputs: Float[Array, "n classes"], targets: Int[Array, " n"]) -> Float[Array, ""]:
    """Compute the mean negative log-likelihood of the target classes, in nats, from logits.

    Args:
        outputs: logits.
        targets: classes.

    Returns:
        The mean of `-log softmax(outputs)[target]`.
    """
    return mean_loss(cross_entropy, outputs, targets)


def brier(outputs: Float[Array, "n classes"], targets: Int[Array, " n"]) -> Float[Array, ""]:
    """Compute the mean squared distance of probabilities from the truth (Brier 1950), from logits.

    Args:
        outputs: logits.
        targets: classes.

    Returns:
        The mean of `sum_k (softmax(outputs)_k - [k is the target])^2`, in [0, 2].
    """
    truth = jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return jnp.mean(jnp.sum(jnp.square(jax.nn.softmax(outputs) - truth), axis=-1))


def r2(outputs: Float[Array, "n outputs"], targets: Shaped[Array, "n outputs"]) -> Float[Array, ""]:
    """Compute the coefficient of determination, averaged over outputs.

    Args:
        outputs: predictions.
        targets: what should have come; each column needs a variance.

    Returns:
        `mean_k 1 - residual sum of squares / total sum of squares`; 1 is perfect, 0 is the mean's.
    """
    targets = targets.astype(outputs.dtype)
    residual = jnp.sum(jnp.square(targets - outputs), axis=0)
    total = jnp.sum(jnp.square(targets - jnp.mean(targets, axis=0, keepdims=True)), axis=0)
    return jnp.mean(1 - residual / total)


def rmse(outputs: Float[Array, "n outputs"], targets: Shaped[Array, "n outputs"]) -> Float[Array, ""]:
    """Compute the root of the mean squared error over all examples and outputs, in the targets' unit.

    Args:
        outputs: predictions.
        targets: what should have come.

    Returns:
        The root mean squared error.
    """
    return jnp.sqrt(jnp.mean(jnp.square(outputs - targets.astype(outputs.dtype))))


METRICS: dict[str, Metric] = named(accuracy, top_k_accuracy, nll, brier, r2, rmse)
"""Every metric that has a name."""

HIGHER_IS_BETTER = frozenset({"accuracy", "top_k_accuracy", "r2"})
LOWER_IS_BETTER = frozenset({"loss", "nll", "brier", "rmse"})


def _is_finite(outputs: Array) -> Array:
    return jnp.all(jnp.isfinite(outputs), axis=-1)
