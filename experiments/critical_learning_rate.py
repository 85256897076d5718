"""Gradient descent on a linear regression converges below 2 / largest eigenvalue, and diverges above.

The loss is quadratic, so each step multiplies the error along an eigenvector of the Hessian by 1 - rate *
eigenvalue. Here full batches of the diabetes data are trained with rates as near to the bound as 0.1 %. The
bound of networks is measured in `largest_learning_rate.py`.

Run `python experiments/critical_learning_rate.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fnnet as fn
from claiming import Claim, at_most
from reporting import Findings, main


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    distances: how far below and above 2 / largest eigenvalue the learning rates are, relatively.
    store: where the sweep is kept, so that it goes on when interrupted.
    """

    distances: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    num_seeds: int = 5
    num_steps: int = 40_000
    store: Path = Path("results/critical_learning_rate")


SMOKE = Config(num_seeds=2, num_steps=400)


def solve(data: fn.Dataset) -> tuple[float, float]:
    """Compute the Hessian's largest eigenvalue and the least loss, in float64."""
    inputs, targets = (np.asarray(part, np.float64) for part in data.train)
    with_bias = np.append(inputs, np.ones((len(inputs), 1)), axis=1)
    eigenvalue = np.linalg.eigvalsh(with_bias.T @ with_bias / len(inputs))[-1]
    residuals = with_bias @ np.linalg.lstsq(with_bias, targets)[0] - targets
    return float(eigenvalue), float(np.mean(residuals**2) / 2)


def fit(data: fn.Dataset, bound: float, relative: np.ndarray, config: Config) -> fn.Results:
    """Train with each rate of `relative`, in units of the bound."""
    network = fn.mlp(data.num_features, [], 1, initializer="pytorch")
    return fn.sweep(
        lambda: fn.studies.edge_of_stability.gradient_descent(network),
        fn.grid(learning_rate=(bound * relative).tolist(), seed=range(config.num_seeds)),
        data,
        num_steps=config.num_steps,
        store=config.store,
        show_progress=True,
    )


def make_claims(
    relative: np.ndarray, results: fn.Results, eigenvalue: float, least_loss: float
) -> list[Claim]:
    """State what holds of runs with the rates `relative`, in units of the bound."""
    diverged = results["diverged"]
    converged = ~diverged & (results["train_loss"] <= (1 + 1e-4) * least_loss)
    bounds = {
        "converges to": relative[converged].max(initial=0),
        "diverges from": relative[diverged].min(initial=np.inf),
    }
    is_right = np.where(relative < 1, converged, diverged)[np.abs(relative - 1) > 0.0099]
    claim = (
        "1 % or more below 2 / largest eigenvalue every run converges, and as far above it every run diverges"
    )
    error = np.abs(results["initial_sharpness"] / eigenvalue - 1).max()
    return [
        Claim(claim, 1.0, bounds, bool(is_right.all())),
        at_most(
            "the relative difference of the measured sharpness from the largest eigenvalue", 1e-5, error, 0.0
        ),
    ]


def measure(config: Config) -> Findings:
    data = fn.load_dataset("diabetes")
    eigenvalue, least_loss = solve(data)
    factors = np.sort([1 + sign * distance for distance in config.distances for sign in (-1, 1)])
    results = fit(data, 2 / eigenvalue, factors, config)
    relative = np.repeat(factors, config.num_seeds)
    claims = make_claims(relative, results, eigenvalue, least_loss)
    measured = {"relative_rate": factors, "diverged_at": results["diverged_at"].reshape(len(factors), -1)}
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
