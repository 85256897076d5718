"""Mean-field theory: signal and gradient propagation in wide random networks.

Weights are drawn from N(0, weight_variance / fan_in) and biases from N(0, bias_variance), as by `scaled_normal`. At
infinite width, the pre-activations z of a layer are then normal. If those of two inputs have variance q and correlation
c, those of the next layer have

    q' = weight_variance E[phi(sqrt(q) u)^2] + bias_variance
    c' = (weight_variance E[phi(sqrt(q) u) phi(sqrt(q) v)] + bias_variance) / q'

with standard normal u and v of correlation c. At the fixed point q' = q, the slope of the second map at c = 1 is chi_1.
It is also the factor by which the variance of gradients grows per layer, backwards.

Scales may be traced, so `jax.vmap` computes a whole phase diagram. Gauss-Hermite quadrature computes expectations to
rounding for smooth activations, and to about 1e-3 for correlations of kinked ones such as relu.
"""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fnnet.activations import ACTIVATIONS, Activation
from fnnet.initializers import Scale
from fnnet.names import lookup

Number = Float[Array, ""]

_NUM_NODES = 200  # even, so that no node lies on the kink of relu at 0
_NUM_LAYERS = 1000  # for the variance to converge
_ROUNDING = 64  # error of the variance map at a fixed point, in units in the last place


class FixedPoint(NamedTuple):
    """The limit of signal propagation in deep layers.

    variance: q*, the variance of z for any input; not finite where it diverges.
    gradient_factor: chi_1. Below 1, inputs converge and gradients vanish (ordered phase); above 1, inputs diverge and
        gradients explode (chaotic phase).
    correlation: c*, that of two different inputs: 1 in the ordered phase, less in the chaotic phase.
    depth_scale: xi_c, in layers: `c - c*` decays as `exp(-layer / xi_c)`. Much deeper networks cannot be trained.

    The last two are NaN where the variance is 0 or not finite.
    """

    variance: Number
    gradient_factor: Number
    correlation: Number
    depth_scale: Number


class Signals(NamedTuple):
    """Statistics of z in each layer, for two inputs: variance q and correlation c, arrays `[num_layers]`."""

    variance: Float[Array, " num_layers"]
    correlation: Float[Array, " num_layers"]


def variance_map(
    activation: str | Activation, variance: Scale, weight_variance: Scale, bias_variance: Scale = 0.0
) -> Number:
    """Compute the variance of a layer's z from that of the previous layer.

    Args:
        activation: phi, a name in `ACTIVATIONS` or a function.
        variance: q.
        weight_variance: sigma_w^2, the variance of weights times fan_in.
        bias_variance: sigma_b^2.

    Returns:
        `weight_variance E[phi(sqrt(q) u)^2] + bias_variance`.

    Raises:
        InputError: when the activation is unknown.

    Example:
        He initialization preserves the variance of a relu network; half its weight variance halves it.

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
    """Compute the correlation between two inputs' z in a layer from that in the previous layer.

    Args:
        correlation: c, in [-1, 1].
        variance: q of both inputs in the previous layer.
        activation, weight_variance, bias_variance: as in `variance_map`, with the same errors.

    Returns:
        `(weight_variance E[phi(sqrt(q) u) phi(sqrt(q) v)] + bias_variance) / q'`, with q' from `variance_map`.

    Example:
        Biases, which all inputs share, increase the correlation.

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
    """Compute the slope of the correlation map at the fixed point of the variance; at c = 1 it is chi_1.

    Args:
        correlation: c.
        variance: q, as returned by `fixed_point`.
        activation, weight_variance: as in `variance_map`, with the same errors.

    Returns:
        `weight_variance E[phi'(sqrt(q) u) phi'(sqrt(q) v)]`.

    Example:
        He initialization also preserves the variance of gradients.

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
    """Compute the limit of signal propagation in deep layers.

    The variance is iterated from 1 through 1000 layers. If it has not converged by then, bisection between its last
    value and 0 or infinity finds the fixed point. The correlation is found by bisection as well: its map is convex with
    a fixed point at 1, so it has at most one other, to the left of which the map lies above the diagonal.

    Args:
        activation, weight_variance, bias_variance: as in `variance_map`, with the same errors.

    Returns:
        The fixed point. Near criticality, where `gradient_factor` is 1, the depth scale needs float64.

    Example:
        >>> point = fixed_point("tanh", weight_variance=2.5, bias_variance=0.05)
        >>> [round(float(value), 3) for value in point]
        [1.064, 1.134, 0.447, 11.796]

    Source: Poole et al. (2016), section 2; Schoenholz et al. (2017), eq. 9.
    """
    variance = _limit_variance(activation, weight_variance, bias_variance)

    def halve(_: object, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
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


def _limit_variance(activation: str | Activation, weight_variance: Scale, bias_variance: Scale) -> Number:
    """Compute the variance in the limit of deep layers: 0, infinity, or a fixed point in between."""

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
    # Bisect the logarithm, since the variance may have any magnitude. A variance that is not finite counts as growing.
    smallest, largest = jnp.log(limits.tiny).astype(one.dtype), jnp.log(limits.max).astype(one.dtype)
    here = jnp.log(jnp.where(jnp.isfinite(reached), jnp.maximum(reached, limits.tiny), 1))

    def halve(_: object, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
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
    """Compute the variance and the correlation of two inputs' z in each layer.

    Args:
        num_layers: number of layers.
        activation, weight_variance, bias_variance: as in `variance_map`, with the same errors.
        input_variance: the mean square of an input's features.
        input_correlation: the cosine between the inputs.

    Returns:
        The variance and the correlation, each `[num_layers]`.

    Example:
        Half the weight variance of He initialization halves the variance in every layer of a relu network.

        >>> propagate("relu", 4, weight_variance=1.0).variance.round(6).tolist()
        [1.0, 0.5, 0.25, 0.125]

    Source: Poole et al. (2016), section 2.
    """

    def next_layer(activation: str | Activation, signals: Signals) -> Signals:
        variance, correlation = signals
        return Signals(
            variance_map(activation, variance, weight_variance, bias_variance),
            correlation_map(activation, correlation, variance, weight_variance, bias_variance),
        )

    first = next_layer(
        "identity", Signals(jnp.asarray(input_variance, float), jnp.asarray(input_correlation, float))
    )
    return jax.lax.scan(
        lambda signals, _: (next_layer(activation, signals), signals), first, length=num_layers
    )[1]


def _expected_product(function: Activation, correlation: Scale, variance: Scale) -> Number:
    """Compute E[f(sqrt(q) u) f(sqrt(q) v)] for standard normal u and v with correlation c."""
    nodes, weights = _quadrature()
    c, scale = jnp.asarray(correlation, nodes.dtype), jnp.sqrt(jnp.asarray(variance, nodes.dtype))
    v = c * nodes[:, None] + jnp.sqrt(1 - jnp.square(c)) * nodes[None, :]
    return (weights * function(scale * nodes)) @ (function(scale * v) @ weights)


def _quadrature() -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    """Return nodes and weights with `weights @ f(nodes)` = E[f(u)] for standard normal u."""
    nodes, weights = _hermite(_NUM_NODES)
    return jnp.asarray(nodes, float), jnp.asarray(weights, float)


@cache
def _hermite(num_nodes: int) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(num_nodes)
    return nodes, weights / weights.sum()
