"""Boundaries in pictures, and how they grow the closer one looks."""

import numpy as np
from jaxtyping import Bool

from fnnet.errors import InputError

_SMALLEST, _FEWEST = 2, 8  # pixels along a box, boxes along a picture


def find_boundary(picture: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows_1 columns_1"]:
    """Mark the corners at which pixels of both kinds meet.

    Args:
        picture: of two kinds of pixels.

    Returns:
        For each corner between four pixels, `[rows - 1, columns - 1]`, whether they differ.

    Example:
        >>> find_boundary(np.array([[True, True, False], [True, True, False]])).tolist()
        [[False, True]]
    """
    corners = np.stack([picture[1:, 1:], picture[1:, :-1], picture[:-1, 1:], picture[:-1, :-1]])
    return np.asarray(corners.any(axis=0) & ~corners.all(axis=0))


def box_dimension(picture: Bool[np.ndarray, "side side"]) -> float:
    """Estimate the dimension of the boundary in a picture by counting boxes.

    The dimension is the power of 1 / size at which the number of boxes that hold boundary grows, fitted by least squares
    on logarithmic scales over boxes of 2, 4, 8, ... pixels, up to an eighth of the picture.

    Args:
        picture: square, of two kinds of pixels; its side is a power of two, 32 at least.

    Returns:
        The dimension: near 1 for a smooth curve, at most 2; NaN where there is no boundary.

    Raises:
        InputError: when the picture is not square, or its side no power of two or too small for two sizes of boxes.

    Example:
        >>> x, y = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(-1, 1, 256))
        >>> round(box_dimension(x**2 + y**2 < 0.5), 1)
        1.0

    Source: Falconer (2003), "Fractal geometry", section 3.1.
    """
    side = len(picture)
    if picture.shape != (side, side):
        raise InputError(f"the picture must be square, got the shape {picture.shape}")
    if side < 2 * _SMALLEST * _FEWEST or side & (side - 1):
        raise InputError(
            f"the picture's side must be a power of two from {2 * _SMALLEST * _FEWEST} on, got {side}"
        )
    boundary = np.pad(find_boundary(picture), (0, 1))
    sizes = _SMALLEST ** np.arange(1, (side // _FEWEST).bit_length())
    counts = [
        boundary.reshape(side // size, size, side // size, size).any(axis=(1, 3)).sum() for size in sizes
    ]
    if not boundary.any():
        return float("nan")
    return -float(np.polyfit(np.log(sizes), np.log(counts), 1)[0])
