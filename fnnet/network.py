"""Feed-forward networks as pairs of pure functions on one example.

A `Network` is the pair `init(key) -> params` and `apply(params, x) -> y`, like stax; `batched(network)` is its function
of a batch. The layers of an `mlp` compute `z = x @ w + b` and `h = activation(z)` with weight matrices
`[fan_in, fan_out]`: one row per neuron of the layer they leave, one column per neuron of the layer they enter.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from fnnet.activations import ACTIVATIONS, Activation
from fnnet.errors import InputError
from fnnet.initializers import Initializer, JaxInitializer, uniform_noise
from fnnet.layers import (
    LayerValues,
    apply_layer,
    apply_stack,
    group_equal,
    init_block,
    plan_layers,
    split_key,
    update_scales,
)
from fnnet.names import lookup
from fnnet.parameterizations import PARAMETERIZATIONS, Parameterization
from fnnet.types import KeyArray, Number, Params, PyTree


class Network(NamedTuple):
    """A function with parameters, on one example.

    init: draws initial `params` from a key.
    apply: computes the output `[num_outputs]` from `params` and one input `[num_inputs]`, as a trained network is
        evaluated: without dropout, with the statistics that training has collected.
    intermediates: like `apply`, but returns the `LayerValues` of every layer in order; None if not available.
    apply_batch: computes the outputs `[n, ...]` of inputs `[n, ...]` as fast as the network can; None for `jax.vmap` of
        `apply`. If you replace `apply`, replace this too.
    train: maps `(params, inputs [n, ...], key)` to `(outputs [n, ...], params)`, for a network that trains in another
        way than it is evaluated, with dropout or batch statistics; None for `apply_batch`.
    is_buffer: a prefix of the pytree `params`, True for parts that `train` sets, such as batch statistics, and False
        for those that an optimizer trains; None if all are trained.
    update_scales: factors on the learning rate, a pytree like `params` with a float for each leaf, set by the
        parameterization (see `optimizers.scale_updates`); None if all are 1.
    scaled_for: which optimizers they are for, "sgd", or "adam" for all others; None for any.

    Example:
        >>> line = Network(
        ...     init=lambda key: jax.random.normal(key, (2,)),
        ...     apply=lambda params, x: params[:1] * x + params[1:],
        ... )
        >>> line.apply(jnp.array([3.0, 1.0]), jnp.array([2.0])).tolist()
        [7.0]
    """

    init: Callable[[KeyArray], Params]
    apply: Callable[[Params, Array], Array]
    intermediates: Callable[[Params, Array], list[LayerValues]] | None = None
    apply_batch: Callable[..., Array] | None = None
    train: Callable[[Params, Any, KeyArray], tuple[Array, Params]] | None = None
    is_buffer: PyTree = None
    update_scales: PyTree = None
    scaled_for: str | None = None

    def __repr__(self) -> str:
        """Return the number of arrays and of parameters.

        Example:
            >>> mlp(3, [7, 5], 2)
            Network: 6 arrays, 80 parameters
        """
        try:
            leaves = jax.tree.leaves(jax.eval_shape(self.init, jax.random.key(0)))
        except Exception:  # from a user's init; a repr, which tracebacks print, must not raise
            return "Network"
        return f"Network: {len(leaves)} arrays, {sum(leaf.size for leaf in leaves):,} parameters"


def batched(network: Network) -> Callable[[Params, Any], Array]:
    """Return a network's function of a batch, `(params, inputs [n, ...]) -> outputs [n, ...]`.

    Example:
        >>> network = mlp(4, [7], 3)
        >>> batched(network)(network.init(jax.random.key(0)), jnp.ones((2, 4))).shape
        (2, 3)
    """
    return network.apply_batch or _over_examples(network.apply)


def apply_training(network: Network, params: Params, inputs: Any, key: KeyArray) -> tuple[Array, Params]:
    """Compute a network's outputs `[n, ...]` for a batch in training, and the parameters with their new buffers."""
    if network.train is None:
        return batched(network)(params, inputs), params
    return network.train(params, inputs, key)


def trained_part(network: Network, params: Params) -> Params:
    """Return the parameters that an optimizer trains, with None in place of buffers.

    Example:
        >>> network = mlp(3, [], 2)._replace(is_buffer=[{"w": False, "b": True}])
        >>> (layer,) = trained_part(network, network.init(jax.random.key(0)))
        >>> layer["w"].shape, layer["b"]
        ((3, 2), None)
    """
    if network.is_buffer is None:
        return params
    return jax.tree.map(lambda is_buffer, part: None if is_buffer else part, network.is_buffer, params)


def join_parts(network: Network, trained: Params, params: Params) -> Params:
    """Return `params` with the trained part replaced: the inverse of `trained_part`."""
    if network.is_buffer is None:
        return trained
    return jax.tree.map(
        lambda is_buffer, new, old: old if is_buffer else new, network.is_buffer, trained, params
    )


@lru_cache(maxsize=32)  # so that the same network is compiled once
def _over_examples(apply: Callable[[Params, Any], Array]) -> Callable[[Params, Any], Array]:
    return jax.vmap(apply, in_axes=(None, 0))


def mlp(
    num_inputs: int,
    widths: Sequence[int],
    num_outputs: int,
    activation: str | Activation = "relu",
    *,
    use_bias: bool = True,
    initializer: str
    | Initializer
    | JaxInitializer
    | Sequence[str | Initializer | JaxInitializer] = "he_normal",
    output_activation: str | Activation = "identity",
    parameterization: str | Parameterization = "standard",
    residual: bool = False,
    dropout: Number | None = None,
    stack_from: int = 8,
) -> Network:
    """Build a fully connected network, also called a multilayer perceptron.

    Args:
        num_inputs: size of one input.
        widths: neurons of each hidden layer; empty for one affine map.
        num_outputs: size of one output.
        activation: the activation of the hidden layers, a name in `ACTIVATIONS` or any function of an array.
        use_bias: whether layers add biases `b`.
        initializer: a name in `INITIALIZERS`, an `Initializer` or a JAX initializer, such as
            `jax.nn.initializers.orthogonal()`; or a list of one for each of the `len(widths) + 1` layers.
        output_activation: the activation of the last layer; losses that take logits need "identity".
        parameterization: "standard", "ntk", `mup(base_width)` or a function from `LayerShape` to `Scales`.
        residual: whether each hidden layer of the same width as the one before it adds its input to its
            output, `h = activation(z) + x` (He et al. 2016).
        dropout: the probability with which each hidden activation is set to 0 in training, from 0 to below 1; the others
            are divided by one minus it (Srivastava et al. 2014). It may be traced; None draws nothing.
        stack_from: at least this many equal layers in a row are stored as one array `[layers, fan_in, fan_out]`
            and run by `lax.scan`, so that 128 layers compile about as fast as 4. Initial values and outputs are the
            same; `unstack` lists the layers one by one.

    Returns:
        The network. `params` is a list in order of the layers, with `{"w": [fan_in, fan_out], "b": [fan_out]}`
        for a layer and the same with a leading axis for a stack. Their dtype is JAX's default float.

    Raises:
        InputError: when a size is not a positive integer, a name is unknown, or the number of initializers is wrong;
            and while tracing, when inputs do not have the shape `[num_inputs]`, or `[n, num_inputs]` in a batch.

    Example:
        >>> network = mlp(4, [7, 5], 3, activation="tanh")
        >>> params = network.init(jax.random.key(0))
        >>> [layer["w"].shape for layer in params]
        [(4, 7), (7, 5), (5, 3)]
        >>> network.apply(params, jnp.ones(4)).shape
        (3,)
        >>> network.apply_batch(params, jnp.ones((2, 4))).shape
        (2, 3)
    """
    if not isinstance(use_bias, bool):
        raise InputError(f"use_bias must be true or false, got {use_bias!r}")
    layers = plan_layers(
        sizes=[num_inputs, *widths, num_outputs],
        activation=lookup("activation", activation, ACTIVATIONS),
        output_activation=lookup("output_activation", output_activation, ACTIVATIONS),
        initializer=initializer,
        parameterization=lookup("parameterization", parameterization, PARAMETERIZATIONS),
        residual=residual,
        dropout=dropout,
    )
    blocks = group_equal(layers, stack_from)

    def init(key: KeyArray) -> Params:
        sizes = [len(block) * (block[0].shape.fan_in + 1) * block[0].shape.fan_out for block in blocks]
        noise = uniform_noise(key, sum(sizes), jnp.result_type(float))
        cuts = jnp.split(noise, list(itertools.accumulate(sizes))[:-1])
        return [init_block(block, cut, use_bias) for block, cut in zip(blocks, cuts, strict=True)]

    def run(
        params: Params, x: Array, key: KeyArray | None = None, collect: bool = False
    ) -> tuple[Array, list[LayerValues]]:
        """Compute outputs `[num_outputs, *examples]` from inputs `[num_inputs, *examples]`."""
        values: list[LayerValues] = []
        h = x.astype(params[0]["w"].dtype)
        for block, block_params, keys in zip(blocks, params, split_key(key, blocks), strict=True):
            if len(block) == 1:
                layer_values = apply_layer(block[0], block_params, h, None if keys is None else keys[0])
                h = layer_values.h
                values.append(layer_values)
            else:
                h, stack_values = apply_stack(block[0], block_params, h, keys, collect)
                if collect:
                    values += [LayerValues(stack_values.z[i], stack_values.h[i]) for i in range(len(block))]
        return h, values

    def apply(params: Params, x: ArrayLike, *, key: KeyArray | None = None) -> Array:
        return run(params, check_one(x), key)[0]

    def apply_batch(params: Params, inputs: ArrayLike, *, key: KeyArray | None = None) -> Array:
        inputs = jnp.asarray(inputs)
        if inputs.ndim != 2:
            raise InputError(f"the network takes a batch of shape (n, {num_inputs}), got {inputs.shape}")
        if inputs.shape[1] != num_inputs:
            raise InputError(f"the network takes examples of shape ({num_inputs},), got {inputs.shape[1:]}")
        return run(params, inputs.T, key)[0].T

    def train(params: Params, inputs: Any, key: KeyArray) -> tuple[Array, Params]:
        return apply_batch(params, inputs, key=key), params

    def check_one(x: ArrayLike) -> Array:
        x = jnp.asarray(x)
        if x.shape != (num_inputs,):
            raise InputError(
                f"the network takes one example of shape ({num_inputs},), got {x.shape}; "
                "for a batch use network.apply_batch"
            )
        return x

    scales = update_scales(blocks, use_bias)
    return Network(
        init=init,
        apply=apply,
        intermediates=lambda params, x: run(params, check_one(x), collect=True)[1],
        apply_batch=apply_batch,
        train=None if dropout is None else train,
        update_scales=scales,
        scaled_for=None if scales is None else layers[0].scales.optimizer,
    )
