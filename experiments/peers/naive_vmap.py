"""JAX with `vmap` over the whole training of a run: the shortest way to train many networks together."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from peers import jax_network
from peers.system import CORES, LANES, System
from peers.work import Params, Work


def prepare(work: Work) -> Callable[[], Any]:
    args = jax.device_put((work.params, work.learning_rates, work.inputs, work.targets, work.batches))
    train_runs = jax.jit(jax.vmap(jax_network.train_scan, in_axes=(0, 0, None, None, None)))
    return lambda: jax.block_until_ready(train_runs(*args))


def weights(params: Any) -> Params:
    return jax.tree.map(np.asarray, params)


SYSTEM = System(prepare, weights, sizes=tuple(CORES * lanes for lanes in LANES))
