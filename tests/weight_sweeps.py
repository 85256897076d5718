"""A sweep of a few weights, cheap to compile, for tests of its store."""

import json

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from fnnet.records import planfile

DATA = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
SPACE = fn.grid(learning_rate=[0.1, 0.2, 0.3], seed=range(2))


def recipe(gain=1.0, batches=None):
    """Fit `width` weights; cheap to compile."""

    def of(width=2):
        def loss(w, x):
            return gain * jnp.mean((x @ w - 1) ** 2)

        def init(key, hp, data):
            return {"w": jnp.float32(hp["seed"]) + jnp.ones((3, width))}

        def step(key, hp, state, batch):
            value, grad = jax.value_and_grad(loss)(state["w"], batch)
            return {"w": state["w"] - hp["learning_rate"] * grad}, {"loss": value}

        task = fn.Task(init, step, lambda hp, state, data: {"train_loss": loss(state["w"], data)})
        return task if batches is None else task._replace(batches=batches)

    return of


def sweep(folder, space=SPACE, data=DATA, make=recipe, **options):
    return fn.sweep(
        make(), space, data, **{"num_steps": 6, "eval_every": 2, "lanes": 1, "store": folder, **options}
    )


def table(results):
    return results.table(records=True).drop("seconds")


def weights(results):
    return [np.asarray(results.params(run)["w"]) for run in range(len(results.space))]


def rewrite(store, change):
    plan = store.read_plan()
    plan = change(plan) or plan
    content = {"sha256": planfile._hash(plan), "plan": plan}
    store.plan_path.write_text(json.dumps(content))
