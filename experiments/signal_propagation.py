"""Signals and gradients in wide random networks are what mean-field theory says.

In tanh networks with weights from N(0, sigma_w^2 / fan_in) and biases from N(0, 0.05), the variance of z
approaches the same q* from any input; two inputs become alike or separate (Poole et al. 2016), and gradients
vanish or explode by sqrt(chi_1) per layer (Schoenholz et al. 2017). Networks of width 1000 are measured
against the theory of `fnnet.analysis.mean_field`. Values called published are those of the theory, from
reproductions of it.

Relu networks keep E[h^2] if weights have the variance 2 / fan_in, and halve it in every layer with half of
that (He et al. 2015). Means are over networks, with the 95 % interval of Student's t. How deep such networks
can be trained is measured in `trainable_depth.py`.

Run `python experiments/signal_propagation.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import fnnet as fn
from claiming import Claim, at_most, near
from reporting import Findings, main

BIAS_VARIANCE = 0.05
CRITICAL = 1.761  # the scale of the critical line, published
DEPTH_SCALES = np.array([3.63, 6.98])  # xi_c at the first and last scale, 1 and 4, published

Theory = tuple[fn.analysis.mean_field.FixedPoint, fn.analysis.mean_field.Signals]


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; scales are values of sigma_w^2, and draws random networks of each."""

    width: int = 1000
    num_draws: int = 20
    tanh_layers: int = 20
    tanh_scales: tuple[float, ...] = (1.0, 1.2, 2.0, 2.5, 4.0)
    relu_layers: int = 30


SMOKE = Config(width=50, num_draws=2, tanh_layers=4, relu_layers=4)


def draw_networks(
    activation: str, scales: tuple[float, ...], bias_variance: float, num_layers: int, config: Config
) -> dict[str, np.ndarray]:
    """Measure random networks on two random inputs: arrays `[draws, scales, layers]` by name.

    q and c are variance and correlation of z, h2 is E[h^2], and gradient the norm of an output's gradient in
    w.
    """

    def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
        return a @ b / jnp.sqrt((a @ a) * (b @ b))

    def measure(scale: Any, seed: Any) -> dict[str, jax.Array]:
        initializer = fn.initializers.scaled_normal(scale, bias_variance)
        options: Any = {"initializer": initializer, "stack_from": 2}
        network = fn.mlp(config.width, [config.width] * num_layers, 1, activation, **options)
        key, input_key = jax.random.split(jax.random.key(seed))
        params, inputs = network.init(key), jax.random.normal(input_key, (2, config.width))
        assert network.intermediates is not None
        one, two = (network.intermediates(params, x)[:-1] for x in inputs)
        grads = jax.grad(lambda params: network.apply(params, inputs[0])[0])(params)
        return {
            "q": jnp.stack([jnp.mean(layer.z**2) for layer in one]),
            "c": jnp.stack([cosine(a.z, b.z) for a, b in zip(one, two, strict=True)]),
            "h2": jnp.stack([jnp.mean(layer.h**2) for layer in one]),
            "gradient": jnp.stack([jnp.linalg.norm(layer["w"]) for layer in fn.unstack(grads)[:-1]]),
        }

    of_scales, seeds = jax.vmap(measure, in_axes=(0, None)), jnp.arange(config.num_draws)
    draws = jax.jit(lambda scales: jax.lax.map(lambda seed: of_scales(scales, seed), seeds))
    return jax.device_get(draws(jnp.array(scales)))


def predict(scales: tuple[float, ...], num_layers: int) -> Theory:
    """Predict the fixed point and the first layers of tanh networks of each scale."""

    def predict_one(scale: Any) -> Theory:
        layers = fn.analysis.mean_field.propagate("tanh", num_layers, scale, BIAS_VARIANCE)
        return fn.analysis.mean_field.fixed_point("tanh", scale, BIAS_VARIANCE), layers

    with jax.enable_x64(True):
        return jax.device_get(jax.jit(jax.vmap(predict_one))(jnp.array(scales)))


def find_critical() -> float:
    """Find the scale where chi_1 is 1: there is one for each q*, and one of these agrees with the biases."""

    def scale(q: float) -> float:
        return 1 / float(slope(q))

    with jax.enable_x64(True):
        slope = jax.jit(lambda q: fn.analysis.mean_field.correlation_slope("tanh", 1.0, q, 1.0))
        mean_field = fn.analysis.mean_field
        variance = jax.jit(lambda q, scale: mean_field.variance_map("tanh", q, scale, BIAS_VARIANCE))
        return scale(brentq(lambda q: q - variance(q, scale(q)), 0.1, 2.0))


def growth(values: np.ndarray) -> list[Any]:
    """Average over draws the growth per layer, for each scale, from the middle on, where q has settled."""
    last = values.shape[2] - 1
    factors = (values[:, :, last] / values[:, :, last // 2]) ** (1 / (last - last // 2))
    return [fn.mean_interval(factor) for factor in factors.T]


def make_claims(
    tanh: dict[str, np.ndarray], relu: dict[str, np.ndarray], theory: Theory, config: Config
) -> list[Claim]:
    (points, layers), chi = theory, np.sqrt(theory[0].gradient_factor)
    q = [fn.mean_interval(values) for values in tanh["q"][:, :, -1].T]
    variance = np.abs(tanh["q"].mean(axis=0) / layers.variance - 1).max().item()
    correlation = np.abs(tanh["c"].mean(axis=0) - layers.correlation).max().item()
    grads, (he, half) = growth(1 / tanh["gradient"]), growth(relu["h2"])  # gradients run backwards

    def by_scale(values: Any) -> dict[str, Any]:
        return {f"{scale:g}": value for scale, value in zip(config.tanh_scales, values, strict=True)}

    def as_predicted(claim: str, expected: Any, measured: Any) -> Claim:
        return near(claim, expected, measured, tolerance=0.05, relative=True)

    settles = f"for each sigma_w^2, the variance in layer {config.tanh_layers} is q*"
    grow = "for each sigma_w^2, gradients grow by sqrt(chi_1) per layer"
    return [
        near("the critical sigma_w^2 is as published", CRITICAL, find_critical(), 5e-4),
        near("xi_c at sigma_w^2 = 1 and 4 is as published", DEPTH_SCALES, points.depth_scale[[0, -1]], 5e-3),
        as_predicted(settles, by_scale(points.variance), by_scale(q)),
        at_most("the relative difference of any layer's mean variance from the theory", 0.05, variance, 0),
        at_most("the difference of any layer's mean correlation from the theory", 0.05, correlation, 0),
        as_predicted(grow, by_scale(chi), by_scale(grads)),
        as_predicted("with He's weights E[h^2] of relu grows by a factor of 1 per layer", 1, he),
        as_predicted("with half He's variance E[h^2] of relu grows by a factor of 1/2 per layer", 0.5, half),
    ]


def measure(config: Config) -> Findings:
    tanh = draw_networks("tanh", config.tanh_scales, BIAS_VARIANCE, config.tanh_layers, config)
    relu = draw_networks("relu", (2.0, 1.0), 0.0, config.relu_layers, config)
    points, signals = theory = predict(config.tanh_scales, config.tanh_layers)
    means = {name: values.mean(axis=0) for name, values in tanh.items()}
    means["relative_gradient"] = (tanh["gradient"] / tanh["gradient"][:, :, -1:]).mean(axis=0)
    to_last = np.arange(config.tanh_layers)[::-1]
    predicted = {"q": signals.variance, "c": signals.correlation}
    predicted["relative_gradient"] = points.gradient_factor[:, None] ** (to_last / 2)
    return make_claims(tanh, relu, theory, config), {
        "scales": config.tanh_scales,
        "tanh": means,
        "relu": {name: values.mean(axis=0) for name, values in relu.items()},
        "theory": predicted,
    }


if __name__ == "__main__":
    main(measure, SMOKE)
