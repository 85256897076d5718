"""Losses of one example; see `mean_loss` for batches.

`loss(output, target)` takes one output `[outputs]`. The target is an array of the same shape or an integer class, which
stands for its one-hot vector; the loss of a class that has no output is NaN. Papers differ by factors of 2 and of the
number of outputs, which rescale the learning rate, so each docstring states its sum or mean.

The losses of this module also take a batch with the examples last, outputs `[outputs, n]` and classes `[n]` or targets
`[outputs, n]`, and return `[n]`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from fnnet.errors import InputError
from fnnet.names import named
from fnnet.precision import widen

Loss = Callable[[Array, Array], Array]
Target = Shaped[Array, "..."]  # of the output's shape, or an integer class


def quadratic(output: Float[Array, "outputs *n"], target: Target) -> Float[Array, "*n"]:
    """Compute `1/2 sum_k (output_k - target_k)^2`: half the sum over outputs.

    Args:
        output: one output `[outputs]`.
        target: a vector of the same shape, or a class.

    Returns:
        The loss; its gradient with respect to the output is `output - target`.

    Raises:
        InputError: while tracing, when the shapes do not fit.

    Example:
        >>> float(quadratic(jnp.array([10.0]), jnp.array([6.0])))
        8.0
    """
    return jnp.sum(jnp.square(output - _as_vector(target, output)), axis=0) / 2


def mse(output: Float[Array, "outputs *n"], target: Target) -> Float[Array, "*n"]:
    """Compute `mean_k (output_k - target_k)^2`: the mean over outputs, without the 1/2.

    Arguments and errors are those of `quadratic`, and the loss is `2 / outputs` times `quadratic`.

    Example:
        >>> float(mse(jnp.array([10.0, 6.0]), jnp.array([6.0, 6.0])))
        8.0
    """
    return jnp.mean(jnp.square(output - _as_vector(target, output)), axis=0)


def half_mse(output: Float[Array, "outputs *n"], target: Target) -> Float[Array, "*n"]:
    """Compute `1/2 mean_k (output_k - target_k)^2`: half the mean over outputs.

    Arguments and errors are those of `quadratic`, and the loss is `1 / outputs` times `quadratic`.

    Example:
        >>> float(half_mse(jnp.array([10.0, 6.0]), jnp.array([6.0, 6.0])))
        4.0
    """
    return mse(output, target) / 2


def cross_entropy(
    logits: Float[Array, "classes *n"], target: Target, label_smoothing: float = 0.0
) -> Float[Array, "*n"]:
    """Compute `-sum_k p_k log softmax(logits)_k` in nats.

    Args:
        logits: one output `[classes]` before softmax. float16 and bfloat16 are cast to float32.
        target: a class, or the probabilities p `[classes]`.
        label_smoothing: the share of p that is spread evenly over all classes (Szegedy et al. 2016).

    Returns:
        The loss. A class with p = 0 contributes 0 for any logits.

    Raises:
        InputError: while tracing, when the shapes do not fit.

    Example:
        >>> round(float(cross_entropy(jnp.zeros(4), jnp.array(1))), 4)  # log 4
        1.3863
    """
    logits = widen(logits)
    probabilities = _as_vector(target, logits)
    probabilities = (1 - label_smoothing) * probabilities + label_smoothing / logits.shape[0]
    log_softmax = jax.nn.log_softmax(logits, axis=0)
    # A class of probability 0 may have a log-probability of -inf, and 0 * -inf is NaN.
    return -jnp.sum(jnp.where(probabilities == 0, 0, probabilities * log_softmax), axis=0)


def binary_cross_entropy(logits: Float[Array, "outputs *n"], target: Target) -> Float[Array, "*n"]:
    """Compute `-sum_k p_k log sigmoid(z_k) + (1 - p_k) log sigmoid(-z_k)` in nats, summed over outputs.

    Args:
        logits: one output `[outputs]`, the logits of independent events.
        target: the events' probabilities `[outputs]`, or a class.

    Returns:
        The loss, finite for all finite logits.

    Raises:
        InputError: while tracing, when the shapes do not fit.

    Example:
        >>> round(float(binary_cross_entropy(jnp.array([0.0]), jnp.array([1.0]))), 4)  # log 2
        0.6931
    """
    probabilities = _as_vector(target, logits)
    return jnp.sum(jax.nn.softplus(logits) - probabilities * logits, axis=0)


LOSSES: dict[str, Loss] = named(quadratic, mse, half_mse, cross_entropy, binary_cross_entropy)
"""All losses by name."""


def mean_loss(loss: Loss, outputs: Array, targets: Any) -> Float[Array, ""]:
    """Average a loss over a batch.

    Args:
        loss: a function of one output and one target.
        outputs: `[n, outputs]`; float16 and bfloat16 are cast to float32.
        targets: classes `[n]`, or `[n, outputs]`.
    """
    return jnp.mean(each_loss(loss, outputs, targets))


def each_loss(loss: Loss, outputs: Array, targets: Any) -> Float[Array, " n"]:
    """Compute the loss of each example of a batch; the arguments are those of `mean_loss`.

    Example:
        >>> each_loss(quadratic, jnp.array([[1.0], [4.0]]), jnp.array([[1.0], [0.0]])).tolist()
        [0.0, 8.0]
    """
    outputs = widen(outputs)
    if loss not in LOSSES.values():
        return jax.vmap(loss)(outputs, targets)
    targets = jnp.asarray(targets)
    # With the examples last, as networks compute them, sums over outputs are long vector operations.
    if targets.shape == outputs.shape:
        return loss(_examples_last(outputs), _examples_last(targets))
    if outputs.ndim != 2 or targets.ndim != 1 or not jnp.issubdtype(targets.dtype, jnp.integer):
        raise _misfit(outputs.shape[1:], targets.dtype, targets.shape[1:])
    return loss(_examples_last(outputs), targets)


def one_hot(classes: Array, num_classes: int, dtype: DTypeLike, axis: int = -1) -> Array:
    """Return the one-hot vectors of integers `[...]` along a new axis; NaN for one outside `[0, num_classes)`.

    Example:
        >>> one_hot(jnp.array([1, 3]), 3, jnp.float32).tolist()
        [[0.0, 1.0, 0.0], [nan, nan, nan]]
    """
    classes = widen(classes)
    is_known = (classes >= 0) & (classes < num_classes)
    vectors = jax.nn.one_hot(classes, num_classes, dtype=dtype, axis=axis)
    return jnp.where(jnp.expand_dims(is_known, axis), vectors, jnp.nan)


def _as_vector(target: Array, output: Array) -> Array:
    """Return the one-hot vector of a class, or a vector cast to the output's dtype."""
    if jnp.issubdtype(target.dtype, jnp.integer) and target.shape == output.shape[1:] and output.ndim:
        return one_hot(target, output.shape[0], output.dtype, axis=0)
    if target.shape != output.shape:
        raise _misfit(output.shape, target.dtype, target.shape)
    return target.astype(output.dtype)


def _misfit(shape: tuple[int, ...], dtype: Any, target_shape: tuple[int, ...]) -> InputError:
    return InputError(
        f"target must be an integer class or have the output's shape {shape}, got {dtype} {target_shape}"
    )


def _examples_last(batch: Array) -> Array:
    """Flatten each example of a batch `[n, ...]`, and return the transpose."""
    return batch.reshape(len(batch), -1).T
