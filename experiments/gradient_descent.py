"""Gradient descent with one weight: the article's example, step by step, and the rate beyond which it diverges.

A network of a single weight w = 5 should give 6 for the input 2. Its quadratic loss (2 w - 6)^2 / 2 has the gradient
2 (2 w - 6) = 8 there; a step with the learning rate 0.1 gives w = 4.2, and further steps lead to w = 3.

The loss has the curvature lambda = 2^2 = 4 everywhere, so w - 3 is multiplied by 1 - 4 rate at each step. Rates below
2 / lambda = 0.5 converge, 1 / lambda = 0.25 does so in one step, and rates above 0.5 diverge: for any quadratic loss
with lambda its largest curvature.

Run `python experiments/gradient_descent.py`, or with `--smoke` for a coarser grid of rates.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import fnnet as fn
from claiming import Claim
from drawing import REFERENCE, panels
from reporting import Findings, main

X, Y, START, BEST = 2.0, 6.0, 5.0, 3.0
CURVATURE = X**2


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    num_rates: of the grid from 0 to 0.6, besides those that are drawn.
    num_steps: of each run.
    """

    drawn: tuple[float, ...] = (0.02, 0.1, 0.25, 0.4, 0.51)
    num_rates: int = 600
    num_steps: int = 1000


def one_weight() -> fn.Network:
    """Make the network y = w x, which starts at w = 5."""
    network = fn.mlp(1, [], 1, use_bias=False)
    return network._replace(init=lambda key: [{"w": jnp.array([[START]])}])


def recipe() -> fn.Task:
    task = fn.supervised(one_weight(), "quadratic", optimizer="sgd", batch_size=None)
    return task._replace(measure=lambda hparams, state, data: {"w": state.params[0]["w"][0, 0]})


def make_claims(rates: np.ndarray, weights: np.ndarray) -> list[Claim]:
    """Compare what was trained, `weights` after each step `[rates, steps]`, with what can be computed by hand."""

    def after(rate: float, num_steps: int) -> float:
        return float(weights[np.argmin(np.abs(rates - rate)), num_steps - 1])

    objective = fn.analysis.curvature.make_objective(one_weight(), "quadratic")
    example, params = fn.Examples(np.array([[X]]), np.array([[Y]])), one_weight().init(jax.random.key(0))
    gradient = float(jax.grad(objective)(params, example)[0]["w"][0, 0])
    sharpness = float(
        fn.analysis.curvature.top_eigenvalues(
            lambda params: objective(params, example), params, jax.random.key(0)
        )[0]
    )
    steps = np.arange(1, weights.shape[1] + 1)
    by_hand = BEST + (START - BEST) * (1 - CURVATURE * rates[:, None]) ** steps[None]
    worst = float(np.max(np.abs(weights - by_hand) / np.abs(by_hand)))
    fell = np.abs(weights[:, -1] - BEST) < START - BEST
    below, above = float(rates[fell].max()), float(rates[~fell].min())
    return [
        Claim("the gradient at w = 5", 8, gradient, gradient == 8),
        Claim("w after one step with rate 0.1", 4.2, after(0.1, 1), abs(after(0.1, 1) - 4.2) < 1e-12),
        Claim("w after 100 such steps, within 1e-12", 3, after(0.1, 100), abs(after(0.1, 100) - 3) < 1e-12),
        Claim("w after one step with rate 1 / lambda", 3, after(0.25, 1), abs(after(0.25, 1) - 3) < 1e-12),
        Claim("lambda, by Hessian-vector products", CURVATURE, sharpness, abs(sharpness - CURVATURE) < 1e-12),
        Claim("all runs are 3 + 2 (1 - 4 rate)^n, relatively to 1e-9", 0, worst, worst < 1e-9),
        Claim(
            "the largest rate that converges and the smallest that does not enclose 2 / lambda",
            2 / CURVATURE,
            {"converges": below, "does not": above},
            below < 2 / CURVATURE <= above,
        ),
    ]  # fmt: skip


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the descent on the parabola, the weight against the step, and the distance against the rate."""
    figure, (parabola, slow, swinging, distance) = panels(
        "Below the rate 1/λ a weight slides to its best value, above it swings, and beyond 2/λ it diverges",
        "Rate 0.1 on the loss $(2w - 6)^2/2$",
        "Rates up to 1/λ = 0.25: no swinging",
        "Rates above 1/λ: swinging",
        "Distance from the best weight",
        rows=2,
        height=4.4,
    )
    paths = dict(zip(measured["drawn"].tolist(), measured["paths"], strict=True))

    def loss(w: Any) -> Any:
        return (X * w - Y) ** 2 / 2

    grid, path, near = np.linspace(0.8, 5.6, 200), paths[0.1][:7], np.array([4.35, 5.55])
    parabola.plot(grid, loss(grid), color="0.6")
    parabola.plot(near, loss(START) + 8 * (near - START), color="C1")
    parabola.plot(path, loss(path), "o-", color="C0")
    parabola.annotate("tangent at $w = 5$,\nslope 8", (5.3, 10.4), (3.6, 9.4), color="C1", ha="center")
    parabola.annotate("$w = 4.2$", (4.2, loss(4.2)), (-34, 4), textcoords="offset points", color="C0")
    parabola.set(xlabel="weight $w$", ylabel="loss", ylim=(-0.5, 13))
    for axes, rates in ((slow, [0.02, 0.1, 0.25]), (swinging, [0.4, 0.51])):
        for color, rate in zip(("C5", "C0", "C2") if axes is slow else ("C4", "C1"), rates, strict=True):
            axes.plot(paths[rate], ".-", color=color, label=f"{rate:g}")
        axes.axhline(BEST, **REFERENCE)
        axes.set(xlabel="step", ylabel="weight $w$", ylim=(-0.6, 8.6))
        axes.legend(title="learning rate", ncols=3, loc="upper right")
    shades = ("0.7", "0.4", "0")
    for num_steps, apart, shade in zip(measured["num_steps"], measured["distances"], shades, strict=True):
        distance.plot(
            measured["rates"], np.clip(apart, 1e-16, 1e16), color=shade, label=f"after {num_steps} steps"
        )
    for place, name in ((1 / CURVATURE, "1/λ"), (2 / CURVATURE, "2/λ")):
        distance.axvline(place, **REFERENCE)
        distance.annotate(name, (place, 1e-15), (3, 0), textcoords="offset points", color="0.3")
    distance.set(xlabel="learning rate", ylabel="$|w - 3|$, clipped", yscale="log")
    distance.legend(loc="upper left")
    return figure


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    example = np.array([[X]]), np.array([[Y]])
    data = fn.from_arrays(*example, test=example)
    grid = np.arange(1, config.num_rates + 1) * (0.6 / config.num_rates)
    rates = np.unique(np.round([*grid, *config.drawn], 6))
    results = fn.sweep(
        recipe, fn.grid(learning_rate=rates.tolist()), data, num_steps=config.num_steps, eval_every=1
    )
    weights = results.curves("w").values
    claims = make_claims(rates, weights)
    paths = [[START, *weights[np.argmin(np.abs(rates - rate)), :12]] for rate in config.drawn]
    num_steps = [number for number in (10, 100, 1000) if number <= config.num_steps]
    distances = np.abs(weights[:, np.array(num_steps) - 1].T - BEST)
    measured = {"drawn": config.drawn, "paths": paths, "rates": rates}
    measured |= {"num_steps": num_steps, "distances": distances}
    return claims, measured


if __name__ == "__main__":
    main(measure, draw, smoke=Config(num_rates=30))
