"""Workers: what an engine calls to train, in this process or in another one.

A worker knows the recipe, the data and one order at a time; it knows no store, no plan and no other worker. What it
returns is on the host, so that it travels.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from fnnet.errors import InputError
from fnnet.lanes import peak
from fnnet.lanes.chunk import ChunkSpec, Point, place_hparams, train_segment
from fnnet.lanes.cost import Cost, CostFile, measure_cost
from fnnet.lanes.program import Program, make_mesh, make_program, shared_sharding
from fnnet.memory import usable_bytes
from fnnet.precision import canonicalize
from fnnet.space.space import Config
from fnnet.sweeps.fingerprint import environment
from fnnet.sweeps.tracing import program_hash, trace_run
from fnnet.task import Task
from fnnet.types import PyTree


class GroupSpec(NamedTuple):
    """All that a worker needs to build the program of a group.

    static: the values of its static axes.
    numbers: the hyper-parameters of its first run, which say what is traced.
    max_steps: how many steps' batches are drawn at once.
    program: the hash of what one run computes.
    """

    static: Config
    numbers: dict[str, Any]
    max_steps: int
    program: str


class Worker(NamedTuple):
    """What a worker is.

    environment: all that the bits of its results depend on besides the sweep, by name.
    num_devices: the number of devices of its host.
    platform: the platform of the devices, such as "cpu".
    usable_bytes: memory that a sweep may use on all devices together.
    name: the host and the process.
    matmul_precision: the default of its JAX, part of every program.
    """

    environment: dict[str, str]
    num_devices: int
    platform: str
    usable_bytes: float
    name: str
    matmul_precision: str


class Trained(NamedTuple):
    """A chunk that was trained for a while.

    leaves: the progress, as arrays `[runs, ...]` on the host; in the process of the coordinator, of all lanes on the
        devices.
    step: updates made.
    points: the evaluations on the way.
    seconds: spent on it.
    worker: the name of the one that trained it.
    """

    leaves: list[Any]
    step: int
    points: list[Point]
    seconds: float
    worker: str


class Workspace:
    """The data on a process's devices, and the programs that the process has compiled, for one sweep."""

    def __init__(self, make_task: Callable[[Config], Task], data: PyTree, *, is_elsewhere: bool) -> None:
        """Put the data on the devices.

        Args:
            make_task: maps the values of static axes to the task.
            data: the data of the task.
            is_elsewhere: whether this is another process than the coordinator's, so that programs are compared with
                its own, and results travel.
        """
        self.mesh: Mesh = make_mesh()
        self.data: PyTree = jax.device_put(data, shared_sharding(self.mesh))
        self.is_elsewhere: bool = is_elsewhere
        self._make_task = make_task
        self._programs: dict[str, Program] = {}
        platform = self.mesh.devices.flat[0].platform
        precision = str(jax.config.values["jax_default_matmul_precision"])
        self.worker: Worker = Worker(
            environment(), self.mesh.size, platform, usable_bytes(), worker_name(), precision
        )

    def program(self, group: GroupSpec) -> Program:
        """Return the program of a group, made at the first call.

        Raises:
            InputError: when the recipe computes something else here than where the sweep was planned.
        """
        key = json.dumps([group.static, group.max_steps, group.program])
        if key not in self._programs:
            task = self._make_task(group.static)
            if self.is_elsewhere:
                traced = trace_run(task, group.numbers, self.data, group.max_steps).program
                found = program_hash(traced, self.worker.platform)
                if found != group.program:
                    raise InputError(
                        f"the recipe computes something else on the worker {self.worker.name} (program {found}) than where "
                        f"the sweep was planned (program {group.program}); its files, a library or a setting of JAX differ there"
                    )
            self._programs[key] = make_program(task, self.mesh, group.max_steps)
        return self._programs[key]


Open = Callable[[], Workspace]
"""Returns the workspace of a sweep in the process in which it is called."""


def describe(open_workspace: Open) -> Worker:
    """Describe the worker on which this is called."""
    return open_workspace().worker


def check_alike(worker: Worker, first: Worker) -> None:
    """Refuse a worker that differs from the first one, since its bits may differ.

    Raises:
        InputError: naming what differs.
    """

    def described(worker: Worker) -> dict[str, str]:
        others = {
            "number of devices": str(worker.num_devices),
            "matmul precision": worker.matmul_precision,
        }
        return worker.environment | others

    here, there = described(worker), described(first)
    for name in there:
        if here[name] != there[name]:
            raise InputError(
                f"the worker {worker.name} differs from {first.name}, the first worker of the sweep, in its "
                f"{name}: {here[name]} instead of {there[name]}; use workers of the same kind"
            )


def measure(
    open_workspace: Open,
    first: Worker,
    group: GroupSpec,
    columns: dict[str, list[float]],
    data_seed: Any,
    lanes: int,
    is_timed: bool,
) -> Cost:
    """Compile the program of a group and measure what some number of lanes costs, or read what was measured before.

    Args:
        open_workspace: opens the workspace of the sweep.
        first: the first worker, which this one must match.
        group: the group.
        columns: the hyper-parameters of runs of the group, one number per run.
        data_seed: the seed of the order of batches.
        lanes: on each device.
        is_timed: whether to run the program; otherwise seconds are NaN.
    """
    workspace = open_workspace()
    check_alike(workspace.worker, first)
    mesh, limit = workspace.mesh, usable_bytes()
    costs = CostFile(group.program, mesh.size, group.max_steps)
    known = costs.read().get(lanes)
    if known is not None and known.num_bytes <= limit:
        return known
    hparams = place_hparams(columns, lanes, mesh)
    cost = measure_cost(
        workspace.program(group),
        hparams,
        canonicalize(np.asarray(data_seed)),
        workspace.data,
        limit,
        is_timed,
    )
    if np.isfinite(cost.step):
        costs.add(cost)
    return cost


def measure_peak(open_workspace: Open) -> float:
    """Measure the floating-point operations per second of this worker, see `lanes.peak`."""
    return peak.measure_peak(open_workspace().mesh)


def train(
    open_workspace: Open,
    first: Worker,
    group: GroupSpec,
    spec: ChunkSpec,
    leaves: Sequence[Any] | None,
    first_step: int,
    segment: int,
    seconds: float,
) -> Trained:
    """Train a chunk, segment by segment, to its last stop or until some time has passed.

    Args:
        open_workspace: opens the workspace of the sweep.
        first: the first worker, which this one must match.
        group: the group of the chunk.
        spec: the chunk.
        leaves: the leaves of its progress after `first_step` steps, as in `Trained`; None to initialize.
        first_step: the step at which to begin.
        segment: the most steps of a segment.
        seconds: the time after which to return, at the end of a segment.
    """
    started = time.perf_counter()
    workspace = open_workspace()
    check_alike(
        workspace.worker, first
    )  # before the programs are compared, which differ wherever versions do
    program, data = workspace.program(group), workspace.data
    points: list[Point] = []
    progress, step = None, first_step
    if leaves is not None:
        hparams = place_hparams(spec.traced, spec.lanes, program.mesh)
        structure = jax.tree.structure(jax.eval_shape(program.begin, hparams, data))
        progress = jax.tree.unflatten(structure, list(leaves))
    while step < spec.stops[-1]:
        stop = min(spec.next_measured(step), step + segment)
        progress, measured = train_segment(program, spec, data, progress, step, stop)
        step, points = stop, points + measured
        if time.perf_counter() - started >= seconds:
            break
    leaves = jax.tree.leaves(progress)
    if workspace.is_elsewhere:
        leaves = [leaf[: len(spec.run_ids)] for leaf in jax.device_get(leaves)]
    return Trained(leaves, step, points, time.perf_counter() - started, workspace.worker.name)


def worker_name() -> str:
    """Return the host and process id, as "HOST:PID"."""
    return f"{socket.gethostname()}:{os.getpid()}"
