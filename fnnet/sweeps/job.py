"""Jobs: a group of runs with its compiled program, its lanes and an estimate of what training it costs."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from fnnet.hparams import Hparams
from fnnet.lanes.choice import choose_lanes, first_guess, most_lanes
from fnnet.lanes.cost import Cost, CostFile, count_flops, device_bytes, measure_cost
from fnnet.lanes.program import Program, make_program
from fnnet.memory import too_large, usable_bytes
from fnnet.records.store import chunk_id_of
from fnnet.space.space import Config
from fnnet.sweeps.chunk import Chunk, Settings, evaluations, lane_hparams, narrow
from fnnet.sweeps.plan import Group, Plan
from fnnet.task import Task

MAX_SEGMENT = 1000  # steps whose batches are drawn at once
SEGMENT_SECONDS = 2.0  # the longest stretch, about, that is not interrupted, shown or saved
COMMIT_SECONDS = 0.01  # to make a table of a chunk and write it


class Job(NamedTuple):
    """A group that is ready to train.

    group: its runs.
    program: compiled when it is first called, if it was not measured.
    program_hash: identifies the program.
    lanes: runs that train together on one device.
    segment: steps between two returns to the host.
    """

    group: Group
    program: Program
    program_hash: str
    lanes: int
    segment: int


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
    seconds: of training, compilation not included.
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


def prepare_group(
    plan: Plan,
    group: Group,
    missing: np.ndarray,
    mesh: Mesh,
    settings: Settings,
    data: Any,
    lanes: int | None,
    program_hash: str,
    most_runs: int | None = None,
) -> tuple[Job, Estimate]:
    """Choose a group's lanes and estimate the cost of training it.

    Args:
        plan: of the sweep.
        group: one of its groups.
        missing: the places of its runs that are to be trained.
        mesh: the devices.
        settings: of the sweep.
        data: on the devices.
        lanes: their number, if the user or an earlier part of the sweep fixes it; None to choose.
        program_hash: identifies the group's program, to look up earlier measurements.
        most_runs: the most runs to train together where lanes are chosen; None for all that are missing.

    Returns:
        The job, and its estimate.

    Raises:
        InputError: when not even one run fits in memory.
    """
    program = make_program(group.task, mesh, most_steps(settings.num_steps, settings.eval_every))
    static, num_runs = group.static, len(group.runs)
    wanted = missing if len(missing) else group.runs
    num_together = min(_most_of_one_order(plan, wanted), most_runs or len(wanted))
    most = most_lanes(math.ceil(num_together / mesh.size))
    guess = lanes or first_guess(_state_bytes(plan, group, program, data), most)
    if not len(missing):
        job = Job(group, program, program_hash, guess, program.max_steps)
        return job, Estimate(static, num_runs, 0, guess, 0, 0, 0, 0.0, 0.0)

    data_seed = narrow(_data_seeds(plan, group.runs)[:1])[0]
    costs, limit = CostFile(program_hash, mesh.size, program.max_steps), usable_bytes()

    def cost_of(lanes: int) -> Cost:
        known = costs.read().get(lanes)
        if known is not None and known.num_bytes <= limit:
            return known
        hparams = lane_hparams(plan, group.runs[: lanes * mesh.size], lanes * mesh.size, mesh)
        cost = measure_cost(program, hparams, data_seed, data, limit)
        if math.isfinite(cost.step):
            costs.add(cost)
        return cost

    def seconds(cost: Cost, runs: np.ndarray) -> float:
        return _num_chunks(plan, runs, cost.lanes * mesh.size) * chunk_seconds(cost, settings, program)

    if lanes is not None:
        cost = cost_of(lanes)
    else:
        cost = choose_lanes(cost_of, lambda cost: seconds(cost, missing), guess, most, limit)
    estimate = Estimate(
        static,
        num_runs,
        len(missing),
        cost.lanes,
        _num_chunks(plan, missing, cost.lanes * mesh.size),
        cost.num_bytes,
        len(missing) * _curve_bytes(plan, settings),
        float(len(missing) * settings.num_steps * step_flops(group.task, plan, group.runs[0], data)),
        seconds(cost, missing),
    )
    return Job(group, program, program_hash, cost.lanes, segment_steps(cost, program)), estimate


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
    hparams = lane_hparams(plan, job.group.runs[:1], job.program.mesh.size, job.program.mesh)
    needed = job.program.mesh.size * device_bytes(job.program, hparams, np.int32(0), data)
    raise too_large(needed, usable_bytes())


def cut_chunks(
    plan: Plan, runs: np.ndarray, run_ids: np.ndarray, lanes: int, *more_names: str
) -> Iterator[Chunk]:
    """Cut runs into chunks of at most `lanes` with one data_seed each.

    A chunk is named after its runs, and `more_names` where the same runs make several chunks.
    """
    # All lanes see the same batches, so data_seed is a number outside the lanes.
    data_seeds = _data_seeds(plan, runs)
    for data_seed in np.unique(data_seeds):
        equal = runs[data_seeds == data_seed]
        for part in np.split(equal, range(lanes, len(equal), lanes)):
            ids = run_ids[part].tolist()
            yield Chunk(chunk_id_of([*ids, *more_names]), part, ids, narrow(data_seed))


def chunk_seconds(cost: Cost, settings: Settings, program: Program) -> float:
    """Estimate the seconds that one chunk takes."""
    points = list(evaluations(0, settings.num_steps, settings.eval_every))
    segment = segment_steps(cost, program)
    num_segments = sum(math.ceil(length / segment) for length in np.diff([0, *points]))
    steps = num_segments * cost.segment + settings.num_steps * cost.step
    return cost.begin + steps + len(points) * cost.measure + COMMIT_SECONDS


def segment_steps(cost: Cost, program: Program) -> int:
    """Choose the length of segments so that Ctrl-C, the progress bar and saved states need not wait long."""
    if not math.isfinite(cost.step):
        return program.max_steps
    return int(np.clip(SEGMENT_SECONDS / cost.step, 1, program.max_steps))


def step_flops(task: Task, plan: Plan, run: Any, data: Any) -> int:
    """Count the operations of one step of one run."""
    columns = plan.hparams(np.asarray([run]))
    hparams = {name: narrow(column)[0] for name, column in columns.items()}

    def one_step(hparams: Any, state: Any, data: Any, batch: Any) -> Any:
        return task.step(Hparams(hparams), state, data, batch)

    state = jax.eval_shape(lambda hparams, data: task.init(Hparams(hparams), data), hparams, data)
    batches = jax.eval_shape(lambda data: task.batches(0, data, 0, 1), data)
    batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), batches)
    return count_flops(one_step, hparams, state, data, batch)


def _state_bytes(plan: Plan, group: Group, program: Program, data: Any) -> int:
    """Count the bytes of one run's state, without computing it."""
    num_devices = program.mesh.size
    hparams = lane_hparams(plan, group.runs[:1], num_devices, program.mesh)
    state = jax.eval_shape(program.begin, hparams, data)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) // num_devices


def _curve_bytes(plan: Plan, settings: Settings) -> int:
    """Count the bytes of one run's curves: a number each for every metric, the step and the batch loss."""
    num_points = len(list(evaluations(0, settings.num_steps, settings.eval_every)))
    width = jax.dtypes.canonicalize_dtype(float).itemsize
    return num_points * (4 + width * (1 + len(plan.metrics)))


def _data_seeds(plan: Plan, runs: np.ndarray) -> np.ndarray:
    return plan.hparams(runs).get("data_seed", np.zeros(len(runs), np.int32))


def _num_chunks(plan: Plan, runs: np.ndarray, lanes: int) -> int:
    _, counts = np.unique(_data_seeds(plan, runs), return_counts=True)
    return int(np.sum(-(-counts // lanes)))


def _most_of_one_order(plan: Plan, runs: np.ndarray) -> int:
    return int(np.unique(_data_seeds(plan, runs), return_counts=True)[1].max())
