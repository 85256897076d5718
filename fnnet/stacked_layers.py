"""The parameters of an `mlp`, layer by layer: stacks of equal layers taken apart, and put together again."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnnet.errors import InputError
from fnnet.network import Network
from fnnet.types import Params


def unstack(params: Params) -> list[dict[str, Any]]:
    """Return an `mlp`'s parameters layer by layer, with stacks of equal layers taken apart.

    Args:
        params: as `mlp(...).init` returns them.

    Returns:
        One `{"w": [fan_in, fan_out], "b": [fan_out]}` for each of the `depth + 1` layers.

    Example:
        >>> from fnnet import mlp
        >>> params = mlp(2, [3] * 20, 1).init(jax.random.key(0))
        >>> len(params), len(unstack(params))
        (3, 21)
    """
    layers: list[dict[str, Any]] = []
    for block in params:
        if block["w"].ndim == 2:
            layers.append(block)
        else:
            layers += [{name: leaf[i] for name, leaf in block.items()} for i in range(len(block["w"]))]
    return layers


def stack(layers: Sequence[Mapping[str, Any]], network: Network) -> Params:
    """Return an `mlp`'s parameters, given layer by layer: the inverse of `unstack`.

    Args:
        layers: one `{"w": [fan_in, fan_out], "b": [fan_out]}` for each of the `depth + 1` layers.
        network: the `mlp`.

    Returns:
        The network's `params`. numpy arrays stay numpy arrays of the same dtype.

    Raises:
        InputError: when the layers do not fit the network.

    Example:
        >>> from fnnet import mlp
        >>> network = mlp(2, [3] * 20, 1)
        >>> params = network.init(jax.random.key(0))
        >>> [block["w"].shape for block in stack(unstack(params), network)]
        [(2, 3), (19, 3, 3), (3, 1)]
    """
    blocks = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    expected, given = (
        [{name: leaf.shape for name, leaf in layer.items()} for layer in each]
        for each in (jax.eval_shape(unstack, blocks), layers)
    )
    if len(given) != len(expected):
        raise InputError(f"the network has {len(expected)} layers, got {len(given)}")
    for index, (shapes, wanted) in enumerate(zip(given, expected, strict=True)):
        if shapes != wanted:
            raise InputError(f"layer {index} of the network has {wanted}, got {shapes}")
    rest, params = iter(layers), []
    for block in blocks:
        if block["w"].ndim == 2:
            params.append(dict(next(rest)))
        else:
            some = list(itertools.islice(rest, len(block["w"])))
            params.append({name: _stacked([layer[name] for layer in some]) for name in block})
    return params


def _stacked(arrays: list[Any]) -> Any:
    return np.stack(arrays) if all(isinstance(array, np.ndarray) for array in arrays) else jnp.stack(arrays)
