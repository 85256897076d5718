"""Gradient descent with one weight: the article's example, and the rate beyond which it diverges.

A network of a single weight w = 5 should give 6 for the input 2. Its quadratic loss (2 w - 6)^2 / 2 has the
gradient 2 (2 w - 6) = 8 there; a step with the learning rate 0.1 gives w = 4.2, and further steps
lead to w = 3.

The loss has the curvature lambda = 2^2 = 4 everywhere, so w - 3 is multiplied by 1 - 4 rate at each step.
Rates below 2 / lambda = 0.5 converge, 1 / lambda = 0.25 does so in one step, and rates above 0.5 diverge: for
any quadratic loss with lambda its largest curvature.

Run `python experiments/gradient_descent.py`, or with `--smoke` for a coarser grid of rates.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, at_most, near
from reporting import Findings, main

X, Y, START, BEST = 2.0, 6.0, 5.0, 3.0
CURVATURE = X**2


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; the grid of rates is from 0 to 0.6, besides those that are drawn."""

    drawn: tuple[float, ...] = (0.02, 0.1, 0.25, 0.4, 0.51)
    num_rates: int = 600
    num_steps: int = 1000


SMOKE = Config(num_rates=30)


def one_weight() -> fn.Network:
    """Build the network y = w x, which starts at w = 5."""
    network = fn.mlp(1, [], 1, use_bias=False)
    return network._replace(init=lambda key: [{"w": jnp.array([[START]])}])


def recipe() -> fn.Task:
    task = fn.supervised(one_weight(), "quadratic", optimizer="sgd", batch_size=None)
    return task._replace(measure=lambda hparams, state, data: {"w": state.params[0]["w"][0, 0]})


def make_claims(rates: np.ndarray, weights: np.ndarray) -> list[Claim]:
    """Compare the `weights` after each step `[rates, steps]` with what can be computed by hand."""

    def after(rate: float, num_steps: int) -> float:
        return float(weights[np.argmin(np.abs(rates - rate)), num_steps - 1])

    curvature = fn.analysis.curvature
    objective = curvature.make_objective(one_weight(), "quadratic")
    example, params = fn.Examples(np.array([[X]]), np.array([[Y]])), one_weight().init(jax.random.key(0))
    gradient = float(jax.grad(objective)(params, example)[0]["w"][0, 0])
    top = curvature.top_eigenvalues(lambda params: objective(params, example), params, jax.random.key(0))
    steps = np.arange(1, weights.shape[1] + 1)
    by_hand = BEST + (START - BEST) * (1 - CURVATURE * rates[:, None]) ** steps[None]
    worst = float(np.max(np.abs(weights - by_hand) / np.abs(by_hand)))
    fell = np.abs(weights[:, -1] - BEST) < START - BEST
    ends = {"converges": float(rates[fell].max()), "does not": float(rates[~fell].min())}
    bound = "the largest rate that converges and the smallest that does not enclose 2 / lambda"
    return [
        Claim("the gradient at w = 5 is the one computed by hand", 8, gradient, gradient == 8),
        near("w after one step with rate 0.1 is the one computed by hand", 4.2, after(0.1, 1), 1e-12),
        near("w after 100 such steps is the best weight", 3, after(0.1, 100), 1e-12),
        near("w after one step with rate 1 / lambda is the best weight", 3, after(0.25, 1), 1e-12),
        near("the curvature by Hessian-vector products is lambda", CURVATURE, float(top[0]), 1e-12),
        at_most("the relative difference of any run from 3 + 2 (1 - 4 rate)^n", 1e-9, worst, 0),
        Claim(bound, 2 / CURVATURE, ends, ends["converges"] < 2 / CURVATURE <= ends["does not"]),
    ]


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
    main(measure, SMOKE)
