import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fnnet as fn
from fnnet import initializers
from fnnet.initializers import INITIALIZERS, uniform_noise

FAN_IN, FAN_OUT = 300, 200
VARIANCES = {
    "he": 2 / FAN_IN,
    "glorot": 2 / (FAN_IN + FAN_OUT),
    "lecun": 1 / FAN_IN,
}
DISTRIBUTIONS = {
    "normal": stats.norm(),
    "uniform": stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
    # cut at two standard deviations of the normal, then widened to unit variance
    "truncated_normal": stats.truncnorm(-2, 2, scale=1 / stats.truncnorm(-2, 2).std()),
}


def draw(initializer, fan_in=FAN_IN, fan_out=FAN_OUT, seed=0):
    noise = uniform_noise(jax.random.key(seed), fan_in * fan_out, jnp.float32)
    return np.asarray(initializer.weights(noise.reshape(fan_in, fan_out)))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("family", VARIANCES)
def test_named_initializers_draw_from_their_distribution(family, distribution):
    weights = draw(INITIALIZERS[f"{family}_{distribution}"]).ravel()
    standardized = weights / np.sqrt(VARIANCES[family])
    assert abs(standardized.var() - 1) < 0.02  # three standard errors of 60,000 draws
    assert stats.kstest(standardized, DISTRIBUTIONS[distribution].cdf).pvalue > 1e-3


def test_normal_weights_are_finite(x64):
    least = np.nextafter(-1.0, 0.0)
    assert np.isfinite(INITIALIZERS["he_normal"].weights(jnp.full((2, 3), least))).all()
    noise = np.asarray(uniform_noise(jax.random.key(1), 10**6, jnp.float32))
    assert noise.min() > -1 and noise.max() < 1


@pytest.mark.parametrize(("fan_in", "fan_out"), [(7, 4), (4, 7), (5, 5)])
def test_orthogonal_matrices_have_equal_singular_values(fan_in, fan_out):
    weights = draw(initializers.orthogonal(1.5), fan_in, fan_out)
    chex.assert_shape(weights, (fan_in, fan_out))
    np.testing.assert_allclose(np.linalg.svd(weights, compute_uv=False), 1.5, rtol=1e-5)


def test_orthogonal_draws_are_uniform():
    """The first entry of a uniformly random 3 x 3 rotation or reflection is uniform on [-1, 1]."""
    first = [draw(initializers.orthogonal(), 3, 3, seed)[0, 0] for seed in range(400)]
    assert stats.kstest(first, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_pytorch_default_is_uniform_in_weights_and_biases():
    bound = 1 / np.sqrt(FAN_IN)
    noise = uniform_noise(jax.random.key(2), 5000, jnp.float32)
    biases = initializers.pytorch().biases(noise, FAN_IN)
    for values in (draw(initializers.pytorch()).ravel(), np.asarray(biases)):
        assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


def test_scaled_normal_has_both_variances():
    initializer = fn.initializers.scaled_normal(1.7, 0.05)
    assert abs(draw(initializer).var() * FAN_IN / 1.7 - 1) < 0.02
    biases = initializer.biases(uniform_noise(jax.random.key(3), 50_000, jnp.float32), 7)
    assert abs(np.var(biases) / 0.05 - 1) < 0.02


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"pytorch"}))
def test_biases_start_at_zero(name):
    assert not np.any(INITIALIZERS[name].biases(jnp.full(4, 0.5), 3))


def test_scales_may_be_traced():
    def first_layer(variance):
        network = fn.mlp(5, [4], 3, initializer=fn.initializers.scaled_normal(variance))
        return network.init(jax.random.key(0))[0]["w"]

    variances = jnp.array([1.0, 4.0])
    one, four = jax.jit(jax.vmap(first_layer))(variances)
    np.testing.assert_allclose(four, 2 * one, rtol=1e-6)


def test_each_layer_can_have_its_own():
    network = fn.mlp(5, [4, 4], 3, initializer=["orthogonal", "he_normal", "zeros"])
    first, second, last = network.init(jax.random.key(0))
    np.testing.assert_allclose(first["w"].T @ first["w"], np.eye(4), atol=1e-6)
    assert np.any(second["w"]) and not np.any(last["w"])
    with pytest.raises(fn.InputError, match="one for each of 3 layers; got 2"):
        fn.mlp(5, [4, 4], 3, initializer=["zeros", "zeros"])


def test_layers_draw_different_numbers():
    network = fn.mlp(4, [4] * 9, 4)
    layers = [np.asarray(layer["w"]) for layer in fn.unstack(network.init(jax.random.key(0)))]
    assert len({layer.tobytes() for layer in layers}) == 10


@pytest.mark.parametrize("wrong", [{"fan": "fan_inn"}, {"distribution": "norma"}])
def test_unknown_choices_are_refused(wrong):
    with pytest.raises(fn.InputError, match="did you mean"):
        initializers.variance_scaling(1.0, **wrong)


@pytest.mark.slow
@pytest.mark.parametrize("initializer", ["jax", "mixed"])
def test_jax_initializers_work(initializer):
    jax_orthogonal, jax_constant = jax.nn.initializers.orthogonal(1.7), jax.nn.initializers.constant(0.3)
    chosen = {"jax": jax_orthogonal, "mixed": [jax_orthogonal, "zeros", jax_constant]}[initializer]
    network = fn.mlp(5, [7, 7], 2, initializer=chosen)
    first, second, last = network.init(jax.random.key(0))
    np.testing.assert_allclose(first["w"] @ first["w"].T, 1.7**2 * np.eye(5), atol=1e-5)
    if initializer == "mixed":
        assert not second["w"].any() and (last["w"] == jnp.float32(0.3)).all()
    else:
        np.testing.assert_allclose(second["w"] @ second["w"].T, 1.7**2 * np.eye(7), atol=1e-5)
    assert not first["b"].any()
    other = network.init(jax.random.key(1))
    if initializer == "jax":
        assert jnp.abs(first["w"] - other[0]["w"]).max() > 0.1
    chex.assert_trees_all_equal(network.init(jax.random.key(1)), other)


@pytest.mark.slow
def test_jax_initializers_draw_independent_weights():
    """16 million pairs of numbers from 2,000 layers and seeds: as independent as normal ones are."""
    network = fn.mlp(4, [4] * 19, 4, initializer=jax.nn.initializers.normal(1.0))
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 100))
    stacked = jnp.concatenate([layer["w"].reshape(-1, 16) for layer in params])
    assert stacked.shape == (2000, 16) and len(params) < 20  # equal layers are one stack
    correlations = np.corrcoef(stacked)
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 0.99
    np.testing.assert_allclose([stacked.mean(), stacked.std()], [0, 1], atol=4 / 32_000**0.5)


@pytest.mark.parametrize(
    ("initializer", "message"),
    [
        (
            jax.nn.initializers.orthogonal,
            r"initializer must return weights of shape \(3, 7\), got a \w*[fF]unction",
        ),
        (lambda key, shape, dtype: jnp.zeros(shape[::-1]), r"of shape \(3, 7\), got shape \(7, 3\)"),
        (3, "initializer must be one of .* or a function, got 3"),
    ],
)
def test_invalid_initializers_are_refused(initializer, message):
    with pytest.raises(fn.InputError, match=message):
        fn.mlp.__wrapped__(3, [7], 2, initializer=initializer).init(jax.random.key(0))
