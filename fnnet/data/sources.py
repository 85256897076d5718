"""The named data sets, and the one function that loads them and files alike."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnnet.data.arrays import Arrays
from fnnet.data.assemble import check_split_options, from_arrays
from fnnet.data.dataset import Dataset, Origin
from fnnet.data.mnist import FASHION_MNIST, MNIST, ImageSource, load_images
from fnnet.data.mnist1d import mnist1d_arrays
from fnnet.data.tables import Reading, load_file
from fnnet.errors import InputError, unknown_name


def load_dataset(
    name_or_path: str | os.PathLike[str] = "digits",
    *,
    target: str | Sequence[str] | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    id: str | None = None,
    task: str | None = None,
    encode: bool = True,
    standardize: bool | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    num_train: int | None = None,
    split_seed: int | None = 0,
) -> Dataset:
    """Load a named data set, or one of the user's own from a file.

    | name | what | split |
    |---|---|---|
    | digits | 1797 images of 8 x 8, values in [0, 1], 10 classes | seeded |
    | iris, wine, breast_cancer | 4, 13, 30 standardized features, 3, 3, 2 classes | seeded |
    | diabetes | regression on 10 standardized features, target standardized | seeded |
    | mnist, fashion_mnist | 70,000 images of 28 x 28, values in [0, 1], 10 classes | official |
    | mnist1d | 5,000 generated signals of length 40, 10 classes | official |

    The first five and mnist1d need no network. The files of mnist and fashion_mnist are looked for in
    `$FNNET_DATA`, then in the cache (`$FNNET_CACHE`, or the platform's), and else downloaded.

    A file is one of these; `data.summary` describes in one line how it was read:

    - `.csv` or `.parquet`: a table with a header. One column is the target, all others are features. Strings and
      booleans are one-hot encoded, missing numbers replaced by the median, missing strings are a category of their
      own. Rows without a target are left out, and so are columns that only number or name the rows: those without a
      name, integers that count up by one, text with a different value in every row.
    - `.npz`: arrays called `inputs` and `targets`, or `X` and `y`, or `x_train`, `y_train`, `x_test` and `y_test`;
      `test_inputs` and `test_targets` or `x_test` and `y_test` are an official test split. Images are flattened.

    Targets of strings and booleans are classes, and numbers with fractions are a regression. Whole numbers are classes
    if there are at most 20 different ones, or at least 100 examples of each.

    Everything that is fitted (categories, medians, scaling) is fitted on the training split alone, in float64.

    Args:
        name_or_path: a name, in any case, or the path of a file. A string is a path when it has a suffix or a
            separator, or when there is such a file and no such name.
        target: the name of the target column, or of several for a regression of several outputs; by default `target`,
            or all of `target_...`, or the last column.
        drop: the names of columns to leave out.
        keep: the names of columns to keep as features although they seem only to name the rows.
        id: the name of the column that names the rows; it is not a feature, and predictions keep it.
        task: "classification" or "regression", where the rule above guesses wrong.
        encode: False refuses columns of strings and booleans and missing values.
        standardize: bring features, and the targets of a regression, to mean 0 and standard deviation 1 over
            the training split; one-hot features stay 0 and 1. None does so for files and for the four named above.
        test_fraction: part of the examples for the test split, in (0, 1), where there is no official one.
        validation_fraction: part of the remaining examples for the validation split, in [0, 1).
        num_train: keep only this many examples of the shuffled training split.
        split_seed: seed of the shuffling; None leaves examples in the order of the source.

    Returns:
        The data set. One from a file is named after the file. Features of tables are float32.

    Raises:
        InputError: when the name is unknown, with the nearest ones; when there is no such file or column, or what
            they hold cannot be used; and for whatever `from_arrays` refuses.

    Example:
        >>> data = load_dataset("iris", validation_fraction=0.25)
        >>> data.num_features, data.num_outputs, data.class_names
        (4, 3, ('setosa', 'versicolor', 'virginica'))
        >>> data.train.num_examples, data.validation.num_examples, data.test.num_examples
        (90, 30, 30)
    """
    check_split_options(test_fraction, validation_fraction, split_seed)
    split: dict[str, Any] = {
        "test_fraction": test_fraction,
        "validation_fraction": validation_fraction,
        "num_train": num_train,
        "split_seed": split_seed,
    }
    reading = Reading(target, drop, keep, id, task, encode)
    options = split | reading._asdict() | {"standardize": standardize}
    if _is_path(name_or_path):
        path = Path(name_or_path)
        split["seed"] = split.pop("split_seed")
        try:
            data = load_file(path, reading, standardize=standardize is not False, **split)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return replace(data, origin=Origin(str(path.absolute()), is_file=True, options=_not_default(options)))
    name = str(name_or_path).lower()
    if name not in SOURCES:
        raise unknown_name("data set", name_or_path, SOURCES)
    for option, value in reading._asdict().items():
        if value != Reading._field_defaults[option]:
            raise InputError(f"{option} is for files, and {name} is a named data set")
    source = SOURCES[name]
    if standardize is None:
        standardize = source.standardize
    data = from_arrays(**source.read()._asdict(), name=name, standardize=standardize, **split)
    return replace(data, origin=Origin(name, is_file=False, options=_not_default(options)))


def _not_default(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the options that differ from the defaults of `load_dataset`, hashable."""
    parameters = inspect.signature(load_dataset).parameters
    hashable = {
        name: tuple(value) if isinstance(value, list | tuple) else value for name, value in options.items()
    }
    return tuple(
        sorted((name, value) for name, value in hashable.items() if value != parameters[name].default)
    )


class Source(NamedTuple):
    """A named data set.

    read: returns its arrays.
    standardize: whether it is standardized by default.
    """

    read: Callable[[], Arrays]
    standardize: bool = False


def _is_path(name_or_path: str | os.PathLike[str]) -> bool:
    if isinstance(name_or_path, os.PathLike):
        return True
    if name_or_path.lower() in SOURCES:
        return False
    separators = [mark for mark in (os.sep, os.altsep) if mark]
    path = Path(name_or_path)
    return bool(path.suffix) or any(mark in name_or_path for mark in separators) or path.exists()


def _sklearn(name: str, scale: float = 1.0, **options: Any) -> Arrays:
    """Read one of the data sets that come with scikit-learn."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    return Arrays(
        inputs=(bunch.data * scale).astype(np.float32),
        targets=bunch.target,
        feature_names=list(bunch.feature_names),
        class_names=[str(label) for label in bunch.target_names] if "target_names" in bunch else None,
    )


def _images(source: ImageSource) -> Arrays:
    images = load_images(source)
    return Arrays(
        inputs=images.train_inputs,
        targets=images.train_targets,
        test=(images.test_inputs, images.test_targets),
        feature_names=[f"pixel_{row}_{column}" for row in range(28) for column in range(28)],
        class_names=source.class_names,
    )


SOURCES: dict[str, Source] = {
    "digits": Source(lambda: _sklearn("digits", scale=1 / 16)),
    "iris": Source(lambda: _sklearn("iris"), standardize=True),
    "wine": Source(lambda: _sklearn("wine"), standardize=True),
    "breast_cancer": Source(lambda: _sklearn("breast_cancer"), standardize=True),
    # Unscaled: scikit-learn's own scaling has seen the examples of every split.
    "diabetes": Source(lambda: _sklearn("diabetes", scaled=False), standardize=True),
    "mnist": Source(lambda: _images(MNIST)),
    "fashion_mnist": Source(lambda: _images(FASHION_MNIST)),
    "mnist1d": Source(mnist1d_arrays),
}
"""The names that `load_dataset` knows."""
