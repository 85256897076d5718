"""Standardize columns, with statistics of one split, or examples, over their own features."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fnnet.errors import InputError


class Scaling(NamedTuple):
    """The standardization `(x - mean) * inverse_std` of each column, with `inverse_std` 0 for constant columns."""

    mean: tuple[float, ...]
    inverse_std: tuple[float, ...]


def fit_scaling(kind: str, values: Float[np.ndarray, "n columns"], keep: np.ndarray | None = None) -> Scaling:
    """Compute the mean and the (population) standard deviation of each column, in float64.

    Args:
        kind: "feature" or "target", for error messages.
        values: the training split.
        keep: whether to leave each column unscaled, as one-hot features are; by default all are scaled.

    Raises:
        InputError: if the variance of a column overflows or underflows.

    Example:
        >>> fit_scaling("feature", np.array([[1.0, 5.0], [3.0, 5.0]]))
        Scaling(mean=(2.0, 5.0), inverse_std=(1.0, 0.0))
    """
    # By the range, since a constant such as 0.1 deviates slightly from its rounded mean.
    constant = values.max(axis=0) == values.min(axis=0)
    with np.errstate(all="ignore"):
        mean = values.mean(axis=0, dtype=np.float64)
        std = values.std(axis=0, dtype=np.float64)
        inverse_std = np.where(constant, 0.0, 1 / std)
    usable = np.isfinite(mean) & np.isfinite(std) & np.isfinite(inverse_std)
    if not usable.all():
        column = int(np.argmin(usable))
        raise InputError(
            f"{kind} {column} cannot be standardized: its values are too large or too close together"
        )
    if keep is not None:
        mean, inverse_std = np.where(keep, 0.0, mean), np.where(keep, 1.0, inverse_std)
    return Scaling(tuple(mean.tolist()), tuple(inverse_std.tolist()))


def apply_scaling(
    scaling: Scaling, values: Float[np.ndarray, "n columns"], dtype: np.dtype | None = None
) -> Float[np.ndarray, "n columns"]:
    """Standardize values in float64.

    Args:
        scaling: the scaling fitted on the training split.
        values: any split.
        dtype: the dtype of the result, by default that of `values`. The cast comes last, since float32 cannot
            distinguish numbers that are close together and far from 0.

    Raises:
        InputError: if a scaled value overflows.

    Example:
        >>> scaling = fit_scaling("feature", np.array([[1.0, 5.0], [3.0, 5.0]]))
        >>> apply_scaling(scaling, np.array([[4.0, 6.0]])).tolist()
        [[2.0, 0.0]]
    """
    with np.errstate(all="ignore"):
        scaled = (values - np.array(scaling.mean)) * np.array(scaling.inverse_std)
        scaled = scaled.astype(values.dtype if dtype is None else dtype)
    if not np.isfinite(scaled).all():
        column = int(np.argwhere(~np.isfinite(scaled))[0, 1])
        raise InputError(f"column {column} has values too far from the training split to be standardized")
    return scaled


def standardize_examples(values: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n features"]:
    """Scale each example to mean 0 and (population) standard deviation 1 over its own features.

    Args:
        values: the inputs of any split.

    Returns:
        The scaled values, with the same dtype.

    Raises:
        InputError: if all features of an example are equal.

    Example:
        >>> standardize_examples(np.array([[1.0, 3.0], [5.0, -5.0]])).tolist()
        [[-1.0, 1.0], [1.0, -1.0]]
    """
    is_constant = values.max(axis=1) == values.min(axis=1)
    if is_constant.any():
        row = int(np.argmax(is_constant))
        raise InputError(
            f"example {row} (the first is 0) cannot be standardized: all its features are {values[row, 0]}"
        )
    return (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
