"""Data sets from arrays: checked, split, scaled and read-only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fnnet.data.arrays import (
    ArrayLike,
    check_distinct,
    exact_dtype,
    own_dtype,
    to_array,
    to_feature_names,
    to_inputs,
    to_targets,
)
from fnnet.data.dataset import Dataset, Examples, Origin
from fnnet.data.preprocessing import Column, Preprocessing, is_one_hot, name_features
from fnnet.data.scaling import Scaling, apply_scaling, fit_scaling
from fnnet.data.split import Rows, check_fraction, split_rows
from fnnet.errors import InputError, check_integer


def from_arrays(
    inputs: ArrayLike,
    targets: ArrayLike,
    *,
    name: str = "arrays",
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    num_train: int | None = None,
    split_seed: int | None = 0,
    standardize: bool = False,
    test: Sequence[ArrayLike] | None = None,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Build a data set from arrays: check, shuffle, split, and standardize if asked to.

    For a tuple `((x, y), (x_test, y_test))`, call `from_arrays(x, y, test=(x_test, y_test))`; for a dict of arrays,
    `from_arrays(d["x"], d["y"])`, or `from_arrays(**d)` if its keys are the argument names.

    The training split is shuffled, also where `test` is given, so that its first examples are a
    fair sample of it. The test split depends on `split_seed` and `test_fraction` alone, and a smaller
    `num_train` keeps a part of what a larger one keeps.

    Args:
        inputs: `[n, features]` finite numbers. float64 is kept, other types become float32.
        targets: `[n]` classes, integers 0 to k-1 or strings; or `[n]` or `[n, outputs]` finite floats for
            regression, which take the dtype of the inputs.
        name: a label for tables and plots.
        test_fraction: part of all examples that becomes the test split, in (0, 1); unused with `test`.
        validation_fraction: part of the remaining examples that becomes the validation split, in [0, 1).
        num_train: keep only this many examples of the training split.
        split_seed: seed of the shuffling; None leaves all in the order given, the test split first where none is
            official, then that for validation.
        standardize: bring each feature, and each target of a regression, to mean 0 and standard deviation
            1 over the training split, in float64; a feature that is constant there becomes 0. Errors such as the
            RMSE are then in units of the training split's standard deviation.
        test: inputs and targets of an official test split, kept as it is; then all of `inputs` is for
            training and validation.
        feature_names: one for each feature; "feature_0", "feature_1", ... by default.
        class_names: one for each class; by default the sorted strings, or the numbers.

    Returns:
        The data set. It has its own arrays, and they are read-only, so its hash stays true.

    Raises:
        InputError: when an array has the wrong shape or type, or holds a value that cannot be used (with
            its row); when an argument is out of range; when there is one class; when a split would be empty; when
            float32 cannot tell the values of a feature apart.

    Example:
        >>> data = from_arrays([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0]], list("abbab"))
        >>> data.num_features, data.class_names, data.train.num_examples, data.test.num_examples
        (2, ('a', 'b'), 4, 1)
    """
    check_split_options(test_fraction, validation_fraction, split_seed)
    if test is not None and len(test) != 2:
        raise InputError(f"test must be a pair (inputs, targets), got {len(test)} things")
    given = {"": (inputs, targets)} if test is None else {"": (inputs, targets), "test_": test}
    arrays = {f"{prefix}inputs": to_array(f"{prefix}inputs", pair[0]) for prefix, pair in given.items()}
    dtype = own_dtype(arrays["inputs"])
    checked = [_checked(name, array, dtype, standardize) for name, array in arrays.items()]
    if len({x.shape[1] for x in checked}) > 1:
        raise InputError(f"inputs has {checked[0].shape[1]} features, test_inputs has {checked[1].shape[1]}")
    exact = np.dtype(np.float64) if standardize else dtype
    numbers, classes = to_targets({f"{p}targets": pair[1] for p, pair in given.items()}, class_names, exact)
    for prefix, x, y in zip(given, checked, numbers, strict=True):
        if len(x) != len(y):
            raise InputError(f"{prefix}inputs has {len(x)} examples, {prefix}targets has {len(y)}")
    rows = split_rows(
        len(checked[0]),
        test_fraction=0.0 if test is not None else test_fraction,
        validation_fraction=validation_fraction,
        num_train=num_train,
        seed=split_seed,
    )
    names = to_feature_names(feature_names, checked[0].shape[1])
    return assemble(
        Examples(checked[0], numbers[0]),
        rows,
        Preprocessing(tuple(map(Column, names))),
        test=None if test is None else Examples(checked[1], numbers[1]),
        dtype=dtype,
        standardize=standardize,
        name=name,
        class_names=classes,
    )


def check_split_options(test_fraction: Any, validation_fraction: Any, split_seed: Any) -> None:
    """Refuse fractions and seeds that say nothing, before any data are read."""
    check_fraction("test_fraction", test_fraction)
    check_fraction("validation_fraction", validation_fraction, zero=True)
    if split_seed is not None:
        check_integer("split_seed", split_seed, minimum=0)


def assemble(
    examples: Examples,
    rows: Rows,
    preprocessing: Preprocessing,
    *,
    test: Examples | None,
    dtype: np.dtype,
    standardize: bool,
    name: str,
    class_names: tuple[str, ...],
    origin: Origin | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Split and scale checked examples, and make them read-only.

    Args:
        examples: the examples to split, in a dtype that holds them exactly.
        rows: the rows of each split.
        preprocessing: of the features, without scaling.
        test: an official test split, or None.
        dtype: the dtype to train in; the cast to it comes last.
        standardize: whether to fit a scaling on the training split.
        name: as in `Dataset`, as are the rest.
        class_names: empty for regression.
        origin: where the data came from.
        notes: readable notes on what was done.

    Returns:
        The data set.
    """
    splits = {
        "train": _take(examples, rows.train),
        "test": _take(examples, rows.test) if test is None else test,
        "validation": _take(examples, rows.validation) if len(rows.validation) else None,
    }
    train = splits["train"]
    assert train is not None
    if standardize:
        one_hot = is_one_hot(preprocessing.columns)
        preprocessing = preprocessing._replace(
            input_scaling=fit_scaling("feature", train.inputs, keep=one_hot),
            target_scaling=None if class_names else fit_scaling("target", train.targets),
        )
    else:
        check_distinct("feature", train.inputs, dtype)

    def finish(values: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        # Copies, also of an official test split: the caller's arrays may change after they were hashed.
        return values.astype(dtype) if scaling is None else apply_scaling(scaling, values, dtype)

    scaled = {
        split: Examples(
            finish(part.inputs, preprocessing.input_scaling),
            part.targets.copy() if class_names else finish(part.targets, preprocessing.target_scaling),
        )
        for split, part in splits.items()
        if part is not None
    }
    return _freeze(
        scaled,
        name=name,
        feature_names=name_features(preprocessing.columns),
        class_names=class_names,
        preprocessing=preprocessing,
        origin=origin,
        notes=notes,
    )


def _checked(name: str, array: np.ndarray, dtype: np.dtype, standardize: bool) -> np.ndarray:
    """Check inputs, and keep them exact for the scaling and the check of the cast to come."""
    exact = exact_dtype(array)
    checked = to_inputs(name, array, exact)
    if not standardize and exact != dtype and np.can_cast(dtype, exact):
        to_inputs(name, checked, dtype)
    return checked


def _take(examples: Examples, rows: np.ndarray) -> Examples:
    return Examples(examples.inputs[rows], examples.targets[rows])


def _freeze(splits: dict[str, Examples], **static: Any) -> Dataset:
    """Make the arrays read-only."""
    frozen = {name: Examples(*map(np.ascontiguousarray, examples)) for name, examples in splits.items()}
    for examples in frozen.values():
        for array in examples:
            array.setflags(write=False)
    return Dataset(train=frozen["train"], test=frozen["test"], validation=frozen.get("validation"), **static)
