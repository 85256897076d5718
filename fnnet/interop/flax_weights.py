"""Convert the weights of an `mlp` to the Dense or Linear layers of a Flax module and back.

The arrays are the same bit for bit, since both store kernels as `[fan_in, fan_out]`.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.tree_util import tree_flatten_with_path

from fnnet.errors import InputError
from fnnet.network import Network
from fnnet.stacked_layers import stack, unstack
from fnnet.types import Params, PyTree


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
        InputError: when the number or shapes of the layers differ, their order is ambiguous, or the module has other
            parameters.

    Example:
        >>> from flax import linen
        >>> from fnnet import mlp
        >>> params = mlp(3, [], 2).init(jax.random.key(0))
        >>> model = linen.Sequential([linen.Dense(2)])
        >>> like = jax.eval_shape(model.init, jax.random.key(0), jax.numpy.ones((1, 3)))["params"]
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
        >>> from flax import linen
        >>> from fnnet import mlp
        >>> model = linen.Sequential([linen.Dense(7), jax.numpy.tanh, linen.Dense(2)])
        >>> variables = model.init(jax.random.key(0), jax.numpy.ones((1, 3)))
        >>> network = mlp(3, [7], 2, "tanh")
        >>> params = from_flax(variables["params"], network)
        >>> bool(jax.numpy.allclose(network.apply(params, jax.numpy.ones(3)), model.apply(variables, jax.numpy.ones(3))))
        True
    """
    leaves = jax.tree.leaves(flax_params)
    layers = _layers(flax_params, names).values()
    return stack([{_OURS[leaf]: leaves[index] for leaf, index in layer.items()} for layer in layers], network)


_OURS = {"kernel": "w", "bias": "b"}


def _layers(tree: PyTree, names: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Return the layers of a Flax module in order, by name: the indices of "kernel" and "bias" among the leaves."""
    layers: dict[str, dict[str, int]] = {}
    for index, (path, _) in enumerate(tree_flatten_with_path(tree)[0]):
        # The path of an nnx.State ends in an attribute, which is dropped here.
        tokens = [str(getattr(key, "key", getattr(key, "idx", ""))) for key in path]
        *name, leaf = [token for token in tokens if token]
        if leaf not in _OURS:
            raise InputError(
                f"parameters of the module must be named kernel or bias, got {'/'.join([*name, leaf])!r}"
            )
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
