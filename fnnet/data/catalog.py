"""The catalog of named data sets: what they hold, and whether they are on this machine."""

from pathlib import Path
from typing import NamedTuple

from fnnet.cache import cache_folder
from fnnet.data.image_sources import FASHION_MNIST, MNIST, data_folder


class Entry(NamedTuple):
    """A named data set.

    name: for `load_dataset`.
    num_examples: in all splits.
    num_features: the number of features of one example.
    num_classes: 0 for a regression.
    is_here: whether it loads without a download.
    """

    name: str
    num_examples: int
    num_features: int
    num_classes: int
    is_here: bool


def read_catalog() -> list[Entry]:
    """List the named data sets, in the order of their names.

    Example:
        >>> next(entry for entry in read_catalog() if entry.name == "iris")
        Entry(name='iris', num_examples=150, num_features=4, num_classes=3, is_here=True)
    """
    here = {source.name: _is_here(source.name) for source in (MNIST, FASHION_MNIST)}
    return [Entry(name, *sizes, here.get(name, True)) for name, sizes in sorted(_SIZES.items())]


def _is_here(name: str) -> bool:
    """Check whether all files of a set of images are in the user's folder or in the cache."""
    source = {each.name: each for each in (MNIST, FASHION_MNIST)}[name]
    root, cache = data_folder(), cache_folder() / name
    folders: list[Path] = [*([root / each for each in source.folders] if root else []), cache]
    return all(
        any((folder / f"{file.name}{suffix}").is_file() for folder in folders for suffix in ("", ".gz"))
        for file in source.files
    )


_SIZES = {
    "breast_cancer": (569, 30, 2),
    "diabetes": (442, 10, 0),
    "digits": (1797, 64, 10),
    "fashion_mnist": (70_000, 784, 10),
    "iris": (150, 4, 3),
    "mnist": (70_000, 784, 10),
    "mnist1d": (5000, 40, 10),
    "wine": (178, 13, 3),
}
"""Examples, features and classes. The data sets themselves take a second to load."""
