"""JAX with the whole training of a run compiled as one scan, one run after the other."""

from collections.abc import Callable
from typing import Any

import jax

from peers import jax_network
from peers.system import System
from peers.work import Work


def prepare(work: Work) -> Callable[[], list[Any]]:
    inputs, targets, batches = jax.device_put((work.inputs, work.targets, work.batches))
    first = [
        jax.device_put(jax_network.take_run(work.params, run)) for run in range(len(work.learning_rates))
    ]
    # A function of its own, so that another work compiles again.
    train_run = jax.jit(lambda *args: jax_network.train_scan(*args))

    def train() -> list[Any]:
        runs = zip(first, work.learning_rates, strict=True)
        return jax.block_until_ready(
            [train_run(params, rate, inputs, targets, batches) for params, rate in runs]
        )

    return train


SYSTEM = System(prepare, jax_network.stack_runs)
