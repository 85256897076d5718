"""Which example goes into which split."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, check_integer


class Rows(NamedTuple):
    """The row numbers of each split. No row is in two of them."""

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
    """Deal shuffled row numbers out to test, then validation, then training.

    In this order the test split does not depend on the size of the others. Sizes are rounded.

    Args:
        num_examples: rows to deal out.
        test_fraction: part of all rows for testing, in [0, 1); 0 where there is an official test split.
        validation_fraction: part of the remaining rows for validation, in [0, 1).
        num_train: rows to keep of those left for training; None for all.
        seed: of the shuffling; None deals the rows out in their order.

    Returns:
        The rows of each split.

    Raises:
        InputError: when a split that was asked for would be empty, or fewer than `num_train` are left.

    Example:
        >>> rows = split_rows(10, test_fraction=0.2, validation_fraction=0.25, num_train=5, seed=0)
        >>> [len(split) for split in rows]
        [5, 2, 2]
    """
    num_test = _part("test_fraction", test_fraction, num_examples)
    remaining = num_examples - num_test
    num_validation = _part("validation_fraction", validation_fraction, remaining)
    available = remaining - num_validation
    if num_train is not None:
        check_integer("num_train", num_train)
        if num_train > available:
            raise InputError(f"num_train is {num_train}, but the training split has {available} examples")
    order = np.arange(num_examples) if seed is None else np.random.default_rng(seed).permutation(num_examples)
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    return Rows(train[:num_train], validation, test)


def check_fraction(field: str, value: Any, zero: bool = False) -> None:
    """Refuse what is not a part of a whole.

    Args:
        field: what the fraction is called.
        value: what came.
        zero: whether 0 is allowed.

    Raises:
        InputError: when `value` is not a number in (0, 1), or in [0, 1) where zero is allowed.

    Example:
        >>> check_fraction("validation_fraction", 0.0, zero=True)
    """
    is_number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
    if not (is_number and (0 < value < 1 or (zero and value == 0))):
        raise InputError(f"{field} must be a number in {'[' if zero else '('}0, 1), got {value!r}")


def _part(field: str, fraction: float, whole: int) -> int:
    """Return the size of a part, which is 0 only for a fraction of 0 and never the whole."""
    size = round(fraction * whole)
    if (fraction > 0 and size == 0) or size >= whole:
        raise InputError(
            f"{field}={fraction} of {whole} examples gives {size}, which leaves a split empty; "
            "use another fraction or more examples"
        )
    return size
