"""Build networks from Flax modules, and convert the parameters of an `mlp` to Flax and back.

A Flax module takes a batch, a `Network` one example: `linen_network` and `nnx_network` call a module with a batch of
one, and `jax.vmap` adds the batch axis. Any argument of a module can be a static axis:

    def recipe(features):
        network = linen_network(CNN(features=features), input_shape=(28, 28, 1))
        return fn.supervised(network, "cross_entropy", optimizer="sgd")

A network is a pure function of its parameters, so a module may have no other state, such as running statistics or
random number generators.

`to_flax` and `from_flax` convert the weights of an `mlp` to Dense or Linear layers and back, bit for bit, since both
store kernels as `[fan_in, fan_out]`.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx
from flax.errors import InvalidRngError
from jax.tree_util import tree_flatten_with_path
from jax.typing import ArrayLike
from jaxtyping import Array

from fnnet.errors import InputError, check_integer
from fnnet.leaves import name_leaves, nest_leaves
from fnnet.network import Network, stack, unstack
from fnnet.types import KeyArray, Params


def linen_network(module: linen.Module, input_shape: Sequence[int]) -> Network:
    """Build a network from a `flax.linen` module.

    Args:
        module: maps a batch `[n, *input_shape]` to a batch of outputs.
        input_shape: the shape of one example, such as (28, 28, 1), to which flat examples are reshaped.

    Returns:
        The network. Its parameters are the "params" collection of `module.init`.

    Raises:
        InputError: if the module has collections other than "params", draws random numbers in `apply`, or does not
            return a batch of outputs.

    Example:
        >>> network = linen_network(linen.Dense(2), input_shape=(3,))
        >>> params = network.init(jax.random.key(0))
        >>> params["kernel"].shape, network.apply(params, jnp.ones(3)).shape
        ((3, 2), (2,))
    """
    if not isinstance(module, linen.Module):
        raise InputError(f"module must be a flax.linen module, got {module!r}")
    batch = _batch_of_one(input_shape)

    def init(key: KeyArray) -> Mapping[str, Params]:
        return module.init(key, jnp.zeros(batch.shape, batch.dtype))

    variables = jax.eval_shape(lambda: init(jax.random.key(0)))
    if others := sorted(variables.keys() - {"params"}):
        raise InputError(
            f"a network must depend only on its parameters, but {type(module).__name__} also has "
            f"{', '.join(others)}; use layers without running statistics, such as LayerNorm or GroupNorm"
        )

    def apply(params: Params, x: ArrayLike) -> Array:
        return module.apply({"params": params}, _reshape(x, input_shape)[None])[0]

    params = variables.get("params", {})
    try:
        _check_outputs(lambda params, x: module.apply({"params": params}, x), params, batch)
    except InvalidRngError as error:
        raise InputError(
            f"a network must depend only on its parameters, but {type(module).__name__} draws random numbers "
            f"({str(error).partition(' (')[0]}); make its layers deterministic"
        ) from error
    return Network(lambda key: init(key).get("params", {}), apply)


def nnx_network(build: Callable[[nnx.Rngs], nnx.Module], input_shape: Sequence[int]) -> Network:
    """Build a network from a `flax.nnx` module.

    Args:
        build: builds the module, which maps a batch `[n, *input_shape]` to a batch of outputs.
        input_shape: as in `linen_network`.

    Returns:
        The network. Its parameters are the module's `nnx.Param`s by attribute, with lists of modules as lists;
        `nnx_state` converts them for `nnx.update`.

    Raises:
        InputError: if the module has variables other than `nnx.Param`, such as those of BatchNorm and Dropout, or does
            not return a batch of outputs.

    Example:
        >>> network = nnx_network(lambda rngs: nnx.Linear(3, 2, rngs=rngs), input_shape=(3,))
        >>> params = network.init(jax.random.key(0))
        >>> params["kernel"].shape, network.apply(params, jnp.ones(3)).shape
        ((3, 2), (2,))
    """
    if isinstance(build, nnx.Module):
        raise InputError(
            "build must be a function from nnx.Rngs to a module, such as lambda rngs: nnx.Linear(3, 2, rngs=rngs), "
            f"got the module {type(build).__name__}"
        )
    batch = _batch_of_one(input_shape)
    module = nnx.eval_shape(lambda: build(nnx.Rngs(jax.random.key(0))))
    if not isinstance(module, nnx.Module):
        raise InputError(f"build must return a flax.nnx module, got {module!r}")
    definition, abstract, others = nnx.split(module, nnx.Param, ...)
    if kinds := sorted({type(variable).__name__ for _, variable in nnx.to_flat_state(others)}):
        raise InputError(
            f"a network must depend only on its parameters, but {type(module).__name__} also has "
            f"{', '.join(kinds)}; use layers without running statistics or random numbers"
        )

    def init(key: KeyArray) -> Params:
        _, state, _ = nnx.split(build(nnx.Rngs(key)), nnx.Param, ...)
        return _plain(state)

    def run(params: Any, batch: Array) -> Any:
        return nnx.merge(definition, nnx_state(params, abstract))(batch)

    _check_outputs(run, _plain(abstract), batch)
    return Network(init, lambda params, x: run(params, _reshape(x, input_shape)[None])[0])


def nnx_state(params: Params, like: Any) -> Any:
    """Convert the parameters of a network to the state of an nnx module.

    Args:
        params: the parameters of `nnx_network(build, ...)`.
        like: the state of a module built by `build`, `nnx.state(module, nnx.Param)`.

    Returns:
        The `nnx.State`, for `nnx.update(module, state)`.

    Example:
        >>> module = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        >>> params = nnx_network(lambda rngs: nnx.Linear(3, 2, rngs=rngs), (3,)).init(jax.random.key(1))
        >>> nnx.update(module, nnx_state(params, nnx.state(module, nnx.Param)))
        >>> bool((module.kernel[...] == params["kernel"]).all())
        True
    """
    # Indices in place of leaves show where each leaf goes, since the two trees may order their leaves differently.
    leaves, definition = jax.tree.flatten(like)
    indices = _plain(jax.tree.unflatten(definition, range(len(leaves))))

    def put(index: int, leaf: Any) -> None:
        leaves[index] = leaf

    jax.tree.map(put, indices, params)
    return jax.tree.unflatten(definition, leaves)


def to_flax(params: Params, like: Any, names: Sequence[str] | None = None) -> Any:
    """Convert the weights of an `mlp` to the Dense or Linear layers of a Flax module.

    Args:
        params: the parameters of an `mlp`.
        like: the parameters of the module, as arrays or shapes: linen's "params", an `nnx.State`, or nested dicts and
            lists, with a "kernel" and optionally a "bias" per layer.
        names: the names of the layers in order, such as ["encoder/Dense_0", "head"]; None if they differ only in
            numbers, as Dense_0 and Dense_1 do.

    Returns:
        The weights in the structure of `like`, for `module.apply({"params": ...})` or `nnx.update(module, ...)`.

    Raises:
        InputError: if the number or shapes of the layers differ, their order is ambiguous, or the module has other
            parameters.

    Example:
        >>> from fnnet import mlp
        >>> params = mlp(3, [], 2).init(jax.random.key(0))
        >>> model = linen.Sequential([linen.Dense(2)])
        >>> like = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, 3)))["params"]
        >>> dense = to_flax(params, like)
        >>> bool((dense["layers_0"]["kernel"] == params[0]["w"]).all())
        True
    """
    leaves, definition = jax.tree.flatten(like)
    layers, ours = _layers(like, names), unstack(params)
    if len(layers) != len(ours):
        raise InputError(
            f"the module has {len(layers)} layers ({', '.join(layers)}), but params have {len(ours)}"
        )
    for (name, indices), layer in zip(layers.items(), ours, strict=True):
        shapes = {_OURS[leaf]: leaves[index].shape for leaf, index in indices.items()}
        expected = {leaf: array.shape for leaf, array in layer.items()}
        if shapes != expected:
            raise InputError(f"layer {name!r} of the module has shapes {shapes}, but params have {expected}")
        for leaf, index in indices.items():
            leaves[index] = layer[_OURS[leaf]]
    return jax.tree.unflatten(definition, leaves)


def from_flax(flax_params: Any, network: Network, names: Sequence[str] | None = None) -> Params:
    """Convert the Dense or Linear layers of a Flax module to the parameters of an `mlp`.

    Args:
        flax_params: the parameters of the module, in the structure of `like` in `to_flax`.
        network: the `mlp`.
        names: as in `to_flax`.

    Raises:
        InputError: as in `to_flax`.

    Example:
        >>> from fnnet import mlp
        >>> model = linen.Sequential([linen.Dense(7), jnp.tanh, linen.Dense(2)])
        >>> variables = model.init(jax.random.key(0), jnp.ones((1, 3)))
        >>> network = mlp(3, [7], 2, "tanh")
        >>> params = from_flax(variables["params"], network)
        >>> bool(jnp.allclose(network.apply(params, jnp.ones(3)), model.apply(variables, jnp.ones(3))))
        True
    """
    leaves = jax.tree.leaves(flax_params)
    layers = _layers(flax_params, names).values()
    return stack([{_OURS[leaf]: leaves[index] for leaf, index in layer.items()} for layer in layers], network)


_OURS = {"kernel": "w", "bias": "b"}


def _batch_of_one(input_shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    for axis, size in enumerate(input_shape):
        check_integer(f"input_shape[{axis}]", size)
    return jax.ShapeDtypeStruct((1, *input_shape), jnp.result_type(float))


def _reshape(x: ArrayLike, input_shape: Sequence[int]) -> Array:
    """Reshape one example to the input shape of the module."""
    x = jnp.asarray(x)
    if x.size != math.prod(input_shape):
        raise InputError(
            f"the network takes one example of shape {tuple(input_shape)}, got {x.shape}; "
            "for a batch, use jax.vmap(network.apply, in_axes=(None, 0))"
        )
    return x.reshape(input_shape)


def _check_outputs(run: Callable[..., Any], params: Any, batch: jax.ShapeDtypeStruct) -> None:
    """Check that a module returns one array with one output per example."""
    outputs = jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(run, params, batch))
    if not (isinstance(outputs, tuple) and outputs and outputs[0] == 1):
        raise InputError(
            f"the module must return outputs of shape [1, ...] for a batch of shape {batch.shape}, got {outputs}"
        )


def _plain(state: Any) -> Any:
    """Convert an `nnx.State` to nested dicts and lists, the form in which parameters are stored."""
    return nest_leaves(name_leaves(nnx.to_pure_dict(state)))


def _layers(tree: Any, names: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Return the layers of a Flax module in order, by name: the indices of "kernel" and "bias" among the leaves."""
    layers: dict[str, dict[str, int]] = {}
    for index, (path, _) in enumerate(tree_flatten_with_path(tree)[0]):
        # The path of an nnx.State ends in an attribute, which is dropped here.
        tokens = [str(getattr(key, "key", getattr(key, "idx", ""))) for key in path]
        *name, leaf = [token for token in tokens if token]
        if leaf not in _OURS:
            raise InputError(f"the layers of an mlp have kernel and bias, got {'/'.join([*name, leaf])!r}")
        layers.setdefault("/".join(name), {})[leaf] = index
    if names is not None:
        if sorted(names) != sorted(layers):
            raise InputError(f"names must be the names of the layers, {sorted(layers)}, got {list(names)}")
        return {name: layers[name] for name in names}
    if len({re.sub(r"\d+", "0", name) for name in layers}) > 1:
        raise InputError(f"the order of the layers {sorted(layers)} is ambiguous; pass their names in order")
    return {
        name: layers[name] for name in sorted(layers, key=lambda name: [*map(int, re.findall(r"\d+", name))])
    }
