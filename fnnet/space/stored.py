"""Stored spaces: a space as a JSON object, as plans hold it, and back."""

import base64
import reprlib
from typing import Any

import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError
from fnnet.space.space import Space
from fnnet.space.values import Value, axis_values, check_equal_lengths


def space_to_json(space: Space) -> dict[str, Any]:
    """Return a space as a JSON object.

    Example:
        >>> from fnnet import grid
        >>> space_to_json(grid(depth=[1, 2]))
        {'axes': [{'name': 'depth', 'values': [1, 2], 'codes': 'AAE='}]}
    """
    axes = [
        {"name": name, "values": list(values), "codes": codes_to_text(space.codes[name], len(values))}
        for name, values in space.axes.items()
    ]
    return {"axes": axes}


def space_from_json(stored: object) -> Space:
    """Build a space from the output of `space_to_json`.

    Raises:
        InputError: if `stored` is malformed.

    Example:
        >>> from fnnet import grid
        >>> list(space_from_json(space_to_json(grid(widths=[(3,), (4, 5)]))))
        [{'widths': (3,)}, {'widths': (4, 5)}]
    """
    listed = stored.get("axes") if isinstance(stored, dict) else None
    if not isinstance(listed, list):
        raise InputError("a stored space must be an object with a list 'axes'")
    axes: dict[str, tuple[Value, ...]] = {}
    codes: dict[str, np.ndarray] = {}
    for axis in listed:
        name, values, text = map(axis.get, _STORED) if isinstance(axis, dict) else (None,) * 3
        if not (isinstance(name, str) and isinstance(values, list) and isinstance(text, str)):
            raise InputError(f"a stored axis must have name, values and codes, got {reprlib.repr(axis)}")
        if name in axes:
            raise InputError(f"the stored space has the axis {name!r} twice")
        axes[name] = axis_values(name, values) if values else ()
        codes[name] = codes_from_text(name, text, len(values))
    check_equal_lengths("stored axes", {name: len(column) for name, column in codes.items()})
    return Space(axes, codes)


def codes_to_text(codes: Int[np.ndarray, " runs"], num_values: int) -> str:
    """Encode codes as base64 of little-endian integers of 1, 2 or 4 bytes, whichever suffices.

    Example:
        >>> codes_to_text(np.array([0, 1, -1]), num_values=2)
        'AAH/'
    """
    return base64.b64encode(codes.astype(_stored_dtype(num_values)).tobytes()).decode()


def codes_from_text(name: str, text: str, num_values: int) -> Int[np.ndarray, " runs"]:
    """Decode the output of `codes_to_text`.

    Raises:
        InputError: if the text is malformed or a code is out of range.

    Example:
        >>> codes_from_text("depth", "AAH/", num_values=2)
        array([ 0,  1, -1], dtype=int32)
    """
    try:
        codes = np.frombuffer(base64.b64decode(text, validate=True), _stored_dtype(num_values))
    except ValueError:  # not base64, or not a whole number of integers
        raise InputError(f"the stored codes of axis {name!r} are damaged") from None
    if codes.size and not -1 <= codes.min() <= codes.max() < num_values:
        raise InputError(
            f"the stored codes of axis {name!r} must be from -1 to {num_values - 1}, "
            f"got {codes.min()} to {codes.max()}"
        )
    return codes.astype(np.int32)


def _stored_dtype(num_values: int) -> str:
    return "<i1" if num_values <= 2**7 else "<i2" if num_values <= 2**15 else "<i4"


_STORED = ("name", "values", "codes")
