"""Types of the values that fnnet's functions exchange, all ordinary JAX pytrees."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Array, Key, Num

if TYPE_CHECKING:  # pyright does not know what a PyTree is
    PyTree: TypeAlias = Any
    Params: TypeAlias = Any
    Updates: TypeAlias = Any
    OptState: TypeAlias = Any
else:
    from jaxtyping import PyTree

    """A pytree whose structure the user chooses: the data of a task, its batches and its state."""

    Params = PyTree[Array | np.ndarray]
    """The parameters of a network: a pytree of arrays, which are numpy's when loaded from a file."""

    Updates = PyTree[Array]
    """What an optimizer adds to `params`, with the same structure."""

    OptState = PyTree
    """The state of an optimizer."""

KeyArray = Key[Array, ""]
"""A JAX random key, as returned by `jax.random.key`."""

Metrics = Mapping[str, Array]
"""Results by name: scalars for one run, arrays `[lanes]` for many."""

Number = int | float | np.number | Num[Array, ""]
"""A hyper-parameter: a number, or a traced scalar."""
