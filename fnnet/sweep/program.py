"""Programs: a group's runs as lanes of one compiled function, on all devices of the host.

The lanes of a device advance together: a `scan` over steps whose body is one step under `vmap`. Batches are
drawn outside the lanes, so that lanes share each batch and the first layer is one large product. A CPU is
used as one single-threaded device a core, because a product of small matrices is faster on one core's cache
than cut across threads.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from fnnet.hparams import Hparams
from fnnet.task import Task
from fnnet.train import Progress, Run, advance, begin, finish, scan_training

AXIS = "runs"


def use_all_cores() -> None:
    """Split the CPU into one device a core, unless JAX has started its devices already.

    What a user computes besides goes on using all cores: a program is made single-threaded by its own
    compiler options. A GPU or TPU is not affected.
    """
    with contextlib.suppress(RuntimeError):  # devices that have started stay as they are
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def make_mesh() -> Mesh:
    """Put all devices of this host on one axis, "runs"."""
    return Mesh(np.asarray(jax.local_devices()), (AXIS,))


def compile_training(
    task: Task, mesh: Mesh, num_steps: int, eval_every: int | None
) -> Callable[[dict[str, Any], Any, Any], Run]:
    """Make the function that trains one chunk of runs.

    Args:
        task: what a run does.
        mesh: the devices; the number of lanes must be a multiple of their number.
        num_steps: updates in each run.
        eval_every: measure after so many updates each.

    Returns:
        A jitted function of hyper-parameters (an array `[lanes]` each), `data_seed` and data, to a `Run`
        whose arrays have a leading axis of lanes.
    """

    def train_lanes(hparams: dict[str, Any], data_seed: Any, data: Any) -> Run:
        def in_lanes(function: Callable[[Hparams, Progress], Any], progress: Progress) -> Any:
            return jax.vmap(lambda hparams, lane: function(Hparams(hparams), lane))(hparams, progress)

        progress, curves = scan_training(
            # One lane after the other: an initialisation draws and sorts, which gains nothing from lanes.
            jax.lax.map(lambda hparams: begin(task, Hparams(hparams), data), hparams),
            batches=lambda first_step, length: task.batches(data_seed, data, first_step, length),
            step=lambda progress, step, batch: in_lanes(
                lambda hparams, lane: advance(task, hparams, lane, data, step, batch), progress
            ),
            measure=lambda progress: in_lanes(
                lambda hparams, lane: task.measure(hparams, lane.state, data), progress
            ),
            num_steps=num_steps,
            eval_every=eval_every,
        )
        return finish(progress, jax.tree.map(lambda curve: jnp.moveaxis(curve, 0, -1), curves))

    split, same = PartitionSpec(AXIS), PartitionSpec()
    mapped = jax.shard_map(
        train_lanes, mesh=mesh, in_specs=(split, same, same), out_specs=split, check_vma=False
    )
    is_split_cpu = mesh.size > 1 and mesh.devices.flat[0].platform == "cpu"
    return jax.jit(mapped, compiler_options=_SINGLE_THREADED if is_split_cpu else None)


_SINGLE_THREADED = {"xla_cpu_multi_thread_eigen": False}
