"""Programs that train a group's runs as lanes of one compiled function, on all devices of the host.

The lanes of a device advance together, in a loop over steps whose body is one step under `vmap`. Batches are drawn
outside the lanes, so that all lanes share each batch and the first layer is one large product. Drawing is a separate
program, shared by all groups. Each core of a CPU is a single-threaded device, because products of small matrices are
faster in one core's cache than split across threads.
"""

import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fnnet.batches import Integer
from fnnet.cache import cache_folder
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.lanes.canary import canary
from fnnet.lanes.layout import find_transposed, transpose_some
from fnnet.task import Task
from fnnet.training import Progress, advance, begin, measure, react, repeat_steps
from fnnet.types import Metrics, PyTree

AXIS = "runs"
LANES = PartitionSpec(AXIS)  # split across the devices by the leading axis
SHARED = PartitionSpec()  # on each device
Lanes = dict[str, Any]
"""Hyper-parameters by name, an array `[lanes]` each."""


def use_all_cores(*, warn: bool = True) -> None:
    """Split the CPU into one device per core, unless their number is configured or JAX has started them.

    Only the programs of sweeps are compiled to be single-threaded; other computations still use all cores. GPUs and
    TPUs are not affected.

    Args:
        warn: whether to warn when JAX has already started fewer devices than there are cores.

    Raises:
        InputError: on Windows, which is not supported.
    """
    if sys.platform == "win32":
        raise InputError("fnnet runs on Linux and macOS; on Windows use WSL")
    if jax.config.values["jax_num_cpu_devices"] != -1:
        return
    num_cores = count_cores()
    try:
        jax.config.update("jax_num_cpu_devices", num_cores)
    except RuntimeError:  # the devices have started
        num_devices = jax.local_device_count()
        if warn and jax.default_backend() == "cpu" and num_devices < num_cores:
            warnings.warn(
                f"JAX computed something before the sweep, so it uses {num_devices} of {num_cores} cores; for all of "
                f'them, put jax.config.update("jax_num_cpu_devices", {num_cores}) before anything else',
                stacklevel=3,
            )


def count_cores() -> int:
    """Count the cores available to this process; all cores where the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_compiled_programs() -> None:
    """Cache compiled programs on disk, so that the same sweep compiles nothing the next time.

    The folder is named by the canary, since a program compiled for another CPU can crash. A cache that the user has
    configured is left as it is.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla" / canary()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def make_mesh() -> Mesh:
    """Build a mesh of all devices of this host, with one axis, "runs"."""
    return Mesh(np.asarray(jax.local_devices()), (AXIS,))


def lanes_sharding(mesh: Mesh) -> NamedSharding:
    """Return the sharding that splits the leading axis of an array across the devices."""
    return NamedSharding(mesh, LANES)


def shared_sharding(mesh: Mesh) -> NamedSharding:
    """Return the sharding that replicates an array on each device."""
    return NamedSharding(mesh, SHARED)


def on_each_device(function: Callable[..., Any], mesh: Mesh, *in_specs: PartitionSpec) -> Callable[..., Any]:
    """Apply a function to each device's lanes; its results have a leading axis of lanes."""
    return jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=LANES, check_vma=False)


def compiler_options(mesh: Mesh) -> dict[str, Any]:
    """Return the compiler options of a program that each device runs by itself: single-threaded on a CPU."""
    is_cpu = mesh.devices.flat[0].platform == "cpu"
    return {"xla_cpu_multi_thread_eigen": False} if is_cpu else {}


class Program(NamedTuple):
    """The compiled functions that train a chunk: `begin` once, then `draw`, `steps` and `measure` repeatedly.

    All arrays of runs have a leading axis of lanes, which must be a multiple of the number of devices.

    begin: maps `(hparams, data)` to the first `Progress`.
    draw: maps `(data_seed, data, first_step, max_steps)` to the selections of `max_steps` steps.
    steps: maps `(hparams, progress, selections, data, first_step, num_steps)` to the next progress; `progress` is
        donated.
    measure: maps `(hparams, progress, data)` to the next progress and the task's metrics. Where the task reacts to its
        evaluations, `progress` is donated; otherwise the next one is None, since nothing changes.
    max_steps: the upper limit of `num_steps`, which is traced.
    mesh: the devices.
    """

    begin: jax.stages.Wrapped
    draw: jax.stages.Wrapped
    steps: jax.stages.Wrapped
    measure: jax.stages.Wrapped
    max_steps: int
    mesh: Mesh


def make_program(task: Task, mesh: Mesh, max_steps: int) -> Program:
    """Build the functions that train a chunk of a group's runs; each is compiled at its first call."""
    options = compiler_options(mesh)
    # These run rarely, so compile time matters more than run time.
    rare_options = options | (_FAST_COMPILATION if options and _is_known(**_FAST_COMPILATION) else {})

    def begin_lanes(hparams: Lanes, data: PyTree) -> Progress:
        # Lane by lane: initialization draws and sorts, which vmap does not speed up.
        return jax.lax.map(lambda hparams: begin(task, Hparams(hparams), data), hparams)

    def measure_lanes(hparams: Lanes, progress: Progress, data: PyTree) -> tuple[Progress | None, Metrics]:
        # Lane by lane: under vmap, sums would add in an order that depends on the number of lanes, and a whole split
        # is a large product by itself.
        metrics = jax.lax.map(
            lambda lane: measure(task, Hparams(lane[0]), lane[1], data), (hparams, progress)
        )
        if task.react is None:
            return None, metrics
        return jax.vmap(lambda hparams, *lane: react(task, Hparams(hparams), *lane))(
            hparams, progress, metrics
        )

    def advance_lane(hparams: Lanes, lane: Progress, step: Integer, batch: PyTree) -> Progress:
        return advance(task, Hparams(hparams), lane, step, batch)

    def steps(
        hparams: Lanes,
        progress: Progress,
        selections: PyTree,
        data: PyTree,
        first_step: Integer,
        num_steps: Integer,
    ) -> Progress:
        one_hparams, one_lane, one_selection = map(shapes_of_one, (hparams, progress, selections))
        one_batch = jax.eval_shape(task.batches.select, data, one_selection)
        # Traced once, for both the layout and the lanes.
        traced = jax.make_jaxpr(advance_lane)(one_hparams, one_lane, first_step, one_batch)
        is_transposed = find_transposed(traced.jaxpr, one_hparams, one_lane)

        def step(progress: Progress, step: Integer, selection: PyTree) -> Progress:
            batch = task.batches.select(data, selection)  # once for all lanes

            def transposed_lane(hparams: Lanes, lane: Progress) -> Progress:
                leaves = jax.tree.leaves((hparams, transpose_some(lane, is_transposed), step, batch))
                lane = jax.tree.unflatten(jax.tree.structure(lane), jaxpr_as_fun(traced)(*leaves))
                return transpose_some(lane, is_transposed)

            return jax.vmap(transposed_lane)(hparams, progress)

        progress = repeat_steps(
            step, transpose_some(progress, is_transposed), first_step, selections, num_steps
        )
        return transpose_some(progress, is_transposed)

    return Program(
        begin=jax.jit(on_each_device(begin_lanes, mesh, LANES, SHARED), compiler_options=rare_options),
        draw=jax.jit(task.batches.draw, static_argnums=3, out_shardings=shared_sharding(mesh)),
        steps=jax.jit(
            on_each_device(steps, mesh, LANES, LANES, SHARED, SHARED, SHARED, SHARED),
            donate_argnums=1,
            compiler_options=options,
        ),
        measure=jax.jit(
            on_each_device(measure_lanes, mesh, LANES, LANES, SHARED),
            donate_argnums=() if task.react is None else 1,
            compiler_options=rare_options,
        ),
        max_steps=max_steps,
        mesh=mesh,
    )


def shapes_of_one(lanes: PyTree) -> PyTree:
    """Return the shapes without the leading axis."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), lanes)


@cache
def _is_known(**options: Any) -> bool:
    """Return whether this version of XLA knows some compiler options; it raises on unknown ones."""
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
        return True
    except jax.errors.JaxRuntimeError:
        return False


# Compilation takes a third less time; steps would be 4 % slower.
_FAST_COMPILATION = {"xla_cpu_use_fusion_emitters": False}
