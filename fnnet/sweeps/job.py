"""Jobs: a group of runs with its compiled program, its lanes and an estimate of what training it costs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnet.hparams import Hparams
from fnnet.lanes.choice import choose_lanes, first_guess, most_lanes
from fnnet.lanes.chunk import ChunkSpec
from fnnet.lanes.cost import Cost
from fnnet.memory import too_large, tree_bytes
from fnnet.precision import canonicalize
from fnnet.records.store import chunk_id_of
from fnnet.space.space import Config
from fnnet.sweeps.crew import Crew
from fnnet.sweeps.estimate import Estimate, chunk_seconds, point_bytes, segment_steps, step_flops
from fnnet.sweeps.plan import Group, Plan
from fnnet.sweeps.worker import GroupSpec
from fnnet.task import Task
from fnnet.training import Progress, begin, evaluations
from fnnet.types import PyTree

MAX_SEGMENT = 1000  # steps whose batches are drawn at once
WORTH_COMPILING = 2e11  # operations of idle lanes: about 2 seconds on a small CPU, as long as compiling takes


class Job(NamedTuple):
    """A group that is ready to train.

    static: the values of its static axes.
    task: the task that the recipe builds from them.
    runs: the runs' places in the space.
    group: what a worker needs to build its program.
    one_run: the shapes of the progress of one run.
    lanes: runs that train together on one device.
    segment: steps between two returns to the host.
    step_flops: floating-point operations of one step of one run; 0 where no run is missing.
    estimate: the estimate of the cost.
    """

    static: Config
    task: Task
    runs: np.ndarray
    group: GroupSpec
    one_run: Progress
    lanes: int
    segment: int
    step_flops: int
    estimate: Estimate


def prepare_group(
    plan: Plan,
    group: Group,
    runs: np.ndarray,
    missing: np.ndarray,
    first_steps: np.ndarray,
    crew: Crew,
    eval_every: int | None,
    data: PyTree,
    lanes: int | None,
    program: str,
    most_runs: int | None = None,
) -> Job:
    """Choose a group's lanes and estimate the cost of training it.

    Args:
        plan: the plan of the sweep.
        group: one of its groups.
        runs: the places of those of its runs that belong to what is trained, a sweep or a part of one.
        missing: the places of the runs that are to be trained.
        first_steps: the step from which each run of the sweep trains.
        crew: the workers that train it.
        eval_every: as for `sweep`.
        data: the data of the task.
        lanes: their number, if the user or an earlier part of the sweep fixes it; None to choose.
        program: the hash of the group's program.
        most_runs: the most runs to train together where lanes are chosen; None for all that are missing.

    Returns:
        The job, with its estimate.

    Raises:
        InputError: when not even one run fits in memory.
    """
    longest = int(plan.lengths(group.runs).max())
    spec = GroupSpec(group.static, group.numbers, most_steps(longest, eval_every), program)
    num_devices = crew.worker.num_devices
    one_run = _shapes_of_one(plan, group, data)
    wanted = missing if len(missing) else group.runs
    num_together = min(_most_together(plan, wanted), most_runs or len(wanted))
    most = most_lanes(math.ceil(num_together / num_devices))
    guess = lanes or first_guess(tree_bytes(one_run), most)

    def job(lanes: int, segment: int, flops: int, *estimate: Any) -> Job:
        cost = Estimate(group.static, len(runs), len(missing), lanes, *estimate)
        return Job(group.static, group.task, group.runs, spec, one_run, lanes, segment, flops, cost)

    if not len(missing):
        return job(guess, spec.max_steps, 0, 0, 0, 0, 0.0, 0.0)

    data_seed = _data_seeds(plan, group.runs)[0].item()
    lengths = plan.lengths(missing) - first_steps[missing]
    num_points = {n: len(list(evaluations(0, n, eval_every))) for n in np.unique(lengths).tolist()}

    def cost_of(lanes: int) -> Cost:
        # To time a single step is to train the whole run.
        columns = _columns(plan, group.runs[: lanes * num_devices])
        return crew.measure(spec, columns, data_seed, lanes, longest > 1)

    def seconds(cost: Cost) -> float:
        return sum(
            _num_chunks(plan, missing[lengths == length], cost.lanes * num_devices)
            * chunk_seconds(cost, length, eval_every, spec.max_steps)
            for length in num_points
        )

    cost = (
        cost_of(lanes)
        if lanes is not None
        else choose_lanes(cost_of, seconds, guess, most, crew.worker.usable_bytes)
    )
    flops = step_flops(group.task, plan, group.runs[0], data)
    return job(
        cost.lanes,
        segment_steps(cost, spec.max_steps),
        flops,
        _num_chunks(plan, missing, cost.lanes * num_devices),
        cost.num_bytes,
        sum(num_points[length] for length in lengths.tolist()) * point_bytes(plan),
        float(lengths.sum()) * flops,
        seconds(cost),
    )


def most_steps(num_steps: int, eval_every: int | None) -> int:
    """Choose for how many steps batches are drawn at once.

    Example:
        >>> most_steps(5000, None), most_steps(5000, 300), most_steps(50, 300)
        (1000, 300, 50)
    """
    return min(MAX_SEGMENT, num_steps, eval_every or num_steps)


def with_half_the_lanes(job: Job, plan: Plan, crew: Crew) -> Job:
    """Halve the lanes of a job that ran out of memory.

    Args:
        job: the group's job.
        plan: the plan of the sweep.
        crew: the workers that train it.

    Raises:
        InputError: when there is only one lane, saying what a run needs and what there is.
    """
    if job.lanes > 1:
        return job._replace(lanes=job.lanes // 2)
    needed = crew.measure(job.group, _columns(plan, job.runs[:1]), 0, 1, False).num_bytes
    raise too_large(needed, crew.worker.usable_bytes)


def with_fitting_lanes(
    job: Job, plan: Plan, data: PyTree, num_devices: int, num_runs: int, num_steps: int
) -> Job:
    """Reduce a job's lanes to what its runs fill, if that saves more than compiling another program takes.

    Decided by operations and not by time, so that a resumed search decides as it did before.
    """
    lanes = min(job.lanes, most_lanes(math.ceil(num_runs / num_devices)))
    flops = step_flops(job.task, plan, job.runs[0], data)
    is_worth_it = (job.lanes - lanes) * num_devices * num_steps * flops > WORTH_COMPILING
    return job._replace(lanes=lanes) if is_worth_it else job


def cut_chunks(
    plan: Plan,
    ids: np.ndarray,
    job: Job,
    num_devices: int,
    runs: np.ndarray,
    eval_every: int | None,
    stops: Sequence[int],
    *more_names: str,
) -> Iterator[tuple[ChunkSpec, np.ndarray]]:
    """Cut some runs of a group into chunks, each with the places of its runs.

    A chunk fills all lanes where it can and has one data_seed, since all lanes see the same batches. It is named after
    its runs, and `more_names` where the same runs make several chunks. `ids` are those of all runs of the space.
    """
    data_seeds = _data_seeds(plan, runs)
    num_lanes = job.lanes * num_devices
    for data_seed in np.unique(data_seeds):
        equal = runs[data_seeds == data_seed]
        for part in np.split(equal, range(num_lanes, len(equal), num_lanes)):
            run_ids = ids[part].tolist()
            spec = ChunkSpec(
                id=chunk_id_of([*run_ids, *more_names]),
                run_ids=run_ids,
                static=job.static,
                traced=_columns(plan, part),
                data_seed=data_seed.item(),
                lanes=job.lanes,
                eval_every=eval_every,
                stops=list(stops),
                program=job.group.program,
            )
            yield spec, part


def _shapes_of_one(plan: Plan, group: Group, data: PyTree) -> Progress:
    """Return the shapes of the progress of one run, without computing it."""
    columns = _numbers(plan, group.runs[:1])
    numbers = {name: canonicalize(column)[0] for name, column in columns.items()}
    return jax.eval_shape(lambda numbers, data: begin(group.task, Hparams(numbers), data), numbers, data)


def _numbers(plan: Plan, runs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the hyper-parameters of some runs of a group that differ by lane."""
    return {name: column for name, column in plan.hparams(runs).items() if name != "data_seed"}


def _columns(plan: Plan, runs: np.ndarray) -> dict[str, list[float]]:
    """Return what `_numbers` does as lists, which travel as JSON."""
    return {name: column.tolist() for name, column in _numbers(plan, runs).items()}


def _data_seeds(plan: Plan, runs: np.ndarray) -> np.ndarray:
    return plan.hparams(runs).get("data_seed", np.zeros(len(runs), np.int32))


def _num_chunks(plan: Plan, runs: np.ndarray, lanes: int) -> int:
    return int(np.sum(-(-_count_together(plan, runs) // lanes)))


def _most_together(plan: Plan, runs: np.ndarray) -> int:
    return int(_count_together(plan, runs).max())


def _count_together(plan: Plan, runs: np.ndarray) -> np.ndarray:
    """Count the runs of each order of batches and length: only those can share a chunk."""
    keys = np.stack([_data_seeds(plan, runs), plan.lengths(runs)])
    return np.unique(keys, axis=1, return_counts=True)[1]
