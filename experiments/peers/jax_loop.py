"""JAX as in its first tutorial: a Python loop over a jitted step, one run after the other."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from peers import jax_network
from peers.system import System
from peers.work import Work


def prepare(work: Work) -> Callable[[], list[Any]]:
    inputs, targets = jax.device_put((work.inputs, work.targets))
    first = [
        jax.device_put(jax_network.take_run(work.params, run)) for run in range(len(work.learning_rates))
    ]
    # A function of its own, so that another work compiles again.
    step = jax.jit(lambda *args: jax_network.update(*args), donate_argnums=0)

    def train() -> list[Any]:
        trained = []
        for params, learning_rate in zip(first, work.learning_rates, strict=True):
            params = jax.tree.map(jnp.copy, params)  # a step takes over the memory of what it is given
            for rows in work.batches:
                params = step(params, learning_rate, inputs, targets, rows)
            trained.append(params)
        return jax.block_until_ready(trained)

    return train


SYSTEM = System(prepare, jax_network.stack_runs)
