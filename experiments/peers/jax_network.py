"""A network in plain JAX, as its tutorials write it: what the three systems of nothing but JAX share."""

from typing import Any

import jax
import numpy as np
import optax

from peers.work import Params


def predict(params: Any, inputs: jax.Array) -> jax.Array:
    """Compute logits `[batch, classes]`."""
    *hidden, last = params
    h = inputs
    for layer in hidden:
        h = jax.nn.relu(h @ layer["w"] + layer["b"])
    return h @ last["w"] + last["b"]


def mean_loss(params: Any, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, inputs), targets).mean()


def update(
    params: Any, learning_rate: jax.Array, inputs: jax.Array, targets: jax.Array, rows: jax.Array
) -> Any:
    """Make one step on the batch of some rows."""
    grads = jax.grad(mean_loss)(params, inputs[rows], targets[rows])
    return jax.tree.map(lambda p, g: p - learning_rate * g, params, grads)


def train_scan(
    params: Any, learning_rate: jax.Array, inputs: jax.Array, targets: jax.Array, batches: jax.Array
) -> Any:
    """Train one run; `batches` are rows `[steps, batch]`."""

    def body(params: Any, rows: jax.Array) -> tuple[Any, None]:
        return update(params, learning_rate, inputs, targets, rows), None

    return jax.lax.scan(body, params, batches)[0]


def take_run(params: Any, run: int) -> Any:
    """Take one run's parameters from those of all."""
    return jax.tree.map(lambda leaf: leaf[run], params)


def stack_runs(trained: list[Any]) -> Params:
    """Stack the parameters of many runs."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trained)
