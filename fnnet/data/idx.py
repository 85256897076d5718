"""Read the IDX format, in which MNIST and its relatives are published.

Big-endian: two zero bytes, a byte for the dtype, a byte for the number of dimensions, four bytes per size; then the
values in row-major order. Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File
formats".
"""

import math
import struct

import numpy as np
from jaxtyping import Shaped

from fnnet.errors import InputError

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def parse_idx(content: bytes, name: str = "IDX file") -> Shaped[np.ndarray, "..."]:
    """Parse the content of an IDX file.

    Sizes are checked against the length of the content first, so a damaged header cannot allocate memory.

    Args:
        content: the whole file, decompressed.
        name: the name of the file, for error messages.

    Returns:
        The array in native byte order. One-byte values are not copied and are read-only.

    Raises:
        InputError: if the header is invalid, or the content is shorter or longer than the header says.

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
            f"{name}: an IDX file begins with 00 00, a type (one of {expected}) and a number of dimensions, "
            f"got {content[:4].hex(' ')}"
        )
    header = 4 + 4 * num_dimensions
    if len(content) < header:
        raise InputError(
            f"{name}: truncated, expected {header} bytes for {num_dimensions} sizes, got {len(content)}"
        )
    shape = struct.unpack_from(f">{num_dimensions}I", content, 4)
    dtype = np.dtype(_DTYPES[code])
    expected_length = header + math.prod(shape) * dtype.itemsize  # Python integers do not overflow
    if len(content) != expected_length:
        problem = "truncated" if len(content) < expected_length else "has trailing bytes"
        raise InputError(
            f"{name}: {problem}, expected {expected_length} bytes for {dtype.name} values of shape "
            f"{list(shape)}, got {len(content)}"
        )
    values = np.frombuffer(content, dtype, offset=header).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)
