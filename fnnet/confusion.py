"""Confusion: how often each class is predicted as each other, and the precision and recall of each class."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer

from fnnet.errors import InputError
from fnnet.precision import widen


def confusion_matrix(
    outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]
) -> Int[Array, "classes classes"]:
    """Count the examples of each class by predicted class.

    Args:
        outputs: logits or probabilities. Rows that are not finite are not counted.
        targets: classes. Examples of a class without an output are not counted.

    Returns:
        In row i and column j, the number of examples of true class i and predicted class j.

    Example:
        >>> outputs = jnp.array([[3.0, 0.0], [2.0, 1.0], [0.0, 1.0], [jnp.nan, 0.0]])
        >>> confusion_matrix(outputs, jnp.array([0, 1, 1, 1])).tolist()
        [[1, 0], [1, 1]]
    """
    outputs, targets = check_classes(outputs, targets)
    num_classes = outputs.shape[-1]
    predicted = jnp.argmax(outputs, axis=-1).astype(targets.dtype)
    counts = jnp.zeros((num_classes, num_classes), jnp.int32)
    is_counted = is_finite(outputs) & is_class(targets, num_classes)
    return counts.at[targets, predicted].add(is_counted.astype(jnp.int32))


def precision(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, " classes"]:
    """Compute the precision of each class: TP / (TP + FP).

    Args:
        outputs: logits or probabilities.
        targets: classes.

    Returns:
        The precisions, in [0, 1]; NaN for a class that is never predicted.

    Example:
        >>> precision(jnp.array([[3.0, 0.0], [2.0, 1.0], [0.0, 1.0]]), jnp.array([0, 1, 1])).tolist()
        [0.5, 1.0]
    """
    right, predicted, _ = _class_counts(outputs, targets)
    return right / predicted


def recall(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, " classes"]:
    """Compute the recall of each class: TP / (TP + FN).

    The arguments are those of `precision`.

    Returns:
        The recalls, in [0, 1]; NaN for a class without examples.

    Example:
        >>> recall(jnp.array([[3.0, 0.0], [2.0, 1.0], [0.0, 1.0]]), jnp.array([0, 1, 1])).tolist()
        [1.0, 0.5]
    """
    right, _, actual = _class_counts(outputs, targets)
    return right / actual


def f1(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, " classes"]:
    """Compute for each class the harmonic mean of precision and recall.

    The arguments are those of `precision`.

    Returns:
        `2 TP / (2 TP + FP + FN)`, in [0, 1]; NaN for a class that has no examples and is never predicted.

    Example:
        >>> found = f1(jnp.array([[3.0, 0.0], [2.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), jnp.array([0, 1, 1, 0]))
        >>> [round(float(value), 2) for value in found]
        [0.8, 0.67]
    """
    right, predicted, actual = _class_counts(outputs, targets)
    return 2 * right / (predicted + actual)


def macro_f1(outputs: Float[Array, "n classes"], targets: Integer[Array, " n"]) -> Float[Array, ""]:
    """Compute the mean of `f1` over classes, each with the same weight however rare it is.

    The arguments are those of `precision`. A class that has no examples and is never predicted is left out.

    Returns:
        The mean, in [0, 1].

    Example:
        >>> outputs = jnp.array([[3.0, 0.0], [2.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
        >>> round(float(macro_f1(outputs, jnp.array([0, 1, 1, 0]))), 4)  # (4/5 + 2/3) / 2
        0.7333
    """
    return jnp.nanmean(f1(outputs, targets))


def check_classes(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Check the shapes of logits and classes; return both in at least 32 bits."""
    if targets.shape != outputs.shape[:1] or not jnp.issubdtype(targets.dtype, jnp.integer):
        raise InputError(
            f"a metric of classes takes integer targets of shape {outputs.shape[:1]}, "
            f"got {targets.dtype} {targets.shape}"
        )
    return widen(outputs), widen(targets)


def is_finite(outputs: Array) -> Array:
    """Return a mask `[n]` of the rows that are finite."""
    return jnp.all(jnp.isfinite(outputs), axis=-1)


def is_class(targets: Array, num_classes: int) -> Array:
    """Return a mask `[n]` of the targets that are classes."""
    return (targets >= 0) & (targets < num_classes)


def _class_counts(outputs: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Count the true positives, the predictions and the examples of each class."""
    outputs, targets = check_classes(outputs, targets)
    confusion = confusion_matrix(outputs, targets)
    is_counted = is_class(targets, outputs.shape[-1]).astype(jnp.int32)
    actual = jnp.zeros(outputs.shape[-1], jnp.int32).at[targets].add(is_counted)
    counts = jnp.diagonal(confusion), jnp.sum(confusion, axis=0), actual
    right, predicted, actual = (count.astype(outputs.dtype) for count in counts)
    return right, predicted, actual
