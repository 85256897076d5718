"""Weights of Flax modules: converted to those of `mlp` and back, bit for bit."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import fnnet as fn
from fnnet.interop.flax_weights import from_flax, to_flax

IMAGE, BATCH, STEPS = (8, 8, 1), 24, 12
IN, WIDTH, OUT = 3, 7, 2


class NnxMLP(nnx.Module):
    def __init__(self, sizes, rngs, use_bias=True):
        pairs = itertools.pairwise(sizes)
        self.layers = nnx.List([nnx.Linear(*pair, use_bias=use_bias, rngs=rngs) for pair in pairs])

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nnx.tanh(layer(x))
        return self.layers[-1](x)


class LinenMLP(linen.Module):
    sizes: tuple[int, ...]
    use_bias: bool = True

    @linen.compact
    def __call__(self, x):
        for size in self.sizes[1:-1]:
            x = linen.tanh(linen.Dense(size, use_bias=self.use_bias)(x))
        return linen.Dense(self.sizes[-1], use_bias=self.use_bias)(x)


def flax_mlp(kind, sizes, use_bias):
    """Parameters of Flax's MLP, and a function that applies it to some."""
    if kind == "linen":
        module = LinenMLP(tuple(sizes), use_bias)
        variables = module.init(jax.random.key(7), jnp.zeros((1, sizes[0])))
        return variables["params"], lambda params, x: module.apply({"params": params}, x)
    module = NnxMLP(sizes, nnx.Rngs(7), use_bias)

    def apply(state, x):
        nnx.update(module, state)
        return module(x)

    return nnx.state(module, nnx.Param), apply


def assert_same_bits(one, other):
    chex.assert_trees_all_equal_shapes_and_dtypes(one, other)
    bits = (jax.tree.map(lambda leaf: np.asarray(leaf).view(np.uint32), tree) for tree in (one, other))
    chex.assert_trees_all_equal(*bits)


@pytest.mark.parametrize("kind", ["linen", "nnx"])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    "depth", [0, 1, 3, 13]
)  # from 8 equal layers on, a stack; 10 or more are not in order by text
def test_flax_round_trip_is_exact(kind, use_bias, depth):
    sizes = [IN, *[WIDTH] * depth, OUT]
    network = fn.mlp(IN, [WIDTH] * depth, OUT, "tanh", use_bias=use_bias, initializer="pytorch")
    params = network.init(jax.random.key(0))
    like, apply = flax_mlp(kind, sizes, use_bias)
    theirs = to_flax(params, like)
    assert jax.tree.structure(theirs) == jax.tree.structure(like)
    batch = np.random.default_rng(0).normal(size=(5, IN)).astype(np.float32)
    outputs = jax.vmap(network.apply, in_axes=(None, 0))(params, batch)
    np.testing.assert_allclose(apply(theirs, batch), outputs, rtol=1e-5, atol=1e-6)
    assert_same_bits(from_flax(theirs, network), params)
    assert_same_bits(to_flax(from_flax(like, network), like), like)


def test_nan_bits_survive():
    network = fn.mlp(IN, [WIDTH] * 9, OUT)
    params = jax.tree.map(np.array, network.init(jax.random.key(0)))
    params[1]["w"].view(np.uint32)[2, 0] = [0x7FC0BEEF, 0x80000000, 0x00000001, 0x7F800000, 0xFF800000, 1, 2]
    like, _ = flax_mlp("linen", [IN, *[WIDTH] * 9, OUT], True)
    assert_same_bits(from_flax(to_flax(params, like), network), params)


def test_names_resolve_ambiguous_order():
    network = fn.mlp(WIDTH, [WIDTH, WIDTH], WIDTH)
    params = network.init(jax.random.key(0))
    like = {name: {"kernel": np.zeros((7, 7)), "bias": np.zeros(7)} for name in ("head", "input", "middle")}
    with pytest.raises(fn.InputError, match=r"order of the layers .* is ambiguous"):
        to_flax(params, like)
    order = ["input", "middle", "head"]
    theirs = to_flax(params, like, order)
    assert theirs["input"]["kernel"] is params[0]["w"] and theirs["head"]["bias"] is params[2]["b"]
    assert_same_bits(from_flax(theirs, network, order), params)
    with pytest.raises(fn.InputError, match="names must be the names of the layers"):
        to_flax(params, like, ["input", "middle", "tail"])


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"Dense_0": {"kernel": np.zeros((IN, OUT)), "bias": np.zeros(OUT)}}, "1 layers .* params have 2"),
        (flax_mlp("linen", [IN, 5, OUT], True)[0], "layer 'Dense_0' of the module has"),
        (flax_mlp("linen", [IN, WIDTH, OUT], False)[0], "layer 'Dense_0' of the module has"),
        (
            {"LayerNorm_0": {"scale": np.zeros(3)}},
            "parameters of the module must be named kernel or bias, got 'LayerNorm_0/scale'",
        ),
    ],
)
def test_mismatched_weights_are_refused(like, message):
    network = fn.mlp(IN, [WIDTH], OUT)
    with pytest.raises(fn.InputError, match=message):
        to_flax(network.init(jax.random.key(0)), like)
    with pytest.raises(fn.InputError):
        from_flax(like, network)
