"""The data sets that have a name, and the one function that loads those and files alike."""

import inspect
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnnet.data.arrays import Arrays
from fnnet.data.dataset import Dataset, Origin, from_arrays
from fnnet.data.files import read_file
from fnnet.data.mnist import FASHION_MNIST, MNIST, ImageSource, load_images
from fnnet.data.mnist1d import mnist1d_arrays
from fnnet.errors import InputError, unknown_name


def load_dataset(
    name_or_path: str | os.PathLike[str] = "digits",
    *,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    num_train: int | None = None,
    split_seed: int | None = 0,
    standardize: bool | None = None,
) -> Dataset:
    """Load a named data set, or one of the user's own from a file.

    | name | what | split |
    |---|---|---|
    | digits | 1797 images of 8 x 8, values in [0, 1], 10 classes | seeded |
    | iris, wine, breast_cancer | 4, 13, 30 standardised features, 3, 3, 2 classes | seeded |
    | diabetes | regression on 10 standardised features, target standardised | seeded |
    | mnist, fashion_mnist | 70,000 images of 28 x 28, values in [0, 1], 10 classes | official |
    | mnist1d | 5,000 generated signals of length 40, 10 classes | official |

    The first five and mnist1d need no network. The files of mnist and fashion_mnist are looked for in
    `$FNNET_DATA`, then in the cache (`$FNNET_CACHE`, or the platform's), and else downloaded.

    Args:
        name_or_path: a name, or the path of an `.npz`, `.csv` or `.parquet` file (see
            `fnnet.data.files.read_file` for what it must hold). A string is a path when it has a suffix
            or a separator.
        test_fraction: part of the examples for the test split, in (0, 1), where there is no official one.
        validation_fraction: part of the remaining examples for the validation split, in [0, 1).
        num_train: keep only so many examples of the shuffled training split.
        split_seed: seed of the shuffling; None leaves examples in the order of the source.
        standardize: bring features, and the targets of a regression, to mean 0 and standard deviation 1 over
            the training split; None does so for the four named above only.

    Returns:
        The data set. One from a file is called like the file without its suffix.

    Raises:
        InputError: when the name is unknown, with the nearest ones; when there is no such file; and for
            whatever `read_file` and `from_arrays` refuse.

    Example:
        >>> data = load_dataset("iris", validation_fraction=0.25)
        >>> data.num_features, data.num_outputs, data.class_names
        (4, 3, ('setosa', 'versicolor', 'virginica'))
        >>> data.train.num_examples, data.validation.num_examples, data.test.num_examples
        (90, 30, 30)
    """
    options: dict[str, Any] = {
        "test_fraction": test_fraction,
        "validation_fraction": validation_fraction,
        "num_train": num_train,
        "split_seed": split_seed,
    }
    given = tuple(
        sorted(
            (option, value)
            for option, value in {**options, "standardize": standardize}.items()
            if value != inspect.signature(load_dataset).parameters[option].default
        )
    )
    if _is_path(name_or_path):
        path = Path(name_or_path)
        try:
            arrays = read_file(path)._asdict()
            data = from_arrays(**arrays, name=path.name, standardize=bool(standardize), **options)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return replace(data, origin=Origin(str(path.absolute()), is_file=True, options=given))
    name = str(name_or_path)
    if name not in SOURCES:
        raise unknown_name("data set", name, SOURCES)
    source = SOURCES[name]
    if standardize is None:
        standardize = source.standardize
    data = from_arrays(**source.read()._asdict(), name=name, standardize=standardize, **options)
    return replace(data, origin=Origin(name, is_file=False, options=given))


SUFFIXES = (".npz", ".csv", ".parquet")
"""Of the files that `load_dataset` reads."""


class Source(NamedTuple):
    """A data set that has a name.

    read: gives its arrays.
    standardize: whether to standardise it unless told otherwise.
    """

    read: Callable[[], Arrays]
    standardize: bool = False


def _is_path(name_or_path: str | os.PathLike[str]) -> bool:
    if isinstance(name_or_path, os.PathLike):
        return True
    separators = [mark for mark in (os.sep, os.altsep) if mark]
    looks_like_one = bool(Path(name_or_path).suffix) or any(mark in name_or_path for mark in separators)
    return looks_like_one or (name_or_path not in SOURCES and Path(name_or_path).exists())


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
