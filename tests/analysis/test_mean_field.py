"""Mean-field theory, against adaptive quadrature, closed forms, published numbers and wide random networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

import fnnet as fn
from fnnet.analysis import mean_field

# tanh, sigma_b^2 = 0.05: sigma_w^2, q*, chi_1, c*, xi_c, computed in numpy by iterating the maps
TABLE = np.array(
    [
        [1.00, 0.19359, 0.75903, 1, 3.627],
        [1.20, 0.26990, 0.84517, 1, 5.945],
        [1.60, 0.47425, 0.96369, 1, 27.035],
        [1.70, 0.53308, 0.98674, 1, 74.918],
        [1.80, 0.59413, 1.00822, 0.95041, 125.78],
        [2.00, 0.72176, 1.04767, 0.74408, 25.213],
        [4.00, 2.19549, 1.34240, 0.16506, 6.980],
    ]
)


@pytest.mark.slow
def test_fixed_points_are_those_of_the_literature(x64):
    points = jax.vmap(lambda scale: mean_field.fixed_point("tanh", scale, 0.05))(TABLE[:, 0])
    np.testing.assert_allclose(np.stack(points, axis=1), TABLE[:, 1:], rtol=2e-4)
    # what a reproduction of Schoenholz et al. published with its code, to two digits after the point
    np.testing.assert_allclose(points.depth_scale[jnp.array([0, -1])], [3.63, 6.98], atol=0.005)


def test_float32_is_enough_away_from_criticality():
    point = mean_field.fixed_point("tanh", 4.0, 0.05)
    assert point.variance.dtype == jnp.float32
    np.testing.assert_allclose(np.stack(point), TABLE[-1, 1:], rtol=1e-4)


PHI = {
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "gelu": lambda z: z * stats.norm.cdf(z),
    "softplus": lambda z: np.logaddexp(0, z),
}


@pytest.mark.parametrize("activation", PHI)
def test_variance_map_matches_numerical_integration(x64, activation):
    integral = integrate.quad(lambda u: PHI[activation](np.sqrt(0.7) * u) ** 2 * stats.norm.pdf(u), -9, 9)[0]
    found = mean_field.variance_map(activation, 0.7, 1.3, 0.2)
    np.testing.assert_allclose(found, 1.3 * integral + 0.2, rtol=1e-7)


def test_correlation_map_and_slope_match_numerical_integration(x64):
    q, c, scale, bias = 0.7, 0.6, 1.3, 0.2
    u, v = np.meshgrid(
        *2 * [np.linspace(-8, 8, 801)]
    )  # a sum over a fine grid, which has no nodes of its own
    density = stats.multivariate_normal([0, 0], [[1, c], [c, 1]]).pdf(np.dstack([u, v])) * (16 / 800) ** 2
    product, variance = (np.sum(density * np.tanh(np.sqrt(q) * u) * np.tanh(np.sqrt(q) * w)) for w in (v, u))
    found = mean_field.correlation_map("tanh", c, q, scale, bias)
    np.testing.assert_allclose(found, (scale * product + bias) / (scale * variance + bias), rtol=1e-9)
    slopes = np.sum(density / np.cosh(np.sqrt(q) * u) ** 2 / np.cosh(np.sqrt(q) * v) ** 2)
    np.testing.assert_allclose(mean_field.correlation_slope("tanh", c, q, scale), scale * slopes, rtol=1e-9)


@pytest.mark.parametrize("c", [-0.8, 0.0, 0.3, 0.95])
def test_maps_have_the_known_closed_forms(x64, c):
    q = 0.8  # erf: Williams (1997); relu: Cho & Saul (2009)
    kernel = lambda c: 2 / np.pi * np.arcsin(2 * q * c / (1 + 2 * q))  # noqa: E731
    found = mean_field.correlation_map("erf", c, q, 1.7, 0.1)
    np.testing.assert_allclose(found, (1.7 * kernel(c) + 0.1) / (1.7 * kernel(1) + 0.1), rtol=1e-10)
    angle = np.arccos(c)
    relu = (np.sin(angle) + (np.pi - angle) * c) / np.pi
    np.testing.assert_allclose(mean_field.correlation_map("relu", c, q, 2.0), relu, atol=2e-3)
    np.testing.assert_allclose(mean_field.correlation_map("identity", c, q, 2.0), c, rtol=1e-10, atol=1e-14)


def test_slope_is_the_derivative_of_the_map_at_the_fixed_point(x64):
    point = mean_field.fixed_point("sine", 3.0, 0.3)
    slope = jax.grad(lambda c: mean_field.correlation_map("sine", c, point.variance, 3.0, 0.3))
    for c in (0.2, 0.9):
        found = mean_field.correlation_slope("sine", c, point.variance, 3.0)
        np.testing.assert_allclose(found, slope(c), rtol=1e-8)


def test_signals_end_at_the_fixed_point(x64):
    for scale in (1.2, 3.0):
        point = mean_field.fixed_point("tanh", scale, 0.05)
        signals = mean_field.propagate("tanh", 200, scale, 0.05, input_variance=3.0, input_correlation=0.5)
        np.testing.assert_allclose(signals.variance[0], 3 * scale + 0.05)
        np.testing.assert_allclose(signals.correlation[0], (1.5 * scale + 0.05) / (3 * scale + 0.05))
        np.testing.assert_allclose(signals.variance[-1], point.variance, rtol=1e-10)
        apart = np.abs(signals.correlation - point.correlation)
        np.testing.assert_allclose(apart[-1], 0, atol=1e-8)
        xi = -1 / np.log(apart[40] / apart[39])
        np.testing.assert_allclose(xi, point.depth_scale, rtol=0.02)


@pytest.mark.slow
def test_wide_networks_match_the_theory():
    network = fn.mlp(400, [400] * 6, 400, "tanh", initializer=fn.initializers.scaled_normal(2.0, 0.1))
    x = jnp.ones(400).at[200:].set(-1.0)  # uncorrelated with ones

    def measure(key):
        params = network.init(key)
        one, two = (network.intermediates(params, x)[:-1] for x in (jnp.ones(400), x))
        q = jnp.stack([jnp.mean(layer.z**2) for layer in one])
        return q, jnp.stack([jnp.mean(a.z * b.z) for a, b in zip(one, two, strict=True)])

    q, covariance = jax.vmap(measure)(jax.random.split(jax.random.key(0), 40))
    signals = mean_field.propagate("tanh", 6, 2.0, 0.1)
    np.testing.assert_allclose(q.mean(axis=0), signals.variance, rtol=0.05)  # 4 standard errors
    np.testing.assert_allclose(covariance.mean(axis=0), signals.variance * signals.correlation, atol=0.03)


def test_where_signals_vanish_or_explode_there_is_no_correlation():
    vanishing, exploding = (mean_field.fixed_point("tanh", 0.5), mean_field.fixed_point("relu", 2.5))
    assert vanishing.variance == 0 and not jnp.isfinite(exploding.variance)
    np.testing.assert_allclose(vanishing.gradient_factor, 0.5, rtol=1e-6)
    for point in (vanishing, exploding):
        assert jnp.isnan(point.correlation) and jnp.isnan(point.depth_scale)


def test_unknown_activation_is_refused():
    with pytest.raises(fn.InputError, match="tanh"):
        mean_field.fixed_point("tahn", 1.0)


@pytest.mark.parametrize(
    ("activation", "weight_variance", "bias_variance"),
    [
        ("relu", 2.0, 0.1),
        ("relu", 2.05, 0.0),
        ("identity", 1.0, 0.5),
        ("relu", 2.5, 0.0),
        ("identity", 1.001, 0.1),
    ],
)
def test_diverging_variance_is_not_finite(activation, weight_variance, bias_variance):
    for precise in (False, True):
        with jax.enable_x64(precise):
            point = mean_field.fixed_point(activation, weight_variance, bias_variance)
            assert point.variance == jnp.inf
            assert jnp.isnan(point.correlation) and jnp.isnan(point.depth_scale)


@pytest.mark.slow
@pytest.mark.parametrize("precise", [False, True])
def test_slowly_converging_variance_matches_closed_form(precise):
    """relu halves the variance, so q* = bias / (1 - weight / 2); after 1000 layers it is still on its way."""
    with jax.enable_x64(precise):
        assert mean_field.fixed_point("relu", 1.99, 0.0).variance == 0
        assert mean_field.fixed_point("identity", 0.999, 0.0).variance == 0
        point = mean_field.fixed_point("relu", 1.99, 5.0)
        np.testing.assert_allclose(point.variance, 1000, rtol=1e-10 if precise else 1e-4)
        point = mean_field.fixed_point("relu", 1.99, 1e-3)
        np.testing.assert_allclose(point.variance, 0.2, rtol=1e-10 if precise else 1e-4)
        # He's initialization keeps whatever variance there is.
        np.testing.assert_allclose(mean_field.fixed_point("relu", 2.0).variance, 1, rtol=1e-3)


@pytest.mark.slow
def test_derivative_of_the_fixed_point_matches_closed_form(x64):
    slope = jax.grad(lambda weight: mean_field.fixed_point("relu", weight, 0.3).variance)(1.5)
    np.testing.assert_allclose(slope, 0.3 / 2 / (1 - 0.75) ** 2, rtol=1e-10)
