"""Regression: how far predictions are from numbers, as one number for all examples and outputs."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from fnnet.errors import InputError
from fnnet.precision import widen


def r2(outputs: Float[Array, "n outputs"], targets: Shaped[Array, "n outputs"]) -> Float[Array, ""]:
    """Compute the coefficient of determination, averaged over outputs.

    Args:
        outputs: predictions.
        targets: the true values; each column must vary.

    Returns:
        `mean_k 1 - residual sum of squares / total sum of squares`; 1 is perfect, 0 is no better than the mean.

    Example:
        >>> float(r2(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([[1.0], [2.0], [4.0]]))) > 0.75
        True
    """
    outputs, targets = _check_numbers(outputs, targets)
    residual = jnp.sum(jnp.square(targets - outputs), axis=0)
    total = jnp.sum(jnp.square(targets - jnp.mean(targets, axis=0, keepdims=True)), axis=0)
    return jnp.mean(1 - residual / total)


def rmse(outputs: Float[Array, "n outputs"], targets: Shaped[Array, "n outputs"]) -> Float[Array, ""]:
    """Compute the root of the mean squared error over all examples and outputs, in the targets' unit.

    Example:
        >>> float(rmse(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 3.0]])))
        3.0
    """
    outputs, targets = _check_numbers(outputs, targets)
    return jnp.sqrt(jnp.mean(jnp.square(outputs - targets)))


def mae(outputs: Float[Array, "n outputs"], targets: Shaped[Array, "n outputs"]) -> Float[Array, ""]:
    """Compute the mean absolute error over all examples and outputs, in the targets' unit.

    Example:
        >>> float(mae(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, -1.0]])))
        2.0
    """
    outputs, targets = _check_numbers(outputs, targets)
    return jnp.mean(jnp.abs(outputs - targets))


def huber(
    outputs: Float[Array, "n outputs"], targets: Shaped[Array, "n outputs"], delta: float = 1.0
) -> Float[Array, ""]:
    """Compute the mean Huber loss over all examples and outputs: squared for small errors, linear for large ones.

    Args:
        outputs: predictions.
        targets: the true values.
        delta: the largest error that counts as small, in the targets' unit.

    Returns:
        The mean of `e^2 / 2` where `|e| <= delta` and of `delta (|e| - delta / 2)` elsewhere, with the errors `e`.

    Raises:
        InputError: when `delta` is not positive.

    Example:
        >>> float(huber(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 1.0]])))  # the mean of 2.5 and 0.5
        1.5

    Source: Huber (1964).
    """
    if not delta > 0:
        raise InputError(f"delta must be positive, got {delta}")
    outputs, targets = _check_numbers(outputs, targets)
    error = jnp.abs(outputs - targets)
    small = jnp.minimum(error, delta)
    return jnp.mean(small * (error - small / 2))


def _check_numbers(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Check the shapes of predictions and targets; return both in one dtype of at least 32 bits."""
    if targets.shape != outputs.shape:
        raise InputError(
            f"a metric of numbers takes targets of the outputs' shape {outputs.shape}, got {targets.shape}"
        )
    outputs = widen(outputs)
    return outputs, targets.astype(outputs.dtype)
