"""Curvature, against full Hessians, finite differences of gradients by hand, and exact enumeration."""

import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

import fnnet as fn
from fnnet.analysis import curvature
from fnnet.analysis.curvature import make_objective, top_eigenvalues
from fnnet.data import Examples

KEY = jax.random.key(1)
RNG = np.random.default_rng(0)
INPUTS, CLASSES, NUMBERS = RNG.normal(size=(23, 3)), RNG.integers(0, 2, 23), 5 * RNG.normal(size=(23, 2))


@pytest.mark.slow
def test_hvp_matches_differences_of_gradients(x64):
    network = fn.mlp(3, [7, 4], 2, "tanh", initializer="pytorch")
    params, restore = ravel_pytree(network.init(jax.random.key(0)))
    direction = jnp.array(np.random.default_rng(1).normal(size=params.size))
    objective = make_objective(network, "cross_entropy")

    def gradient(flat):
        return ravel_pytree(oracle.gradients(jax.device_get(restore(flat)), INPUTS, CLASSES)[1])[0]

    step = 1e-5 * direction
    expected = (gradient(params + step) - gradient(params - step)) / 2e-5
    found = curvature.hvp(
        lambda params: objective(params, Examples(INPUTS, CLASSES)), restore(params), restore(direction)
    )
    np.testing.assert_allclose(ravel_pytree(found)[0], expected, atol=1e-8)
    assert np.linalg.norm(expected) > 0.1


NETWORKS = {  # up to 500 parameters, and their targets
    "tanh": (fn.mlp(3, [7, 4], 2, "tanh", initializer="pytorch"), NUMBERS),
    "tanh, negative": (fn.mlp(3, [7, 4], 2, "tanh", initializer="pytorch"), -10 * NUMBERS),
    "gelu, negative": (fn.mlp(3, [20, 17], 2, "gelu", initializer="pytorch"), -10 * NUMBERS),
    "relu": (fn.mlp(3, [20, 17], 2, "relu"), CLASSES),
    "one layer": (fn.mlp(3, [], 2), CLASSES),
    "stacked": (fn.mlp(3, [5] * 12, 2, "tanh"), CLASSES),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_top_eigenvalues_match_the_full_hessian(x64, name):
    network, targets = NETWORKS[name]
    params, restore = ravel_pytree(network.init(jax.random.key(0)))
    assert params.size <= 500
    loss = "cross_entropy" if targets is CLASSES else "quadratic"

    def objective(flat):
        return make_objective(network, loss)(restore(flat), Examples(INPUTS, targets))

    expected = np.linalg.eigvalsh(jax.jit(jax.hessian(objective))(params))[::-1]
    if name.endswith("negative"):
        assert -expected[-1] > expected[0]  # the largest in magnitude is not the largest
    sharpness = jax.jit(partial(top_eigenvalues, objective))(params, KEY)
    np.testing.assert_allclose(sharpness, expected[:1], rtol=1e-6)
    num = min(10, params.size)
    several = jax.jit(partial(top_eigenvalues, objective, num_eigenvalues=num, num_iterations=120))(
        params, KEY
    )
    np.testing.assert_allclose(several, expected[:num], rtol=0, atol=1e-6)


def test_buffers_are_constants(x64):
    """Of outputs divided by a collected scale, whose Hessian over the weights is X'X / (n scale^2)."""
    network = fn.Network(
        init=lambda key: {"scale": jnp.array(0.5), "w": jax.random.normal(key, (3, 1))},
        apply=lambda params, x: x @ params["w"] / params["scale"],
        is_buffer={"scale": True, "w": False},
    )
    params = network.init(jax.random.key(0))
    examples = Examples(jnp.array(INPUTS), jnp.array(NUMBERS[:, :1]))
    objective = make_objective(network, "quadratic")
    hessian = INPUTS.T @ INPUTS / len(INPUTS) / 0.5**2
    found = top_eigenvalues(lambda params: objective(params, examples), params, KEY, 3)
    np.testing.assert_allclose(found, np.linalg.eigvalsh(hessian)[::-1], rtol=1e-9)
    trace = curvature.hessian_trace(lambda params: objective(params, examples), params, KEY, 400)
    assert abs(trace.mean - np.trace(hessian)) < 4 * trace.standard_error


@st.composite
def symmetric(draw):
    """A matrix of few sizes whose eigenvalues are often equal, zero or of one sign."""
    size = draw(st.sampled_from([1, 2, 9]))
    spectra = st.lists(st.sampled_from([0.0, 0.0, 1.0, 1.0, -3.0, 1e-3, 40.0]), min_size=size, max_size=size)
    values = np.array(draw(spectra)) * draw(st.sampled_from([1e-6, 1.0, 1e4]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    q = np.linalg.qr(rng.normal(size=(size, size)))[0] if draw(st.booleans()) else np.eye(size)
    return q @ np.diag(values) @ q.T


@partial(jax.jit, static_argnums=1)
def eigenvalues(matrix, num_iterations):
    def objective(x):
        return x @ matrix @ x / 2 + jnp.sum(x)

    num = min(num_iterations, len(matrix))
    return top_eigenvalues(objective, jnp.ones(len(matrix)), KEY, num, num_iterations)


@pytest.mark.slow
@settings(max_examples=80)
@given(symmetric())
def test_lanczos_continues_after_an_invariant_subspace(matrix):
    """With all iterations all eigenvalues come out, equal ones as often as they are there; with fewer, bounds."""
    expected = np.linalg.eigvalsh(matrix)[::-1]
    scale = np.abs(expected).max()
    with jax.enable_x64(True):
        np.testing.assert_allclose(eigenvalues(jnp.array(matrix), 99), expected, rtol=0, atol=1e-12 * scale)
        few = eigenvalues(jnp.array(matrix), 3)
        assert few[0] <= expected[0] + 1e-12 * scale and few[-1] >= expected[-1] - 1e-12 * scale
    single = eigenvalues(jnp.array(matrix, jnp.float32), 99)
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.slow
def test_diverged_run_does_not_affect_others():
    network = fn.mlp(3, [7], 2, "tanh")
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 4))
    params[0]["w"] = params[0]["w"].at[1, 0, 0].set(jnp.nan)
    objective = make_objective(network, "cross_entropy")
    examples = Examples(jnp.array(INPUTS, jnp.float32), jnp.array(CLASSES))

    @jax.vmap
    def measure(params):
        def of_params(params):
            return objective(params, examples)

        return {
            "sharpness": top_eigenvalues(of_params, params, KEY, 2),
            "trace": curvature.hessian_trace(of_params, params, KEY, 3),
            "noise": curvature.gradient_noise_scale(objective, params, examples, 2),
        }

    def only(run, tree):
        return jax.tree.map(lambda leaf: leaf[run : run + 1], tree)

    together = jax.jit(measure)(params)
    for run in range(4):
        chex.assert_trees_all_close(
            only(run, together), jax.jit(measure)(only(run, params)), rtol=1e-3, atol=0
        )
        if run == 1:
            assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(only(run, together)))
        else:
            chex.assert_tree_all_finite(only(run, together))


@pytest.mark.slow
def test_sharpness_is_a_metric_of_a_sweep(tmp_path):
    data = fn.from_arrays(INPUTS.astype(np.float32), NUMBERS.astype(np.float32))

    def recipe():
        network = fn.mlp(3, [7], 2, "tanh")
        task = fn.supervised(network, "quadratic", optimizer="sgd", batch_size=None)
        objective = make_objective(network, "quadratic")

        def measure(hparams, state, data):
            values = top_eigenvalues(lambda params: objective(params, data.train), state.params, KEY)
            return {**task.measure(hparams, state, data), "sharpness": values[0]}

        return task._replace(measure=measure)

    space = fn.grid(learning_rate=[0.01, 0.02, 0.05], seed=range(2))
    results = fn.sweep(recipe, space, data, num_steps=30, eval_every=10, store=tmp_path, save_params=True)
    assert results.curves("sharpness").shape == (3, 2, 3)
    objective = make_objective(fn.mlp(3, [7], 2, "tanh"), "quadratic")
    for run in range(6):
        params, restore = ravel_pytree(jax.tree.map(jnp.asarray, results.params(run)))
        full = jax.hessian(lambda flat: objective(restore(flat), data.train))(params)  # noqa: B023
        expected = np.linalg.eigvalsh(np.asarray(full, np.float64))[-1]
        np.testing.assert_allclose(results["sharpness"][run], expected, rtol=1e-4)


@pytest.mark.slow
def test_gradient_descent_diverges_beyond_two_over_the_sharpness(x64):
    """Of a network without hidden layers, whose Hessian is the same everywhere."""
    data = fn.from_arrays(INPUTS, NUMBERS)
    network = fn.mlp(3, [], 2)
    task = fn.supervised(network, "quadratic", optimizer="sgd", batch_size=None)
    params, objective = network.init(jax.random.key(0)), make_objective(network, "quadratic")
    sharpness = top_eigenvalues(lambda params: objective(params, data.train), params, KEY)[0]
    rates = jnp.array([1.99, 2.01]) / sharpness
    train = jax.jit(
        jax.vmap(lambda rate: fn.train(task, {"learning_rate": rate}, data, num_steps=4000).metrics)
    )
    below, above = train(rates)["train_loss"]
    assert below < objective(params, data.train) and above > 1e20


def test_trace_is_unbiased_and_its_error_matches_the_formula(x64):
    matrix = jnp.array(RNG.normal(size=(6, 6)))
    matrix = matrix + matrix.T
    num_samples = 5000
    estimate = jax.jit(lambda w: curvature.hessian_trace(lambda w: w @ matrix @ w / 2, w, KEY, num_samples))(
        jnp.ones(6)
    )
    assert abs(estimate.mean - jnp.trace(matrix)) < 4 * estimate.standard_error
    off_diagonal = matrix - jnp.diag(jnp.diag(matrix))
    variance = 2 * jnp.sum(off_diagonal**2)
    np.testing.assert_allclose(num_samples * estimate.standard_error**2, variance, rtol=0.1)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_parts_of_the_noise_scale_are_unbiased(x64, batch_size):
    """Their means over all samples of 4 from a population of 4, with replacement, are the population's."""
    population, w = np.array([[-1.0, 0.5], [2.0, 1.0], [0.0, 3.0], [4.0, -2.0]]), jnp.array([0.5, -2.0])
    samples = jnp.array(population)[np.array(list(itertools.product(range(4), repeat=4)))]

    def objective(w, x):
        return jnp.mean(jnp.sum(jnp.square(w[None] - x), axis=1)) / 2

    found = jax.vmap(lambda x: curvature.gradient_noise_scale(objective, w, x, batch_size))(samples)
    gradients = np.asarray(w) - population
    variance = np.cov(gradients.T, bias=True).trace()
    np.testing.assert_allclose(found.gradient_variance.mean(), variance, rtol=1e-12)
    np.testing.assert_allclose(found.squared_gradient.mean(), np.sum(gradients.mean(axis=0) ** 2), rtol=1e-12)


def test_noise_scale_matches_per_example_gradients(x64):
    network = fn.mlp(3, [7, 4], 2, "tanh", initializer="pytorch")
    params = network.init(jax.random.key(0))
    found = curvature.gradient_noise_scale(
        make_objective(network, "cross_entropy"), params, Examples(INPUTS, CLASSES), batch_size=4
    )
    rows = np.arange(20).reshape(5, 4)  # three examples are left out
    of_batches = [oracle.gradients(jax.device_get(params), INPUTS[r], CLASSES[r])[1] for r in rows]
    gradients = np.stack([ravel_pytree(gradient)[0] for gradient in of_batches])
    big, small = np.sum(gradients.mean(axis=0) ** 2), np.mean(np.sum(gradients**2, axis=1))
    squared = (20 * big - 4 * small) / (20 - 4)  # McCandlish et al. 2018, appendix A.1
    variance = (small - big) / (1 / 4 - 1 / 20)
    np.testing.assert_allclose(found, [variance / squared, variance, squared], rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda f, w: top_eigenvalues(f, w, KEY, 0),
            "num_eigenvalues must be a positive integer, got 0",
        ),
        (lambda f, w: top_eigenvalues(f, w, KEY, 1, 0), "num_iterations must be"),
        (lambda f, w: top_eigenvalues(f, w, KEY, 4), "num_eigenvalues must be at most 3, .* got 4"),
        (lambda f, w: curvature.hessian_trace(f, w, KEY, 1), "num_samples must be an integer of at least 2"),
        (lambda f, w: curvature.gradient_noise_scale(f, w, jnp.ones((5, 2)), 0), "batch_size must be"),
        (
            lambda f, w: curvature.gradient_noise_scale(f, w, jnp.ones((5, 2)), 3),
            "at least two batches .* got 5 examples",
        ),
    ],
)
def test_impossible_numbers_are_refused(call, message):
    with pytest.raises(fn.InputError, match=message):
        call(lambda w: w @ w, jnp.ones(3))


def test_unknown_loss_is_refused():
    with pytest.raises(fn.InputError, match="did you mean 'quadratic'"):
        make_objective(fn.mlp(3, [], 2), "quadratc")
