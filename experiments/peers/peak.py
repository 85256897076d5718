"""How many operations per second this machine makes: large float32 matrix products by XLA on all cores."""

from collections.abc import Callable

import jax
import numpy as np

from peers.system import System
from peers.work import Work

SIZE = 2048
NUM_PRODUCTS = 4
FLOPS = NUM_PRODUCTS * 2 * SIZE**3  # of one call


def prepare(work: Work | None = None) -> Callable[[], jax.Array]:
    del work
    left, right = jax.device_put(np.random.default_rng(0).random((2, SIZE, SIZE), np.float32))
    multiply = jax.jit(lambda left, right: left @ right)

    def train() -> jax.Array:
        for _ in range(NUM_PRODUCTS):
            product = jax.block_until_ready(multiply(left, right))
        return product

    return train


SYSTEM = System(prepare, weights=lambda product: [])
