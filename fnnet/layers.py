"""Layers of a fully connected network: their initial parameters, and their values.

Values have features along the first axis: `[features]` for one example, `[features, n]` for a batch. With the examples
last, sums over classes and activations are long vector operations, and products need no transposition of a layer.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fnnet.activations import Activation, activate
from fnnet.errors import InputError, check_integer
from fnnet.hparams import check_range
from fnnet.initializers import INITIALIZERS, Initializer, from_jax
from fnnet.names import lookup
from fnnet.parameterizations import LayerShape, Parameterization, Scales
from fnnet.types import KeyArray, Number


class LayerValues(NamedTuple):
    """The values of one layer: `z = x @ w + b` and `h = activation(z)`, plus x in a residual layer."""

    z: Float[Array, "fan_out *examples"]
    h: Float[Array, "fan_out *examples"]


class Layer(NamedTuple):
    """Everything about a layer but its parameters. Equal neighbors can share one stacked array."""

    shape: LayerShape
    scales: Scales
    initializer: Initializer
    activation: Activation
    adds_input: bool
    dropout: Number | None


def plan_layers(
    sizes: list[int],
    activation: Activation,
    output_activation: Activation,
    initializer: Any,
    parameterization: Parameterization,
    residual: bool,
    dropout: Number | None,
) -> list[Layer]:
    """Build the layers of a network.

    Raises:
        InputError: when a size is not a positive integer, the number of initializers is wrong, or the dropout rate is
            out of range.
    """
    names = ["num_inputs", *(f"widths[{index}]" for index in range(len(sizes) - 2)), "num_outputs"]
    for name, size in zip(names, sizes, strict=True):
        check_integer(name, size)
    check_dropout(dropout)
    num_layers = len(sizes) - 1
    is_one = isinstance(initializer, str | Initializer) or not isinstance(initializer, Sequence)
    initializers = [initializer] * num_layers if is_one else list(initializer)
    if len(initializers) != num_layers:
        raise InputError(
            f"initializer must be one, or one for each of {num_layers} layers; got {len(initializers)}"
        )
    layers = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        is_last = index == num_layers - 1
        shape = LayerShape(fan_in, fan_out, is_first=index == 0, is_last=is_last)
        found = lookup("initializer", initializers[index], INITIALIZERS)
        layers.append(
            Layer(
                shape=shape,
                scales=parameterization(shape),
                initializer=found if isinstance(found, Initializer) else from_jax(found),
                activation=output_activation if is_last else activation,
                adds_input=residual and not is_last and index > 0 and fan_in == fan_out,
                dropout=None if is_last else dropout,
            )
        )
    return layers


def group_equal(layers: list[Layer], stack_from: int) -> list[list[Layer]]:
    """Group stretches of at least `stack_from` equal layers into blocks; every other layer is a block by itself."""
    blocks: list[list[Layer]] = []
    for _, stretch in itertools.groupby(layers):
        equal = list(stretch)
        blocks += [equal] if len(equal) >= max(stack_from, 2) else [[layer] for layer in equal]
    return blocks


def check_dropout(rate: object) -> None:
    """Check that a concrete dropout rate is at least 0 and below 1.

    Raises:
        InputError: naming the value.
    """
    check_range("dropout", rate, "a number from 0 to below 1", lambda rate: 0 <= rate < 1)


def split_key(key: KeyArray | None, blocks: list[list[Layer]]) -> list[Any]:
    """Return one key for each layer of each block; None if there is no key."""
    if key is None:
        return [None] * len(blocks)
    sizes = [len(block) for block in blocks]
    keys = jax.random.split(key, sum(sizes))
    return [keys[end - size : end] for size, end in zip(sizes, itertools.accumulate(sizes), strict=True)]


def init_block(block: list[Layer], noise: Array, use_bias: bool) -> dict[str, Array]:
    """Return the initial parameters of a block, made from uniform noise."""
    (fan_in, fan_out, *_), scales, initializer, *_ = block[0]

    def init_layer(noise: Array) -> dict[str, Array]:
        weights = initializer.weights(noise[: fan_in * fan_out].reshape(fan_in, fan_out))
        params = {"w": scales.weight_init * weights}
        if use_bias:
            params["b"] = initializer.biases(noise[fan_in * fan_out :], scales.bias_fan_in or fan_in)
        return params

    return init_layer(noise) if len(block) == 1 else jax.vmap(init_layer)(noise.reshape(len(block), -1))


def apply_layer(layer: Layer, params: dict[str, Array], x: Array, key: KeyArray | None = None) -> LayerValues:
    """Compute a layer's values from its inputs `[fan_in, *examples]`, with dropout if there is a key."""
    z = jax.lax.dot_general(params["w"], x, (((0,), (0,)), ((), ())))  # w.T @ x
    if layer.scales.forward != 1.0:
        z = layer.scales.forward * z
    if "b" in params:
        # A bias of z's rank: where ranks differ, vmap over lanes would move the examples to the front.
        z = z + jnp.expand_dims(params["b"], range(1, z.ndim))
    h = activate(layer.activation, z)
    if key is not None and layer.dropout is not None:
        h = drop(h, layer.dropout, key)
    return LayerValues(z, h + x if layer.adds_input else h)


def apply_stack(
    layer: Layer, params: dict[str, Array], x: Array, keys: Array | None, collect: bool
) -> tuple[Array, Any]:
    """Compute the output of a block of stacked layers, with one key each, and, if `collect`, the values of each."""

    def step(h: Array, own: tuple[dict[str, Array], KeyArray | None]) -> tuple[Array, LayerValues | None]:
        values = apply_layer(layer, own[0], h, own[1])
        return values.h, values if collect else None

    return jax.lax.scan(step, x, (params, keys))


def drop(h: Array, rate: Number, key: KeyArray) -> Array:
    """Set values to 0 with a probability, and divide the others by one minus it ("inverted dropout").

    Example:
        >>> sorted(set(drop(jnp.ones(9), 0.75, jax.random.key(0)).tolist()))
        [0.0, 4.0]

    Source: Srivastava et al. (2014), section 10, "multiplying by 1/p at training time".
    """
    keep = 1 - jnp.asarray(rate).astype(jnp.result_type(float))
    return jnp.where(jax.random.bernoulli(key, keep, h.shape), h / keep.astype(h.dtype), 0)


def update_scales(blocks: list[list[Layer]], use_bias: bool) -> list[dict[str, float]] | None:
    """Return the factors on the learning rate of each parameter; None if all are 1."""
    scales: list[dict[str, float]] = []
    for block in blocks:
        layer = block[0]
        scales.append({"w": layer.scales.weight_update})
        if use_bias:
            scales[-1]["b"] = layer.scales.bias_update
    return None if all(leaf == 1.0 for leaf in jax.tree.leaves(scales)) else scales
