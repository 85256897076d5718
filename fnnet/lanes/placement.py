"""Placement: runs as the lanes of all devices.

Each number of lanes is compiled separately, so short chunks are padded.
"""

from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from fnnet.lanes.program import lanes_sharding
from fnnet.types import PyTree

Tree = TypeVar("Tree")


def pad(tree: Tree, num_lanes: int) -> Tree:
    """Pad each leaf `[runs, ...]` of a pytree of arrays to `[num_lanes, ...]` with copies of the first run.

    Example:
        >>> pad({"seed": np.array([3, 5])}, 4)["seed"].tolist()
        [3, 5, 3, 3]
    """
    rows = np.arange(num_lanes)

    def pad_leaf(leaf: Any) -> Any:
        return leaf if len(leaf) == num_lanes else leaf[np.where(rows < len(leaf), rows, 0)]

    return jax.tree.map(pad_leaf, tree)


def place(tree: PyTree, mesh: Mesh) -> PyTree:
    """Split each leaf `[lanes, ...]` of a pytree across the devices."""
    return jax.device_put(tree, lanes_sharding(mesh))
