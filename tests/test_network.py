import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import fnnet as fn

BATCH, IN, WIDTHS, OUT = 5, 3, [7, 4], 2


@pytest.fixture
def inputs():
    return np.random.default_rng(0).normal(size=(BATCH, IN)).astype(np.float32)


def apply(network, params, inputs):
    return jax.vmap(network.apply, in_axes=(None, 0))(params, inputs)


def test_weight_matrices_have_shape_fan_in_fan_out():
    params = fn.mlp(IN, WIDTHS, OUT).init(jax.random.key(0))
    chex.assert_shape([layer["w"] for layer in params], [(3, 7), (7, 4), (4, 2)])
    chex.assert_shape([layer["b"] for layer in params], [(7,), (4,), (2,)])


def test_forward_matches_the_formula(inputs):
    network = fn.mlp(IN, WIDTHS, OUT, "tanh", output_activation="softmax", initializer="pytorch")
    params = network.init(jax.random.key(0))
    values = jax.vmap(network.intermediates, in_axes=(None, 0))(params, inputs)
    h = inputs
    for layer, (z, activated) in zip(params, values, strict=True):
        np.testing.assert_allclose(
            z, h @ np.asarray(layer["w"]) + np.asarray(layer["b"]), rtol=1e-5, atol=1e-6
        )
        h = np.asarray(activated)
    np.testing.assert_allclose(np.tanh(values[0].z), values[0].h, rtol=1e-5)
    np.testing.assert_allclose(h.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(h, apply(network, params, inputs))


def test_depth_zero_is_one_affine_map(inputs):
    network = fn.mlp(IN, [], OUT, "tanh", initializer="pytorch")
    (layer,) = params = network.init(jax.random.key(0))
    expected = inputs @ np.asarray(layer["w"]) + np.asarray(layer["b"])
    np.testing.assert_allclose(apply(network, params, inputs), expected, rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "softmax", lambda z: z / jnp.sqrt(1 + jnp.sum(z**2))])
@pytest.mark.parametrize("widths", [[7, 4], [6, 6, 6]])
def test_batch_gives_the_outputs_of_its_examples(inputs, activation, widths):
    network = fn.mlp(IN, widths, OUT, activation, residual=True, initializer="pytorch", stack_from=2)
    params = network.init(jax.random.key(0))
    outputs = network.apply_batch(params, inputs)
    assert outputs.shape == (BATCH, OUT)
    np.testing.assert_allclose(outputs, apply(network, params, inputs), rtol=1e-5, atol=1e-6)
    grads = jax.grad(lambda params: jnp.sum(network.apply_batch(params, inputs) ** 2))(params)
    by_one = jax.grad(lambda params: jnp.sum(apply(network, params, inputs) ** 2))(params)
    chex.assert_trees_all_close(grads, by_one, rtol=1e-4, atol=1e-5)


# --- dropout --------------------------------------------------------------------------------------------


def test_dropout_is_the_formula(x64):
    """Masks of all hidden layers, drawn for the whole batch; the others are divided by 1 - rate, a traced number."""
    key, inputs = jax.random.key(3), np.random.default_rng(0).normal(size=(BATCH, IN))
    params = fn.mlp(IN, WIDTHS, OUT, "tanh", initializer="pytorch").init(jax.random.key(0))

    def run(rate, key=None):
        return fn.mlp(IN, WIDTHS, OUT, "tanh", dropout=rate).apply_batch(params, inputs, key=key)

    h = inputs
    for layer, layer_key in zip(params, jax.random.split(key, 3), strict=True):
        z = h @ np.asarray(layer["w"]) + np.asarray(layer["b"])
        kept = jax.random.bernoulli(layer_key, 0.75, z.T.shape).T
        h = np.where(kept, np.tanh(z) / 0.75, 0)
    np.testing.assert_allclose(jax.jit(run)(0.25, key), z, rtol=1e-12)
    assert not np.allclose(run(0.25), z)
    np.testing.assert_array_equal(run(0.25), run(None, key))


def test_stacked_layers_drop_what_separate_ones_do(inputs):
    stacked, separate = (fn.mlp(IN, [6] * 4, OUT, residual=True, dropout=0.5, stack_from=n) for n in (2, 99))
    params = stacked.init(jax.random.key(0))
    outputs, same = stacked.train(params, inputs, jax.random.key(1))
    expected = separate.apply_batch(fn.unstack(params), inputs, key=jax.random.key(1))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    assert same is params and separate.is_buffer is None


def test_dropout_is_a_rate(inputs):
    for rate in (-0.1, 1.0):
        with pytest.raises(fn.InputError, match="dropout must be a number from 0 to below 1, got"):
            fn.mlp(IN, WIDTHS, OUT, dropout=rate)


def test_without_biases_zero_stays_zero():
    network = fn.mlp(IN, WIDTHS, OUT, use_bias=False)
    params = network.init(jax.random.key(0))
    assert all(set(layer) == {"w"} for layer in params)
    assert not np.any(network.apply(params, jnp.zeros(IN)))


@pytest.mark.slow
def test_residual_layers_add_their_input(inputs):
    """Those that enter and leave as many hidden neurons; neither the first layer nor the last, whatever their sizes."""
    network = fn.mlp(IN, [IN, IN, 6, 6], 6, "tanh", initializer="pytorch", residual=True)
    params = network.init(jax.random.key(0))
    h = inputs
    for index, layer in enumerate(jax.device_get(params)):
        z = h @ layer["w"] + layer["b"]
        h = np.tanh(z) + h if index in (1, 3) else z if index == 4 else np.tanh(z)
    np.testing.assert_allclose(apply(network, params, inputs), h, rtol=1e-5, atol=1e-6)
    layers = network.intermediates(params, inputs[0])
    np.testing.assert_allclose(layers[3].h, np.tanh(layers[3].z) + layers[2].h, rtol=1e-6)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("parameterization", ["standard", fn.mup(2)])
def test_stacked_layers_equal_separate_ones(inputs, parameterization, residual):
    def build(stack_from):
        return fn.mlp(
            IN,
            [6] * 12,
            OUT,
            "tanh",
            initializer="pytorch",
            parameterization=parameterization,
            residual=residual,
            stack_from=stack_from,
        )

    stacked, separate = build(4), build(99)
    params = stacked.init(jax.random.key(1))
    layers = fn.unstack(params)
    assert len(params) == 3 and len(layers) == 13
    np.testing.assert_array_equal(layers[5]["w"], separate.init(jax.random.key(1))[5]["w"])
    np.testing.assert_allclose(
        apply(stacked, params, inputs), apply(separate, layers, inputs), rtol=1e-5, atol=1e-6
    )
    of_stacked = jax.vmap(stacked.intermediates, in_axes=(None, 0))(params, inputs)
    of_separate = jax.vmap(separate.intermediates, in_axes=(None, 0))(layers, inputs)
    assert len(of_stacked) == 13
    chex.assert_trees_all_close(of_stacked, of_separate, rtol=1e-5, atol=1e-6)


def test_program_of_a_stack_does_not_grow_with_its_depth():
    """Lines of the lowered program, not seconds: compilation time follows them and does not flicker."""

    def num_lines(depth):
        network = fn.mlp(IN, [6] * depth, OUT)
        params = network.init(jax.random.key(0))
        loss = jax.grad(lambda params, x: jnp.sum(network.apply(params, x)))
        return jax.jit(loss).lower(params, jnp.ones(IN)).as_text().count("\n")

    assert num_lines(128) == num_lines(16)


def test_logits_equal_flax_linen(inputs):
    network = fn.mlp(IN, WIDTHS, OUT, "tanh", initializer="pytorch")
    params = network.init(jax.random.key(0))

    class Linen(linen.Module):
        @linen.compact
        def __call__(self, x):
            for width in WIDTHS:
                x = linen.tanh(linen.Dense(width)(x))
            return linen.Dense(OUT)(x)

    named = {f"Dense_{i}": {"kernel": layer["w"], "bias": layer["b"]} for i, layer in enumerate(params)}
    expected = Linen().apply({"params": named}, inputs)
    np.testing.assert_allclose(apply(network, params, inputs), expected, rtol=1e-6, atol=1e-6)


def test_logits_equal_flax_nnx(inputs):
    network = fn.mlp(IN, WIDTHS, OUT, "relu", initializer="pytorch")
    params = network.init(jax.random.key(0))
    x = inputs
    for index, layer in enumerate(params):
        linear = nnx.Linear(*layer["w"].shape, rngs=nnx.Rngs(0))
        linear.kernel[...], linear.bias[...] = layer["w"], layer["b"]
        x = linear(x)
        x = nnx.relu(x) if index < len(WIDTHS) else x
    np.testing.assert_allclose(apply(network, params, inputs), x, rtol=1e-6, atol=1e-6)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=7),
    use_bias=st.booleans(),
    stack_from=st.integers(1, 4),
)
def test_apply_accepts_params_of_init(sizes, use_bias, stack_from):
    network = fn.mlp(sizes[0], sizes[1:-1], sizes[-1], use_bias=use_bias, stack_from=stack_from)
    params = jax.eval_shape(network.init, jax.random.key(0))
    output = jax.eval_shape(network.apply, params, jax.ShapeDtypeStruct((sizes[0],), jnp.float32))
    assert output.shape == (sizes[-1],) and output.dtype == jnp.float32
    values = jax.eval_shape(network.intermediates, params, jax.ShapeDtypeStruct((sizes[0],), jnp.float32))
    assert [value.z.shape for value in values] == [(size,) for size in sizes[1:]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, [3], 2), "num_inputs must be a positive integer, got 0"),
        ((3, [3, -1], 2), r"widths\[1\] must be a positive integer, got -1"),
        ((3, [3], 0), "num_outputs must be a positive integer, got 0"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(fn.InputError, match=message):
        fn.mlp(*arguments)


def test_batch_is_refused_with_advice(inputs):
    network = fn.mlp(IN, WIDTHS, OUT)
    with pytest.raises(fn.InputError, match=r"batch of shape \(n, 3\), got \(3,\)"):
        network.apply_batch(network.init(jax.random.key(0)), inputs[0])
    with pytest.raises(fn.InputError, match=r"network\.apply_batch"):
        network.apply(network.init(jax.random.key(0)), inputs)
