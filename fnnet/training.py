"""Training: one run as a scan over steps. Sweeps must agree with it."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fnnet.batches import Integer
from fnnet.errors import InputError, check_integer
from fnnet.hparams import Hparams, check_number
from fnnet.keys import check_seeds, init_key, step_key
from fnnet.precision import widen
from fnnet.task import Task
from fnnet.types import Metrics, PyTree


class Progress(NamedTuple):
    """A run between two steps.

    state: the state of the task.
    diverged_at: the first step whose loss was not finite, or -1.
    totals: the sum of each metric of the steps since the last evaluation. It is updated at every step, so its bits do
        not depend on where a run was interrupted.
    """

    state: PyTree
    diverged_at: Int[Array, ""]
    totals: dict[str, Float[Array, ""]]


class Run(NamedTuple):
    """A finished run.

    state: the last state of the task; for `supervised`, the parameters are `run.state.params`.
    metrics: the metrics of the last evaluation.
    curves: arrays `[evaluations]`: "step", the number of updates; "batch_loss" and other metrics "batch_NAME" of the
        steps, averaged since the previous evaluation; and the metrics that the task measures.
    diverged: whether the loss was not finite at some step.
    diverged_at: the first such step, counted from 0, or -1.

    Example:
        >>> from fnnet import load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> run = train(mlp_recipe(data)(depth=0), {"learning_rate": 0.1}, data, num_steps=4, eval_every=2)
        >>> run.curves["step"].tolist(), bool(run.diverged), run.state.params[0]["w"].shape
        ([2, 4], False, (4, 3))
    """

    state: PyTree
    metrics: Metrics
    curves: dict[str, Array]
    diverged: Bool[Array, ""]
    diverged_at: Int[Array, ""]


def init_state(task: Task, hparams: Hparams, data: PyTree) -> PyTree:
    """Build the state of a run before its first step."""
    return task.init(init_key(hparams), hparams, data)


def first_batch(task: Task, data: PyTree) -> PyTree:
    """Select the batch of the first step."""
    selections = task.batches.draw(0, data, 0, 1)
    return task.batches.select(data, jax.tree.map(lambda leaf: leaf[0], selections))


def check_hparams(task: Task, hparams: Hparams) -> None:
    """Check that the hyper-parameters of a run are in range.

    Raises:
        InputError: naming the hyper-parameter and its value.
    """
    check_seeds(hparams)
    task.check(hparams)


def begin(task: Task, hparams: Hparams, data: PyTree) -> Progress:
    """Build the progress of a run before its first step.

    Raises:
        InputError: when a step returns no loss, or metrics that are not numbers.
    """
    state = init_state(task, hparams, data)

    def first_step() -> PyTree:
        return task.step(step_key(hparams, 0), hparams, state, first_batch(task, data))[1]

    metrics = jax.eval_shape(first_step)
    if "loss" not in metrics:
        raise InputError(f'a step must return metrics with "loss", got {", ".join(metrics) or "none"}')
    for name, metric in metrics.items():
        if getattr(metric, "shape", None) != ():
            came = f"the shape {metric.shape}" if hasattr(metric, "shape") else f"a {type(metric).__name__}"
            raise InputError(f"a step's metric must be a number, got {came} from {name!r}")
    return Progress(state, jnp.full((), -1, jnp.int32), {name: jnp.zeros(()) for name in metrics})


def advance(task: Task, hparams: Hparams, progress: Progress, step: Integer, batch: PyTree) -> Progress:
    """Make one update and record whether the run diverged."""
    state, metrics = task.step(step_key(hparams, step), hparams, progress.state, batch)
    is_first = (progress.diverged_at < 0) & ~jnp.isfinite(metrics["loss"])
    diverged_at = jnp.where(is_first, step, progress.diverged_at)
    totals = {
        name: total + jnp.asarray(metrics[name]).astype(total.dtype)
        for name, total in progress.totals.items()
    }
    return Progress(state, diverged_at, totals)


def measure(task: Task, hparams: Hparams, progress: Progress, data: PyTree) -> Metrics:
    """Compute the metrics of a task in at least 32 bits.

    Raises:
        InputError: when a metric has the name of a curve of the steps.
    """
    measured = widen(dict(task.measure(hparams, progress.state, data)))
    _check_names(progress, measured)
    return measured


def react(task: Task, hparams: Hparams, progress: Progress, measured: Metrics) -> tuple[Progress, Metrics]:
    """Let a task change its state, and add metrics, by what was measured.

    Raises:
        InputError: when a metric has the name of a curve of the steps.
    """
    if task.react is None:
        return progress, measured
    state, metrics = task.react(hparams, progress.state, measured)
    metrics = widen(dict(metrics))
    _check_names(progress, metrics)
    return progress._replace(state=state), metrics


def _check_names(progress: Progress, measured: Metrics) -> None:
    for name in ["step", *(f"batch_{name}" for name in progress.totals)]:
        if name in measured:
            raise InputError(f"{name!r} is a curve of the step's own; rename the metric that measure returns")


def repeat_steps(
    step: Callable[[Progress, Integer, PyTree], Progress],
    progress: Progress,
    first_step: Integer,
    selections: PyTree,
    num_steps: Integer,
) -> Progress:
    """Repeat a step, of one run or of many under `vmap`.

    Args:
        step: maps `(progress, step, selection)` to the next progress.
        progress: before the first step.
        first_step: number of the first step.
        selections: a pytree with a leading axis of at least `num_steps`.
        num_steps: number of steps. With a traced number, one program serves all numbers; with a Python integer, the
            loop can be differentiated.
    """

    def body(index: Array, progress: Progress) -> Progress:
        selection = jax.tree.map(lambda leaf: leaf[index], selections)
        return step(progress, first_step + index, selection)

    return jax.lax.fori_loop(0, num_steps, body, progress)


def train(
    task: Task, hparams: Mapping[str, Any], data: PyTree, *, num_steps: int, eval_every: int | None = None
) -> Run:
    """Train one run.

    A pure function of its array arguments: it works under `jax.jit`, `jax.vmap` and `jax.grad`.

    Args:
        task: the task of the run.
        hparams: hyper-parameters by name; `seed` (default 0) determines the keys of the task, `data_seed` (default 0)
            the order of batches.
        data: the data of the task, usually a `Dataset`.
        num_steps: number of updates. Tasks can read it as the hyper-parameter `num_steps`, unless `hparams` has another.
        eval_every: evaluate every this many steps and at the end; None: only at the end.

    Returns:
        The finished run: its last state, metrics and learning curves.

    Raises:
        InputError: when a number of steps is not a positive integer, or a hyper-parameter is missing or out of range.

    Example:
        A single weight w = 5 predicts 10 for the input 2, with target 6, so the gradient of the quadratic loss is 8.

        >>> toy = Task(
        ...     init=lambda key, hp, data: jnp.array(5.0),
        ...     step=lambda key, hp, w, batch: (
        ...         w - hp["learning_rate"] * 2 * (2 * w - 6),
        ...         {"loss": (2 * w - 6) ** 2 / 2},
        ...     ),
        ...     measure=lambda hp, w, data: {"w": w},
        ... )
        >>> run = train(toy, {"learning_rate": 0.1}, None, num_steps=3, eval_every=1)
        >>> [round(float(w), 4) for w in run.curves["w"]]
        [4.2, 3.72, 3.432]
    """
    if not isinstance(task, Task):
        raise InputError(
            f"train takes a Task, got a {type(task).__name__}; of a recipe, the task that it returns, recipe(...)"
        )
    check_steps(num_steps, eval_every)
    return train_through(task, hparams, data, [*evaluations(0, num_steps, eval_every)])


def train_through(task: Task, hparams: Mapping[str, Any], data: PyTree, stops: Sequence[int]) -> Run:
    """Train one run, and evaluate it after each of some increasing numbers of steps, the last of which is its length.

    Args:
        task, hparams, data: as for `train`.
        stops: the numbers of steps.
    """
    hparams = {"num_steps": stops[-1], **hparams}
    for name, value in hparams.items():
        if isinstance(value, int | float | np.number):
            check_number(name, value)
    hparams, data = Hparams(hparams), jax.tree.map(jnp.asarray, data)
    check_hparams(task, hparams)
    data_seed = hparams.get("data_seed", 0)

    def step(progress: Progress, step: Integer, selection: PyTree) -> Progress:
        return advance(task, hparams, progress, step, task.batches.select(data, selection))

    def segment(
        length: int, progress: Progress, first_step: Array
    ) -> tuple[Progress, tuple[dict[str, Array], Metrics]]:
        selections = task.batches.draw(data_seed, data, first_step, length)
        progress = repeat_steps(step, progress, first_step, selections, length)
        of_steps = {f"batch_{name}": total / length for name, total in progress.totals.items()}
        progress, measured = react(task, hparams, progress, measure(task, hparams, progress, data))
        totals = jax.tree.map(jnp.zeros_like, progress.totals)
        return progress._replace(totals=totals), ({"step": first_step + length, **of_steps}, measured)

    progress, points = begin(task, hparams, data), []
    by_length = itertools.groupby(zip((0, *stops), stops, strict=False), lambda bounds: bounds[1] - bounds[0])
    for length, alike in by_length:
        first_steps = jnp.asarray([first for first, _ in alike], jnp.int32)
        progress, alike_points = jax.lax.scan(functools.partial(segment, length), progress, first_steps)
        points.append(alike_points)
    of_steps, measured = jax.tree.map(lambda *curves: jnp.concatenate(curves), *points)
    metrics = {name: curve[-1] for name, curve in measured.items()}
    return Run(
        progress.state, metrics, {**of_steps, **measured}, progress.diverged_at >= 0, progress.diverged_at
    )


def evaluations(first: int, stop: int, eval_every: int | None) -> Iterator[int]:
    """List the steps after `first` at which a run is evaluated: multiples of `eval_every`, and the last one.

    Example:
        >>> list(evaluations(4, 10, 4)), list(evaluations(0, 10, None))
        ([8, 10], [10])
    """
    every = eval_every or stop
    yield from range((first // every + 1) * every, stop, every)
    if first < stop:
        yield stop


def check_steps(num_steps: int, eval_every: int | None) -> None:
    """Check that numbers of steps are positive integers.

    Raises:
        InputError: naming the field and what came.
    """
    check_integer("num_steps", num_steps)
    if eval_every is not None:
        check_integer("eval_every", eval_every)
