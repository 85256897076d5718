import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
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
    task = fn.supervised(network, "cross_entropy", optimizer=fn.sgd(learning_rate), batch_size=None)
    outputs = jax.vmap(network.apply, (None, 0))(network.init(jax.random.key(0)), inputs)
    return outputs, fn.train(task, {}, data, num_steps=num_steps, eval_every=1).curves["batch_loss"]


@pytest.mark.slow
def test_mup_at_base_width_is_standard():
    chex.assert_trees_all_close(train("standard"), train(fn.mup(base_width=8)), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
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
def test_mup_scales_match_the_table(optimizer, weight_updates, bias_updates):
    network = fn.mlp(5, [12, 8], 3, parameterization=fn.mup(4, optimizer=optimizer))
    np.testing.assert_allclose([layer["w"] for layer in network.update_scales], weight_updates)
    np.testing.assert_allclose([layer["b"] for layer in network.update_scales], bias_updates)


@pytest.mark.slow
@jax.numpy_dtype_promotion("standard")  # optax needs it
def test_handwritten_loop_matches_mup():
    """Wrapped in `scale_updates`, optax's optimizer makes the steps of `supervised`, which also read the scales."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 5)).astype(np.float32), rng.integers(0, 3, 16).astype(np.int32)
    data = fn.from_arrays(x, y, test=(x, y))
    network = fn.mlp(5, [12, 8], 3, "tanh", parameterization=fn.mup(4, optimizer="adam"))
    task = fn.supervised(network, "cross_entropy", optimizer=lambda hp: optax.adamw(0.01), batch_size=None)
    expected = fn.train(task, {}, data, num_steps=5).state.params
    optimizer = fn.scale_updates(optax.adamw(0.01), network.update_scales)
    params = network.init(jax.random.key(0))
    state = optimizer.init(params)
    for _ in range(5):
        grads = jax.grad(
            lambda params: optax.softmax_cross_entropy_with_integer_labels(
                jax.vmap(network.apply, in_axes=(None, 0))(params, data.train.inputs), data.train.targets
            ).mean()
        )(params)
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    chex.assert_trees_all_close(params, expected, rtol=1e-4, atol=1e-6)
    plain = optax.adamw(0.01)
    assert fn.scale_updates(plain, fn.mlp(5, [12], 3).update_scales) == plain


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_network_scaled_for_the_other_kind_of_optimizer_is_refused(kind):
    network = fn.mlp(5, [12, 8], 3, parameterization=fn.mup(4, optimizer=kind))
    other = {"sgd": "lion", "adam": "sgd"}[kind]
    advice = {"sgd": "adam", "adam": "sgd"}[kind]
    line = rf"parameterization is for optimizers like '{kind}'; for this one use mup\(\.\.\., optimizer='{advice}'\)"
    for each in (network, fn.ensemble(network, 2)):
        with pytest.raises(fn.InputError, match=line):
            fn.supervised(each, "cross_entropy", optimizer=other)
    fn.supervised(network, "cross_entropy", optimizer={"sgd": "sgd", "adam": "lion"}[kind])
    plain = fn.mlp(5, [4, 4], 3, parameterization=fn.mup(4, optimizer=kind))  # of the base width
    fn.supervised(plain, "cross_entropy", optimizer=other)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_recipe_of_the_command_line_takes_mup(optimizer):
    data = fn.load_dataset("iris")
    run, by_hand = (
        fn.train(task, {"learning_rate": 0.1}, data, num_steps=3).curves["batch_loss"]
        for task in (
            fn.mlp_recipe(data)(
                1, 12, parameterization="mup", base_width=4, optimizer=optimizer, batch_size=16
            ),
            fn.supervised(
                fn.mlp(4, [12], 3, parameterization=fn.mup(4, optimizer=optimizer)),
                "cross_entropy",
                optimizer=optimizer,
                batch_size=16,
            ),
        )
    )
    assert run == by_hand
    usual = fn.mlp_recipe(data)(1, parameterization="mup", batch_size=16)
    standard = fn.mlp_recipe(data)(1, batch_size=16)  # of the width 64, which is the base
    losses = (fn.train(task, {"learning_rate": 0.1}, data, num_steps=3) for task in (usual, standard))
    chex.assert_trees_all_equal(*losses)


def test_mup_readout_is_initialized_and_multiplied_by_the_width():
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


def one_step(network, optimizer, num_steps=1):
    """Train on zeros, so that only weight decay changes the weights; return the weights before and after."""
    data = fn.from_arrays(np.zeros((6, 3)), np.zeros((6, 2)), test=(np.zeros((1, 3)), np.zeros((1, 2))))
    task = fn.supervised(network, "mse", optimizer=lambda hp: optimizer, batch_size=None)
    run = fn.train(task, {}, data, num_steps=num_steps)
    return network.init(jax.random.key(0)), run.state.params


# The authors' package gives a parameter whose rate it multiplies by m a weight decay divided by m.
@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("width", [4, 64])
def test_mup_decays_weights_at_the_same_rate_at_every_width(kind, width):
    rate, decay = 0.1, 0.01
    optimizer = {
        "sgd": fn.sgd(rate, momentum=0.9, weight_decay=decay),
        "adam": optax.adamw(rate, weight_decay=decay),
    }[kind]
    network = fn.mlp(
        3, [width, width], 2, "identity", use_bias=False, parameterization=fn.mup(4, optimizer=kind)
    )
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        before, after = one_step(network, optimizer)
    expected = jax.tree.map(lambda leaf: (1 - rate * decay) * leaf, before)
    chex.assert_trees_all_close(after, expected, rtol=1e-6, atol=0)


@pytest.mark.slow
def test_mup_scales_the_gradient_and_not_the_decay(x64):
    """By hand: m = 3 for the input and output weights at width 12 over 4, so each moves by m times its gradient."""
    network = fn.mlp(3, [12], 2, "tanh", use_bias=False, parameterization=fn.mup(4))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    data = fn.from_arrays(x, y, test=(x, y))
    task = fn.supervised(
        network, "mse", optimizer=fn.sgd(0.1, weight_decay=0.2, max_norm=0.3), batch_size=None
    )
    params = network.init(jax.random.key(0))
    grads = jax.grad(fn.analysis.curvature.make_objective(network, "mse"))(
        params, jax.tree.map(jnp.asarray, data.train)
    )
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(grads)))
    assert norm > 0.3
    after = fn.train(task, {}, data, num_steps=1).state.params
    for start, grad, end in zip(params, grads, after, strict=True):
        expected = start["w"] - 0.1 * (3 * 0.3 / norm * grad["w"] + 0.2 * start["w"])
        np.testing.assert_allclose(end["w"], expected, rtol=1e-6)


@pytest.mark.slow
# The package multiplies the biases that torch draws, uniform on +-1/sqrt(fan_in), by sqrt(fan_in / base fan_in).
def test_mup_draws_biases_that_do_not_depend_on_width():
    base = 16
    for width in (16, 1024):
        network = fn.mlp(9, [width, width], 900, initializer="pytorch", parameterization=fn.mup(base))
        params = network.init(jax.random.key(0))
        limits = [1 / 3, 1 / 4, 1 / 4]  # the input layer has its own fan_in of 9, the others that of the base
        for layer, limit in zip(params, limits, strict=True):
            assert np.abs(layer["b"]).max() <= limit
            np.testing.assert_allclose(np.std(layer["b"]), limit / 3**0.5, rtol=0.5 if width == 16 else 0.06)
    normal = fn.mlp(
        9, [1024], 2, initializer=fn.initializers.scaled_normal(1.0, 0.3), parameterization=fn.mup(base)
    )
    plain = fn.mlp(9, [1024], 2, initializer=fn.initializers.scaled_normal(1.0, 0.3))
    for layer, other in zip(normal.init(jax.random.key(0)), plain.init(jax.random.key(0)), strict=True):
        np.testing.assert_array_equal(layer["b"], other["b"])  # whose variance is as given at every width
