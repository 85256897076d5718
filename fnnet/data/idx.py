"""The IDX format, in which MNIST and its relatives are published.

A header, all of it big-endian: two zero bytes, one for the type of the values, one for the number of
dimensions, four for each size; then the values, the last dimension fastest. Source: LeCun, Cortes and
Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import math
import struct

import numpy as np
from jaxtyping import Shaped

from fnnet.errors import InputError

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def parse_idx(content: bytes, name: str = "IDX file") -> Shaped[np.ndarray, "..."]:
    """Read an array from the content of an IDX file.

    The sizes in the header are compared with the length of the content before they are used, so a damaged
    header cannot ask for memory.

    Args:
        content: the whole file, decompressed.
        name: of the file; it appears in errors.

    Returns:
        The array, in the byte order of this machine. One-byte values are not copied and are read-only.

    Raises:
        InputError: when the header is not one of IDX, or the content is shorter or longer than it says.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
        array([[1, 2, 3], [4, 5, 6]], dtype=uint8)
    """
    if len(content) < 4:
        raise InputError(f"{name}: expected an IDX header of at least 4 bytes, got {len(content)} bytes")
    zeros, code, num_dimensions = struct.unpack_from(">HBB", content)
    if zeros != 0 or code not in _DTYPES or num_dimensions == 0:
        expected = ", ".join(f"{known:02x}" for known in _DTYPES)
        raise InputError(
            f"{name}: the first 4 bytes are {content[:4].hex(' ')}, not those of an IDX file: "
            f"00 00, a type (one of {expected}), a number of dimensions"
        )
    header = 4 + 4 * num_dimensions
    if len(content) < header:
        raise InputError(
            f"{name}: truncated, {num_dimensions} sizes end at byte {header}, the file at {len(content)}"
        )
    shape = struct.unpack_from(f">{num_dimensions}I", content, 4)
    dtype = np.dtype(_DTYPES[code])
    expected_length = (
        header + math.prod(shape) * dtype.itemsize
    )  # in Python's integers, which do not overflow
    if len(content) != expected_length:
        problem = "truncated" if len(content) < expected_length else "has trailing bytes"
        raise InputError(
            f"{name}: {problem}, expected {expected_length} bytes for {dtype.name} values of shape "
            f"{list(shape)}, got {len(content)}"
        )
    values = np.frombuffer(content, dtype, offset=header).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)
