"""Flax NNX with optax: a module, an optimizer and a training step under `nnx.jit` in a Python loop.

This is the loop of its quickstart; `flax_nnx_partial` is the fastest that its documentation knows.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import nnx

from peers.jax_network import stack_runs, take_run
from peers.system import System
from peers.work import Params, Work


class MLP(nnx.Module):
    """ReLU between the layers and nothing after the last."""

    def __init__(self, sizes: tuple[int, ...], *, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [nnx.Linear(fan_in, fan_out, rngs=rngs) for fan_in, fan_out in itertools.pairwise(sizes)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


def train_step(
    model: MLP, optimizer: nnx.Optimizer, inputs: jax.Array, targets: jax.Array, rows: jax.Array
) -> jax.Array:
    """Make one step on the batch of some rows; return the loss."""

    def loss_fn(model: MLP) -> jax.Array:
        logits = model(inputs[rows])
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets[rows]).mean()

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(model, grads)
    return loss


class Run(NamedTuple):
    """A run's model, its training step and its initial weights."""

    model: MLP
    step: Callable[..., Any]
    first: nnx.State


Bind = Callable[[MLP, nnx.Optimizer], Callable[..., Any]]
"""Makes a jitted step `(inputs, targets, rows) -> loss` of a model and an optimizer."""


def bind_jit(model: MLP, optimizer: nnx.Optimizer) -> Callable[..., Any]:
    """Jit the training step; each call takes model and optimizer apart and puts them together again."""
    step = nnx.jit(train_step)
    return lambda *batch: step(model, optimizer, *batch)


def prepare(work: Work, bind: Bind = bind_jit) -> Callable[[], list[MLP]]:
    inputs, targets = jax.device_put((work.inputs, work.targets))
    runs = [
        make_run(work.layers, take_run(work.params, run), float(rate), bind)
        for run, rate in enumerate(work.learning_rates)
    ]

    def train() -> list[MLP]:
        for run in runs:
            nnx.update(run.model, run.first)
            for rows in work.batches:
                run.step(inputs, targets, rows)
        jax.block_until_ready([nnx.state(run.model) for run in runs])
        return [run.model for run in runs]

    return train


def make_run(layers: tuple[int, ...], params: Params, learning_rate: float, bind: Bind) -> Run:
    model = MLP(layers, rngs=nnx.Rngs(0))
    for layer, values in zip(model.layers, params, strict=True):
        layer.kernel[...], layer.bias[...] = values["w"], values["b"]
    first = jax.tree.map(jax.numpy.copy, nnx.state(model))
    optimizer = nnx.Optimizer(model, optax.sgd(learning_rate), wrt=nnx.Param)
    return Run(model, bind(model, optimizer), first)


def weights(models: list[MLP]) -> Params:
    return stack_runs(
        [
            [{"w": np.asarray(layer.kernel), "b": np.asarray(layer.bias)} for layer in model.layers]
            for model in models
        ]
    )


SYSTEM = System(prepare, weights)
