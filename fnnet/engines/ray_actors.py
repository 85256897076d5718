"""The engine of a Ray cluster: one actor per worker, which keeps its compiled programs."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from fnnet.engines.engine import Arrays, Engine, call
from fnnet.errors import InputError

_OPTIONS = {"include_dashboard": False, "log_to_driver": False, "_node_ip_address": "127.0.0.1"}


def ray(
    num_workers: int | None = None, *, cpus: float = 1, gpus: float = 0, address: str | None = None
) -> Engine:
    """Return an engine that trains on the workers of a Ray cluster.

    A worker is an actor with processors of its own. Ray starts and places it, and moves what it returns; it retries
    nothing, since the coordinator of the sweep does.

    Args:
        num_workers: actors to start; None for as many as the cluster has processors for.
        cpus: CPU cores of each worker; JAX uses as many.
        gpus: GPUs of each worker; without any, its JAX uses the CPU.
        address: of the cluster, such as "auto" or "ray://head:10001"; None for a new one on this machine, which only
            this machine can reach.

    Raises:
        InputError: when Ray is not installed, or the cluster has no processors for a worker.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("engines.ray needs Ray: pip install 'fnnet[ray]'") from error
    if not ray.is_initialized():
        started = {"address": address} if address is not None else _OPTIONS
        ray.init(**started, log_to_driver=False) if address is not None else ray.init(**started)
    resources = ray.cluster_resources()
    there_are = [int(resources.get(name, 0) // each) for name, each in (("CPU", cpus), ("GPU", gpus)) if each]
    most = min(there_are, default=0)
    if not most:
        raise InputError(
            f"the Ray cluster has {resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs, too few for a "
            f"worker with cpus={cpus:g} and gpus={gpus:g}"
        )
    num_workers = num_workers or most
    environment = {name: os.environ[name] for name in ("XLA_FLAGS", "FNNET_CACHE") if name in os.environ}
    if not gpus:
        environment["JAX_PLATFORMS"] = "cpu"
    actor = ray.remote(_Actor).options(
        num_cpus=cpus,
        num_gpus=gpus,
        max_restarts=-1,
        max_task_retries=0,
        runtime_env={"env_vars": environment},
    )
    actors = [actor.remote() for _ in range(num_workers)]
    busy: Counter[int] = Counter()

    def submit(function: Callable[..., Any], *args: Any) -> Future:
        place = min(range(num_workers), key=lambda each: (busy[each], each))
        busy[place] += 1
        future = actors[place].call.remote(function, *args).future()
        future.add_done_callback(lambda _: busy.subtract([place]))
        return future

    def share(arrays: Arrays) -> "_Shared":
        return _Shared(ray.put({name: np.asarray(leaf) for name, leaf in arrays.items()}))

    return Engine(
        submit=submit,
        share=share,
        num_workers=num_workers,
        cores=int(cpus) or 1,
        is_lost=lambda error: isinstance(
            error,
            ray.exceptions.RayActorError | ray.exceptions.WorkerCrashedError | ray.exceptions.ObjectLostError,
        ),
        name="ray",
    )


class _Shared:
    """Arrays in Ray's object store."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def __call__(self) -> Arrays:
        import ray

        return ray.get(self._reference)


class _Actor:
    """A worker."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function."""
        return call(function, *args)
