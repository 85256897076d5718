"""A user's script with types, which `mypy --strict` and pyright accept: each public function as users call it."""

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


def my_recipe() -> fn.Task:
    return fn.Task(
        init=init,
        step=step,
        measure=measure,
        predict=product,
        params=kept,
        higher_is_better={"product": True},
    )


# Objectives and whole trainings.


def zero(key: jax.Array, hparams: fn.Hparams, data: fn.Examples) -> jax.Array:
    return jnp.zeros(())


def objective(
    key: jax.Array, params: jax.Array, batch: fn.Examples, hparams: fn.Hparams
) -> tuple[jax.Array, dict[str, jax.Array]]:
    noisy = batch.inputs + hparams["noise"] * jax.random.normal(key, batch.inputs.shape)
    return jnp.mean((params * noisy - batch.targets) ** 2), {"slope": params}


def slope(hparams: fn.Hparams, params: jax.Array, data: fn.Examples) -> dict[str, jax.Array]:
    return {"slope": params}


def objective_recipe(optimizer: str) -> fn.Task:
    return fn.objective_task(zero, objective, optimizer=optimizer, schedule="cosine", measure=slope)


def whole_training(key: jax.Array, hparams: fn.Hparams, data: None) -> dict[str, jax.Array]:
    return {"end": jax.random.uniform(key) * hparams["decay"]}


# Supervised tasks with metrics, losses and optimizers of one's own.


def off_by_one(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(abs(outputs.argmax(axis=1) - targets) <= 1)


def squared(output: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.sum((output - target) ** 2)


def clipped(hparams: fn.Hparams) -> optax.GradientTransformation:
    return optax.chain(optax.clip(1.0), optax.sgd(hparams["learning_rate"]))


def classifier(depth: int, width: int = 8) -> fn.Task:
    def network(hparams: fn.Hparams) -> fn.Network:
        return fn.mlp(4, [width] * depth, 3, activation=jax.nn.tanh, dropout=hparams["dropout"])

    return fn.supervised(
        network,
        "cross_entropy",
        optimizer=fn.from_hparams(optax.adamw, "learning_rate", weight_decay=0.01),
        batch_size=32,
        metrics={"off_by_one": fn.metrics.Metric(off_by_one, higher_is_better=True), "nll": fn.metrics.nll},
    )


def regression(depth: int) -> fn.Task:
    return fn.supervised(fn.mlp(1, [8] * depth, 1), squared, optimizer=clipped, batch_size=None)


# Sweeps, searches and results.


def sweep_own_tasks(line: fn.Dataset) -> None:
    rates = fn.grid(learning_rate=[0.1, 0.2])
    fn.sweep(my_recipe, rates, line.train, num_steps=10, eval_every=5)
    fn.sweep(objective_recipe, rates * fn.grid(optimizer="adam", noise=0.1), line.train, num_steps=10)
    fn.sweep(lambda: fn.function_task(whole_training), fn.grid(decay=0.5, seed=range(2)), None, num_steps=1)
    fn.sweep(regression, rates * fn.grid(depth=[0, 1]), line, num_steps=10)


def sweep_classifiers(data: fn.Dataset) -> fn.Results:
    space = fn.grid(depth=[1, 2], learning_rate=fn.logspace(1e-3, 0.1, 4), seed=range(3), dropout=0.1)
    space = space.filter(lambda run: run["depth"] * run["learning_rate"] < 0.1) | space.take([0, 1])
    fn.successive_halving(classifier, space, data, rungs=[10, 20], factor=2, metric="validation_loss")
    prepared = fn.prepare(classifier, space, data, num_steps=50, eval_every=25, store="results/typed")
    seconds: float = prepared.estimates[0].seconds
    print(f"{seconds:.1f} s")
    return fn.execute(prepared)


def read(results: fn.Results) -> float:
    column: np.ndarray = results["test_loss"]
    table: pl.DataFrame = results.table(over="seed")
    best = results.best("test_nll", higher_is_better=False)
    depth: int = best.config["depth"]
    some = results.where(depth=depth, learning_rate=lambda rate: rate > 0.01).top("test_loss", 2)
    ends = results.curves("test_loss").isel(step=-1).values
    low: float = results.curves("test_loss", over=["seed"])["low"].min().item()
    compared: pl.DataFrame = results.compare(some, "test_loss")
    print(table.height, ends.shape, low, compared.height, [run["seed"] for run in results.space])
    fn.plots.heatmap(results, "test_loss").savefig("heatmap.png")
    fn.plots.curves(results, "test_loss", by="depth", over=None).savefig("curves.png")
    print(fn.tables.best(results, "test_loss", axis="learning_rate", style="markdown"))
    mean: float = fn.mean_interval(column).mean
    return mean


def export(results: fn.Results, data: fn.Dataset) -> np.ndarray:
    found = fn.evaluate_results(classifier, results, data.test, ["accuracy", off_by_one])
    print(found["accuracy"].mean())
    arguments = {"num_inputs": 4, "widths": [8], "num_outputs": 3, "activation": "tanh"}
    params = results.where(depth=1).params(0)
    model = Model(arguments, params, "cross_entropy", data.preprocessing, data.class_names)
    safetensors.save("model.safetensors", model)
    return predict(safetensors.load("model.safetensors"), data.test.inputs)


def train_by_hand(line: fn.Dataset) -> jax.Array:
    network, optimizer = fn.mlp(1, [16], 1), fn.sgd(0.1, momentum=0.9)
    optimizer = fn.scale_updates(optimizer, network.update_scales)
    params = network.init(jax.random.key(0))
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    params = fn.apply_updates(params, updates)
    run = fn.train(my_recipe(), {"learning_rate": 0.1}, line.train, num_steps=3)
    print(run.metrics["product"], run.curves["step"], bool(run.diverged))
    return network.apply(params, line.test.inputs[0])


def main() -> None:
    data = fn.load_dataset("iris", validation_fraction=0.2)
    x = np.linspace(-1, 1, 11, dtype=np.float32)[:, None]
    line = fn.from_arrays(x, 2 * x, test=(x[:3], 2 * x[:3]))
    sweep_own_tasks(line)
    results = sweep_classifiers(data)
    print(read(results), export(results, data).shape, train_by_hand(line).shape)


if __name__ == "__main__":
    main()
