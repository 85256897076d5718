"""Blocks: a function of one example applied to a whole data set, a block of examples at a time.

The hidden layers of all examples together would leave the cache.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from fnnet.network import Network, batched
from fnnet.precision import widen
from fnnet.types import Params, PyTree

MAX_EXAMPLES = 1000  # in a block


def map_examples(
    function: Callable[[PyTree], PyTree], inputs: PyTree, max_examples: int = MAX_EXAMPLES
) -> PyTree:
    """Apply a function of one example to each of `inputs`, in blocks of about `max_examples`.

    Example:
        >>> import jax.numpy as jnp
        >>> map_examples(jnp.sum, jnp.ones((5, 3))).tolist()
        [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    return map_blocks(jax.vmap(function), inputs, max_examples)


def map_blocks(
    function: Callable[[PyTree], PyTree], inputs: PyTree, max_examples: int = MAX_EXAMPLES
) -> PyTree:
    """Apply a function of a batch `[n, ...]` to `inputs` in blocks of about `max_examples`, and join its results.

    Example:
        >>> import jax.numpy as jnp
        >>> map_blocks(lambda block: block.sum(axis=1), jnp.ones((5, 3)), 2).tolist()
        [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    if not len(inputs):
        return function(inputs)
    size = _block_size(len(inputs), max_examples)
    num_blocks, rest = divmod(len(inputs), size)
    blocks = inputs[: num_blocks * size].reshape(num_blocks, size, *inputs.shape[1:])
    results = jax.lax.map(function, blocks)
    joined = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), results)
    if not rest:
        return joined
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), joined, function(inputs[-rest:]))


def all_outputs(network: Network, params: Params, inputs: Any) -> Array:
    """Compute a network's outputs `[n, ...]` for inputs `[n, ...]`, in at least 32 bits."""
    return widen(map_blocks(lambda block: batched(network)(params, block), inputs))


def _block_size(num_examples: int, most: int) -> int:
    """Choose equal blocks where possible: a last block of another size compiles the function a second time.

    Example:
        >>> _block_size(10_000, 300), _block_size(10_007, 300), _block_size(599, 300)
        (250, 300, 599)
    """
    sizes = (size for size in range(most, most // 4, -1) if num_examples % size == 0)
    return num_examples if num_examples < 2 * most else next(sizes, most)
