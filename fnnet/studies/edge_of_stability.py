"""The edge of stability: sharpness, the largest eigenvalue of the Hessian, during training.

Gradient descent with learning rate r is stable on a quadratic loss only if the sharpness is below 2 / r. The sharpness
of networks rises to that edge of stability and stays there, while the loss still falls, though not at every step.

Source: Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks typically occurs at the edge of
stability".
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from fnnet.analysis import curvature
from fnnet.data import Dataset, Examples
from fnnet.fitting import TrainState, supervised
from fnnet.hparams import Hparams
from fnnet.losses import Loss
from fnnet.network import Network
from fnnet.task import Task
from fnnet.types import KeyArray, Metrics, OptState, Params


def initial_sharpness(
    network: Network,
    loss: str | Loss,
    examples: Examples,
    seeds: Integer[np.ndarray, " seeds"] | Sequence[int],
) -> Float[np.ndarray, " seeds"]:
    """Compute the sharpness at initialization for each seed.

    Args:
        network: the network.
        loss: the loss of one example, a name in `LOSSES` or a function of output and target.
        examples: the examples to average the loss over.
        seeds: seeds of the initial parameters, as in `supervised`.

    Returns:
        The largest eigenvalue of each Hessian, from `curvature.top_eigenvalues`.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("diabetes"), mlp(10, [], 1)  # the Hessian depends only on the inputs
        >>> [f"{sharpness:.2f}" for sharpness in initial_sharpness(network, "quadratic", data.train, range(2))]
        ['3.95', '3.95']
    """
    objective = curvature.make_objective(network, loss)

    def sharpness(seed: Array, examples: Examples) -> Float[Array, ""]:
        return _sharpness(objective, network.init(jax.random.key(seed)), examples)

    return np.asarray(jax.jit(jax.vmap(sharpness, (0, None)))(np.asarray(seeds), examples))


class _Watched(NamedTuple):
    """The state of `supervised`, plus the last loss, the number of rises, and the initial metrics."""

    params: Params
    opt_state: OptState
    loss: Array
    num_rises: Array
    initial: Metrics


def gradient_descent(network: Network, loss: str | Loss = "quadratic") -> Task:
    """Build the task of full-batch gradient descent that measures the sharpness.

    Its hyper-parameters are `learning_rate` and `seed`. In addition to the metrics of `supervised`, it measures

        sharpness              of the loss on the training split
        initial_sharpness      before the first step
        initial_loss           before the first step
        num_rises              steps so far at which the loss increased

    Args:
        network, loss: as in `initial_sharpness`.

    Raises:
        InputError: as in `supervised`.

    Example:
        >>> from fnnet import load_dataset, mlp, train
        >>> task = gradient_descent(mlp(10, [], 1, initializer="pytorch"))  # quadratic: constant sharpness
        >>> run = train(task, {"learning_rate": 0.1, "seed": 0}, load_dataset("diabetes"), num_steps=5)
        >>> ratio = run.metrics["sharpness"] / run.metrics["initial_sharpness"]
        >>> round(float(ratio), 5), int(run.metrics["num_rises"])
        (1.0, 0)
    """
    task = supervised(network, loss, optimizer="sgd", batch_size=None)
    objective = curvature.make_objective(network, loss)

    def init(key: KeyArray, hparams: Hparams, data: Dataset) -> _Watched:
        state = task.init(key, hparams, data)
        first = {
            "initial_loss": objective(state.params, data.train),
            "initial_sharpness": _sharpness(objective, state.params, data.train),
        }
        return _Watched(state.params, state.opt_state, jnp.array(jnp.inf), jnp.array(0), first)

    def step(key: KeyArray, hparams: Hparams, run: _Watched, batch: Examples) -> tuple[_Watched, Metrics]:
        state, metrics = task.step(key, hparams, TrainState(run.params, run.opt_state), batch)
        num_rises = jnp.where(metrics["loss"] > run.loss, run.num_rises + 1, run.num_rises)
        return _Watched(state.params, state.opt_state, metrics["loss"], num_rises, run.initial), metrics

    def measure(hparams: Hparams, run: _Watched, data: Dataset) -> Metrics:
        watched = {"sharpness": _sharpness(objective, run.params, data.train), "num_rises": run.num_rises}
        state = TrainState(run.params, run.opt_state)
        return {**task.measure(hparams, state, data), **run.initial, **watched}

    return task._replace(init=init, step=step, measure=measure)


def _sharpness(objective: Callable[..., Array], params: Params, examples: Examples) -> Float[Array, ""]:
    return curvature.top_eigenvalues(lambda w: objective(w, examples), params, jax.random.key(0))[0]
