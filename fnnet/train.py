"""One run: a scan over steps. The reference that every fused sweep must agree with."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from fnnet.batches import Integer
from fnnet.errors import InputError
from fnnet.hparams import Hparams, check_number
from fnnet.task import Task
from fnnet.types import Metrics


class Progress(NamedTuple):
    """A run between two steps.

    state: the task's.
    diverged_at: the first step whose loss was not finite, or -1.
    total_loss: the sum of the losses since the last evaluation. It is added up step by step, so that its
        bits do not depend on where a run was interrupted.
    """

    state: Any
    diverged_at: Int[Array, ""]
    total_loss: Float[Array, ""]


class Run(NamedTuple):
    """A finished run.

    state: the task's last state; `run.state.params` for `supervised`.
    metrics: what the task measured last, by name.
    curves: by name, an array `[evaluations]`: "step" counts the updates made, "batch_loss" is the mean loss
        of the steps since the evaluation before, and the rest is what the task measured.
    diverged: whether the loss was not finite at some step.
    diverged_at: the first such step, counted from 0, or -1.
    """

    state: Any
    metrics: Metrics
    curves: dict[str, Array]
    diverged: Bool[Array, ""]
    diverged_at: Int[Array, ""]


def begin(task: Task, hparams: Hparams, data: Any) -> Progress:
    """Make a run's first state."""
    return Progress(task.init(hparams, data), jnp.full((), -1, jnp.int32), jnp.zeros(()))


def advance(
    task: Task, hparams: Hparams, progress: Progress, data: Any, step: Integer, batch: Any
) -> Progress:
    """Make one update and note whether it diverged."""
    state, metrics = task.step(hparams, progress.state, data, batch)
    is_first = (progress.diverged_at < 0) & ~jnp.isfinite(metrics["loss"])
    diverged_at = jnp.where(is_first, step, progress.diverged_at)
    total_loss = progress.total_loss + metrics["loss"].astype(progress.total_loss.dtype)
    return Progress(state, diverged_at, total_loss)


def repeat_steps(
    step: Callable[[Progress, Integer, Any], Progress],
    progress: Progress,
    first_step: Integer,
    batches: Any,
    num_steps: Integer,
) -> Progress:
    """Make some steps of one run, or of many at once when `step` is vmapped.

    Args:
        step: maps `(progress, step, batch)` to the next progress.
        progress: where to begin.
        first_step: number of the first step.
        batches: a pytree with a leading axis of at least `num_steps`.
        num_steps: how many steps. A traced number makes one program for all numbers; a Python integer lets
            gradients flow through the steps.

    Returns:
        The last progress.
    """

    def body(index: Array, progress: Progress) -> Progress:
        batch = jax.tree.map(lambda leaf: leaf[index], batches)
        return step(progress, first_step + index, batch)

    return jax.lax.fori_loop(0, num_steps, body, progress)


def train(
    task: Task, hparams: Mapping[str, Any], data: Any, *, num_steps: int, eval_every: int | None = None
) -> Run:
    """Train once.

    A pure function of its array arguments, so that it can be under `jax.jit`, `jax.vmap` and `jax.grad`.

    Args:
        task: what a run does.
        hparams: its hyper-parameters by name; `data_seed` (default 0) fixes the order of batches.
        data: whatever the task takes, usually a `Dataset`.
        num_steps: number of updates.
        eval_every: measure after so many updates each, and after the last one; None for only after the
            last one.

    Returns:
        The trained state with metrics and curves.

    Raises:
        InputError: when a number of steps is not positive, or a hyper-parameter is missing or out of range.

    Example:
        A run is a function of its hyper-parameters. The worked example of a single weight: w = 5 predicts
        10 for the input 2 where 6 is right, so the gradient of the quadratic loss is 8.

        >>> toy = Task(
        ...     init=lambda hp, data: jnp.array(5.0),
        ...     step=lambda hp, w, data, t: (w - hp["learning_rate"] * 2 * (2 * w - 6), {"loss": (2 * w - 6) ** 2 / 2}),
        ...     measure=lambda hp, w, data: {"w": w},
        ... )
        >>> run = train(toy, {"learning_rate": 0.1}, None, num_steps=3, eval_every=1)
        >>> [round(float(w), 4) for w in run.curves["w"]]
        [4.2, 3.72, 3.432]
    """
    check_steps(num_steps, eval_every)
    for name, value in hparams.items():
        if isinstance(value, int | float):
            check_number(name, value)
    hparams, data = Hparams(hparams), jax.tree.map(jnp.asarray, data)
    task.check(hparams)
    data_seed = hparams.get("data_seed", 0)
    every = min(eval_every or num_steps, num_steps)

    def step(progress: Progress, step: Integer, batch: Any) -> Progress:
        return advance(task, hparams, progress, data, step, batch)

    def segment(progress: Progress, first_step: Array, length: int) -> tuple[Progress, dict[str, Array]]:
        batches = task.batches(data_seed, data, first_step, length)
        progress = repeat_steps(step, progress, first_step, batches, length)
        measured = task.measure(hparams, progress.state, data)
        point = {"step": first_step + length, "batch_loss": progress.total_loss / length, **measured}
        return progress._replace(total_loss=jnp.zeros_like(progress.total_loss)), point

    whole, rest = divmod(num_steps, every)
    first_steps = jnp.arange(whole, dtype=jnp.int32) * every
    progress, curves = jax.lax.scan(
        lambda progress, first: segment(progress, first, every), begin(task, hparams, data), first_steps
    )
    if rest:
        progress, last = segment(progress, jnp.asarray(whole * every, jnp.int32), rest)
        curves = jax.tree.map(lambda curve, point: jnp.append(curve, point[None]), curves, last)
    metrics = {name: curve[-1] for name, curve in curves.items() if name not in ("step", "batch_loss")}
    return Run(progress.state, metrics, curves, progress.diverged_at >= 0, progress.diverged_at)


def check_steps(num_steps: int, eval_every: int | None) -> None:
    """Refuse numbers of steps that are not positive integers.

    Raises:
        InputError: naming the field and what came.
    """
    for field, value in {"num_steps": num_steps, "eval_every": eval_every}.items():
        if value is None and field == "eval_every":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"{field} must be a positive integer, got {value!r}")
