"""Precision: what is measured is float32 at least, whatever a network computes in.

bfloat16 keeps 8 bits of a number, float16 overflows at 65,504: sums over examples or steps need more.
"""

from typing import Any

import jax
import jax.numpy as jnp


def widen(tree: Any) -> Any:
    """Cast floating-point arrays below 32 bits to float32; everything else stays as it is.

    Args:
        tree: a pytree of arrays.

    Returns:
        The same pytree.

    Example:
        >>> [leaf.dtype.name for leaf in widen((jnp.ones(5, jnp.bfloat16), jnp.arange(3)))]
        ['float32', 'int32']
    """

    def widen_leaf(leaf: Any) -> Any:
        array = jnp.asarray(leaf)
        if not jnp.issubdtype(array.dtype, jnp.floating) or array.dtype.itemsize >= 4:
            return array
        return array.astype(jnp.float32)

    return jax.tree.map(widen_leaf, tree)
