"""Build networks from Equinox modules.

An Equinox module takes one example, as `Network.apply` does:

    network = equinox_network(lambda key: eqx.nn.MLP(4, 3, width_size=8, depth=2, key=key))

Modules with state, such as those with `eqx.nn.BatchNorm`, are built by `eqx.nn.make_with_state`. The state is kept and
exported with the parameters, but no optimizer changes it. Networks are evaluated in inference mode.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from fnnet.errors import InputError
from fnnet.leaves import from_plain, to_plain
from fnnet.network import Network
from fnnet.types import KeyArray, Params, PyTree


def equinox_network(build: Callable[[KeyArray], Any], input_shape: Sequence[int] | None = None) -> Network:
    """Build a network from an Equinox module.

    Args:
        build: builds the module from a key, or the module and its state, as `eqx.nn.make_with_state` does. The module
            maps `x` to an output, or `(x, state)` to `(output, state)`. If it has an argument `key`, each example of a
            batch gets its own key in training, and none in evaluation. Layers that average over the batch need
            `axis_name="batch"`.
        input_shape: the shape of one example, to which flat examples are reshaped; None to leave them as they are.

    Returns:
        The network. Its parameters are the module's arrays by attribute, in nested dicts and lists; for a module with
        state, a list of these and the arrays of the state. `equinox_module` converts them back. Arrays of integers are
        not trained.

    Raises:
        InputError: when `build` does not return a module, or returns one without the state that it needs.

    Example:
        >>> network = equinox_network(lambda key: eqx.nn.Linear(3, 2, key=key))
        >>> params = network.init(jax.random.key(0))
        >>> params["weight"].shape, network.apply(params, jnp.ones(3)).shape
        ((2, 3), (2,))
    """
    shapes = _build_shapes(build)
    arrays, _ = eqx.partition(shapes, _is_shape)
    has_state = isinstance(shapes, tuple)
    module = shapes[0] if has_state else shapes
    arguments = inspect.signature(type(module).__call__).parameters
    if "state" in arguments and not has_state:
        raise InputError(
            f"{type(module).__name__} needs a state; build it with lambda key: "
            f"eqx.nn.make_with_state({type(module).__name__})(key=key)"
        )

    def init(key: KeyArray) -> Params:
        return to_plain(eqx.filter(build(key), eqx.is_array))

    def call(module: Any, state: PyTree, x: Array, **key: KeyArray) -> tuple[Array, PyTree]:
        x = x if input_shape is None else x.reshape(input_shape)
        return module(x, state, **key) if has_state else (module(x, **key), None)

    def apply(params: Params, x: Any) -> Array:
        module, state = _assemble(params, shapes)
        return call(eqx.nn.inference_mode(module), state, jnp.asarray(x))[0]

    def train(params: Params, inputs: Any, key: KeyArray) -> tuple[Array, Params]:
        # Equinox compares the types of old and new state. In a sweep, only results of operations carry the mesh in
        # their type, so each leaf is made one.
        module, state = _assemble(jax.tree.map(lambda leaf: leaf + jnp.zeros((), leaf.dtype), params), shapes)
        module = eqx.nn.inference_mode(module, False)
        keys = {"key": jax.random.split(key, len(inputs))} if "key" in arguments else {}
        outputs, state = jax.vmap(
            lambda x, keys: call(module, state, x, **keys), out_axes=(0, None), axis_name="batch"
        )(jnp.asarray(inputs), keys)
        return outputs, [params[0], to_plain(state)] if has_state else params

    is_integer = jax.tree.map(lambda leaf: not jnp.issubdtype(leaf.dtype, jnp.inexact), arrays)
    is_buffer = [to_plain(is_integer[0]), True] if has_state else to_plain(is_integer)
    return Network(
        init,
        apply,
        train=train if has_state or "key" in arguments else None,
        is_buffer=is_buffer if any(jax.tree.leaves(is_buffer)) else None,
    )


def equinox_module(params: Params, build: Callable[[KeyArray], Any]) -> Any:
    """Build an Equinox module with the parameters of a network.

    Args:
        params: the parameters of `equinox_network(build)`.
        build: as in `equinox_network`.

    Returns:
        The module, or the module and its state.

    Example:
        >>> build = lambda key: eqx.nn.Linear(3, 2, key=key)
        >>> params = equinox_network(build).init(jax.random.key(0))
        >>> equinox_module(params, build)(jnp.ones(3)).shape
        (2,)
    """
    shapes = _build_shapes(build)
    module, state = _assemble(params, shapes)
    return (module, state) if isinstance(shapes, tuple) else module


def _build_shapes(build: Callable[[KeyArray], Any]) -> Any:
    """Build the module, and its state if there is one, with shapes in place of arrays."""
    if isinstance(build, eqx.Module) or not callable(build):
        raise InputError(
            "build must be a function from a key to an Equinox module, such as lambda key: "
            f"eqx.nn.MLP(4, 3, width_size=8, depth=2, key=key), got a {type(build).__name__}"
        )
    shapes = eqx.filter_eval_shape(build, jax.random.key(0))
    module = shapes[0] if isinstance(shapes, tuple) and len(shapes) == 2 else shapes
    if not isinstance(module, eqx.Module) or not callable(module):
        raise InputError(
            f"build must return an Equinox module that can be called, got a {type(shapes).__name__}"
        )
    return shapes


def _assemble(params: Params, shapes: PyTree) -> tuple[PyTree, PyTree]:
    """Return the module with its arrays, and its state or None."""
    arrays, rest = eqx.partition(shapes, _is_shape)
    joined = eqx.combine(from_plain(params, arrays), rest)
    return joined if isinstance(joined, tuple) else (joined, None)


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)
