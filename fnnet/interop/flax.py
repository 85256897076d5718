"""Build networks from Flax modules.

A Flax module takes a batch, and so does a network's `apply_batch`. Any argument of a module can be a static axis:

    def recipe(features):
        network = linen_network(CNN(features=features), input_shape=(28, 28, 1))
        return fn.supervised(network, "cross_entropy", optimizer="sgd")

Dropout draws from the key of each step. Batch statistics are kept and exported with the parameters, but no optimizer
changes them. Networks are evaluated without dropout, with the statistics that training has collected.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx
from flax.errors import InvalidRngError, ModifyScopeVariableError
from jax.typing import ArrayLike
from jaxtyping import Array

from fnnet.errors import InputError, check_integer
from fnnet.leaves import from_plain, to_plain
from fnnet.network import Network
from fnnet.types import KeyArray, Params


def linen_network(module: linen.Module, input_shape: Sequence[int]) -> Network:
    """Build a network from a `flax.linen` module.

    Args:
        module: maps a batch `[n, *input_shape]` to a batch of outputs. If it behaves differently in training, its
            `__call__` must have an argument for that: `train` or `training`, true in training, or `deterministic` or
            `use_running_average`, false in training. Dropout draws from the stream "dropout".
        input_shape: the shape of one example, such as (28, 28, 1), to which flat examples are reshaped.

    Returns:
        The network. Its parameters are the variables that `module.init` returns: `module.apply(params, batch)` works.

    Raises:
        InputError: when the module draws random numbers or updates its statistics in evaluation, or does not return a
            batch of outputs.

    Example:
        >>> network = linen_network(linen.Dense(2), input_shape=(3,))
        >>> params = network.init(jax.random.key(0))
        >>> params["params"]["kernel"].shape, network.apply(params, jnp.ones(3)).shape
        ((3, 2), (2,))
    """
    if not isinstance(module, linen.Module):
        raise InputError(f"module must be a flax.linen module, got {module!r}")
    example = _one_example(input_shape)
    flags: dict[str, Any] = {
        name: _MODES[name] for name in inspect.signature(module.__call__).parameters if name in _MODES
    }
    evaluation: dict[str, Any] = {name: not in_training for name, in_training in flags.items()}

    def init(key: KeyArray) -> Params:
        return module.init(key, jnp.zeros(example.shape, example.dtype), **evaluation)

    def apply_batch(params: Params, inputs: ArrayLike) -> Array:
        outputs: Any = module.apply(params, _reshape(inputs, input_shape), **evaluation)
        return outputs

    def train(params: Params, inputs: Any, key: KeyArray) -> tuple[Array, Params]:
        outputs, updated = module.apply(
            params, _reshape(inputs, input_shape), **flags, mutable=buffers, rngs={"dropout": key}
        )
        return outputs, {**params, **updated}

    shapes = jax.eval_shape(lambda: init(jax.random.key(0)))
    buffers = sorted(shapes.keys() - {"params"})
    try:
        _check_outputs(apply_batch, shapes, example)
    except (InvalidRngError, ModifyScopeVariableError) as error:
        what = "draws random numbers" if isinstance(error, InvalidRngError) else "updates its statistics"
        raise InputError(
            f"{type(module).__name__} {what} in evaluation ({str(error).partition(' (')[0]}); give its __call__ an "
            "argument train, and its layers deterministic=not train or use_running_average=not train"
        ) from error
    return Network(
        init,
        apply=lambda params, x: apply_batch(params, jnp.asarray(x)[None])[0],
        apply_batch=apply_batch,
        train=train if flags else None,
        is_buffer={name: name in buffers for name in shapes} if buffers else None,
    )


def nnx_network(build: Callable[[nnx.Rngs], nnx.Module], input_shape: Sequence[int]) -> Network:
    """Build a network from a `flax.nnx` module.

    It is trained as after `module.train()` and evaluated as after `module.eval()`. In training, its random number
    streams get the keys that `nnx.reseed(module, default=key)` gives, as if all of them were called "default".

    Args:
        build: builds the module, which maps a batch `[n, *input_shape]` to a batch of outputs.
        input_shape: as in `linen_network`.

    Returns:
        The network. Its parameters are the module's variables by attribute, without random number streams, with lists
        of modules as lists; `nnx_state` converts them for `nnx.update`.

    Raises:
        InputError: when the module draws random numbers in evaluation, or does not return a batch of outputs.

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
    example = _one_example(input_shape)
    module = nnx.eval_shape(lambda: build(nnx.Rngs(jax.random.key(0))))
    if not isinstance(module, nnx.Module):
        raise InputError(f"build must return a flax.nnx module, got {module!r}")
    module.train()
    training, streams, variables = nnx.split(module, nnx.RngState, ...)
    module.eval()
    evaluation = nnx.graphdef(module)
    kinds = jax.tree.leaves(variables, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    is_buffer = [not isinstance(kind, nnx.Param) for kind in kinds]

    def init(key: KeyArray) -> Params:
        return _plain(nnx.state(build(nnx.Rngs(key)), nnx.Not(nnx.RngState)))

    def run(definition: Any, params: Params, inputs: ArrayLike, random: Any) -> tuple[Array, nnx.Module]:
        module = nnx.merge(definition, random, nnx_state(params, variables))
        return module(_reshape(inputs, input_shape)), module

    def apply_batch(params: Params, inputs: ArrayLike) -> Array:
        outputs, module = run(evaluation, params, inputs, _seed(streams, jax.random.key(0), np.zeros))
        counts = jax.tree.leaves(nnx.state(module, nnx.RngCount))
        if any(isinstance(count, jax.Array) or np.any(count) for count in counts):
            raise InputError(
                f"{type(module).__name__} draws random numbers in evaluation; give the layers that draw them an "
                "attribute deterministic, which module.eval() sets"
            )
        return outputs

    def train(params: Params, inputs: Any, key: KeyArray) -> tuple[Array, Params]:
        # Not np.zeros, which nnx would increment in place while the traced program still refers to them.
        outputs, module = run(training, params, inputs, _seed(streams, key, jnp.zeros))
        return outputs, _plain(nnx.state(module, nnx.Not(nnx.RngState)))

    _check_outputs(apply_batch, _plain(variables), example)
    return Network(
        init,
        apply=lambda params, x: apply_batch(params, jnp.asarray(x)[None])[0],
        apply_batch=apply_batch,
        train=None if training == evaluation else train,
        is_buffer=_plain(jax.tree.unflatten(jax.tree.structure(variables), is_buffer))
        if any(is_buffer)
        else None,
    )


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
    return from_plain(params, like, _plain)


_MODES = {"train": True, "training": True, "deterministic": False, "use_running_average": False}
"""Arguments of a linen module that distinguish training from evaluation, with their values in training."""


def _one_example(input_shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    """Return the shape of a batch of one example."""
    for axis, size in enumerate(input_shape):
        check_integer(f"input_shape[{axis}]", size)
    return jax.ShapeDtypeStruct((1, *input_shape), jnp.result_type(float))


def _reshape(inputs: ArrayLike, input_shape: Sequence[int]) -> Array:
    """Reshape the examples of a batch to the input shape of the module."""
    inputs = jnp.asarray(inputs)
    if math.prod(inputs.shape[1:]) != math.prod(input_shape):
        raise InputError(
            f"the network takes examples of shape {tuple(input_shape)}, got {inputs.shape[1:]}; for a batch, use "
            "network.apply_batch"
        )
    return inputs.reshape(-1, *input_shape)


def _seed(streams: Any, key: KeyArray, zeros: Callable[..., Any]) -> Any:
    """Return the state of a module's random number streams, each with its own key and a count of 0 draws."""
    keys = (jax.random.fold_in(key, number) for number in itertools.count())

    def fill(leaf: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return zeros(leaf.shape, leaf.dtype)
        return jax.random.split(next(keys), leaf.shape) if leaf.shape else next(keys)

    return jax.tree.map(fill, streams)


def _check_outputs(apply_batch: Callable[..., Any], params: Any, batch: jax.ShapeDtypeStruct) -> None:
    """Check that a module returns one array with one output per example."""
    outputs = jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(apply_batch, params, batch))
    if not (isinstance(outputs, tuple) and outputs and outputs[0] == 1):
        raise InputError(
            f"the module must return outputs of shape [1, ...] for a batch of shape {batch.shape}, got {outputs}"
        )


def _plain(state: Any) -> Any:
    """Convert an `nnx.State` to nested dicts and lists, the form in which parameters are stored."""
    return to_plain(nnx.to_pure_dict(state))
