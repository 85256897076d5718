"""Sharpness along training: the largest eigenvalue of the Hessian, and the steps that raise the loss.

Gradient descent with the learning rate r lowers a quadratic loss only while the sharpness is below 2 / r. Networks get
sharper until they are there, and go on training at that edge of stability, while their loss rises now and then.

Source: Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks typically occurs at the edge of
stability".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from fnnet.analysis import curvature
from fnnet.data import Dataset, Examples
from fnnet.hparams import Hparams
from fnnet.losses import Loss
from fnnet.network import Network
from fnnet.optimizers import sgd
from fnnet.task import Task, TrainState, supervised
from fnnet.types import Metrics, OptState, Params


def of_seeds(
    network: Network,
    loss: str | Loss,
    examples: Examples,
    seeds: Integer[np.ndarray, " seeds"] | Sequence[int],
) -> Float[np.ndarray, " seeds"]:
    """Compute the sharpness before training of the network that each seed draws.

    Args:
        network: what is to be trained.
        loss: of one example, a name in `LOSSES` or a function of output and target.
        examples: over which the loss is averaged.
        seeds: as the hyper-parameter of `supervised`.

    Returns:
        The largest eigenvalue of each Hessian, by Lanczos' method (`curvature.top_eigenvalues`).

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("diabetes"), mlp(10, [], 1)  # the Hessian is that of the inputs alone
        >>> [f"{sharpness:.2f}" for sharpness in of_seeds(network, "quadratic", data.train, range(2))]
        ['3.95', '3.95']
    """
    objective = curvature.make_objective(network, loss)

    def of_seed(seed: Array, examples: Examples) -> Float[Array, ""]:
        params = network.init(jax.random.key(seed))
        return curvature.top_eigenvalues(lambda w: objective(w, examples), params, jax.random.key(0))[0]

    return np.asarray(jax.jit(jax.vmap(of_seed, (0, None)))(np.asarray(seeds), examples))


class _Watched(NamedTuple):
    """The state of a run of `supervised`, with what only one who watches every step knows."""

    params: Params
    opt_state: OptState
    loss: Array
    num_rises: Array
    initial: Metrics


def gradient_descent(network: Network, loss: str | Loss = "quadratic") -> Task:
    """Build the task of training by full batches while watching the sharpness.

    Its hyper-parameters are `learning_rate` and `seed`. It measures what `supervised` does, and

        sharpness              of the loss on the training split
        initial_sharpness      before the first step, as is
        initial_loss
        num_rises              steps so far at which the loss was above that of the step before

    Args:
        network: what is trained.
        loss: of one example, a name in `LOSSES` or a function of output and target.

    Returns:
        The task.

    Raises:
        InputError: as `supervised` does.

    Example:
        >>> from fnnet import load_dataset, mlp, train
        >>> task = gradient_descent(mlp(10, [], 1, initializer="pytorch"))  # a quadratic loss: nothing gets sharper
        >>> run = train(task, {"learning_rate": 0.1, "seed": 0}, load_dataset("diabetes"), num_steps=5)
        >>> float(run.metrics["sharpness"] / run.metrics["initial_sharpness"]), int(run.metrics["num_rises"])
        (1.0, 0)
    """
    task = supervised(network, loss, optimizer=lambda hp: sgd(hp["learning_rate"]), batch_size=None)
    objective = curvature.make_objective(network, loss)

    def sharpness(params: Params, data: Dataset) -> Float[Array, ""]:
        return curvature.top_eigenvalues(lambda w: objective(w, data.train), params, jax.random.key(0))[0]

    def init(hparams: Hparams, data: Dataset) -> _Watched:
        state = task.init(hparams, data)
        first = {
            "initial_loss": objective(state.params, data.train),
            "initial_sharpness": sharpness(state.params, data),
        }
        return _Watched(state.params, state.opt_state, jnp.array(jnp.inf), jnp.array(0), first)

    def step(hparams: Hparams, run: _Watched, data: Dataset, batch: Any) -> tuple[_Watched, Metrics]:
        state, metrics = task.step(hparams, TrainState(run.params, run.opt_state), data, batch)
        num_rises = jnp.where(metrics["loss"] > run.loss, run.num_rises + 1, run.num_rises)
        watched = _Watched(state.params, state.opt_state, metrics["loss"], num_rises, run.initial)
        return watched, metrics

    def measure(hparams: Hparams, run: _Watched, data: Dataset) -> Metrics:
        watched = {"sharpness": sharpness(run.params, data), "num_rises": run.num_rises}
        state = TrainState(run.params, run.opt_state)
        return {**task.measure(hparams, state, data), **run.initial, **watched}

    return task._replace(init=init, step=step, measure=measure)
