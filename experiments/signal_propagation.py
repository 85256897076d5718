"""Signals and gradients in wide random networks are what mean-field theory says.

Networks of tanh with weights from N(0, sigma_w^2 / fan_in) and biases from N(0, 0.05): the variance of z comes to the
same q* from any input; two inputs become alike or part (Poole et al. 2016), and gradients vanish or explode by
sqrt(chi_1) a layer (Schoenholz et al. 2017). Measured in networks of width 1000, against the theory of
`fnnet.mean_field`. Numbers called published are of the theory, as reproductions of it give them.

Networks of relu keep E[h^2] with weights of variance 2 / fan_in, and halve it in every layer with half of that (He et
al. 2015). Means are over networks, with the 95 % interval of Student's t. How deep such networks can be trained is in
`trainable_depth.py`.

Run `python experiments/signal_propagation.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import fnnet as fn
from claiming import Claim
from drawing import panels, shades
from reporting import Findings, main

BIAS_VARIANCE = 0.05
CRITICAL = 1.761  # the scale of the critical line, published
DEPTH_SCALES = (3.63, 6.98)  # xi_c at the first and last scale, 1 and 4, published

Theory = tuple[fn.analysis.mean_field.FixedPoint, fn.analysis.mean_field.Signals]


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; a scale is sigma_w^2.

    num_draws: random networks of each scale.
    tanh_layers, tanh_scales: their hidden layers and scales, of which the first and last have a published xi_c.
    relu_layers: hidden layers of the others.
    """

    width: int = 1000
    num_draws: int = 20
    tanh_layers: int = 20
    tanh_scales: tuple[float, ...] = (1.0, 1.2, 2.0, 2.5, 4.0)
    relu_layers: int = 30


def draw_networks(
    activation: str, scales: tuple[float, ...], bias_variance: float, num_layers: int, config: Config
) -> dict[str, np.ndarray]:
    """Measure random networks on two random inputs: arrays `[draws, scales, layers]` by name.

    q and c are variance and correlation of z, h2 is E[h^2], and gradient the norm of an output's gradient in w.
    """

    def measure(scale: Any, seed: Any) -> dict[str, jax.Array]:
        initializer = fn.initializers.scaled_normal(scale, bias_variance)
        network = fn.mlp(
            config.width, [config.width] * num_layers, 1, activation, initializer=initializer, stack_from=2
        )
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


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    return a @ b / jnp.sqrt((a @ a) * (b @ b))


def predict(scales: tuple[float, ...], num_layers: int) -> Theory:
    """Predict for tanh networks of each scale where deep layers end, and what the first layers do."""

    def predict_one(scale: Any) -> Theory:
        layers = fn.analysis.mean_field.propagate("tanh", num_layers, scale, BIAS_VARIANCE)
        return fn.analysis.mean_field.fixed_point("tanh", scale, BIAS_VARIANCE), layers

    with jax.enable_x64(True):
        return jax.device_get(jax.jit(jax.vmap(predict_one))(jnp.array(scales)))


def find_critical() -> float:
    """Find the scale at which chi_1 is 1: there is one for each q*, and one of these goes with our biases."""

    def scale(q: float) -> float:
        return 1 / float(slope(q))

    with jax.enable_x64(True):
        slope = jax.jit(lambda q: fn.analysis.mean_field.correlation_slope("tanh", 1.0, q, 1.0))
        variance = jax.jit(
            lambda q, scale: fn.analysis.mean_field.variance_map("tanh", q, scale, BIAS_VARIANCE)
        )
        return scale(brentq(lambda q: q - variance(q, scale(q)), 0.1, 2.0))


def growth(values: np.ndarray) -> list[Any]:
    """Average over draws the factor from layer to layer, of each scale; from the middle on, where q has settled."""
    last = values.shape[2] - 1
    factors = (values[:, :, last] / values[:, :, last // 2]) ** (1 / (last - last // 2))
    return [fn.mean_interval(factor) for factor in factors.T]


def is_close(measured: list[Any], expected: Any) -> bool:
    return bool(np.all(np.abs(np.array([mean.mean for mean in measured]) / expected - 1) <= 0.05))


def make_claims(
    tanh: dict[str, np.ndarray], relu: dict[str, np.ndarray], theory: Theory, config: Config
) -> list[Claim]:
    """State what was to be shown, and whether it was."""
    points, layers = theory
    critical, xi, known = find_critical(), points.depth_scale[[0, -1]], np.array(DEPTH_SCALES)
    q, chi = [fn.mean_interval(values) for values in tanh["q"][:, :, -1].T], np.sqrt(points.gradient_factor)
    apart_q = np.abs(tanh["q"].mean(axis=0) / layers.variance - 1).max().item()
    apart_c = np.abs(tanh["c"].mean(axis=0) - layers.correlation).max().item()
    grads, (he, half) = growth(1 / tanh["gradient"]), growth(relu["h2"])  # gradients run backwards

    def by_scale(values: Any) -> dict[str, Any]:
        return {f"{scale:g}": value for scale, value in zip(config.tanh_scales, values, strict=True)}

    return [
        Claim("the critical sigma_w^2 is the published one within 0.0005", CRITICAL, critical, abs(critical - CRITICAL) <= 5e-4),
        Claim("xi_c at sigma_w^2 = 1 and 4 is the published one within 0.005", known, xi, bool(np.abs(xi - known).max() <= 5e-3)),
        Claim(f"the variance in layer {config.tanh_layers} is q* within 5 %, by sigma_w^2", by_scale(points.variance), by_scale(q), is_close(q, points.variance)),
        Claim("the mean variance is the theory's within 5 % in every layer: largest difference", 0, apart_q, apart_q <= 0.05),
        Claim("the mean correlation is the theory's within 0.05 in every layer: largest difference", 0, apart_c, apart_c <= 0.05),
        Claim("gradients grow by sqrt(chi_1) a layer within 5 %, by sigma_w^2", by_scale(chi), by_scale(grads), is_close(grads, chi)),
        Claim("with He's weights E[h^2] of relu grows by 1 a layer within 5 %", 1, he, is_close([he], 1)),
        Claim("with half He's variance E[h^2] of relu grows by 1/2 a layer within 5 %", 0.5, half, is_close([half], 0.5)),
    ]  # fmt: skip


def draw(measured: dict[str, Any]) -> Figure:
    """Draw each quantity against the layer: points measured, lines predicted."""
    figure, (q, c, gradient, h2) = panels(
        "Signals and gradients in wide random networks are what mean-field theory says",
        "tanh: variance",
        "tanh: correlation",
        "tanh: gradients",
        "ReLU: $E[h^2]$",
        height=2.9,
    )

    def plot(axes: Any, values: Any, theory: Any, label: str | None, color: Any) -> None:
        layers = np.arange(1, len(theory) + 1)
        axes.plot(layers, values, "o", color=color, markersize=2.5, label=label)
        axes.plot(layers, theory, color=color, linewidth=0.9)

    tanh, theory, scales = measured["tanh"], measured["theory"], measured["scales"]
    for i, (scale, color) in enumerate(zip(scales, shades(len(scales)), strict=True)):
        plot(q, tanh["q"][i], theory["q"][i], f"{scale:g}", color)
        plot(c, tanh["c"][i], theory["c"][i], None, color)
        plot(gradient, tanh["relative_gradient"][i], theory["relative_gradient"][i], None, color)
    for values, factor, color, label in zip(
        measured["relu"]["h2"], (1.0, 0.5), ("C1", "C0"), ("2 / fan-in (He)", "1 / fan-in"), strict=True
    ):
        plot(h2, values, factor ** np.arange(1, len(values) + 1), None, color)
        place = len(values) // 5
        h2.annotate(label, (place + 1, values[place]), (8, -9), textcoords="offset points", color=color)
    q.set(ylabel="variance q of z", ylim=0)
    c.set(ylabel="correlation c of two inputs")
    gradient.set(ylabel="gradient / that of the last layer", yscale="log")
    text = "theory from\nlayer 4 on,\nwhere q settles"
    gradient.annotate(text, (1, 1), xycoords="axes fraction", ha="right", va="top", fontsize=6.5, color="0.3")
    h2.set(ylabel="$E[h^2]$", yscale="log")
    for axes in (q, c, gradient, h2):
        axes.set_xlabel("layer")
    title = r"tanh: variance $\sigma_w^2$ of weights times fan-in (points: measured, lines: theory)"
    figure.legend(loc="outside lower center", ncols=5, title=title)
    return figure


def measure(config: Config) -> Findings:
    tanh = draw_networks("tanh", config.tanh_scales, BIAS_VARIANCE, config.tanh_layers, config)
    relu = draw_networks("relu", (2.0, 1.0), 0.0, config.relu_layers, config)
    theory = predict(config.tanh_scales, config.tanh_layers)
    claims = make_claims(tanh, relu, theory, config)
    means = {
        f: {name: values.mean(axis=0) for name, values in of.items()}
        for f, of in (("tanh", tanh), ("relu", relu))
    }
    means["tanh"]["relative_gradient"] = (tanh["gradient"] / tanh["gradient"][:, :, -1:]).mean(axis=0)
    points, signals = theory
    to_last = np.arange(config.tanh_layers)[::-1]
    predicted = {"q": signals.variance, "c": signals.correlation}
    predicted["relative_gradient"] = points.gradient_factor[:, None] ** (to_last / 2)
    measured = {"scales": config.tanh_scales, **means, "theory": predicted}
    return claims, measured


if __name__ == "__main__":
    main(measure, draw, smoke=Config(width=50, num_draws=2, tanh_layers=4, relu_layers=4))
