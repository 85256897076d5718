"""Flax modules as networks, and an `mlp`'s parameters as Flax's.

A Flax module is written for a batch, a `Network` for one example: `linen_network` and `nnx_network` call a module
with a batch of one, and `jax.vmap` makes the batches. Whatever a module is built from can be a static axis:

    def recipe(features):
        network = linen_network(CNN(features=features), input_shape=(28, 28, 1))
        return fn.supervised(network, "cross_entropy", optimizer=lambda hp: fn.sgd(hp["learning_rate"]))

A network is a pure function of its parameters, so a module may hold nothing else: no running means, and no key of
its own from which it draws while it computes.

`to_flax` and `from_flax` carry the weights of `mlp` to Dense or Linear layers and back, bit for bit: Flax's kernels
lie `[fan_in, fan_out]` as ours do.
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
        module: takes a batch `[n, *input_shape]` and gives a batch of outputs, here with n = 1.
        input_shape: of one example, such as (28, 28, 1); an example of a `Dataset`, which is flat, is given
            this shape.

    Returns:
        The network. `params` is what `module.init` calls "params".

    Raises:
        InputError: when the module keeps other collections than "params", draws random numbers while it computes,
            or does not give a batch of outputs.

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
            f"{type(module).__name__} keeps {', '.join(others)} besides its parameters, "
            "and a network is a function of its parameters alone; use layers without running statistics, "
            "such as LayerNorm or GroupNorm"
        )

    def apply(params: Params, x: ArrayLike) -> Array:
        return module.apply({"params": params}, _shaped(x, input_shape)[None])[0]

    params = variables.get("params", {})
    try:
        _check_outputs(lambda params, x: module.apply({"params": params}, x), params, batch)
    except InvalidRngError as error:
        raise InputError(
            f"{type(module).__name__} draws random numbers while it computes ({str(error).partition(' (')[0]}), "
            "and a network is a function of its parameters and its input alone; make its layers deterministic"
        ) from error
    return Network(lambda key: init(key).get("params", {}), apply)


def nnx_network(build: Callable[[nnx.Rngs], nnx.Module], input_shape: Sequence[int]) -> Network:
    """Build a network from a `flax.nnx` module.

    Args:
        build: makes the module, with its initial parameters drawn from the `nnx.Rngs`. The module takes a batch
            `[n, *input_shape]` and gives a batch of outputs, here with n = 1.
        input_shape: as for `linen_network`.

    Returns:
        The network. `params` holds the module's `nnx.Param`s by attribute; a list of modules, also one with gaps,
        is a list. `nnx_state` makes of it what `nnx.update` takes.

    Raises:
        InputError: when the module holds other variables than `nnx.Param`, such as those of BatchNorm and Dropout,
            or does not give a batch of outputs.

    Example:
        >>> network = nnx_network(lambda rngs: nnx.Linear(3, 2, rngs=rngs), input_shape=(3,))
        >>> params = network.init(jax.random.key(0))
        >>> params["kernel"].shape, network.apply(params, jnp.ones(3)).shape
        ((3, 2), (2,))
    """
    if isinstance(build, nnx.Module):
        raise InputError(
            f"build must be a function from nnx.Rngs to a module, got a {type(build).__name__} that is built already; "
            "write lambda rngs: nnx.Linear(3, 2, rngs=rngs)"
        )
    batch = _batch_of_one(input_shape)
    module = nnx.eval_shape(lambda: build(nnx.Rngs(jax.random.key(0))))
    if not isinstance(module, nnx.Module):
        raise InputError(f"build must make a flax.nnx module, got {module!r}")
    definition, abstract, others = nnx.split(module, nnx.Param, ...)
    if kinds := sorted({type(variable).__name__ for _, variable in nnx.to_flat_state(others)}):
        raise InputError(
            f"{type(module).__name__} holds {', '.join(kinds)} besides nnx.Param, and a network is a function of its "
            "parameters alone; use layers without running statistics or randomness of their own"
        )

    def init(key: KeyArray) -> Params:
        _, state, _ = nnx.split(build(nnx.Rngs(key)), nnx.Param, ...)
        return _plain(state)

    def run(params: Any, batch: Array) -> Any:
        return nnx.merge(definition, nnx_state(params, abstract))(batch)

    _check_outputs(run, _plain(abstract), batch)
    return Network(init, lambda params, x: run(params, _shaped(x, input_shape)[None])[0])


def nnx_state(params: Params, like: Any) -> Any:
    """Put a network's parameters into the state of an nnx module.

    Args:
        params: of `nnx_network(build, ...)`.
        like: the `nnx.State` of such a module, `nnx.state(module, nnx.Param)`.

    Returns:
        The `nnx.State`, for `nnx.update(module, state)`.

    Example:
        >>> module = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        >>> params = nnx_network(lambda rngs: nnx.Linear(3, 2, rngs=rngs), (3,)).init(jax.random.key(1))
        >>> nnx.update(module, nnx_state(params, nnx.state(module, nnx.Param)))
        >>> bool((module.kernel[...] == params["kernel"]).all())
        True
    """
    # Places instead of leaves tell where each leaf goes, whatever order either side lists its own in.
    leaves, definition = jax.tree.flatten(like)
    places = _plain(jax.tree.unflatten(definition, range(len(leaves))))

    def put(place: int, leaf: Any) -> None:
        leaves[place] = leaf

    jax.tree.map(put, places, params)
    return jax.tree.unflatten(definition, leaves)


def to_flax(params: Params, like: Any, names: Sequence[str] | None = None) -> Any:
    """Put an `mlp`'s weights into the Dense or Linear layers of a Flax module.

    Args:
        params: as `mlp(...).init` returns them, stacks of layers included.
        like: parameters of the module, arrays or shapes: the "params" of linen, the `nnx.State` of nnx, or nested
            dicts and lists, with a "kernel" and perhaps a "bias" for each layer.
        names: of the layers, from the first to the last, such as ["encoder/Dense_0", "head"]. None where
            they differ in numbers alone, such as Dense_0 and Dense_1.

    Returns:
        The same weights in the structure of `like`, which for linen goes to `module.apply({"params": ...})` and for
        nnx to `nnx.update(module, ...)`.

    Raises:
        InputError: when the layers are of other shapes or numbers than ours, their order is not clear, or the
            module has parameters of another kind.

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
        raise InputError(f"the module has {len(layers)} layers ({', '.join(layers)}), params {len(ours)}")
    for (name, places), layer in zip(layers.items(), ours, strict=True):
        shapes = {_OURS[leaf]: leaves[place].shape for leaf, place in places.items()}
        if shapes != {leaf: array.shape for leaf, array in layer.items()}:
            raise InputError(
                f"layer {name!r} of the module has {shapes}, "
                f"the one in its place { {leaf: array.shape for leaf, array in layer.items()} }"
            )
        for leaf, place in places.items():
            leaves[place] = layer[_OURS[leaf]]
    return jax.tree.unflatten(definition, leaves)


def from_flax(flax_params: Any, network: Network, names: Sequence[str] | None = None) -> Params:
    """Read the weights of a Flax module's Dense or Linear layers as the parameters of an `mlp`.

    Args:
        flax_params: as `like` of `to_flax`, with arrays.
        network: the `mlp` that is to have them.
        names: of the layers, as for `to_flax`.

    Returns:
        The parameters, in stacks where the network has them.

    Raises:
        InputError: as for `to_flax`.

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
    return stack([{_OURS[leaf]: leaves[place] for leaf, place in layer.items()} for layer in layers], network)


_OURS = {"kernel": "w", "bias": "b"}


def _batch_of_one(input_shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    """Describe a batch of one example, without computing anything."""
    for place, size in enumerate(input_shape):
        check_integer(f"input_shape[{place}]", size)
    return jax.ShapeDtypeStruct((1, *input_shape), jnp.result_type(float))


def _shaped(x: ArrayLike, input_shape: Sequence[int]) -> Array:
    """Reshape one example to the shape that a module takes."""
    x = jnp.asarray(x)
    if x.size != math.prod(input_shape):
        raise InputError(
            f"the network takes one example of shape {tuple(input_shape)}, got {x.shape}; "
            "for a batch use jax.vmap(network.apply, in_axes=(None, 0))"
        )
    return x.reshape(input_shape)


def _check_outputs(run: Callable[..., Any], params: Any, batch: jax.ShapeDtypeStruct) -> None:
    """Refuse a module that does not return one array with an output for each example of a batch."""
    outputs = jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(run, params, batch))
    if not (isinstance(outputs, tuple) and outputs and outputs[0] == 1):
        raise InputError(
            f"the module must give a batch of outputs [1, ...] for a batch {batch.shape}, got {outputs}"
        )


def _plain(state: Any) -> Any:
    """Return an `nnx.State` as nested dicts and lists, which is how stored parameters come back."""
    return nest_leaves(name_leaves(nnx.to_pure_dict(state)))


def _layers(tree: Any, names: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Find the layers of a Flax module in order: by name, the places of "kernel" and "bias" among the leaves."""
    layers: dict[str, dict[str, int]] = {}
    for place, (path, _) in enumerate(tree_flatten_with_path(tree)[0]):
        # An nnx.State has the attribute "value" below its keys.
        tokens = [str(getattr(key, "key", getattr(key, "idx", ""))) for key in path]
        *name, leaf = [token for token in tokens if token]
        if leaf not in _OURS:
            raise InputError(
                f"the module has the parameter {'/'.join([*name, leaf])!r}, which no layer of an mlp has"
            )
        layers.setdefault("/".join(name), {})[leaf] = place
    if names is not None:
        if sorted(names) != sorted(layers):
            raise InputError(f"names must be those of the layers, {sorted(layers)}, got {list(names)}")
        return {name: layers[name] for name in names}
    if len({re.sub(r"\d+", "0", name) for name in layers}) > 1:
        raise InputError(f"the order of the layers {sorted(layers)} is not clear; give their names in order")
    return {
        name: layers[name] for name in sorted(layers, key=lambda name: [*map(int, re.findall(r"\d+", name))])
    }
