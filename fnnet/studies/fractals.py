"""Boundaries in pictures and their fractal dimension."""

import numpy as np
from jaxtyping import Bool

from fnnet.errors import InputError

_MIN_SIZE, _MIN_BOXES = 2, 8  # side of the smallest boxes in pixels; boxes along a side of the picture


def find_boundary(picture: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows_1 columns_1"]:
    """Return the corners at which pixels of both kinds meet.

    Returns:
        `[rows - 1, columns - 1]`, for each corner whether its four pixels differ.

    Example:
        >>> find_boundary(np.array([[True, True, False], [True, True, False]])).tolist()
        [[False, True]]
    """
    corners = np.stack([picture[1:, 1:], picture[1:, :-1], picture[:-1, 1:], picture[:-1, :-1]])
    return np.asarray(corners.any(axis=0) & ~corners.all(axis=0))


def box_dimension(picture: Bool[np.ndarray, "side side"]) -> float:
    """Estimate the box-counting dimension of the boundary in a picture.

    The number of boxes that contain boundary grows as a power of 1 / size. The dimension is this power, fitted by least
    squares on logarithmic scales to boxes of 2, 4, 8, ... pixels, up to an eighth of the picture.

    Args:
        picture: a square picture with two kinds of pixels; its side is a power of two, at least 32.

    Returns:
        The dimension: about 1 for a smooth curve, at most 2; NaN if there is no boundary.

    Raises:
        InputError: when the picture is not square, or its side is not a power of two or below 32.

    Example:
        >>> x, y = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(-1, 1, 256))
        >>> round(box_dimension(x**2 + y**2 < 0.5), 1)
        1.0

    Source: Falconer (2003), "Fractal geometry", section 3.1.
    """
    side = len(picture)
    if picture.shape != (side, side):
        raise InputError(f"picture must be square, got shape {picture.shape}")
    if side < 2 * _MIN_SIZE * _MIN_BOXES or side & (side - 1):
        raise InputError(
            f"the picture's side must be a power of two of at least {2 * _MIN_SIZE * _MIN_BOXES}, got {side}"
        )
    boundary = np.pad(find_boundary(picture), (0, 1))
    sizes = _MIN_SIZE ** np.arange(1, (side // _MIN_BOXES).bit_length())
    counts = [
        boundary.reshape(side // size, size, side // size, size).any(axis=(1, 3)).sum() for size in sizes
    ]
    if not boundary.any():
        return float("nan")
    return -float(np.polyfit(np.log(sizes), np.log(counts), 1)[0])
