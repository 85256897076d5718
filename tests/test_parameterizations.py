import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn


def train(parameterization, *, width=8, depth=2, initializer="lecun_normal", num_steps=20, learning_rate=0.2):
    """Train on fixed random data; return the initial outputs and the losses."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(16, 5)).astype(np.float32)
    targets = rng.integers(0, 3, 16).astype(np.int32)
    data = fn.from_arrays(inputs, targets, test=(inputs, targets))
    network = fn.mlp(
        5, [width] * depth, 3, "tanh", initializer=initializer, parameterization=parameterization
    )
    task = fn.supervised(
        network, "cross_entropy", optimizer=lambda hp: fn.sgd(learning_rate), batch_size=None
    )
    outputs = jax.vmap(network.apply, (None, 0))(network.init(jax.random.key(0)), inputs)
    return outputs, fn.train(task, {}, data, num_steps=num_steps, eval_every=1).curves["batch_loss"]


@pytest.mark.slow
def test_mup_at_base_width_is_standard():
    for one, other in zip(train("standard"), train(fn.mup(base_width=8)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_ntk_starts_at_the_standard_function():
    np.testing.assert_allclose(train("standard")[0], train("ntk")[0], rtol=1e-5, atol=1e-6)


def test_ntk_learns_at_the_rate_divided_by_fan_in(x64):
    """For one affine map, scaling the weights by sqrt(fan_in) divides the weights' rate by fan_in."""
    rng = np.random.default_rng(1)
    x, y = jnp.array(rng.normal(size=5)), jnp.array(rng.normal(size=3))
    results = {}
    for name in ("standard", "ntk"):
        network = fn.mlp(5, [], 3, use_bias=False, parameterization=name)
        params = network.init(jax.random.key(0))
        grads = jax.grad(lambda params, network=network: fn.losses.quadratic(network.apply(params, x), y))(
            params
        )
        updated = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
        results[name] = network.apply(updated, x) - network.apply(params, x)
    np.testing.assert_allclose(5 * results["ntk"], results["standard"], rtol=1e-10)


# Table of Yang et al. 2022 as the authors' package applies it, for base width 4 and widths 12 -> 8:
# m_in = 3 and m_out = 2 for the hidden matrix.
@pytest.mark.parametrize(
    ("optimizer", "weight_updates", "bias_updates"),
    [("sgd", [3, 2 / 3, 2], [3, 2, 1]), ("adam", [1, 1 / 3, 1], [1, 1, 1])],
)
def test_mup_scales_are_the_table_s(optimizer, weight_updates, bias_updates):
    network = fn.mlp(5, [12, 8], 3, parameterization=fn.mup(4, optimizer=optimizer))
    np.testing.assert_allclose([layer["w"] for layer in network.update_scales], weight_updates)
    np.testing.assert_allclose([layer["b"] for layer in network.update_scales], bias_updates)


def test_mup_readout_is_initialised_and_multiplied_by_the_width():
    standard = fn.mlp(5, [12, 8], 3)
    network = fn.mlp(5, [12, 8], 3, parameterization=fn.mup(4, input_multiplier=0.25, output_multiplier=7.0))
    key, x = jax.random.key(0), jnp.arange(5.0)
    params, plain = network.init(key), standard.init(key)
    np.testing.assert_allclose(params[0]["w"], plain[0]["w"] * 2, rtol=1e-6)  # divided by sqrt(0.25)
    np.testing.assert_allclose(params[2]["w"], plain[2]["w"] * 2**0.5, rtol=1e-6)  # times sqrt(8 / 4)
    expected = standard.apply(plain, x) * 2**0.5 * 7 / 2
    np.testing.assert_allclose(network.apply(params, x), expected, rtol=1e-5)


def test_mup_refuses_impossible_arguments():
    with pytest.raises(fn.InputError, match="base_width must be at least 1, got 0"):
        fn.mup(0)
    with pytest.raises(fn.InputError, match="did you mean 'adam'"):
        fn.mup(8, optimizer="adm")
    with pytest.raises(fn.InputError, match="unknown parameterization 'mup'"):
        fn.mlp(2, [3], 1, parameterization="mup")
