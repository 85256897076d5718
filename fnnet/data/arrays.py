"""Validation of inputs and targets of any array type, and their conversion to the dtypes that fnnet uses."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from fnnet.errors import InputError

ArrayLike = Any
"""Anything that `numpy.asarray` accepts: a NumPy or JAX array, a list of lists, a column of a table."""


class Arrays(NamedTuple):
    """The arrays of a data source, as arguments of `from_arrays`."""

    inputs: ArrayLike
    targets: ArrayLike
    test: Sequence[ArrayLike] | None = None
    feature_names: Sequence[str] | None = None
    class_names: Sequence[str] | None = None


def to_inputs(
    name: str, values: ArrayLike, dtype: np.dtype | None = None, *, gaps: bool = False
) -> Float[np.ndarray, "n features"]:
    """Check the inputs of a network and convert them to floats.

    Args:
        name: the name of the argument, for error messages.
        values: `[n, features]` finite numbers.
        dtype: the dtype of the result; None keeps float64 and converts all else to float32.
        gaps: whether NaN is allowed, as a missing value.

    Returns:
        The inputs, copied only if they change.

    Raises:
        InputError: if the inputs have the wrong shape or type, are empty, or are not finite.

    Example:
        >>> to_inputs("inputs", [[1, 2], [3, 4]]).dtype
        dtype('float32')
    """
    array = to_array(name, values)
    if array.ndim != 2:
        raise InputError(
            f"{name} must have the shape [examples, features], got {list(array.shape)}; "
            "flatten images with x.reshape(len(x), -1), or make a single feature a column with x.reshape(-1, 1)"
        )
    check_not_empty(name, array)
    return _to_floats(name, array, own_dtype(array) if dtype is None else dtype, gaps)


def flatten(array: np.ndarray) -> np.ndarray:
    """Flatten each example, such as an image, to one row.

    Example:
        >>> flatten(np.zeros((5, 3, 4))).shape
        (5, 12)
    """
    return array.reshape(len(array), -1) if array.ndim > 2 and array.size else array


def own_dtype(array: np.ndarray) -> np.dtype:
    """Return the dtype to train in: float64 for float64 inputs, otherwise float32."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def exact_dtype(array: np.ndarray) -> np.dtype:
    """Return float32 if it represents every value of the array's dtype, otherwise float64.

    Example:
        >>> exact_dtype(np.zeros(3, np.uint8)), exact_dtype(np.zeros(3, np.int64))
        (dtype('float32'), dtype('float64'))
    """
    exact = np.can_cast(array.dtype, np.float32, "safe")
    return np.dtype(np.float32 if exact else np.float64)


def check_distinct(name: str, values: Float[np.ndarray, "n columns"], dtype: np.dtype) -> None:
    """Check that a cast keeps the values of each column distinct.

    Args:
        name: what a column is called in error messages.
        values: the numbers in their original dtype.
        dtype: the dtype of the cast.

    Raises:
        InputError: if the rounding error exceeds 1 % of a column's standard deviation.

    Example:
        >>> check_distinct("feature", 1_700_000_000.0 + np.arange(60.0).reshape(-1, 1), np.dtype(np.float32))
        Traceback (most recent call last):
        fnnet.errors.InputError: feature 0 has values that float32 cannot tell apart (mean 1.7e+09, standard deviation 17.3); standardize, or subtract an offset first
    """
    if values.dtype == dtype or len(values) < 2:
        return
    with np.errstate(all="ignore"):
        error = np.sqrt(np.mean(np.square(values - values.astype(dtype)), axis=0, dtype=np.float64))
        lost = error > 0.01 * values.std(axis=0, dtype=np.float64)
    if lost.any():
        column = int(np.argmax(lost))
        mean, std = values[:, column].mean(dtype=np.float64), values[:, column].std(dtype=np.float64)
        raise InputError(
            f"{name} {column} has values that {dtype} cannot tell apart (mean {mean:.6g}, standard deviation "
            f"{std:.3g}); standardize, or subtract an offset first"
        )


def to_targets(
    named_values: Mapping[str, ArrayLike], class_names: Sequence[str] | None, dtype: np.dtype
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Check the targets of all splits, which share their classes, and convert them.

    Args:
        named_values: the targets by argument name.
        class_names: the name of each class, or None to infer them from the targets.
        dtype: the dtype of regression targets.

    Returns:
        Classes `[n]` int32 and their names; or numbers `[n, outputs]` and no names.

    Raises:
        InputError: if targets have the wrong shape or type or are empty, if a number is not finite, or if a class is
            not one of 0 to k-1.

    Example:
        >>> to_targets({"targets": ["no", "yes", "no"]}, None, np.dtype(np.float32))
        ([array([0, 1, 0], dtype=int32)], ('no', 'yes'))
    """
    arrays = {name: to_array(name, values) for name, values in named_values.items()}
    kinds = {_kind(name, array) for name, array in arrays.items()}
    if len(kinds) > 1:
        raise InputError(f"{' and '.join(arrays)} must be of one kind, got {' and '.join(sorted(kinds))}")
    if kinds == {"numbers"}:
        return _to_regression(arrays, class_names, dtype), ()
    for name, array in arrays.items():
        if array.ndim != 1:
            raise InputError(
                f"{name} must have the shape [examples] for classes, got {list(array.shape)}; "
                "use y.argmax(1) for one-hot classes, y.reshape(-1) for a column, floats for regression"
            )
    given = None if class_names is None else tuple(map(str, class_names))
    if given is not None and (not given or len(set(given)) < len(given)):
        raise InputError(f"class_names must be distinct and not empty, got {given}")
    convert = _from_strings if kinds == {"strings"} else _from_integers
    classes, names = convert(arrays, given)
    check_num_classes(" and ".join(arrays), names)
    return classes, names


def check_num_classes(name: str, class_names: Sequence[str]) -> None:
    """Check that targets have at least two classes."""
    if len(class_names) == 1:
        raise InputError(f"{name} must have two classes or more, got only {class_names[0]!r}")


def to_feature_names(names: Sequence[str] | None, num_features: int) -> tuple[str, ...]:
    """Check that there is one name per feature, or generate names for None.

    Raises:
        InputError: if the number of names is wrong.

    Example:
        >>> to_feature_names(None, 2)
        ('feature_0', 'feature_1')
    """
    if names is None:
        return tuple(f"feature_{i}" for i in range(num_features))
    if len(names) != num_features:
        raise InputError(f"feature_names has {len(names)} names for {num_features} features")
    return tuple(map(str, names))


def to_array(name: str, values: ArrayLike) -> np.ndarray:
    """Convert to a NumPy array; an object array of strings becomes a string array."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} is not an array: {error}") from error
    if array.dtype.kind == "O" and array.size and all(isinstance(value, str) for value in array.flat):
        return array.astype(str)
    return array


def check_not_empty(name: str, array: np.ndarray) -> None:
    """Check that an array has values."""
    if array.size == 0:
        raise InputError(f"{name} is empty: its shape is {list(array.shape)}")


def _to_floats(name: str, array: np.ndarray, dtype: np.dtype, gaps: bool = False) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        is_short = "float" in array.dtype.name  # bfloat16 and smaller, which NumPy itself does not know
        hint = "; training is in float32, so pass x.astype(np.float32)" if is_short else ""
        raise InputError(f"{name} must be real numbers, got dtype {array.dtype}{hint}")
    with np.errstate(over="ignore"):  # overflow gives infinity, which is reported below
        floats = array.astype(dtype, copy=False)
    finite = np.isfinite(floats) | np.isnan(floats) if gaps else np.isfinite(floats)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise InputError(
            f"{name} must be finite in {dtype}, got {array[row, column]} in row {row}, column {column} "
            "(the first is 0)"
        )
    return floats


_KINDS = {"b": "integers", "i": "integers", "u": "integers", "f": "numbers", "U": "strings", "T": "strings"}


def _kind(name: str, array: np.ndarray) -> str:
    check_not_empty(name, array)
    if array.dtype.kind not in _KINDS:
        raise InputError(
            f"{name} must be integers or strings for classes, or floats for regression, "
            f"got dtype {array.dtype}"
        )
    return _KINDS[array.dtype.kind]


def _to_regression(
    arrays: Mapping[str, np.ndarray], class_names: Sequence[str] | None, dtype: np.dtype
) -> list[np.ndarray]:
    if class_names:
        raise InputError(
            f"class_names is for classification, got floats in {' and '.join(arrays)}; pass integers or strings"
        )
    columns = {name: y.reshape(-1, 1) if y.ndim == 1 else y for name, y in arrays.items()}
    for name, y in columns.items():
        if y.ndim != 2:
            raise InputError(f"{name} must have the shape [examples, outputs], got {list(y.shape)}")
    if len({y.shape[1] for y in columns.values()}) > 1:
        raise InputError(" and ".join(f"{name} has {y.shape[1]} outputs" for name, y in columns.items()))
    return [_to_floats(name, y, dtype) for name, y in columns.items()]


def _from_strings(
    arrays: Mapping[str, np.ndarray], classes: tuple[str, ...] | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    if classes is None:
        classes = tuple(sorted(set().union(*(y.tolist() for y in arrays.values()))))
    number = {name: i for i, name in enumerate(classes)}
    for name, y in arrays.items():
        known = np.isin(y, classes)
        if not known.all():
            row = int(np.argmin(known))
            raise InputError(f"{name} has the class {str(y[row])!r} in row {row}, not one of {classes}")
    return [np.array([number[label] for label in y.tolist()], np.int32) for y in arrays.values()], classes


def _from_integers(
    arrays: Mapping[str, np.ndarray], classes: tuple[str, ...] | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    if classes is None:
        values = np.unique(np.concatenate(list(arrays.values())))
        classes = tuple(map(str, range(len(values))))
    num_classes = len(classes)
    for name, y in arrays.items():
        inside = (y >= 0) & (y < num_classes)
        if not inside.all():
            row = int(np.argmin(inside))
            raise InputError(
                f"{name} has the class {y[row]} in row {row} (the first is 0), but its {num_classes} classes "
                f"must be the integers 0 to {num_classes - 1}; renumber them with "
                "numpy.unique(y, return_inverse=True), or use floats for regression"
            )
    return [y.astype(np.int32) for y in arrays.values()], classes
