"""fnnet: the program that a sweep trains a chunk with, on the work's batches instead of its own."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from fnnet.lanes.program import lanes_sharding, make_mesh, make_program, shared_sharding, use_all_cores
from fnnet.training import Progress
from peers.system import CORES, LANES, System
from peers.work import Params, Work


def prepare(work: Work) -> Callable[[], Progress]:
    use_all_cores()
    mesh = make_mesh()
    num_steps = len(work.batches)
    program = make_program(make_task(work), mesh, max_steps=num_steps)
    hparams, params = jax.device_put(
        ({"learning_rate": work.learning_rates}, work.params), lanes_sharding(mesh)
    )
    data, batches = jax.device_put((make_dataset(work), work.batches), shared_sharding(mesh))
    first = program.begin(hparams, data)
    first = first._replace(state=first.state._replace(params=params))
    copy = jax.jit(lambda progress: jax.tree.map(jnp.copy, progress))
    copy(first)  # compiles what is no part of training

    def train() -> Progress:
        # A program takes over the memory of the progress that it is given.
        progress = program.steps(hparams, copy(first), batches, data, np.int32(0), np.int32(num_steps))
        return jax.block_until_ready(progress)

    return train


def make_task(work: Work) -> fn.Task:
    num_inputs, *widths, num_outputs = work.layers
    network = fn.mlp(num_inputs, widths, num_outputs, activation="relu")
    return fn.supervised(
        network,
        "cross_entropy",
        optimizer="sgd",
        batch_size=work.batches.shape[1],
    )


def make_dataset(work: Work) -> fn.Dataset:
    """Make a data set that keeps the work's rows in their order."""
    examples = fn.Examples(work.inputs, work.targets)
    classes = tuple(str(label) for label in range(work.layers[-1]))
    return fn.Dataset(examples, examples, None, "work", feature_names=(), class_names=classes)


def weights(progress: Any) -> Params:
    return jax.tree.map(np.asarray, progress.state.params)


SYSTEM = System(prepare, weights, sizes=tuple(CORES * lanes for lanes in LANES))
