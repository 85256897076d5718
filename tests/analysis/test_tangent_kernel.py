"""Linearised networks and tangent kernels against finite differences and a training step by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import fnnet as fn

pytestmark = pytest.mark.usefixtures("x64")


def flat_derivatives(network: fn.Network, params: object, inputs: np.ndarray) -> np.ndarray:
    """Differentiate outputs `[n, outputs]` by all parameters, by central differences."""
    flat, unravel = ravel_pytree(params)
    outputs = jax.vmap(lambda v: jax.vmap(network.apply, (None, 0))(unravel(v), inputs))
    steps = 1e-6 * np.eye(len(flat))
    return np.moveaxis(np.asarray(outputs(flat[None] + steps) - outputs(flat[None] - steps)), 0, -1) / 2e-6


@pytest.mark.slow
def test_sum_of_kernels_is_the_product_of_derivatives() -> None:
    network = fn.mlp(3, [5, 4], 2, "tanh")
    params = network.init(jax.random.key(0))
    inputs = np.random.default_rng(0).standard_normal((4, 3))
    kernels = fn.analysis.tangent_kernel.tangent_kernels(network, params, inputs)
    derivatives = flat_derivatives(network, params, inputs)
    expected = np.einsum("iap,jbp->iajb", derivatives, derivatives)
    np.testing.assert_allclose(sum(jax.tree.leaves(kernels)), expected, rtol=1e-7, atol=1e-8)


def test_linearized_networks_match_value_and_slope() -> None:
    network = fn.mlp(3, [5], 2, "tanh")
    start, change = (network.init(jax.random.key(seed)) for seed in (0, 1))
    linear = fn.analysis.tangent_kernel.linearize(network, start)
    x = np.array([0.5, -1.0, 2.0])
    flat, _ = ravel_pytree(change)
    slope = flat_derivatives(network, start, x[None])[0] @ np.asarray(flat)
    far_away = jax.tree.map(lambda p, d: p + 7.0 * d, start, change)
    np.testing.assert_allclose(linear.apply(start, x), network.apply(start, x), rtol=1e-12)
    np.testing.assert_allclose(
        linear.apply(far_away, x), network.apply(start, x) + 7.0 * slope, rtol=1e-7, atol=1e-8
    )


@pytest.mark.slow
def test_step_multiplies_the_errors_of_a_linearized_network() -> None:
    network = fn.mlp(3, [6], 1, "tanh")
    params = network.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((5, 3)), rng.standard_normal((5, 1))
    linear = fn.analysis.tangent_kernel.linearize(network, params)

    def errors(params: object) -> jax.Array:
        return jax.vmap(linear.apply, (None, 0))(params, inputs) - targets

    grads = jax.grad(lambda params: jnp.sum(errors(params) ** 2) / 2)(params)
    after = errors(jax.tree.map(lambda p, g: p - 0.1 * g, params, grads))
    kernel = sum(
        jax.tree.leaves(fn.analysis.tangent_kernel.tangent_kernels(network, params, inputs))
    ).reshape(5, 5)
    np.testing.assert_allclose(after, (np.eye(5) - 0.1 * kernel) @ errors(params), rtol=1e-10)
