"""The best evaluation of a run, whose parameters are kept instead of those after the last step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams
from fnnet.names import DIRECTIONS, find_direction
from fnnet.task import Task
from fnnet.types import KeyArray, Metrics, Params, PyTree

BEST_STEP = "best_step"
"""The metric of tasks that keep their best parameters: updates made before these were evaluated."""


class BestState(NamedTuple):
    """The state of a run that keeps the parameters of its best evaluation.

    last: the state of the task after the last step.
    num_steps: updates made.
    params: the parameters of the best evaluation so far; before the first evaluation, the initial ones.
    value: the metric there; NaN before the first evaluation.
    best_step: updates made until there.
    """

    last: PyTree
    num_steps: Int[Array, ""]
    params: Params
    value: Float[Array, ""]
    best_step: Int[Array, ""]


def keep_best(task: Task, metric: str) -> Task:
    """Make a task keep the parameters of its best evaluation instead of those after its last step.

    Training stays the same. Of equal values, the first is the best. A value that is not finite is never better than
    another, so a run that diverges keeps what it had before; a run without any finite value keeps its last parameters.

    Args:
        task: any.
        metric: the name of a metric that `task.measure` returns; its direction is that of the task, of
            `fnnet.metrics`, or of a loss.

    Returns:
        The task, whose state is a `BestState`. `measure` is followed by "best_step", the number of updates after which
        the kept parameters were evaluated, and "best_NAME", the metric there.

    Raises:
        InputError: when the metric is unknown; while tracing, when the task does not measure it.

    Example:
        A weight that overshoots its target, 3, in equal steps.

        >>> from fnnet import train
        >>> task = Task(
        ...     init=lambda key, hparams, data: jnp.array(0.0),
        ...     step=lambda key, hparams, w, batch: (w + 2, {"loss": abs(w - 3)}),
        ...     measure=lambda hparams, w, data: {"loss": (w - 3) ** 2},
        ... )
        >>> task = keep_best(task, "loss")
        >>> run = train(task, {}, None, num_steps=5, eval_every=1)
        >>> [run.metrics[name].item() for name in ("loss", "best_loss", "best_step")], task.params(run.state).item()
        ([49.0, 1.0, 1], 2.0)
    """
    higher_is_better = find_direction(metric, {**DIRECTIONS, **task.higher_is_better})
    if higher_is_better is None:
        names = ("loss", *task.higher_is_better)
        splits = (f"{split}_{name}" for split in ("train", "validation", "test") for name in names)
        raise unknown_name("metric to keep the best of", metric, splits)

    def init(key: KeyArray, hparams: Hparams, data: PyTree) -> BestState:
        state, zero = task.init(key, hparams, data), jnp.zeros((), jnp.int32)
        return BestState(state, zero, task.params(state), jnp.full((), jnp.nan), zero)

    def step(key: KeyArray, hparams: Hparams, state: BestState, batch: PyTree) -> tuple[BestState, Metrics]:
        last, metrics = task.step(key, hparams, state.last, batch)
        return state._replace(last=last, num_steps=state.num_steps + 1), metrics

    def measure(hparams: Hparams, state: BestState, data: PyTree) -> Metrics:
        return task.measure(hparams, state.last, data)

    def react(hparams: Hparams, state: BestState, metrics: Metrics) -> tuple[BestState, Metrics]:
        _check_measured(metric, metrics)
        value = jnp.asarray(metrics[metric]).astype(state.value.dtype)
        is_better = value > state.value if higher_is_better else value < state.value
        is_better = (is_better & jnp.isfinite(value)) | ~jnp.isfinite(state.value)
        now = (task.params(state.last), value, state.num_steps)
        best = (state.params, state.value, state.best_step)
        params, value, step = jax.tree.map(lambda new, old: jnp.where(is_better, new, old), now, best)
        metrics = {**metrics, BEST_STEP: step, f"best_{metric}": value}
        return state._replace(params=params, value=value, best_step=step), metrics

    return task._replace(
        init=init,
        step=step,
        measure=measure,
        react=react,
        params=lambda state: state.params,
        higher_is_better={**task.higher_is_better, f"best_{metric}": higher_is_better},
    )


def _check_measured(metric: str, metrics: Metrics) -> None:
    if metric in metrics:
        return
    if metric.startswith("validation_") and not any(name.startswith("validation_") for name in metrics):
        raise InputError(
            f"keep_best={metric!r} needs a validation split, which the data lack; load or make them with "
            "validation_fraction=0.2"
        )
    raise unknown_name("metric to keep the best of", metric, metrics)
