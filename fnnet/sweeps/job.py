"""Jobs: a group of runs with its compiled program, its lanes and an estimate of what training it costs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from fnnet.hparams import Hparams
from fnnet.keys import step_key
from fnnet.lanes.choice import choose_lanes, first_guess, most_lanes
from fnnet.lanes.chunk import ChunkSpec, place_hparams
from fnnet.lanes.cost import Cost, CostFile, count_flops, device_bytes, measure_cost
from fnnet.lanes.program import Program, make_program
from fnnet.memory import too_large, usable_bytes
from fnnet.precision import canonicalize
from fnnet.records.store import chunk_id_of
from fnnet.space.space import Config
from fnnet.sweeps.plan import Group, Plan
from fnnet.task import Task
from fnnet.training import evaluations, first_batch, init_state

MAX_SEGMENT = 1000  # steps whose batches are drawn at once
SEGMENT_SECONDS = 2.0  # the longest stretch, about, that is not interrupted, shown or saved
COMMIT_SECONDS = 0.01  # to make a table of a chunk and write it
WORTH_COMPILING = 2e11  # operations of idle lanes: about 2 seconds on a small CPU, as long as compiling takes


class Estimate(NamedTuple):
    """The estimated cost of training a group.

    static: the values of its static axes.
    num_runs: its runs.
    num_missing: those that are not in the store yet; the rest is about these.
    lanes: runs that train together on one device.
    num_chunks: how many chunks they are cut into.
    num_bytes: memory on all devices together at the peak, data included.
    curve_bytes: size of the learning curves, in memory and in the store.
    flops: floating-point operations of all matrix products in training.
    seconds: of training, compilation not included; NaN where a run is a single step, which is not timed in advance.
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


class Job(NamedTuple):
    """A group that is ready to train.

    static: the values of its static axes.
    task: the task that the recipe builds from them.
    runs: the runs' places in the space.
    reads_num_steps: whether what a run computes depends on its length.
    program: compiled when it is first called, if it was not measured.
    program_hash: identifies the program.
    lanes: runs that train together on one device.
    segment: steps between two returns to the host.
    estimate: of the cost.
    """

    static: Config
    task: Task
    runs: np.ndarray
    reads_num_steps: bool
    program: Program
    program_hash: str
    lanes: int
    segment: int
    estimate: Estimate


def prepare_group(
    plan: Plan,
    group: Group,
    missing: np.ndarray,
    first_steps: np.ndarray,
    mesh: Mesh,
    eval_every: int | None,
    data: Any,
    lanes: int | None,
    program_hash: str,
    most_runs: int | None = None,
) -> Job:
    """Choose a group's lanes and estimate the cost of training it.

    Args:
        plan: of the sweep.
        group: one of its groups.
        missing: the places of its runs that are to be trained.
        first_steps: from where, for each run of the sweep.
        mesh: the devices.
        eval_every: as for `sweep`.
        data: on the devices.
        lanes: their number, if the user or an earlier part of the sweep fixes it; None to choose.
        program_hash: identifies the group's program, to look up earlier measurements.
        most_runs: the most runs to train together where lanes are chosen; None for all that are missing.

    Returns:
        The job, with its estimate.

    Raises:
        InputError: when not even one run fits in memory.
    """
    longest = int(plan.lengths(group.runs).max())
    program = make_program(group.task, mesh, most_steps(longest, eval_every))
    num_runs = len(group.runs)
    wanted = missing if len(missing) else group.runs
    num_together = min(_most_together(plan, wanted), most_runs or len(wanted))
    most = most_lanes(math.ceil(num_together / mesh.size))
    guess = lanes or first_guess(_state_bytes(plan, group, program, data), most)

    def job(lanes: int, segment: int, *estimate: Any) -> Job:
        cost = Estimate(group.static, num_runs, len(missing), lanes, *estimate)
        return Job(
            group.static,
            group.task,
            group.runs,
            group.reads_num_steps,
            program,
            program_hash,
            lanes,
            segment,
            cost,
        )

    if not len(missing):
        return job(guess, program.max_steps, 0, 0, 0, 0.0, 0.0)

    data_seed = canonicalize(_data_seeds(plan, group.runs)[:1])[0]
    costs, limit = CostFile(program_hash, mesh.size, program.max_steps), usable_bytes()
    lengths = plan.lengths(missing) - first_steps[missing]
    num_points = {n: len(list(evaluations(0, n, eval_every))) for n in np.unique(lengths).tolist()}

    def cost_of(lanes: int) -> Cost:
        known = costs.read().get(lanes)
        if known is not None and known.num_bytes <= limit:
            return known
        hparams = place_hparams(_numbers(plan, group.runs[: lanes * mesh.size]), lanes, mesh)
        # To time a single step is to train the whole run.
        cost = measure_cost(program, hparams, data_seed, data, limit, is_timed=longest > 1)
        if math.isfinite(cost.step):
            costs.add(cost)
        return cost

    def seconds(cost: Cost) -> float:
        return sum(
            _num_chunks(plan, missing[lengths == length], cost.lanes * mesh.size)
            * chunk_seconds(cost, length, eval_every, program)
            for length in num_points
        )

    cost = cost_of(lanes) if lanes is not None else choose_lanes(cost_of, seconds, guess, most, limit)
    return job(
        cost.lanes,
        segment_steps(cost, program),
        _num_chunks(plan, missing, cost.lanes * mesh.size),
        cost.num_bytes,
        sum(num_points[length] for length in lengths.tolist()) * _point_bytes(plan),
        float(lengths.sum()) * step_flops(group.task, plan, group.runs[0], data),
        seconds(cost),
    )


def most_steps(num_steps: int, eval_every: int | None) -> int:
    """Choose for how many steps batches are drawn at once.

    Example:
        >>> most_steps(5000, None), most_steps(5000, 300), most_steps(50, 300)
        (1000, 300, 50)
    """
    return min(MAX_SEGMENT, num_steps, eval_every or num_steps)


def with_half_the_lanes(job: Job, plan: Plan, data: Any) -> Job:
    """Halve the lanes of a job that ran out of memory.

    Raises:
        InputError: when there is only one lane, saying what a run needs and what there is.
    """
    if job.lanes > 1:
        return job._replace(lanes=job.lanes // 2)
    hparams = place_hparams(_numbers(plan, job.runs[:1]), 1, job.program.mesh)
    needed = job.program.mesh.size * device_bytes(job.program, hparams, np.int32(0), data)
    raise too_large(needed, usable_bytes())


def with_fitting_lanes(job: Job, plan: Plan, data: Any, num_runs: int, num_steps: int) -> Job:
    """Reduce a job's lanes to what its runs fill, if that saves more than compiling another program takes.

    Decided by operations and not by time, so that a resumed search decides as it did before.
    """
    num_devices = job.program.mesh.size
    lanes = min(job.lanes, most_lanes(math.ceil(num_runs / num_devices)))
    flops = step_flops(job.task, plan, job.runs[0], data)
    is_worth_it = (job.lanes - lanes) * num_devices * num_steps * flops > WORTH_COMPILING
    return job._replace(lanes=lanes) if is_worth_it else job


def cut_chunks(
    plan: Plan, job: Job, runs: np.ndarray, eval_every: int | None, stops: Sequence[int], *more_names: str
) -> Iterator[tuple[ChunkSpec, np.ndarray]]:
    """Cut some runs of a group into chunks, each with the places of its runs.

    A chunk fills all lanes where it can and has one data_seed, since all lanes see the same batches. It is named after
    its runs, and `more_names` where the same runs make several chunks.
    """
    ids, data_seeds = plan.space.ids(), _data_seeds(plan, runs)
    num_lanes = job.lanes * job.program.mesh.size
    for data_seed in np.unique(data_seeds):
        equal = runs[data_seeds == data_seed]
        for part in np.split(equal, range(num_lanes, len(equal), num_lanes)):
            run_ids = ids[part].tolist()
            spec = ChunkSpec(
                id=chunk_id_of([*run_ids, *more_names]),
                run_ids=run_ids,
                static=job.static,
                traced={name: column.tolist() for name, column in _numbers(plan, part).items()},
                data_seed=data_seed.item(),
                lanes=job.lanes,
                eval_every=eval_every,
                stops=list(stops),
                program=job.program_hash,
            )
            yield spec, part


def chunk_seconds(cost: Cost, num_steps: int, eval_every: int | None, program: Program) -> float:
    """Estimate the seconds that one chunk takes."""
    points = list(evaluations(0, num_steps, eval_every))
    segment = segment_steps(cost, program)
    num_segments = sum(math.ceil(length / segment) for length in np.diff([0, *points]))
    steps = num_segments * cost.segment + num_steps * cost.step
    return cost.begin + steps + len(points) * cost.measure + COMMIT_SECONDS


def segment_steps(cost: Cost, program: Program) -> int:
    """Choose the length of segments so that Ctrl-C, the progress bar and saved states need not wait long."""
    if not math.isfinite(cost.step):
        return program.max_steps
    return int(np.clip(SEGMENT_SECONDS / cost.step, 1, program.max_steps))


def step_flops(task: Task, plan: Plan, run: Any, data: Any) -> int:
    """Count the operations of one step of one run."""
    columns = plan.hparams(np.asarray([run]))
    hparams = {name: canonicalize(column)[0] for name, column in columns.items()}

    def one_step(hparams: Any, state: Any, batch: Any) -> Any:
        return task.step(step_key(Hparams(hparams), 0), Hparams(hparams), state, batch)

    state = jax.eval_shape(lambda hparams, data: init_state(task, Hparams(hparams), data), hparams, data)
    batch = jax.eval_shape(lambda data: first_batch(task, data), data)
    return count_flops(one_step, hparams, state, batch)


def _state_bytes(plan: Plan, group: Group, program: Program, data: Any) -> int:
    """Count the bytes of one run's state, without computing it."""
    num_devices = program.mesh.size
    hparams = place_hparams(_numbers(plan, group.runs[:1]), 1, program.mesh)
    state = jax.eval_shape(program.begin, hparams, data)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) // num_devices


def _point_bytes(plan: Plan) -> int:
    """Count the bytes of one evaluation of one run: every metric, the step and the batch loss."""
    return 4 + jax.dtypes.canonicalize_dtype(float).itemsize * (1 + len(plan.metrics))


def _numbers(plan: Plan, runs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the hyper-parameters of some runs of a group that differ by lane."""
    return {name: column for name, column in plan.hparams(runs).items() if name != "data_seed"}


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
