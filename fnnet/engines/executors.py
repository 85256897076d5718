"""The engine of any executor of Python's `concurrent.futures`: processes, loky, Dask, MPI and others."""

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnnet.engines.engine import Arrays, Engine, broken, call
from fnnet.errors import InputError
from fnnet.records.durable import write_file
from fnnet.records.sealed import seal, unseal


@dataclass(frozen=True)
class SharedFile:
    """Arrays in a file that every worker can read, named after its content.

    path: the path of the file.
    sha256: the SHA-256 of its content.
    """

    path: str
    sha256: str

    def __call__(self) -> Arrays:
        """Read the arrays, on a worker.

        Raises:
            InputError: when the worker cannot read the file, or its content has changed.
        """
        try:
            content = Path(self.path).read_bytes()
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read on a worker ({error.strerror}); pass engines.executor the folder of a disk "
                "that all workers share, as folder=..."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise InputError(f"{self.path} has other content on a worker than where it was written")
        sealed = unseal(content)
        assert sealed is not None
        return sealed.arrays


def executor(
    pool: Executor,
    *,
    num_workers: int | None = None,
    cores: int | None = 1,
    folder: str | os.PathLike[str] | None = None,
) -> Engine:
    """Return an engine that trains on the workers of an executor, which stays open.

    Args:
        pool: such as a `ProcessPoolExecutor` that spawns its processes, loky's `get_reusable_executor()`, Dask's
            `client.get_executor()` or mpi4py's `MPIPoolExecutor`.
        num_workers: the number of workers; None to ask the pool.
        cores: the CPU cores that each worker uses; None for all that it may use. Without effect on GPUs.
        folder: where data are put for the workers; it must be on a disk that they share. None for a temporary folder
            of this machine.

    Raises:
        InputError: when the pool cannot train: its processes are forks or threads of this one, or it does not say how
            many workers it has.

    Example:
        >>> import multiprocessing
        >>> pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        >>> executor(pool).num_workers
        2
        >>> pool.shutdown()
    """
    _check_pool(pool)
    num_workers = num_workers or getattr(pool, "_max_workers", None)
    if not isinstance(num_workers, int) or num_workers < 1:
        raise InputError(
            f"{type(pool).__name__} does not say how many workers it has; pass num_workers, such as num_workers=4"
        )

    def share(arrays: Arrays) -> SharedFile:
        if folder is None:
            place = Path(tempfile.mkdtemp(prefix="fnnet-"))
            atexit.register(shutil.rmtree, place, ignore_errors=True)
        else:
            place = Path(folder)
        content = seal({"kind": "data"}, arrays)
        sha256 = hashlib.sha256(content).hexdigest()
        path = place / f"{sha256}.arrays"
        if not path.exists():
            place.mkdir(parents=True, exist_ok=True)
            write_file(path, content, os.replace)
        return SharedFile(str(path.resolve()), sha256)

    def submit(function: Callable[..., Any], *args: Any) -> Future[Any]:
        try:
            return pool.submit(call, function, *args)
        except BrokenExecutor as error:
            raise broken(error) from error

    return Engine(
        submit=submit,
        share=share,
        num_workers=num_workers,
        cores=cores,
        is_lost=lambda error: False,  # a pool that lost a process is broken as a whole
        name=type(pool).__name__,
    )


def _check_pool(pool: Executor) -> None:
    """Refuse pools that cannot train.

    Raises:
        InputError: saying what to use instead.
    """
    if isinstance(pool, ThreadPoolExecutor):
        raise InputError(
            "threads of one process share its devices; use a pool of processes, or engines.local()"
        )
    # loky's executor is not a ProcessPoolExecutor, and never forks.
    context = getattr(pool, "_mp_context", None) if isinstance(pool, ProcessPoolExecutor) else None
    if context is not None and context.get_start_method() == "fork":
        raise InputError(
            "a forked process hangs once JAX has started in its parent; spawn the processes: "
            'ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn"))'
        )
