"""The job as a Flax NNX script: `python -m peers.sweep_flax_nnx --out table.csv`.

Each depth is compiled once: `inject_hyperparams` makes the learning rate a number that a run can set, and new
runs put their initial weights into the model that the compiled step is bound to.
"""

from collections.abc import Iterator

import jax
import numpy as np
import optax
import tyro
from flax import nnx

from peers.digits_job import Data, Job, Run, layer_sizes, list_runs, load_data, write_table


class MLP(nnx.Module):
    """ReLU between the layers and nothing after the last."""

    def __init__(self, depth: int, *, rngs: nnx.Rngs):
        he_normal = nnx.initializers.he_normal()
        self.layers = nnx.List(
            [
                nnx.Linear(fan_in, fan_out, kernel_init=he_normal, rngs=rngs)
                for fan_in, fan_out in layer_sizes(depth)
            ]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


def loss_fn(model: MLP, inputs: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute the mean loss and the logits."""
    logits = model(inputs)
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean(), logits


def train_step(
    model: MLP, optimizer: nnx.Optimizer, inputs: jax.Array, targets: jax.Array, rows: jax.Array
) -> None:
    grads, _ = nnx.grad(loss_fn, has_aux=True)(model, inputs[rows], targets[rows])
    optimizer.update(model, grads)


def evaluate(model: MLP, inputs: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Measure loss and accuracy."""
    loss, logits = loss_fn(model, inputs, targets)
    return loss, (logits.argmax(axis=-1) == targets).mean()


def train_depth(depth: int, runs: list[Run], data: Data) -> Iterator[dict[str, object]]:
    """Train the runs of one depth, one after the other."""
    model = MLP(depth, rngs=nnx.Rngs(0))
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    step = nnx.jit_partial(train_step, model, optimizer, graph=False)
    measure = nnx.jit_partial(evaluate, model, graph=False)
    batches = data.batches.astype(np.int32)
    splits = jax.device_put(
        {"train": (data.train_inputs, data.train_targets), "test": (data.test_inputs, data.test_targets)}
    )
    for run in runs:
        nnx.update(model, nnx.state(MLP(depth, rngs=nnx.Rngs(run.seed))))
        optimizer.opt_state.hyperparams["learning_rate"][...] = run.learning_rate
        for rows in batches:
            step(*splits["train"], rows)
        row = run._asdict()
        for split, examples in splits.items():
            loss, accuracy = measure(*examples)
            row |= {f"{split}_loss": float(loss), f"{split}_accuracy": float(accuracy)}
        yield row


def main(job: Job) -> None:
    data = load_data(job.num_steps)
    table: list[dict[str, object]] = []
    for depth in job.depths:
        table += train_depth(depth, [run for run in list_runs(job) if run.depth == depth], data)
    write_table(job.out, table)


if __name__ == "__main__":
    main(tyro.cli(Job))
