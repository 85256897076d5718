"""A tour: networks and whole trainings are pure functions, so JAX's `grad`, `vmap` and `jit` apply to them.

1. `vmap` of `grad`: a gradient for each example.
2. `vmap` of `train`: an ensemble, trained in one program.
3. `jit` of `apply`: a forward pass without Python.
4. `grad` of `train`: how the loss after 200 steps changes with the learning rate.

All in float64, on handwritten digits.

Run `python experiments/functional_tour.py`, or with `--smoke` for fewer steps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, at_most
from reporting import Findings, main


@dataclass(frozen=True)
class Config:
    """Settings of the tour.

    difference: the relative change of the learning rate for the central difference.
    """

    dataset: str = "digits"
    width: int = 16
    learning_rate: float = 0.3
    num_steps: int = 200
    num_members: int = 5
    difference: float = 1e-4


SMOKE = Config(num_steps=20, num_members=2)


def per_example_gradients(network: fn.Network, params: Any, examples: fn.Examples) -> Claim:
    def loss(params: Any, x: Any, target: Any) -> jax.Array:  # of one example
        return fn.losses.cross_entropy(network.apply(params, x), target)

    grads = jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(params, *examples)
    norms = jnp.sqrt(sum(jnp.sum(leaf**2, axis=(1, 2)) for leaf in jax.tree.leaves([g["w"] for g in grads])))
    print(f"1. gradients of {len(norms)} examples: norms from {norms.min():.2f} to {norms.max():.2f}")
    of_mean = jax.grad(fn.analysis.curvature.make_objective(network, "cross_entropy"))(params, examples)
    apart = jax.tree.map(lambda many, one: jnp.max(jnp.abs(jnp.mean(many, axis=0) - one)), grads, of_mean)
    largest = max(jax.tree.leaves(apart))
    claim = "the mean of all examples' gradients is that of the mean loss: their difference"
    return at_most(claim, 1e-12, float(largest), 0)


def ensemble(network: fn.Network, train: Callable[..., fn.Run], data: fn.Dataset, config: Config) -> Claim:
    seeds = jnp.arange(config.num_members)
    members = jax.jit(jax.vmap(lambda seed: train(config.learning_rate, seed)))(seeds)
    outputs = jax.vmap(jax.vmap(network.apply, (None, 0)), (0, None))(members.state.params, data.test.inputs)
    together = fn.metrics.accuracy(jax.nn.softmax(outputs).mean(axis=0), jnp.asarray(data.test.targets))
    mean = members.metrics["test_accuracy"].mean()
    print(f"2. {config.num_members} networks: mean accuracy {mean:.3f}, together {together:.3f}")
    alone = jax.jit(train)(config.learning_rate, seeds[-1])
    apart = jnp.abs(alone.metrics["test_loss"] - members.metrics["test_loss"][-1])
    claim = "a network trains among others as it does alone: the difference of test losses"
    return at_most(claim, 1e-10, float(apart), 0)


def forward_pass(network: fn.Network, params: Any, inputs: Any) -> Claim:
    forward = jax.vmap(network.apply, in_axes=(None, 0))
    compiled = jax.jit(forward)
    apart = jnp.max(jnp.abs(forward(params, inputs) - compiled(params, inputs)))
    milliseconds = []
    for function in (forward, compiled):
        started = time.perf_counter()
        for _ in range(20):
            function(params, inputs).block_until_ready()
        milliseconds.append((time.perf_counter() - started) / 20 * 1e3)
    print("3. {} images: {:.2f} ms as written, {:.2f} ms compiled".format(len(inputs), *milliseconds))
    claim = "a forward pass gives the same outputs compiled and as written: their difference"
    return at_most(claim, 1e-12, float(apart), 0)


def gradient_through_training(train: Callable[..., fn.Run], config: Config) -> Claim:
    loss = jax.jit(lambda rate: train(rate, 0).metrics["train_loss"])
    rate, step = config.learning_rate, config.difference * config.learning_rate
    slope = jax.jit(jax.grad(loss))(rate)
    steps = f"after {config.num_steps} steps at rate {rate}"
    print(f"4. {steps} the loss is {loss(rate):.4f}, its slope {slope:+.4f}")
    expected = (loss(rate + step) - loss(rate - step)) / (2 * step)
    error = jnp.abs(slope - expected) / jnp.abs(expected)
    claim = "the gradient through training is the central difference: their relative difference"
    return at_most(claim, 1e-4, float(error), 0)


def follow_rates(train: Callable[..., fn.Run]) -> dict[str, np.ndarray]:
    """Train with many learning rates, and differentiate through some of the trainings."""

    def loss(rate: jax.Array) -> jax.Array:
        return train(rate, 0).metrics["train_loss"]

    rates = np.geomspace(0.01, 1, 101)
    slopes = jax.jit(jax.vmap(jax.grad(loss)))(rates[5::15])
    return {
        "rates": rates,
        "losses": np.asarray(jax.jit(jax.vmap(loss))(rates)),
        "slopes": np.asarray(slopes),
    }


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    data = fn.load_dataset(config.dataset)
    data = jax.tree.map(lambda leaf: leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf, data)
    network = fn.mlp(data.num_features, [config.width], data.num_outputs, activation="tanh")
    task = fn.supervised(network, "cross_entropy", optimizer="sgd")

    def train(learning_rate: Any, seed: Any) -> fn.Run:
        hparams = {"learning_rate": learning_rate, "seed": seed}
        return fn.train(task, hparams, data, num_steps=config.num_steps)

    params = network.init(jax.random.key(0))
    claims = [
        per_example_gradients(network, params, data.train),
        ensemble(network, train, data, config),
        forward_pass(network, params, data.test.inputs),
        gradient_through_training(train, config),
    ]
    measured = {"num_steps": config.num_steps, **follow_rates(train)}
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
