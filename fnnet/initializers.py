"""Initial weights and biases as functions of random noise.

An `Initializer` maps noise that is uniform on (-1, 1) to weights. A network draws the noise of all its layers at once:
with one draw per layer, initializing a deep network takes longer to compile than to run. `fan_in` and `fan_out` are the
noise's shape. Scales may be traced, so they can be axes of a sweep.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fnnet import linalg
from fnnet.errors import InputError, unknown_name
from fnnet.types import KeyArray

Scale = int | float | Float[Array, ""]
JaxInitializer = Callable[..., Any]
"""A function `init(key, shape, dtype)` that returns weights, as in `jax.nn.initializers`."""


class Initializer(NamedTuple):
    """A pair of pure functions from uniform noise to one layer's initial parameters.

    weights: maps noise `[fan_in, fan_out]` to the weight matrix `[fan_in, fan_out]`.
    biases: maps noise `[fan_out]` and the number `fan_in` to the biases `[fan_out]`.
    """

    weights: Callable[[Float[Array, "fan_in fan_out"]], Float[Array, "fan_in fan_out"]]
    biases: Callable[[Float[Array, " fan_out"], int], Float[Array, " fan_out"]]


def uniform_noise(key: KeyArray, size: int, dtype: DTypeLike) -> Float[Array, " size"]:
    """Draw the noise that an `Initializer` takes, in float32 or float64.

    It is uniform on (-1, 1) and never -1 or 1, so normal quantiles of it are finite.
    """
    least = jnp.nextafter(jnp.asarray(-1, dtype), jnp.asarray(0, dtype))
    return jax.random.uniform(key, (size,), dtype, minval=least, maxval=1)


def variance_scaling(
    scale: Scale,
    fan: str = "fan_in",
    distribution: str = "normal",
) -> Initializer:
    """Build an initializer of weights with mean 0 and variance `scale / fan`; biases are 0.

    Args:
        scale: the variance times the fan. 2 preserves the variance through relu layers, 1 through linear layers.
        fan: "fan_in", "fan_out", or "fan_avg", their mean.
        distribution: "normal", "uniform", or "truncated_normal", which is truncated at two standard deviations and
            rescaled to the variance `scale / fan`.

    Raises:
        InputError: when `fan` or `distribution` is unknown.

    Example:
        >>> noise = uniform_noise(jax.random.key(0), 600, jnp.float32).reshape(20, 30)
        >>> weights = variance_scaling(6.0, distribution="uniform").weights(noise)
        >>> bool(jnp.abs(weights).max() <= (3 * 6.0 / 20) ** 0.5)
        True
    """
    fans = {
        "fan_in": lambda shape: shape[0],
        "fan_out": lambda shape: shape[1],
        "fan_avg": lambda shape: sum(shape) / 2,
    }
    if fan not in fans:
        raise unknown_name("fan", fan, fans)
    if distribution not in _UNIT_VARIANCE:
        raise unknown_name("distribution", distribution, _UNIT_VARIANCE)

    def weights(noise: Array) -> Array:
        variance = jnp.asarray(scale, noise.dtype) / fans[fan](noise.shape)
        return jnp.sqrt(variance) * _UNIT_VARIANCE[distribution](noise)

    return Initializer(weights, _zero_biases)


def orthogonal(gain: Scale = 1.0) -> Initializer:
    """Build an initializer of uniformly random orthogonal matrices times `gain`; biases are 0.

    For a matrix that is not square, the rows or the columns are orthonormal, whichever are fewer (Saxe, McClelland &
    Ganguli 2013).

    Args:
        gain: the value of all singular values.

    Example:
        >>> noise = uniform_noise(jax.random.key(0), 6, jnp.float32).reshape(3, 2)
        >>> weights = orthogonal().weights(noise)
        >>> bool(jnp.allclose(weights.T @ weights, jnp.eye(2), atol=1e-6))
        True
    """

    def weights(noise: Array) -> Array:
        fan_in, fan_out = noise.shape
        tall = _normal(noise if fan_in >= fan_out else noise.T)
        q, r = linalg.qr(tall)
        # The signs of r's diagonal are arbitrary; the draw is uniform if they are positive (Mezzadri 2007).
        q = q * jnp.where(jnp.diagonal(r) < 0, -1, 1).astype(q.dtype)[None, :]
        return jnp.asarray(gain, noise.dtype) * (q if fan_in >= fan_out else q.T)

    return Initializer(weights, _zero_biases)


def pytorch() -> Initializer:
    """Build the initializer of `torch.nn.Linear`: weights and biases are uniform on +-1/sqrt(fan_in).

    The variance of the weights is `1 / (3 fan_in)`, a third of LeCun's.
    """
    return Initializer(
        weights=lambda noise: noise / jnp.sqrt(jnp.asarray(noise.shape[0], noise.dtype)),
        biases=lambda noise, fan_in: noise / jnp.sqrt(jnp.asarray(fan_in, noise.dtype)),
    )


def scaled_normal(weight_variance: Scale, bias_variance: Scale = 0.0) -> Initializer:
    """Build an initializer of weights from N(0, weight_variance / fan_in) and biases from N(0, bias_variance).

    This is the convention of mean-field theory (Poole et al. 2016; Schoenholz et al. 2017).

    Args:
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2, not divided by a fan.
    """
    return Initializer(
        weights=variance_scaling(weight_variance).weights,
        biases=lambda noise, _: jnp.sqrt(jnp.asarray(bias_variance, noise.dtype)) * _normal(noise),
    )


@cache  # layers stack only if their initializers are equal
def from_jax(initializer: JaxInitializer) -> Initializer:
    """Convert an initializer from JAX or Flax; biases are 0.

    Args:
        initializer: a function `init(key, shape, dtype)`, such as `jax.nn.initializers.orthogonal()`.

    Returns:
        The initializer. It derives its key from the noise.

    Example:
        >>> noise = uniform_noise(jax.random.key(0), 6, jnp.float32).reshape(3, 2)
        >>> from_jax(jax.nn.initializers.constant(2.0)).weights(noise).shape
        (3, 2)
    """

    def weights(noise: Array) -> Array:
        bits = jax.lax.bitcast_convert_type(noise.ravel().astype(jnp.float32), jnp.uint32)
        key = jax.random.fold_in(jax.random.key(bits[0]), bits[-1])
        drawn = initializer(key, noise.shape, noise.dtype)
        if getattr(drawn, "shape", None) != noise.shape:
            came = f"shape {drawn.shape}" if hasattr(drawn, "shape") else f"a {type(drawn).__name__}"
            raise InputError(
                f"initializer must return weights of shape {noise.shape}, got {came}; call those of jax.nn first, "
                "as in jax.nn.initializers.orthogonal()"
            )
        return drawn

    return Initializer(weights, _zero_biases)


def zeros() -> Initializer:
    """Build the initializer that sets weights and biases to 0."""
    return Initializer(jnp.zeros_like, _zero_biases)


def _normal(noise: Array) -> Array:
    return jnp.sqrt(jnp.asarray(2, noise.dtype)) * jax.scipy.special.erfinv(noise)


def _uniform(noise: Array) -> Array:
    return jnp.sqrt(jnp.asarray(3, noise.dtype)) * noise


def _truncated_normal(noise: Array) -> Array:
    inside = jax.scipy.special.erf(jnp.sqrt(jnp.asarray(2, noise.dtype)))  # probability of |u| < 2
    standard_deviation = 0.87962566103423978  # of N(0, 1) truncated at +-2
    return _normal(inside * noise) / standard_deviation


def _zero_biases(noise: Array, fan_in: int) -> Array:
    del fan_in
    return jnp.zeros_like(noise)


_UNIT_VARIANCE = {"normal": _normal, "uniform": _uniform, "truncated_normal": _truncated_normal}

he_normal: partial[Initializer] = partial(variance_scaling, 2.0, "fan_in", "normal")
he_uniform: partial[Initializer] = partial(variance_scaling, 2.0, "fan_in", "uniform")
he_truncated_normal: partial[Initializer] = partial(variance_scaling, 2.0, "fan_in", "truncated_normal")
glorot_normal: partial[Initializer] = partial(variance_scaling, 1.0, "fan_avg", "normal")
glorot_uniform: partial[Initializer] = partial(variance_scaling, 1.0, "fan_avg", "uniform")
glorot_truncated_normal: partial[Initializer] = partial(variance_scaling, 1.0, "fan_avg", "truncated_normal")
lecun_normal: partial[Initializer] = partial(variance_scaling, 1.0, "fan_in", "normal")
lecun_uniform: partial[Initializer] = partial(variance_scaling, 1.0, "fan_in", "uniform")
lecun_truncated_normal: partial[Initializer] = partial(variance_scaling, 1.0, "fan_in", "truncated_normal")

INITIALIZERS: dict[str, Initializer] = {
    "he_normal": he_normal(),
    "he_uniform": he_uniform(),
    "he_truncated_normal": he_truncated_normal(),
    "glorot_normal": glorot_normal(),
    "glorot_uniform": glorot_uniform(),
    "glorot_truncated_normal": glorot_truncated_normal(),
    "lecun_normal": lecun_normal(),
    "lecun_uniform": lecun_uniform(),
    "lecun_truncated_normal": lecun_truncated_normal(),
    "orthogonal": orthogonal(),
    "pytorch": pytorch(),
    "zeros": zeros(),
}
"""All initializers by name, at their usual scales (He et al. 2015; Glorot & Bengio 2010)."""
