"""Equinox modules as networks, against Equinox itself."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnet as fn
from fnnet.hparams import Hparams
from fnnet.keys import step_key
from fnnet.network import trained_part

eqx = pytest.importorskip("equinox")

from fnnet.interop.equinox import equinox_module, equinox_network  # noqa: E402

WIDTH = 7


class Normed(eqx.Module):
    first: eqx.nn.Linear
    last: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout

    def __init__(self, key):
        one, two = jax.random.split(key)
        self.first, self.last = eqx.nn.Linear(4, WIDTH, key=one), eqx.nn.Linear(WIDTH, 3, key=two)
        self.norm = eqx.nn.BatchNorm(WIDTH, axis_name="batch", mode="batch")
        self.drop = eqx.nn.Dropout(0.4)

    def __call__(self, x, state, key=None):
        h, state = self.norm(self.first(x), state)
        return self.last(self.drop(jnp.tanh(h), key=key)), state


def build(key):
    return eqx.nn.make_with_state(Normed)(key)


def decaying_sgd(hparams):
    # Not adam, which would amplify rounding where a gradient is 0, as that of a bias before a normalization.
    return optax.chain(optax.add_decayed_weights(0.1), optax.sgd(hparams["learning_rate"], momentum=0.9))


def plain_loop(data, hparams, num_steps):
    """Train as Equinox's documentation does; returns the module, its state and the outputs for the test split."""
    optimizer, seed = decaying_sgd(hparams), Hparams(hparams)
    model, state = build(jax.random.key(hparams["seed"]))
    opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model, state, opt_state, key, x, y):
        def loss(model, state):
            keys = jax.random.split(key, len(x))
            over_batch = jax.vmap(model, axis_name="batch", in_axes=(0, None, 0), out_axes=(0, None))
            logits, state = over_batch(x, state, keys)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), state

        (_, state), grads = eqx.filter_value_and_grad(loss, has_aux=True)(model, state)
        updates, opt_state = optimizer.update(grads, opt_state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state, opt_state

    for number in range(num_steps):
        rows = np.arange(number * 16, (number + 1) * 16) % len(data.train.inputs)
        batch = data.train.inputs[rows], data.train.targets[rows]
        model, state, opt_state = step(model, state, opt_state, step_key(seed, number), *batch)
    trained = eqx.nn.inference_mode(model)
    outputs = jax.vmap(lambda x: trained(x, state)[0])(data.test.inputs)
    return jax.tree.leaves(eqx.filter((model, state), eqx.is_array)), outputs


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 4])
def test_dropout_and_batch_statistics_match_a_plain_loop(lanes, tmp_path):
    data = fn.load_dataset("iris")

    def recipe():
        return fn.supervised(
            equinox_network(build),
            "cross_entropy",
            optimizer=decaying_sgd,
            batch_size=16,
            order="sequential",
        )

    space = fn.grid(learning_rate=[0.02, 0.1], seed=range(4))
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        results = fn.sweep(
            recipe, space, data, num_steps=50, store=tmp_path / "s", save_params=True, lanes=lanes
        )
        for run in (0, 7):
            leaves, outputs = plain_loop(data, list(space)[run], 50)
            model, state = equinox_module(results.params(run), build)
            ours = jax.tree.leaves(eqx.filter((model, state), eqx.is_array))
            chex.assert_trees_all_close(ours, leaves, rtol=0, atol=1e-5)
            ours = jax.vmap(equinox_network(build).apply, in_axes=(None, 0))(
                results.params(run), data.test.inputs
            )
            np.testing.assert_allclose(ours, outputs, rtol=0, atol=1e-5)


def test_module_without_state():
    def build(key):
        return eqx.nn.MLP(4, 3, width_size=5, depth=2, key=key)

    network, x = equinox_network(build, input_shape=(4,)), jnp.linspace(0, 1, 4)
    params = network.init(jax.random.key(2))
    np.testing.assert_array_equal(network.apply(params, x), build(jax.random.key(2))(x))
    np.testing.assert_array_equal(equinox_module(params, build)(x), network.apply(params, x))
    assert network.is_buffer is None and [len(layer) for layer in params["layers"]] == [2, 2, 2]


def test_state_is_not_trained():
    network = equinox_network(build)
    params = network.init(jax.random.key(0))
    outputs, trained = network.train(params, jnp.ones((5, 4)), jax.random.key(1))
    assert outputs.shape == (5, 3)
    chex.assert_trees_all_equal(trained_part(network, trained), trained_part(network, params))
    assert jax.tree.structure(trained) == jax.tree.structure(params)
    assert len(jax.tree.leaves(trained_part(network, params))) == 6


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (eqx.nn.Identity(), "must be a function from a key to an Equinox module, .* got a Identity"),
        (lambda key: 3.0, "must return an Equinox module that can be called, got a float"),
        (
            Normed,
            r"Normed needs a state; build it with lambda key: eqx\.nn\.make_with_state\(Normed\)\(key=key\)",
        ),
    ],
)
def test_invalid_modules_are_refused(build, message):
    with pytest.raises(fn.InputError, match=message):
        equinox_network(build)
