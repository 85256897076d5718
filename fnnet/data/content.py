"""Content hashes, which identify data independently of where they are stored."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnet.errors import InputError
from fnnet.types import PyTree


def content_hash(tree: PyTree) -> str:
    """Hash a pytree of arrays: the path, dtype, shape and bytes of each leaf.

    Args:
        tree: a pytree of NumPy or JAX arrays, numbers and strings.

    Returns:
        SHA-256 in hexadecimal, the same for NumPy and JAX arrays.

    Raises:
        InputError: if a leaf is not an array, number or string.

    Example:
        >>> x = np.arange(6, dtype=np.int32).reshape(2, 3)
        >>> content_hash({"x": x}) == content_hash({"x": jax.numpy.asarray(x)})
        True
        >>> content_hash({"x": x}) == content_hash({"x": x.T})
        False
    """
    return combine(leaf_hashes(tree))


def combine(leaves: Mapping[str, str]) -> str:
    """Combine the result of `leaf_hashes` to one hash, that of `content_hash`."""
    lines = (f"{path} {digest}\n" for path, digest in leaves.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def leaf_hashes(tree: PyTree) -> dict[str, str]:
    """Hash each leaf of a pytree, as `content_hash` does, which shows where two pytrees differ.

    Returns:
        The SHA-256 of each leaf, by its path, such as "train.inputs".

    Example:
        >>> list(leaf_hashes({"x": 1.5, "y": (2, 3)}))
        ["['x']", "['y'][0]", "['y'][1]"]
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path).removeprefix("."): _hash(path, leaf) for path, leaf in leaves}


def _hash(path: Any, leaf: Any) -> str:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(jax.device_get(leaf))
    if array.dtype.hasobject:
        raise InputError(
            f"data must be arrays, numbers or strings, got {type(leaf).__name__} at {jax.tree_util.keystr(path)!r}"
        )
    digest = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    # As bytes: dtypes such as bfloat16 do not support the buffer protocol.
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
