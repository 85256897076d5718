"""Names for the values that fnnet's functions exchange. All of them are ordinary JAX pytrees."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Key, PyTree

Params = PyTree[Array | np.ndarray]
"""The weights of a network: any pytree of arrays, of numpy where they come from a file."""

Updates = PyTree[Array]
"""What an optimizer adds to `params`; the same structure as `Params`."""

OptState = PyTree
"""What an optimizer remembers between two steps."""

KeyArray = Key[Array, ""]
"""One JAX random key, as `jax.random.key` makes it."""

Metrics = Mapping[str, Array]
"""Named results: a scalar each for one run, an array `[lanes]` for many."""
