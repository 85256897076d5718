"""Activation functions: `h = activation(z)`, elementwise except `softmax`.

Wherever fnnet takes an activation, pass one of the names below or any function that preserves the shape of its array.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fnnet.names import named

Activation = Callable[[Array], Array]


def identity(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return `z`: with this activation a network is a product of matrices."""
    return z


def relu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `max(z, 0)`; the gradient at 0 is 0."""
    return jax.nn.relu(z)


def tanh(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute the hyperbolic tangent, with values in (-1, 1)."""
    return jnp.tanh(z)


def sigmoid(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `1 / (1 + exp(-z))`, with values in (0, 1)."""
    return jax.nn.sigmoid(z)


def softplus(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `log(1 + exp(z))`, a smooth relu."""
    return jax.nn.softplus(z)


def gelu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `z * Phi(z)` with the exact normal distribution function (Hendrycks & Gimpel 2016)."""
    return jax.nn.gelu(z, approximate=False)


def silu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `z * sigmoid(z)`, also called swish."""
    return jax.nn.silu(z)


def leaky_relu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `z` where it is positive and `0.01 z` elsewhere."""
    return jax.nn.leaky_relu(z, negative_slope=0.01)


def erf(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute the error function, whose mean-field integrals have closed forms."""
    return jax.scipy.special.erf(z)


def sine(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `sin(z)`."""
    return jnp.sin(z)


def square(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Compute `z ** 2`."""
    return jnp.square(z)


def softmax(z: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
    """Compute probabilities from logits along the last axis: `exp(z_i) / sum_j exp(z_j)`.

    Losses take logits: train without softmax, and apply it to the outputs to get probabilities.

    Example:
        >>> softmax(jnp.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    return jax.nn.softmax(z, axis=-1)


ACTIVATIONS: dict[str, Activation] = named(
    identity, relu, tanh, sigmoid, softplus, gelu, silu, leaky_relu, erf, sine, square, softmax
)
"""All activations by name."""


def activate(
    activation: Activation, z: Float[Array, "features *examples"]
) -> Float[Array, "features *examples"]:
    """Apply an activation to a batch with the examples last, or to one example.

    Example:
        >>> activate(softmax, jnp.zeros((2, 3))).tolist()
        [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    """
    if z.ndim == 1 or activation in _ELEMENTWISE:
        return activation(z)
    return jax.vmap(activation, in_axes=-1, out_axes=-1)(z)  # a function of the user may not be elementwise


_ELEMENTWISE = [activation for activation in ACTIVATIONS.values() if activation is not softmax]
