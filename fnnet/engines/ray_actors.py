"""The engine of a Ray cluster: one actor per worker, which keeps its compiled programs."""

import collections
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from fnnet.engines.engine import Arrays, Engine, call
from fnnet.errors import InputError

_PRIVATE: dict[str, Any] = {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
"""The options of a new cluster that only this machine can reach; Ray would otherwise join one that runs here."""


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
        address: the address of the cluster, such as "auto" or "ray://head:10001"; None to start one on this
            machine, which only this machine can reach.

    Raises:
        InputError: when Ray is not installed, or the cluster has no processors for a worker.
    """
    try:
        import ray
        from ray.exceptions import ActorDiedError, ActorUnavailableError, ObjectLostError
    except ImportError as error:
        raise InputError("engines.ray needs Ray: pip install 'fnnet[ray]'") from error
    if not ray.is_initialized():
        where: dict[str, Any] = _PRIVATE if address is None else {"address": address}
        ray.init(log_to_driver=False, **where)
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
        max_restarts=0,
        max_task_retries=0,
        runtime_env={"env_vars": environment},
    )
    lost = ActorDiedError, ActorUnavailableError, ObjectLostError
    actors = _Actors(actor.remote, num_workers, lost)

    def share(arrays: Arrays) -> "_Shared":
        return _Shared(ray.put({name: np.asarray(leaf) for name, leaf in arrays.items()}))

    return Engine(
        submit=actors.submit,
        share=share,
        num_workers=num_workers,
        cores=int(cpus) or 1,
        is_lost=lambda error: isinstance(error, lost),
        name="ray",
    )


class _Shared:
    """Arrays in Ray's object store."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def __call__(self) -> Arrays:
        import ray

        return ray.get(self._reference)


class _Actors:
    """Actors that run one function at a time, so that losing an actor loses only one function."""

    def __init__(self, start: Callable[[], Any], number: int, lost: tuple[type[Exception], ...]) -> None:
        """Start the actors.

        Args:
            start: starts one.
            number: the number of actors.
            lost: the errors that mean that an actor died; another one is started in its place.
        """
        self._start, self._lost = start, lost
        self._idle = [start() for _ in range(number)]
        self._waiting: collections.deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = (
            collections.deque()
        )
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function on the first actor that is idle."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, function, args))
            self._call()
        return future

    def _call(self) -> None:
        while self._idle and self._waiting:
            future, function, args = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                actor = self._idle.pop()
                called = actor.call.remote(function, *args).future()
                called.add_done_callback(functools.partial(self._end, actor, future))

    def _end(self, actor: Any, future: Future[Any], called: Future[Any]) -> None:
        error = called.exception()
        with self._lock:
            self._idle.append(self._start() if isinstance(error, self._lost) else actor)
            self._call()
        if error is None:
            future.set_result(called.result())
        else:
            future.set_exception(error)


class _Actor:
    """A worker."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function."""
        return call(function, *args)
