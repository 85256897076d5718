"""Searches with Optuna over two learning rates, whose optimum is known."""

import jax.numpy as jnp
import numpy as np
import optuna

import fnnet as fn
import fnnet.search.optuna as interop
from fnnet import LogUniform, Uniform

optuna.logging.set_verbosity(optuna.logging.WARNING)

CURVATURES = (2.0, 0.5)
NUM_STEPS = 3
RATES = {"first_rate": LogUniform(0.05, 5), "second_rate": Uniform(0.1, 3)}
OPTIMUM = {"first_rate": 0.5, "second_rate": 2.0}  # a rate of 1 / curvature arrives in one step


def quadratic(curvatures=CURVATURES):
    """Gradient descent on two weights: each has a curvature and a rate of its own, and starts at 1 + seed."""
    first, second = curvatures

    def step(key, hp, state, batch):
        a, b = state
        new = a - hp["first_rate"] * first * a, b - hp["second_rate"] * second * b
        return new, {"loss": (first * a**2 + second * b**2) / 2}

    def measure(hp, state, data):
        loss = (first * state[0] ** 2 + second * state[1] ** 2) / 2
        return {"test_loss": loss, "test_accuracy": 1 / (1 + loss), "closeness": -loss}

    def init(key, hp, data):
        start = jnp.asarray(1 + hp.get("seed", 0), float)
        return start, start

    return fn.Task(init=init, step=step, measure=measure)


def closed_form(params, num_seeds, num_steps=NUM_STEPS, curvatures=CURVATURES):
    """Compute the mean of the loss over seeds, in float64."""
    losses = [
        sum(
            c / 2 * ((1 + seed) * (1 - rate * c) ** num_steps) ** 2
            for c, rate in zip(curvatures, (params["first_rate"], params["second_rate"]), strict=True)
        )
        for seed in range(num_seeds)
    ]
    return float(np.mean(losses))


def search(study, distributions=RATES, recipe=quadratic, **settings):
    defaults = {"metric": "test_loss", "num_trials": 6, "batch_size": 3, "num_steps": NUM_STEPS, "lanes": 4}
    return interop.optimize(recipe, distributions, None, study, **(defaults | settings))


def random_study(seed=0, **options):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed), **options)


def states(study):
    return [trial.state.name for trial in study.trials]
