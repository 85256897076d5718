"""Mean-field theory: what a wide network with random weights does to its signals and gradients, layer by layer.

Weights are drawn from N(0, weight_variance / fan_in) and biases from N(0, bias_variance), as `scaled_normal` does. The
z of a layer are then normal in the limit of infinite width. For two inputs with one variance q and the correlation c
of their z, a layer makes of them

    q' = weight_variance E[phi(sqrt(q) u)^2] + bias_variance
    c' = (weight_variance E[phi(sqrt(q) u) phi(sqrt(q) v)] + bias_variance) / q'

with standard normal u and v of correlation c. Where the variance has settled, q' = q, the slope of the second map at
c = 1 is called chi_1. It is also the factor by which the variance of gradients grows from a layer to the one before.

Scales may be traced: `jax.vmap` gives a whole phase diagram. Expectations are sums over Gauss-Hermite nodes. They are
exact to rounding for smooth activations; for the correlation of kinked ones, such as relu, the error is about 1e-3.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fnnet.activations import ACTIVATIONS, Activation
from fnnet.initializers import Scale
from fnnet.names import lookup

Number = Float[Array, ""]

_NUM_NODES = 200  # even: no node lies on the kink at 0, so that half of relu's slopes are 1
_NUM_LAYERS = 1000  # for a variance to converge
_ROUNDING = 64  # in units in the last place, of the variance map at a fixed point


class FixedPoint(NamedTuple):
    """What becomes of signals in deep layers.

    variance: q* of z, whatever the input; not finite where it grows without end.
    gradient_factor: chi_1. Below 1 inputs become alike and gradients vanish (the ordered phase), above 1 inputs part
        and gradients explode (the chaotic phase).
    correlation: c* that two different inputs end with: 1 in the ordered phase, less in the chaotic.
    depth_scale: xi_c, in layers: `c - c*` falls like `exp(-layer / xi_c)`. Networks much deeper cannot be trained.

    The last two are NaN where the variance is 0 or not finite.
    """

    variance: Number
    gradient_factor: Number
    correlation: Number
    depth_scale: Number


class Signals(NamedTuple):
    """What z is like in each layer, for two inputs: arrays `[num_layers]`.

    variance: q.
    correlation: c.
    """

    variance: Float[Array, " num_layers"]
    correlation: Float[Array, " num_layers"]


def variance_map(
    activation: str | Activation, variance: Scale, weight_variance: Scale, bias_variance: Scale = 0.0
) -> Number:
    """Compute the variance of a layer's z from that of the layer before it.

    Args:
        activation: phi, a name in `ACTIVATIONS` or any function of an array.
        variance: q.
        weight_variance: sigma_w^2, the variance of weights times fan_in.
        bias_variance: sigma_b^2.

    Returns:
        `weight_variance E[phi(sqrt(q) u)^2] + bias_variance`.

    Raises:
        InputError: when the name of the activation is unknown.

    Example:
        He's initialization keeps the variance of a relu network, and half of its weight variance halves it.

        >>> [round(float(variance_map("relu", 0.75, sigma)), 6) for sigma in (2.0, 1.0)]
        [0.75, 0.375]

    Source: Poole et al. (2016), eq. 3.
    """
    phi = lookup("activation", activation, ACTIVATIONS)
    nodes, weights = _quadrature()
    h = phi(jnp.sqrt(jnp.asarray(variance, nodes.dtype)) * nodes)
    return weight_variance * (weights @ jnp.square(h)) + bias_variance


def correlation_map(
    activation: str | Activation,
    correlation: Scale,
    variance: Scale,
    weight_variance: Scale,
    bias_variance: Scale = 0.0,
) -> Number:
    """Compute the correlation of two inputs in a layer's z from that in the layer before it.

    Args:
        activation: phi.
        correlation: c, in [-1, 1].
        variance: q of both inputs in the layer before.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        `(weight_variance E[phi(sqrt(q) u) phi(sqrt(q) v)] + bias_variance) / q'`, with q' from `variance_map`.

    Raises:
        InputError: when the name of the activation is unknown.

    Example:
        A bias, which is the same for all inputs, makes them more alike.

        >>> float(correlation_map("identity", 0.0, 1.0, 3.0, 1.0).round(6))
        0.25

    Source: Poole et al. (2016), eq. 5.
    """
    phi = lookup("activation", activation, ACTIVATIONS)
    covariance = weight_variance * _expected_product(phi, correlation, variance) + bias_variance
    return covariance / variance_map(phi, variance, weight_variance, bias_variance)


def correlation_slope(
    activation: str | Activation, correlation: Scale, variance: Scale, weight_variance: Scale
) -> Number:
    """Compute the slope of the correlation map where the variance has settled; chi_1 at a correlation of 1.

    Args:
        activation: phi.
        correlation: c.
        variance: q, such as `fixed_point` gives.
        weight_variance: sigma_w^2.

    Returns:
        `weight_variance E[phi'(sqrt(q) u) phi'(sqrt(q) v)]`.

    Raises:
        InputError: when the name of the activation is unknown.

    Example:
        He's initialization keeps the size of gradients, too.

        >>> float(correlation_slope("relu", 1.0, 0.75, 2.0).round(6))
        1.0

    Source: Poole et al. (2016), eq. 6; for gradients, Schoenholz et al. (2017), eq. 13.
    """
    phi = lookup("activation", activation, ACTIVATIONS)

    def derivative(z: Array) -> Array:
        return jax.jvp(phi, (z,), (jnp.ones_like(z),))[1]

    return weight_variance * _expected_product(derivative, correlation, variance)


def fixed_point(
    activation: str | Activation, weight_variance: Scale, bias_variance: Scale = 0.0
) -> FixedPoint:
    """Compute what becomes of signals in deep layers, and over how many layers.

    The variance starts at 1 and is iterated through 1000 layers. If it has not converged by then, bisection between
    its last value and 0 or infinity finds the fixed point that it approaches. The correlation is found by bisection,
    too: its map is convex with a fixed point at 1, so it has at most one other, and it lies above c to the left of that.

    Args:
        activation: phi.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        The fixed point. Near criticality, where `gradient_factor` is 1, the depth scale needs float64.

    Raises:
        InputError: when the name of the activation is unknown.

    Example:
        >>> point = fixed_point("tanh", weight_variance=2.5, bias_variance=0.05)
        >>> [round(float(value), 3) for value in point]
        [1.064, 1.134, 0.447, 11.796]

    Source: Poole et al. (2016), section 2; Schoenholz et al. (2017), eq. 9.
    """

    variance = _settled_variance(activation, weight_variance, bias_variance)

    def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) / 2
        is_below = correlation_map(activation, middle, variance, weight_variance, bias_variance) > middle
        return jnp.where(is_below, middle, low), jnp.where(is_below, high, middle)

    num_bits = jnp.finfo(variance.dtype).nmant
    correlation = jax.lax.fori_loop(0, num_bits, halve, (jnp.zeros(()), jnp.ones(())))[1]
    factor, slope = (correlation_slope(activation, c, variance, weight_variance) for c in (1.0, correlation))
    has_settled = (variance > 0) & jnp.isfinite(variance)
    depth_scale = jnp.where(has_settled, -1 / jnp.log(slope), jnp.nan)
    return FixedPoint(variance, factor, jnp.where(has_settled, correlation, jnp.nan), depth_scale)


def _settled_variance(activation: str | Activation, weight_variance: Scale, bias_variance: Scale) -> Number:
    """Compute the limit of the variance in deep layers: 0, infinity, or a fixed point in between."""

    def next_layer(variance: Array) -> Array:
        return variance_map(activation, variance, weight_variance, bias_variance)

    def deep_layers(variance: Array) -> Array:
        return jax.lax.fori_loop(0, _NUM_LAYERS, lambda _, variance: next_layer(variance), variance)

    one = jnp.ones(())
    limits = jnp.finfo(one.dtype)
    rounding = _ROUNDING * limits.eps
    reached = deep_layers(one)
    has_settled = jnp.abs(next_layer(reached) - reached) <= rounding * reached
    shrinks = next_layer(reached) < reached
    # Bisect the logarithm, since the variance may have any magnitude. One that is not finite has grown.
    smallest, largest = jnp.log(limits.tiny).astype(one.dtype), jnp.log(limits.max).astype(one.dtype)
    here = jnp.log(jnp.where(jnp.isfinite(reached), jnp.maximum(reached, limits.tiny), 1))

    def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) / 2
        is_above = next_layer(jnp.exp(middle)) < (1 - rounding) * jnp.exp(middle)
        return jnp.where(is_above, low, middle), jnp.where(is_above, middle, high)

    bounds = jnp.where(shrinks, smallest, here), jnp.where(shrinks, here, largest)
    found = jax.lax.stop_gradient(jax.lax.fori_loop(0, limits.bits, halve, bounds)[0])
    variance = deep_layers(jnp.where(has_settled, 1, jnp.exp(found)))
    variance = jnp.where(has_settled | (found > smallest + 1), variance, 0)
    return jnp.where(has_settled | (found < largest - 1), variance, jnp.inf)


def propagate(
    activation: str | Activation,
    num_layers: int,
    weight_variance: Scale,
    bias_variance: Scale = 0.0,
    *,
    input_variance: Scale = 1.0,
    input_correlation: Scale = 0.0,
) -> Signals:
    """Compute what becomes of two inputs, layer by layer.

    Args:
        activation: phi.
        num_layers: how many layers.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.
        input_variance: the mean square of an input's features.
        input_correlation: the cosine between the inputs.

    Returns:
        Variance and correlation of z in each layer.

    Raises:
        InputError: when the name of the activation is unknown.

    Example:
        Half of He's weight variance halves the signal of a relu network in each layer.

        >>> propagate("relu", 4, weight_variance=1.0).variance.round(6).tolist()
        [1.0, 0.5, 0.25, 0.125]

    Source: Poole et al. (2016), section 2.
    """

    def enter(activation: str | Activation, signals: Signals) -> Signals:
        """Go through the layer that takes the activations of z."""
        variance, correlation = signals
        return Signals(
            variance_map(activation, variance, weight_variance, bias_variance),
            correlation_map(activation, correlation, variance, weight_variance, bias_variance),
        )

    first = enter(
        "identity", Signals(jnp.asarray(input_variance, float), jnp.asarray(input_correlation, float))
    )
    return jax.lax.scan(lambda signals, _: (enter(activation, signals), signals), first, length=num_layers)[1]


def _expected_product(function: Activation, correlation: Scale, variance: Scale) -> Number:
    """Compute E[f(sqrt(q) u) f(sqrt(q) v)] for standard normal u and v of some correlation."""
    nodes, weights = _quadrature()
    c, scale = jnp.asarray(correlation, nodes.dtype), jnp.sqrt(jnp.asarray(variance, nodes.dtype))
    v = c * nodes[:, None] + jnp.sqrt(1 - jnp.square(c)) * nodes[None, :]
    return (weights * function(scale * nodes)) @ (function(scale * v) @ weights)


def _quadrature() -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    """Return nodes and weights for which `weights @ f(nodes)` is E[f(u)] of a standard normal u."""
    nodes, weights = _hermite(_NUM_NODES)
    return jnp.asarray(nodes, float), jnp.asarray(weights, float)


@cache
def _hermite(num_nodes: int) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(num_nodes)
    return nodes, weights / weights.sum()
