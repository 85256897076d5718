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
    standardised = weights / np.sqrt(VARIANCES[family])
    assert abs(standardised.var() - 1) < 0.02  # three standard errors of 60,000 draws
    assert stats.kstest(standardised, DISTRIBUTIONS[distribution].cdf).pvalue > 1e-3


def test_noise_never_gives_an_infinite_normal(x64):
    least = np.nextafter(-1.0, 0.0)
    assert np.isfinite(INITIALIZERS["he_normal"].weights(jnp.full((2, 3), least))).all()
    noise = np.asarray(uniform_noise(jax.random.key(1), 10**6, jnp.float32))
    assert noise.min() > -1 and noise.max() < 1


@pytest.mark.parametrize(("fan_in", "fan_out"), [(7, 4), (4, 7), (5, 5)])
def test_orthogonal_matrices_have_equal_singular_values(fan_in, fan_out):
    weights = draw(initializers.orthogonal(1.5), fan_in, fan_out)
    assert weights.shape == (fan_in, fan_out)
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
    initializer = fn.scaled_normal(1.7, 0.05)
    assert abs(draw(initializer).var() * FAN_IN / 1.7 - 1) < 0.02
    biases = initializer.biases(uniform_noise(jax.random.key(3), 50_000, jnp.float32), 7)
    assert abs(np.var(biases) / 0.05 - 1) < 0.02


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"pytorch"}))
def test_biases_start_at_zero(name):
    assert not np.any(INITIALIZERS[name].biases(jnp.full(4, 0.5), 3))


def test_scales_may_be_traced():
    def first_layer(variance):
        network = fn.mlp(5, [4], 3, initializer=fn.scaled_normal(variance))
        return network.init(jax.random.key(0))[0]["w"]

    variances = jnp.array([1.0, 4.0])
    one, four = jax.jit(jax.vmap(first_layer))(variances)
    np.testing.assert_allclose(four, 2 * one, rtol=1e-6)


def test_each_layer_can_have_its_own():
    network = fn.mlp(5, [4, 4], 3, initializer=["orthogonal", "he_normal", "zeros"])
    first, second, last = network.init(jax.random.key(0))
    np.testing.assert_allclose(first["w"].T @ first["w"], np.eye(4), atol=1e-6)
    assert np.any(second["w"]) and not np.any(last["w"])
    with pytest.raises(fn.InputError, match="one for each of 3 layers, got 2"):
        fn.mlp(5, [4, 4], 3, initializer=["zeros", "zeros"])


def test_layers_draw_different_numbers():
    network = fn.mlp(4, [4] * 9, 4)
    layers = [np.asarray(layer["w"]) for layer in fn.unstack(network.init(jax.random.key(0)))]
    assert len({layer.tobytes() for layer in layers}) == 10


@pytest.mark.parametrize("wrong", [{"fan": "fan_inn"}, {"distribution": "norma"}])
def test_unknown_choices_are_refused(wrong):
    with pytest.raises(fn.InputError, match="did you mean"):
        initializers.variance_scaling(1.0, **wrong)
