"""Sharpness along training, against the Hessian that JAX writes out and the losses of a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import fnnet as fn


@pytest.fixture
def data():
    x = np.linspace(-1, 1, 12)[:, None]
    return fn.from_arrays(x, np.sin(3 * x), test=(x, np.sin(3 * x)))


def dense_sharpness(network, params, data):
    flat, unravel = ravel_pytree(params)
    objective = fn.analysis.curvature.make_objective(network, "quadratic")
    hessian = jax.jit(jax.hessian(lambda vector: objective(unravel(vector), data.train)))(flat)
    return np.linalg.eigvalsh(np.asarray(hessian))[-1]


def train(network, data, num_steps, **hparams):
    task = fn.studies.edge_of_stability.gradient_descent(network)
    return jax.jit(lambda hparams: fn.train(task, hparams, data, num_steps=num_steps))(hparams)


@pytest.mark.slow
def test_sharpness_matches_the_dense_hessian(x64, data):
    network = fn.mlp(1, [6], 1, "tanh")
    run = train(network, data, 30, learning_rate=0.1, seed=4)
    start = network.init(jax.random.key(4))
    initial = dense_sharpness(network, start, data)
    assert run.metrics["initial_sharpness"] == pytest.approx(initial, rel=1e-6)
    last = dense_sharpness(network, run.state.params, data)
    assert run.metrics["sharpness"] == pytest.approx(last, rel=1e-6) and abs(last / initial - 1) > 0.01
    outputs = jax.vmap(network.apply, (None, 0))(start, jnp.asarray(data.train.inputs))
    half = np.mean(np.sum((np.asarray(outputs) - data.train.targets) ** 2, axis=1)) / 2
    assert run.metrics["initial_loss"] == pytest.approx(half, rel=1e-12)


@pytest.mark.slow
def test_initial_sharpness_matches_the_dense_hessian(x64, data):
    network = fn.mlp(1, [5], 1, "tanh")
    found = fn.studies.edge_of_stability.initial_sharpness(network, "quadratic", data.train, [3, 8])
    expected = [dense_sharpness(network, network.init(jax.random.key(seed)), data) for seed in (3, 8)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.slow
def test_rises_are_counted(x64, data):
    network = fn.mlp(1, [4], 1, "tanh")
    rate, num_steps = 3.0, 60
    objective = jax.jit(jax.value_and_grad(fn.analysis.curvature.make_objective(network, "quadratic")))
    params, losses = network.init(jax.random.key(1)), []
    for _ in range(num_steps):
        loss, grads = objective(params, data.train)
        params = jax.tree.map(lambda p, g: p - rate * g, params, grads)
        losses.append(float(loss))
    run = train(network, data, num_steps, learning_rate=rate, seed=1)
    rises = np.sum(np.diff(losses) > 0)
    assert 0 < rises < num_steps - 1 and run.metrics["num_rises"] == rises


@pytest.mark.slow
def test_networks_of_a_sweep_are_kept_and_can_be_evaluated(data, tmp_path):
    network = fn.mlp(1, [4], 1, "tanh")
    recipe = lambda: fn.studies.edge_of_stability.gradient_descent(network)  # noqa: E731
    results = fn.sweep(
        recipe, fn.grid(learning_rate=[0.1, 0.2]), data, num_steps=3, store=tmp_path, save_params=True
    )
    assert jax.tree.structure(results.params()) == jax.tree.structure(network.init(jax.random.key(0)))
    found = fn.evaluate_results(recipe, results, data.test, ["r2"])
    np.testing.assert_allclose(found["r2"], results["test_r2"], rtol=1e-5)
