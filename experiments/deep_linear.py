"""Deep linear networks learn each mode of a map by itself, at the time that theory says.

Saxe, McClelland & Ganguli (2013), "Exact solutions to the nonlinear dynamics of learning in deep linear
neural networks". With whitened inputs and decoupled initial weights each singular mode of the map to be
learned, of strength s, is learned by itself: its strength u in a network of D matrices follows

    du/dt = D u^(2 - 2/D) (s - u)    and for D = 2    u(t) = s / (1 + (s / u0 - 1) e^(-2st))

where an update with the learning rate r lasts t = r. Here gradient descent with 2 and 3 matrices in 8
dimensions, in float64, is compared with it. The theory is one of infinitely small rates, so errors should
fall in proportion to the rate.

Run `python experiments/deep_linear.py`, or with `--smoke` for larger rates and fewer measurements.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, at_most, between
from reporting import Findings, main

SIZE = 8
DEPTHS = (2, 3)


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    strengths: s of each mode.
    start: u0, the strength at which all modes begin.
    rates: learning rates, the second a tenth of the first.
    end_time: of training, in updates times rate.
    sample_time: between two measurements.
    """

    strengths: tuple[float, ...] = (3.0, 2.0, 1.0, 0.5)
    start: float = 1e-3
    rates: tuple[float, float] = (1e-2, 1e-3)
    end_time: float = 30.0
    sample_time: float = 0.01


SMOKE = Config(rates=(0.1, 0.01), sample_time=0.5)


def train(config: Config) -> np.ndarray:
    """Follow the strengths of all modes `[rates, depths, modes, times]`."""
    left, right = np.linalg.qr(np.random.default_rng(0).normal(size=(2, SIZE, SIZE)))[0]
    strengths = np.pad(config.strengths, (0, SIZE - len(config.strengths)))
    inputs = np.sqrt(SIZE) * np.eye(SIZE)  # whitened: the mean of x x^T is 1
    examples = inputs, inputs @ (left * strengths @ right.T).T

    def recipe(num_matrices: int) -> fn.Task:
        network = fn.analysis.deep_linear.decoupled_network(left, right, num_matrices, config.start, seed=1)

        def measure(hparams: fn.Hparams, state: Any, data: fn.Dataset) -> dict[str, jax.Array]:
            outputs = jax.vmap(network.apply, (None, 0))(state.params, jnp.asarray(right.T))
            modes = jnp.sum(left.T * outputs, axis=1)
            return {f"mode {mode}": modes[mode] for mode in range(len(config.strengths))}

        task = fn.supervised(network, "quadratic", optimizer="sgd", batch_size=None)
        return task._replace(measure=measure)

    trained = []
    for rate in config.rates:  # a sweep each, as they take different numbers of updates
        results = fn.sweep(
            recipe,
            fn.grid(num_matrices=DEPTHS, learning_rate=rate),
            fn.from_arrays(*examples, test=examples),
            num_steps=round(config.end_time / rate),
            eval_every=round(config.sample_time / rate),
        )
        modes = [results[f"mode {mode}_curve"] for mode in range(len(config.strengths))]
        trained.append(np.stack(modes, axis=1))
    return np.array(trained)


def make_claims(times: np.ndarray, trained: np.ndarray, theory: np.ndarray, config: Config) -> list[Claim]:
    """Compare `trained` with `theory`, `[depths, modes, times]`."""
    strengths, rate = np.array(config.strengths), f"rate {config.rates[1]:g}"
    errors = np.abs(trained - theory).max(axis=-1) / strengths

    def half_times(modes: np.ndarray) -> np.ndarray:
        return np.array([np.interp(s / 2, u, times) for s, u in zip(strengths, modes, strict=True)])

    def by_mode(values: np.ndarray) -> dict[str, float]:
        return {f"s = {s:g}": float(value) for s, value in zip(strengths, values, strict=True)}

    half, exact = half_times(trained[1, 0]), "exact for small rates"
    late = half / half_times(theory[0]) - 1
    is_in_order = bool(np.all(np.diff(half[np.argsort(-strengths)]) > 0))
    in_time = "2 matrices: the relative error of the time to s/2 is below 1 %"
    ratio = "2 matrices: the factor by which 10 times the rate multiplies the error"
    return [
        at_most(f"2 matrices, {rate}: the error / s at any time", 0.005, by_mode(errors[1, 0]), exact),
        between(ratio, 8, 12, by_mode(errors[0, 0] / errors[1, 0]), 10),
        Claim("2 matrices: stronger modes take less time to s/2", "of order 1/s", by_mode(half), is_in_order),
        Claim(in_time, exact, by_mode(late), bool(np.abs(late).max() < 0.01)),
        at_most(f"3 matrices, {rate}: the error / s at any time", 0.01, by_mode(errors[1, 1]), exact),
    ]


def measure(config: Config) -> Findings:
    with jax.enable_x64(True):
        trained = train(config)
    times = config.sample_time * np.arange(1, trained.shape[-1] + 1)
    theory = np.stack(
        [
            fn.analysis.deep_linear.trajectories(config.strengths, depth, config.start, times)
            for depth in DEPTHS
        ]
    )
    claims = make_claims(times, trained, theory, config)
    every = max(1, len(times) // 300)
    shown = {"times": times[::every], "trained": trained[..., ::every], "theory": theory[..., ::every]}
    measured = {"rates": config.rates, "strengths": config.strengths, **shown}
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
