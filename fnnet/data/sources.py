"""Load named data sets and files."""

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
from fnnet.data.image_sources import FASHION_MNIST, MNIST
from fnnet.data.mnist import load_images
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
    """Load a named data set or a file.

    | name | what | split |
    |---|---|---|
    | digits | 1797 images of 8 x 8, values in [0, 1], 10 classes | seeded |
    | iris, wine, breast_cancer | 4, 13, 30 standardized features, 3, 3, 2 classes | seeded |
    | diabetes | regression on 10 standardized features, target standardized | seeded |
    | mnist, fashion_mnist | 70,000 images of 28 x 28, values in [0, 1], 10 classes | official |
    | mnist1d | 5,000 generated signals of length 40, 10 classes | official |

    Only mnist and fashion_mnist need files: they are looked up in `$FNNET_DATA`, then in the cache (`$FNNET_CACHE`, or
    the platform's), and downloaded otherwise.

    Two kinds of files can be loaded; `data.summary` describes in one line how a file was read:

    - `.csv` or `.parquet`: a table with a header. Strings and booleans are one-hot encoded, missing numbers become the
      median, and missing strings are a category. Rows without a target are left out, and so are columns that only
      identify the rows: those without a name, integers that count up by one, and text with a different value in every
      row.
    - `.npz`: arrays named `inputs` and `targets`, `X` and `y`, or `x_train` and `y_train`; optionally with an official
      test split, `test_inputs` and `test_targets` or `x_test` and `y_test`. Images are flattened.

    Strings and booleans are classes; numbers with fractions are regression targets. Whole numbers are classes if there
    are at most 20 different ones, or at least 100 examples of each.

    Categories, medians and scaling are fitted on the training split only, in float64.

    Args:
        name_or_path: a name, in any case, or the path of a file. A string is a path if it has a suffix or a separator,
            or if it is not a known name but such a file exists.
        target: the target column, or several for a regression with several outputs; by default `target`, or all
            `target_...`, or the last column.
        drop: columns to leave out.
        keep: features that would be left out automatically.
        id: the column that identifies the rows; it is not a feature, and is copied to predictions.
        task: "classification" or "regression", to override the rule above.
        encode: if False, string and boolean columns and missing values are errors.
        standardize: scale features, and regression targets, to mean 0 and standard deviation 1 over the training
            split, except for one-hot features. None scales files and the four data sets marked above.
        test_fraction: fraction of the examples in the test split, in (0, 1), unless there is an official one.
        validation_fraction: fraction of the remaining examples in the validation split, in [0, 1).
        num_train: keep only this many examples of the shuffled training split.
        split_seed: seed of the shuffle; None keeps the order of the source.

    Returns:
        The data set. A file gives it its name; features of tables are float32.

    Raises:
        InputError: if the name, file or column does not exist or its content is invalid, and as in `from_arrays`.

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
            raise InputError(f"{option} is for files, but {name} is a named data set")
    source = SOURCES[name]
    if standardize is None:
        standardize = source.standardize
    data = from_arrays(**source.read()._asdict(), name=name, standardize=standardize, **split)
    return replace(data, origin=Origin(name, is_file=False, options=_not_default(options)))


def list_datasets() -> list[str]:
    """List the names that `load_dataset` knows.

    Example:
        >>> list_datasets()[:3]
        ['breast_cancer', 'diabetes', 'digits']
    """
    return sorted(SOURCES)


def _not_default(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the options that differ from the defaults of `load_dataset`, in hashable form."""
    parameters = inspect.signature(load_dataset).parameters
    hashable = {
        name: tuple(value) if isinstance(value, list | tuple) else value for name, value in options.items()
    }
    return tuple(
        sorted((name, value) for name, value in hashable.items() if value != parameters[name].default)
    )


class Source(NamedTuple):
    """A named data set.

    read: a function that returns the arrays.
    standardize: the default of `standardize`.
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
    """Read a data set that comes with scikit-learn."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    return Arrays(
        inputs=(bunch.data * scale).astype(np.float32),
        targets=bunch.target,
        feature_names=list(bunch.feature_names),
        class_names=[str(label) for label in bunch.target_names] if "target_names" in bunch else None,
    )


SOURCES: dict[str, Source] = {
    "digits": Source(lambda: _sklearn("digits", scale=1 / 16)),
    "iris": Source(lambda: _sklearn("iris"), standardize=True),
    "wine": Source(lambda: _sklearn("wine"), standardize=True),
    "breast_cancer": Source(lambda: _sklearn("breast_cancer"), standardize=True),
    # Unscaled, since scikit-learn's own scaling uses the examples of all splits.
    "diabetes": Source(lambda: _sklearn("diabetes", scaled=False), standardize=True),
    "mnist": Source(lambda: load_images(MNIST)),
    "fashion_mnist": Source(lambda: load_images(FASHION_MNIST)),
    "mnist1d": Source(mnist1d_arrays),
}
"""The named data sets."""
