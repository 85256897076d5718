"""The command-line options that select where a sweep trains."""

import contextlib
import multiprocessing
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fnnet.errors import InputError, check_integer
from fnnet.sweeps.interrupt import follow_parent

if TYPE_CHECKING:
    from fnnet.engines import Engine


@dataclass(frozen=True)
class EngineOptions:
    """Where a sweep trains.

        fnnet sweep --engine processes:4 depth=1,2 learning_rate=0.1

    Args:
        engine: where to train: local, in this process; processes:N, in N processes that share the cores of this
            machine; or ray, on the workers of a Ray cluster.
        workers: number of Ray workers; by default as many as the cluster has cores or GPUs for.
        address: the Ray cluster, such as auto or ray://head:10001; by default a new one on this machine.
        gpus_per_worker: GPUs of each Ray worker; with 0, each trains on one core.
    """

    engine: str = "local"
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0

    def check(self) -> None:
        """Check the options.

        Raises:
            InputError: when an option is invalid; it names the option.

        Example:
            >>> EngineOptions("processes").check()
            Traceback (most recent call last):
            fnnet.errors.InputError: --engine must be local, ray, or processes:N such as processes:2, got 'processes'
        """
        if self.engine not in ("local", "ray") and not re.fullmatch(r"processes:\d{1,6}", self.engine):
            raise InputError(
                f"--engine must be local, ray, or processes:N such as processes:2, got {self.engine!r}"
            )
        if self.engine.startswith("processes:"):
            check_integer("--engine processes:N", int(self.engine.partition(":")[2]))
        if self.workers is not None:
            check_integer("--workers", self.workers)
        if not 0 <= self.gpus_per_worker < float("inf"):
            raise InputError(f"--gpus-per-worker must be 0 or more, got {self.gpus_per_worker:g}")
        for name, default in (("workers", None), ("address", None), ("gpus_per_worker", 0.0)):
            if getattr(self, name) != default and self.engine != "ray":
                flag = "--" + name.replace("_", "-")
                raise InputError(f"{flag} is for --engine ray, got --engine {self.engine}")

    @contextlib.contextmanager
    def open(self) -> Iterator["Engine | None"]:
        """Start the workers for a `with` block, and stop them at its end; yield None to train in this process.

        Raises:
            InputError: when Ray is not installed, or has no cores or GPUs for a worker.
        """
        if self.engine == "local":
            yield None
        elif self.engine == "ray":
            from fnnet.engines import ray

            try:
                yield ray(self.workers, gpus=self.gpus_per_worker, address=self.address)
            finally:
                with contextlib.suppress(ImportError):
                    import ray as cluster

                    cluster.shutdown()
        else:
            with _processes(int(self.engine.partition(":")[2])) as engine:
                yield engine

    def describe(self, engine: "Engine") -> str:
        """Describe the workers of a sweep in one line."""
        kind = "Ray worker" if self.engine == "ray" else "process"
        each = (
            _counted(self.gpus_per_worker, "GPU")
            if self.gpus_per_worker
            else _counted(engine.cores or 1, "core")
        )
        return (
            f"training on {_counted(engine.num_workers, kind)} of {each}{' each' * (engine.num_workers > 1)}"
        )


@contextlib.contextmanager
def _processes(number: int) -> Iterator["Engine"]:
    """Start processes that share the cores; at the end of the block they are killed, even while they train."""
    from concurrent.futures import ProcessPoolExecutor

    from fnnet.engines import executor
    from fnnet.lanes.program import count_cores

    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        number, mp_context=multiprocessing.get_context("spawn"), initializer=follow_parent
    )
    try:
        yield executor(pool, cores=max(1, count_cores() // number))
    finally:
        for process in multiprocessing.active_children():  # what they train would be lost anyway
            if process not in others:
                process.kill()
        pool.shutdown(cancel_futures=True)


def _counted(number: float, noun: str) -> str:
    """Format a number with its noun.

    Example:
        >>> _counted(1, "core"), _counted(0.5, "GPU"), _counted(2, "process")
        ('1 core', '0.5 GPUs', '2 processes')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:g} {noun if number == 1 else plural}"
