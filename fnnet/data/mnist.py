"""Load MNIST and Fashion-MNIST: 70,000 grayscale images of 28 x 28 pixels each, in four IDX files.

Sources: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998); H. Xiao,
K. Rasul and R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from fnnet.cache import cache_folder
from fnnet.data.arrays import Arrays
from fnnet.data.download import PinnedFile, download, read_pinned
from fnnet.data.idx import parse_idx
from fnnet.errors import InputError


class ImageSource(NamedTuple):
    """Where to find a set of images, and what its files contain.

    name: the name of the data set and of its folder in the cache.
    folders: possible names of its folder in `$FNNET_DATA`.
    mirrors: URLs that end in "/", tried in order.
    class_names: one name per label.
    files: images and labels for training, then for testing.
    """

    name: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    class_names: tuple[str, ...]
    files: tuple[PinnedFile, ...]


def _files(*sha256: str) -> tuple[PinnedFile, ...]:
    sizes = {
        "train-images-idx3-ubyte": 47_040_016,
        "train-labels-idx1-ubyte": 60_008,
        "t10k-images-idx3-ubyte": 7_840_016,
        "t10k-labels-idx1-ubyte": 10_008,
    }
    return tuple(map(PinnedFile, sizes.keys(), sizes.values(), sha256))


MNIST = ImageSource(
    "mnist",
    ("mnist",),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    tuple(str(digit) for digit in range(10)),
    _files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

FASHION_MNIST = ImageSource(
    "fashion_mnist",
    ("fashion_mnist", "fashion-mnist"),
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    _files(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


def load_images(source: ImageSource, *, allow_http: bool = False) -> Arrays:
    """Load flattened images with values in [0, 1], and their labels.

    Files come from the first of `$FNNET_DATA/<name>/`, `$FNNET_DATA`, the cache and the mirrors that has them.

    Args:
        source: the set of images.
        allow_http: allow mirrors without encryption.

    Returns:
        The arrays of the official split, with the names of pixels and classes.

    Raises:
        InputError: if a file in the user's folder has the wrong content, or no mirror serves a file.

    Example:
        >>> [file.name for file in MNIST.files if "labels" in file.name]
        ['train-labels-idx1-ubyte', 't10k-labels-idx1-ubyte']
    """
    cache = cache_folder() / source.name
    images, labels, test_images, test_labels = (
        parse_idx(_read_file(source, file, data_folder(), cache, allow_http), file.name)
        for file in source.files
    )
    _, height, width = images.shape
    return Arrays(
        inputs=_normalize(images),
        targets=labels,
        test=(_normalize(test_images), test_labels),
        feature_names=[f"pixel_{row}_{column}" for row in range(height) for column in range(width)],
        class_names=source.class_names,
    )


def data_folder() -> Path | None:
    """Return the folder of the user's own copies, `$FNNET_DATA`, or None if it is not set."""
    folder = os.environ.get("FNNET_DATA")
    return Path(folder) if folder else None


def _read_file(
    source: ImageSource, file: PinnedFile, root: Path | None, cache: Path, allow_http: bool
) -> bytes:
    """Return the content of one file from the first place that has it."""
    for path in _find(file, [root / name for name in source.folders] if root else []):
        return read_pinned(path, file)
    for path in _find(file, [root] if root else []):
        # All sets of images use the same file names, so this file may belong to another one.
        if not _belongs_to_another(path, file, source):
            return read_pinned(path, file)
    problem = ""
    for path in _find(file, [cache]):
        try:
            return read_pinned(path, file)
        except InputError as error:
            problem = f"\n  {error}"  # a download replaces the cached file
    try:
        urls = [f"{mirror}{file.name}.gz" for mirror in source.mirrors]
        return download(file, urls, cache, allow_http=allow_http)
    except InputError as error:
        advice = (
            f"to use your own copy, set FNNET_DATA to a folder that contains {source.name}/{file.name}.gz"
        )
        raise InputError(f"{error}{problem}\n{advice}") from error


def _find(file: PinnedFile, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        for suffix in ("", ".gz"):
            if (path := folder / f"{file.name}{suffix}").is_file():
                yield path


def _belongs_to_another(path: Path, file: PinnedFile, source: ImageSource) -> bool:
    for other in (MNIST, FASHION_MNIST):
        for twin in other.files:
            if other.name != source.name and twin.name == file.name:
                with contextlib.suppress(InputError):
                    return bool(read_pinned(path, twin))
    return False


def _normalize(images: UInt8[np.ndarray, "n rows columns"]) -> Float[np.ndarray, "n pixels"]:
    return images.reshape(len(images), -1) / np.float32(255)
