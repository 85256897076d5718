"""The IDX reader, against an encoder written from the format's description."""

import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fnnet.data.idx import parse_idx
from fnnet.errors import InputError

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def encode(array: np.ndarray) -> bytes:
    header = struct.pack(">HBB", 0, CODES[array.dtype.name], array.ndim)
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


arrays = st.sampled_from(sorted(CODES)).flatmap(
    lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
)


@given(arrays)
def test_round_trip(array):
    parsed = parse_idx(encode(array))
    assert parsed.dtype == array.dtype and parsed.dtype.isnative
    np.testing.assert_array_equal(parsed, array)


@given(arrays.filter(lambda array: array.size), st.data())
def test_wrong_length(array, data):
    content = encode(array)
    end = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(InputError, match=r"truncated|at least 4 bytes"):
        parse_idx(content[:end])
    with pytest.raises(InputError, match=f"trailing bytes, expected {len(content)} bytes .* got"):
        parse_idx(content + bytes(end + 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t10k: expected an IDX header of at least 4 bytes, got 0"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "an IDX file begins with 00 00, .* got 1f 8b 08 00"),
        (b"\x00\x01\x08\x01" + bytes(20), "got 00 01 08 01"),
        (b"\x00\x00\x0a\x01" + bytes(20), "one of 08, 09, 0b, 0c, 0d, 0e"),
        (b"\x00\x00\x08\x00" + bytes(20), "got 00 00 08 00"),
        (b"\x00\x00\x08\x03" + bytes(11), "truncated, expected 16 bytes for 3 sizes, got 15"),
        (
            encode(np.zeros((2, 3), np.int16))[:-1],
            r"expected 24 bytes for int16 values of shape \[2, 3\], got 23",
        ),
    ],
)
def test_messages_name_the_problem(content, message):
    with pytest.raises(InputError, match=message):
        parse_idx(content, "t10k")


def test_header_cannot_allocate_memory():
    sizes = [2**32 - 1] * 3
    content = struct.pack(">HBB3I", 0, 0x0E, 3, *sizes) + bytes(7)
    tracemalloc.start()
    with pytest.raises(InputError, match=f"expected {16 + 8 * math.prod(sizes)} bytes"):
        parse_idx(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
