import jax
import numpy as np
import pytest
import scipy.special

import fnnet as fn
from fnnet.activations import ACTIVATIONS

FORMULAS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "gelu": lambda z: z * (1 + scipy.special.erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "erf": scipy.special.erf,
    "sine": np.sin,
    "square": lambda z: z**2,
    "softmax": scipy.special.softmax,
}


def test_every_name_has_a_formula():
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_value_is_the_formula(x64, name):
    z = jax.numpy.linspace(-4, 4, 37)
    np.testing.assert_allclose(ACTIVATIONS[name](z), FORMULAS[name](z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FORMULAS)
def test_large_inputs_give_no_nan(name):
    z = jax.numpy.array([-1e4, 0.0, 1e4])
    assert np.isfinite(ACTIVATIONS[name](z)).all()
    assert np.isfinite(jax.grad(lambda z: ACTIVATIONS[name](z).sum())(z)).all()


def test_function_stands_where_a_name_does():
    by_name, by_function = fn.mlp(2, [3], 1, "sine"), fn.mlp(2, [3], 1, jax.numpy.sin)
    params = by_name.init(jax.random.key(0))
    x = jax.numpy.array([0.3, -0.4])
    assert by_name.apply(params, x) == by_function.apply(params, x)


def test_unknown_activation_is_refused():
    with pytest.raises(fn.InputError, match="did you mean 'relu'"):
        fn.mlp(2, [3], 1, activation="rleu")
