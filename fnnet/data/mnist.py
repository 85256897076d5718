"""Load MNIST and Fashion-MNIST from the user's folder, from the cache, or from the mirrors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from fnnet.cache import cache_folder
from fnnet.data.arrays import Arrays
from fnnet.data.download import PinnedFile, download, read_pinned
from fnnet.data.idx import parse_idx
from fnnet.data.image_sources import FASHION_MNIST, MNIST, ImageSource, data_folder
from fnnet.errors import InputError


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
