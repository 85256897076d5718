"""A user's script with types: `mypy --strict` and pyright, in its strict mode, accept every public function as used here."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import polars as pl

import fnnet as fn
from fnnet.evaluation.model import Model, predict
from fnnet.interop import safetensors


class Weights(NamedTuple):
    first: jax.Array
    last: jax.Array


# A task of one's own.


def init(key: jax.Array, hparams: fn.Hparams, data: fn.Examples) -> Weights:
    first, last = jax.random.normal(key, (2,))
    return Weights(first, last)


def step(
    key: jax.Array, hparams: fn.Hparams, state: Weights, batch: fn.Examples
) -> tuple[Weights, dict[str, jax.Array]]:
    def loss(weights: Weights) -> jax.Array:
        return jnp.mean((weights.first * weights.last * batch.inputs - batch.targets) ** 2)

    value, grads = jax.value_and_grad(loss)(state)
    rate: float = hparams["learning_rate"]
    return Weights(*(w - rate * g for w, g in zip(state, grads, strict=True))), {"loss": value}


def measure(hparams: fn.Hparams, state: Weights, data: fn.Examples) -> Mapping[str, jax.Array]:
    return {"product": state.first * state.last}


def product(hparams: fn.Hparams, params: Weights, inputs: jax.Array) -> jax.Array:
    return params.first * params.last * inputs


def kept(state: Weights) -> Weights:
    return state


def my_recipe(noise: float = 0.0) -> fn.Task:
    return fn.Task(
        init=init,
        step=step,
        measure=measure,
        predict=product,
        params=kept,
        higher_is_better={"product": True},
    )


# Objectives and whole trainings.


def objective(
    key: jax.Array, params: jax.Array, batch: fn.Examples, hparams: fn.Hparams
) -> tuple[jax.Array, dict[str, jax.Array]]:
    noisy = batch.inputs + hparams["noise"] * jax.random.normal(key, batch.inputs.shape)
    return jnp.mean((params * noisy - batch.targets) ** 2), {"slope": params}


def slope(hparams: fn.Hparams, params: jax.Array, data: fn.Examples) -> dict[str, jax.Array]:
    return {"slope": params}


def objective_recipe(optimizer: str) -> fn.Task:
    def zero(key: jax.Array, hparams: fn.Hparams, data: fn.Examples) -> jax.Array:
        return jnp.zeros(())

    return fn.objective_task(zero, objective, optimizer=optimizer, schedule="cosine", measure=slope)


def whole_training(key: jax.Array, hparams: fn.Hparams, data: None) -> dict[str, jax.Array]:
    return {"end": jax.random.uniform(key) * hparams["decay"]}


# Supervised tasks: metrics, losses and optimizers of one's own.


def off_by_one(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(abs(outputs.argmax(axis=1) - targets) <= 1)


def squared(output: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.sum((output - target) ** 2)


def clipped(hparams: fn.Hparams) -> optax.GradientTransformation:
    return optax.chain(optax.clip(1.0), optax.sgd(hparams["learning_rate"]))


def networks(depth: int, width: int = 8) -> fn.Task:
    def network(hparams: fn.Hparams) -> fn.Network:
        return fn.mlp(4, [width] * depth, 3, activation=jax.nn.tanh, dropout=hparams["dropout"])

    return fn.supervised(
        network,
        "cross_entropy",
        optimizer=fn.from_hparams(optax.adamw, "learning_rate", "weight_decay", b1=0.9),
        metrics={"off_by_one": fn.metrics.Metric(off_by_one, higher_is_better=True), "nll": fn.metrics.nll},
    )


def regression(depth: int) -> fn.Task:
    return fn.supervised(fn.mlp(1, [8] * depth, 1), squared, optimizer=clipped, batch_size=None)


# Sweeps, searches and results.


def sweep_all(data: fn.Dataset) -> fn.Results:
    space = fn.grid(depth=[1, 2], learning_rate=fn.logspace(1e-3, 0.1, 4), seed=range(3)) * fn.grid(
        dropout=0.1
    )
    space = space.filter(lambda run: run["depth"] * run["learning_rate"] < 0.1) | space.take([0, 1])
    prepared = fn.prepare(networks, space, data, num_steps=100, store="results/typed")
    seconds: float = prepared.estimates[0].seconds
    print(f"about {seconds:.0f} s")
    fn.sweep(my_recipe, fn.grid(learning_rate=[0.1, 0.2]), data.train, num_steps=10, eval_every=5)
    fn.sweep(lambda: fn.function_task(whole_training), fn.grid(decay=0.5), None, num_steps=1)
    fn.successive_halving(networks, space, data, rungs=[10, 20], factor=2, metric="validation_loss")
    return fn.execute(prepared)


def read(results: fn.Results) -> float:
    column: np.ndarray = results["test_loss"]
    table: pl.DataFrame = results.table(over="seed")
    best = results.best("test_nll", higher_is_better=False)
    mean: float = best.interval.mean
    depth: int = best.config["depth"]
    some = results.where(depth=depth, learning_rate=lambda rate: rate > 0.01).top("test_loss", 2)
    ends = results.curves("test_loss").isel(step=-1).values
    low: float = results.curves("test_loss", over=["seed"])["low"].min().item()
    compared: pl.DataFrame = results.compare(some, "test_loss")
    print(
        table.height,
        column.mean(),
        ends,
        compared,
        len(results.space),
        [run["seed"] for run in results.space],
    )
    fn.plots.heatmap(results, "test_loss").savefig("heatmap.png")
    fn.plots.curves(results, "test_loss", by="depth", over=None).savefig("curves.png")
    print(fn.tables.best(results, "test_loss", axis="learning_rate", style="markdown"))
    print(*fn.mean_interval(column), low)
    return mean


def export(results: fn.Results, data: fn.Dataset) -> np.ndarray:
    arguments = {"num_inputs": 4, "widths": [8], "num_outputs": 3}
    model = Model(arguments, results.params(0), "cross_entropy", data.preprocessing, data.class_names)
    safetensors.save("model.safetensors", model)
    found = fn.evaluate_results(networks, results, data.test, ["accuracy", off_by_one])
    print(found["accuracy"].mean())
    return predict(safetensors.load("model.safetensors"), data.test.inputs)


def by_hand() -> jax.Array:
    network, optimizer = fn.mlp(2, [16], 1), fn.sgd(0.1, momentum=0.9)
    params = network.init(jax.random.key(0))
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    params = fn.apply_updates(params, updates)
    run = fn.train(my_recipe(), {"learning_rate": 0.1}, None, num_steps=3)
    print(run.metrics["product"], run.curves["step"], bool(run.diverged))
    return network.apply(params, jnp.ones(2))


if __name__ == "__main__":
    data = fn.load_dataset("iris", validation_fraction=0.2)
    results = sweep_all(data)
    print(read(results), export(results, data).shape, by_hand())
