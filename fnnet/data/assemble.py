"""Build data sets from arrays: check, split, scale and freeze."""

from collections.abc import Mapping, Sequence

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
from fnnet.data.dataset import Dataset, Examples
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
    """Build a data set from arrays: check, shuffle, split and optionally standardize.

    The training split is shuffled even if `test` is given, so its first examples are a fair sample. The test split
    depends only on `split_seed` and `test_fraction`, and a smaller `num_train` selects a subset of a larger one.

    Args:
        inputs: `[n, features]` finite numbers. float64 is kept; other dtypes become float32.
        targets: `[n]` classes, integers 0 to k-1 or strings; or `[n]` or `[n, outputs]` finite floats for
            regression, which take the dtype of the inputs.
        name: a label for tables and plots.
        test_fraction: fraction of all examples in the test split, in (0, 1); unused with `test`.
        validation_fraction: fraction of the remaining examples in the validation split, in [0, 1).
        num_train: keep only this many examples of the training split.
        split_seed: seed of the shuffle; None keeps the given order, first test (unless given), then validation.
        standardize: scale each feature, and each regression target, to mean 0 and standard deviation 1 over the
            training split, in float64; constant features become 0. Errors such as the RMSE are then in units of the
            training split's standard deviation.
        test: inputs and targets of an official test split; `inputs` is then split into training and validation.
        feature_names: one name per feature; "feature_0", "feature_1", ... by default.
        class_names: one name per class; the sorted strings, or the integers, by default.

    Returns:
        The data set. Its arrays are read-only copies, so its hash stays valid.

    Raises:
        InputError: if an array has the wrong shape, type or values (naming the row), an argument is out of range,
            there is only one class, a split is empty, or float32 cannot tell the values of a feature apart.

    Example:
        >>> data = from_arrays([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0]], list("abbab"))
        >>> data.num_features, data.class_names, data.train.num_examples, data.test.num_examples
        (2, ('a', 'b'), 4, 1)
    """
    check_split_options(test_fraction, validation_fraction, split_seed)
    named_inputs, named_targets = name_splits(inputs, targets, test)
    dtype = own_dtype(named_inputs["inputs"])
    checked = {name: _check_inputs(name, x, dtype, standardize) for name, x in named_inputs.items()}
    exact = np.dtype(np.float64) if standardize else dtype
    converted, classes = to_targets(named_targets, class_names, exact)
    examples, *official = pair_splits(checked, converted)
    rows = split_rows(
        examples.num_examples,
        test_fraction=0.0 if test is not None else test_fraction,
        validation_fraction=validation_fraction,
        num_train=num_train,
        seed=split_seed,
    )
    names = to_feature_names(feature_names, examples.inputs.shape[1])
    return assemble(
        examples,
        rows,
        Preprocessing(tuple(map(Column, names))),
        test=official[0] if official else None,
        dtype=dtype,
        standardize=standardize,
        name=name,
        class_names=classes,
    )


def check_split_options(test_fraction: object, validation_fraction: object, split_seed: object) -> None:
    """Check the fractions and the seed of a split, before any data are read."""
    check_fraction("test_fraction", test_fraction)
    check_fraction("validation_fraction", validation_fraction, zero=True)
    if split_seed is not None:
        check_integer("split_seed", split_seed, minimum=0)


def name_splits(
    inputs: ArrayLike, targets: ArrayLike, test: Sequence[ArrayLike] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the inputs and the targets of all splits as arrays, by argument name."""
    if test is not None and len(test) != 2:
        raise InputError(f"test must be a pair (inputs, targets), got {len(test)} arrays")
    x, y = {"inputs": inputs}, {"targets": targets}
    if test is not None:
        x["test_inputs"], y["test_targets"] = test
    named = [{name: to_array(name, values) for name, values in splits.items()} for splits in (x, y)]
    return named[0], named[1]


def pair_splits(inputs: Mapping[str, np.ndarray], targets: Sequence[np.ndarray]) -> list[Examples]:
    """Pair the inputs and targets of each split, and check that their sizes agree."""
    num_features = inputs["inputs"].shape[1]
    for (name, x), y in zip(inputs.items(), targets, strict=True):
        if x.shape[1] != num_features:
            raise InputError(f"inputs has {num_features} features, {name} has {x.shape[1]}")
        if len(x) != len(y):
            raise InputError(
                f"{name} has {len(x)} examples, {name.replace('inputs', 'targets')} has {len(y)}"
            )
    return [Examples(x, y) for x, y in zip(inputs.values(), targets, strict=True)]


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
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Split, scale and freeze examples that are already checked.

    Args:
        examples: the examples to split, in a dtype that represents them exactly.
        rows: the rows of each split.
        preprocessing: the preprocessing of the features, without scaling.
        test: an official test split, or None.
        dtype: the dtype to train in; the cast to it comes last.
        standardize: whether to fit a scaling on the training split.
        name, class_names, notes: as in `Dataset`.
    """
    train = _select(examples, rows.train)
    splits = {
        "train": train,
        "test": _select(examples, rows.test) if test is None else test,
        "validation": _select(examples, rows.validation) if len(rows.validation) else None,
    }
    if standardize:
        one_hot = is_one_hot(preprocessing.columns)
        preprocessing = preprocessing._replace(
            input_scaling=fit_scaling("feature", train.inputs, keep=one_hot),
            target_scaling=None if class_names else fit_scaling("target", train.targets),
        )
    else:
        check_distinct("feature", train.inputs, dtype)

    def finish(values: np.ndarray, scaling: Scaling | None, dtype: np.dtype) -> np.ndarray:
        # Always a copy: the caller may change its arrays after they are hashed.
        copy = values.astype(dtype) if scaling is None else apply_scaling(scaling, values, dtype)
        array = np.ascontiguousarray(copy)
        array.setflags(write=False)
        return array

    target_dtype = np.dtype(np.int32) if class_names else dtype
    finished = {
        split: Examples(
            finish(part.inputs, preprocessing.input_scaling, dtype),
            finish(part.targets, preprocessing.target_scaling, target_dtype),
        )
        for split, part in splits.items()
        if part is not None
    }
    return Dataset(
        train=finished["train"],
        test=finished["test"],
        validation=finished.get("validation"),
        name=name,
        feature_names=name_features(preprocessing.columns),
        class_names=class_names,
        preprocessing=preprocessing,
        notes=notes,
    )


def _check_inputs(name: str, array: np.ndarray, dtype: np.dtype, standardize: bool) -> np.ndarray:
    """Check inputs, and return them in an exact dtype, since scaling precedes the cast to `dtype`."""
    exact = exact_dtype(array)
    checked = to_inputs(name, array, exact)
    if not standardize and exact != dtype and np.can_cast(dtype, exact):
        to_inputs(name, checked, dtype)
    return checked


def _select(examples: Examples, rows: np.ndarray) -> Examples:
    return Examples(examples.inputs[rows], examples.targets[rows])
