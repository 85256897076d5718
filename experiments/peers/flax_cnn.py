"""A small CNN in `flax.linen` and in `flax.nnx`, and the plain loop of Flax and optax that trains either."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx

import fnnet as fn


class LinenCNN(linen.Module):
    """Two convolutions with stride 2 and a Dense layer to 10 classes."""

    kernels: tuple[int, int]
    features: tuple[int, int]

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        options: Any = {"strides": 2, "padding": "VALID", "param_dtype": jnp.result_type(float)}
        for size, features in zip(self.kernels, self.features, strict=True):
            x = linen.relu(linen.Conv(features, (size, size), **options)(x))
        return linen.Dense(10, param_dtype=jnp.result_type(float))(x.reshape(len(x), -1))


class NnxCNN(nnx.Module):
    """The same CNN."""

    def __init__(
        self, shape: Sequence[int], kernels: tuple[int, int], features: tuple[int, int], rngs: nnx.Rngs
    ):
        options: Any = {"param_dtype": jnp.result_type(float), "rngs": rngs}
        height, width, channels = shape
        convolutions = []
        for size, num in zip(kernels, features, strict=True):
            convolutions.append(nnx.Conv(channels, num, (size, size), strides=2, padding="VALID", **options))
            height, width, channels = (height - size) // 2 + 1, (width - size) // 2 + 1, num
        self.convolutions = nnx.List(convolutions)
        self.head = nnx.Linear(height * width * channels, 10, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        for convolution in self.convolutions:
            x = nnx.relu(convolution(x))
        return self.head(x.reshape(len(x), -1))


def train(
    model: LinenCNN | NnxCNN,
    images: Any,
    classes: Any,
    rate: float,
    seed: int,
    num_steps: int,
    batch_size: int,
) -> list[np.ndarray]:
    """Train as one would without fnnet, on batches in order; return the leaves of the parameters.

    Args:
        model: the module to initialize with the seed, or one already initialized, of `nnx`.
        images: an array `[n, height, width, channels]`.
        classes: an array `[n]` of integers.
    """
    optimizer = optax.sgd(rate, momentum=0.9)
    if isinstance(model, LinenCNN):
        params, call = model.init(jax.random.key(seed), images[:1]), model.apply
    else:
        definition, params = nnx.split(model)

        def call(params: Any, x: Any) -> jax.Array:
            return nnx.merge(definition, params)(x)

    @jax.jit
    def step(params: Any, opt_state: Any, images: Any, classes: Any) -> tuple[Any, Any]:
        def loss(params: Any) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(call(params, images), classes).mean()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    opt_state = optimizer.init(params)
    for number in range(num_steps):
        rows = np.arange(number * batch_size, (number + 1) * batch_size) % len(images)
        params, opt_state = step(params, opt_state, images[rows], classes[rows])
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params)]


def to_float64(data: fn.Dataset) -> fn.Dataset:
    """Convert what is of float32 to float64."""
    return jax.tree.map(lambda leaf: leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf, data)
