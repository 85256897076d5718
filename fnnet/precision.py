"""Precision: metrics are computed in at least 32 bits, whatever the dtype of the network.

bfloat16 has 8 significant bits, float16 overflows at 65,504, and 8-bit integers cannot number 300 classes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnet.types import PyTree


def canonicalize(values: np.ndarray) -> np.ndarray:
    """Cast numbers to the dtype that JAX computes with: float32 or int32, or 64 bits where x64 is enabled."""
    return values.astype(jax.dtypes.canonicalize_dtype(values.dtype))


def widen(tree: PyTree) -> PyTree:
    """Cast the arrays of a pytree: floats below 32 bits to float32, such integers to int32, all else unchanged.

    Example:
        >>> [leaf.dtype.name for leaf in widen((jnp.ones(5, jnp.bfloat16), jnp.arange(3, dtype=jnp.uint8)))]
        ['float32', 'int32']
    """

    def widen_leaf(leaf: Any) -> Any:
        array = jnp.asarray(leaf)
        for kind, wide in ((jnp.floating, jnp.float32), (jnp.integer, jnp.int32)):
            if jnp.issubdtype(array.dtype, kind) and array.dtype.itemsize < 4:
                return array.astype(wide)
        return array

    return jax.tree.map(widen_leaf, tree)
