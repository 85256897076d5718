"""Deep linear networks, against quadrature and gradient descent in numpy."""

import functools

import jax
import numpy as np
import pytest
from scipy import integrate

from fnnet.analysis import deep_linear


@pytest.mark.parametrize("num_matrices", [1, 2, 3, 8])
def test_trajectories_solve_the_differential_equation(num_matrices):
    strengths, start, times = np.array([3.0, 0.5]), 0.1, np.linspace(0.05, 1, 5) / num_matrices
    found = deep_linear.trajectories(strengths, num_matrices, start, times)
    for s, course in zip(strengths, found, strict=True):
        for time, reached in zip(times, course, strict=True):
            needed, _ = integrate.quad(
                lambda u, s=s: 1 / (num_matrices * u ** (2 - 2 / num_matrices) * (s - u)), start, reached
            )
            assert needed == pytest.approx(time, rel=1e-6)


def product(matrices):
    return functools.reduce(np.matmul, matrices, np.eye(4))


@pytest.mark.parametrize("num_matrices", [2, 3])
def test_decoupled_weights_learn_modes_independently(x64, num_matrices):
    left, right = np.linalg.qr(np.random.default_rng(5).normal(size=(2, 4, 4)))[0]
    strengths, start, rate, num_steps = np.array([3.0, 2.0, 1.0, 0.5]), 0.1, 1e-4, 10_000
    network = deep_linear.decoupled_network(left, right, num_matrices, start, seed=3)
    weights = [np.array(layer["w"]) for layer in network.init(jax.random.key(0))]
    for matrix in weights:
        np.testing.assert_allclose(np.linalg.svd(matrix)[1], start ** (1 / num_matrices))
    goal = right * strengths @ left.T  # of inputs in rows
    for _ in range(num_steps):
        error = product(weights) - goal
        gradients = [
            product(weights[:place]).T @ error @ product(weights[place + 1 :]).T
            for place in range(num_matrices)
        ]
        weights = [w - rate * gradient for w, gradient in zip(weights, gradients, strict=True)]
    modes = right.T @ product(weights) @ left
    expected = deep_linear.trajectories(strengths, num_matrices, start, np.array([rate * num_steps]))[:, 0]
    np.testing.assert_allclose(modes, np.diag(expected), rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("num_matrices", [1, 2, 3])
def test_time_zero_is_the_start(num_matrices):
    for times in ([0.0], [0.0, 0.0], [0.0, 0.5]):
        found = deep_linear.trajectories([3.0, 1.0], num_matrices, 1e-3, np.array(times))
        assert found.shape == (2, len(times))
        np.testing.assert_allclose(found[:, 0], 1e-3)
