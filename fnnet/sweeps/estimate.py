"""Estimates of what training a group costs: time, memory, operations and learning curves."""

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from fnnet.hparams import Hparams
from fnnet.keys import step_key
from fnnet.lanes.cost import Cost, count_flops
from fnnet.precision import canonicalize
from fnnet.space.space import Config
from fnnet.sweeps.plan import Plan
from fnnet.task import Task
from fnnet.training import evaluations, first_batch, init_state
from fnnet.types import PyTree

SEGMENT_SECONDS = 2.0  # roughly; a segment is not interrupted, shown or saved in between
COMMIT_SECONDS = 0.01  # to make a table of a chunk and write it


class Estimate(NamedTuple):
    """The estimated cost of training a group.

    static: the values of its static axes.
    num_runs: how many runs it has; only those of the part if a part of a sweep is trained.
    num_missing: how many are not in the store yet; the following fields are about these.
    lanes: runs that train together on one device.
    num_chunks: how many chunks they are cut into.
    num_bytes: memory on all devices together at the peak, data included.
    curve_bytes: size of the learning curves, in memory and in the store.
    flops: floating-point operations of all matrix products in training.
    seconds: training time without compilation; NaN if runs have a single step, which is not timed in advance.
    """

    static: Config
    num_runs: int
    num_missing: int
    lanes: int
    num_chunks: int
    num_bytes: int
    curve_bytes: int
    flops: float
    seconds: float


def chunk_seconds(cost: Cost, num_steps: int, eval_every: int | None, max_steps: int) -> float:
    """Estimate the seconds that one chunk takes."""
    points = list(evaluations(0, num_steps, eval_every))
    segment = segment_steps(cost, max_steps)
    num_segments = sum(math.ceil(length / segment) for length in np.diff([0, *points]))
    steps = num_segments * cost.segment + num_steps * cost.step
    return cost.begin + steps + len(points) * cost.measure + COMMIT_SECONDS


def segment_steps(cost: Cost, max_steps: int) -> int:
    """Choose the length of segments, short enough that Ctrl-C, progress and saved states do not wait long."""
    if not math.isfinite(cost.step):
        return max_steps
    return int(np.clip(SEGMENT_SECONDS / cost.step, 1, max_steps))


def step_flops(task: Task, plan: Plan, run: int | np.integer, data: PyTree) -> int:
    """Count the operations of one step of one run."""
    columns = plan.hparams(np.asarray([run]))
    hparams = {name: canonicalize(column)[0] for name, column in columns.items()}

    def one_step(hparams: dict[str, Array], state: PyTree, batch: PyTree) -> PyTree:
        return task.step(step_key(Hparams(hparams), 0), Hparams(hparams), state, batch)

    state = jax.eval_shape(lambda hparams, data: init_state(task, Hparams(hparams), data), hparams, data)
    batch = jax.eval_shape(lambda data: first_batch(task, data), data)
    return count_flops(one_step, hparams, state, batch)


def point_bytes(plan: Plan) -> int:
    """Count the bytes of one evaluation of one run: every metric, the step and the batch loss."""
    return 4 + jax.dtypes.canonicalize_dtype(float).itemsize * (1 + len(plan.metrics))
