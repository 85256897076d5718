"""Assign examples to the training, validation and test splits."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, check_integer


class Rows(NamedTuple):
    """The row numbers of each split; the splits are disjoint."""

    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]
    test: Int[np.ndarray, " test"]


def split_rows(
    num_examples: int,
    *,
    test_fraction: float,
    validation_fraction: float,
    num_train: int | None,
    seed: int | None,
) -> Rows:
    """Split shuffled row numbers into test, validation and training, in this order.

    The test split therefore does not depend on the sizes of the others. Sizes are rounded.

    Args:
        num_examples: the number of rows.
        test_fraction: fraction of all rows for testing, in [0, 1); 0 with an official test split.
        validation_fraction: fraction of the remaining rows for validation, in [0, 1).
        num_train: the number of training rows to keep; None for all.
        seed: seed of the shuffle; None keeps the order.

    Raises:
        InputError: if a requested split is empty, or fewer than `num_train` rows are left.

    Example:
        >>> rows = split_rows(10, test_fraction=0.2, validation_fraction=0.25, num_train=5, seed=0)
        >>> [len(split) for split in rows]
        [5, 2, 2]
    """
    num_test = _split_size("test_fraction", test_fraction, num_examples)
    remaining = num_examples - num_test
    num_validation = _split_size("validation_fraction", validation_fraction, remaining)
    available = remaining - num_validation
    if num_train is not None:
        check_integer("num_train", num_train)
        if num_train > available:
            raise InputError(
                f"num_train must be at most {available}, the size of the training split, got {num_train}"
            )
    order = np.arange(num_examples) if seed is None else np.random.default_rng(seed).permutation(num_examples)
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    return Rows(train[:num_train], validation, test)


def check_fraction(field: str, value: object, zero: bool = False) -> None:
    """Check that a value is a number in (0, 1), or in [0, 1) if `zero` is allowed.

    Raises:
        InputError: naming `field` and the value.

    Example:
        >>> check_fraction("validation_fraction", 0.0, zero=True)
    """
    is_fraction = (
        isinstance(value, int | float | np.floating)
        and not isinstance(value, bool)
        and (0 < value < 1 or (zero and value == 0))
    )
    if not is_fraction:
        raise InputError(f"{field} must be a number in {'[' if zero else '('}0, 1), got {value!r}")


def _split_size(field: str, fraction: float, num_examples: int) -> int:
    """Return the size of a split, which must leave no split empty unless the fraction is 0."""
    size = round(fraction * num_examples)
    if (fraction > 0 and size == 0) or size >= num_examples:
        raise InputError(
            f"{field}={fraction} of {num_examples} examples gives {size}, which leaves a split empty; "
            "use another fraction or more examples"
        )
    return size
