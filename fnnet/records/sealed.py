"""Sealed arrays: named arrays in one file, bound by a hash to a description of what they belong to.

The first line is the SHA-256 of all that follows, the second a JSON object: the description, and the name, dtype and
shape of each array, whose bytes follow in this order. Nothing in it is ever executed.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  (gives numpy the name of bfloat16)
import numpy as np


class Sealed(NamedTuple):
    """The content of a file of arrays.

    about: what the arrays belong to, as a JSON object.
    arrays: by name.
    """

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


def seal(about: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """Encode arrays and their description, preceded by the hash of both."""
    leaves = {name: np.asarray(leaf) for name, leaf in arrays.items()}
    listed = [[name, str(leaf.dtype), list(leaf.shape)] for name, leaf in leaves.items()]
    header = json.dumps({"about": dict(about), "arrays": listed}).encode() + b"\n"
    body = header + b"".join(leaf.tobytes() for leaf in leaves.values())
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unseal(content: bytes, **expected: Any) -> Sealed | None:
    """Decode sealed arrays; None if the content is damaged, malformed or belongs to something else.

    Args:
        content: the content of the file.
        **expected: entries that its description must have.

    Example:
        >>> content = seal({"chunk": "c0"}, {"w": np.ones((2, 3), np.float32)})
        >>> unseal(content, chunk="c0").arrays["w"].shape
        (2, 3)
        >>> unseal(content, chunk="c1"), unseal(content[:-1], chunk="c0")
        (None, None)
    """
    recorded, _, body = content.partition(b"\n")
    if recorded != hashlib.sha256(body).hexdigest().encode():
        return None
    header, _, rest = body.partition(b"\n")
    try:
        described = json.loads(header)
        about = described["about"]
        if any(about[name] != value for name, value in expected.items()):
            return None
        arrays, start = {}, 0
        for name, dtype, shape in described["arrays"]:
            arrays[str(name)], start = _array(rest, start, dtype, shape)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
    return Sealed(about, arrays) if start == len(rest) else None


def read_about(path: Path) -> dict[str, Any]:
    """Read the description of sealed arrays without the arrays, unchecked; empty if there is none to read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "c0.state"
        ...     _ = path.write_bytes(seal({"step": 5}, {"w": np.zeros(3)}))
        ...     read_about(path), read_about(Path(folder))
        ({'step': 5}, {})
    """
    try:
        with path.open("rb") as file:
            file.readline(100)
            about = json.loads(file.readline())["about"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def _array(content: bytes, start: int, name: str, shape: list[int]) -> tuple[np.ndarray, int]:
    """Read one array; returns it and where the next one starts."""
    dtype = np.dtype(name)
    if dtype.hasobject or dtype.fields or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"not an array of numbers: {name} {shape}")
    count = math.prod(shape)
    return np.frombuffer(content, dtype, count, start).reshape(shape), start + count * dtype.itemsize
