"""Hand-made features of images: what classifiers were given before networks learned their own."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from fnnet.errors import InputError

_BLOCK = 2  # cells along a side of what is normalized together
_LARGEST = 0.2  # of a normalized feature, before the last normalization


def hog(
    images: Float[np.ndarray, "n height width"], *, cell_size: int = 7, num_orientations: int = 9
) -> Float[np.ndarray, "n features"]:
    """Compute histograms of oriented gradients.

    Each pixel votes with the size of its gradient for the two orientations next to its own, in proportion to how near
    they are; votes are summed over square cells, and four neighboring cells at a time are brought to a Euclidean norm
    of 1, cut at 0.2 and brought to it again. Opposite directions are one orientation. The gradient is half the
    difference of the pixels on either side, and 0 on the image's border.

    Args:
        images: of one channel each.
        cell_size: pixels along a side of a cell, which must divide height and width.
        num_orientations: how many there are in half a turn.

    Returns:
        Of each image `(cells down - 1) * (cells across - 1) * 4 * num_orientations` features in [0, 1].

    Raises:
        InputError: when there are not at least two cells in each direction, or they do not fill the image.

    Example:
        >>> step = np.zeros((1, 14, 14))
        >>> step[:, :, 7:] = 1.0
        >>> hog(step).shape, hog(step).reshape(4, 9).argmax(axis=1).tolist()
        ((1, 36), [0, 0, 0, 0])

    Source: Dalal & Triggs (2005), "Histograms of oriented gradients for human detection", with votes not shared between
    cells.
    """
    num_images, height, width = images.shape
    if height % cell_size or width % cell_size or min(height, width) < _BLOCK * cell_size:
        raise InputError(
            f"images are {height} x {width}; cell_size must divide both, {_BLOCK} times at least, got {cell_size}"
        )
    down, across = np.zeros((2, *images.shape), images.dtype)
    down[:, 1:-1] = (images[:, 2:] - images[:, :-2]) / 2
    across[:, :, 1:-1] = (images[:, :, 2:] - images[:, :, :-2]) / 2
    size = np.hypot(down, across)
    orientation = np.arctan2(down, across) / np.pi * num_orientations  # half a turn is all of them

    def votes(number: int) -> Any:
        distance = np.abs(
            (orientation - number + num_orientations / 2) % num_orientations - num_orientations / 2
        )
        vote = size * np.maximum(1 - distance, 0)
        cells = num_images, height // cell_size, cell_size, width // cell_size, cell_size
        return vote.reshape(cells).sum(axis=(2, 4))

    histograms = np.stack([votes(number) for number in range(num_orientations)], axis=-1)
    blocks = sliding_window_view(histograms, (_BLOCK, _BLOCK), axis=(1, 2))
    features = blocks.transpose(0, 1, 2, 4, 5, 3).reshape(*blocks.shape[:3], -1)
    features = _normalized(np.minimum(_normalized(features), _LARGEST))
    return features.reshape(num_images, -1)


def _normalized(features: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.maximum(norm, np.finfo(features.dtype).tiny))
