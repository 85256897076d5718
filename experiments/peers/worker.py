"""Workers: a process for each system, which is idle until it is asked for something."""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

import numpy as np

from peers.work import Order, losses, make_work

ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # compilation is part of what is measured
    "XLA_FLAGS": "",  # every system as it is without flags
}


class MissingLibrary(Exception):
    """A system cannot be measured because a library is not installed; its text is the library's name."""


class Worker:
    """The end of a system's process that asks; `Desk` lists what can be asked."""

    def __init__(self, name: str, module: str):
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._connection, there = context.Pipe()
        # Not a daemon, which could not have processes of its own.
        self._process = context.Process(target=_serve, args=(there, module), name=name)
        with mock.patch.dict(os.environ, ENVIRONMENT):  # which a process inherits when it starts
            self._process.start()
        there.close()

    def ask(self, method: str, *args: Any) -> Any:
        """Ask for something and wait for the answer."""
        self.tell(method, *args)
        return self.hear()

    def tell(self, method: str, *args: Any) -> None:
        """Ask for something that may take long, while others do the same."""
        with self._alive():
            self._connection.send((method, *args))

    def hear(self) -> Any:
        """Wait for the answer to what was told."""
        with self._alive():
            answer, problem = self._connection.recv()
        if isinstance(problem, MissingLibrary):
            raise problem
        if problem is not None:
            raise RuntimeError(f"{self.name} failed\n{problem}")
        return answer

    def close(self) -> None:
        """Let the process end."""
        self._connection.close()

    def join(self) -> None:
        """Wait until the process has ended."""
        self._process.join()

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            raise RuntimeError(f"the process of {self.name} has ended") from None


class Desk:
    """The end that answers."""

    def __init__(self, module: str):
        self._module = module
        self._system: Any = None
        self._work: Any = None
        self._train: Any = None
        self._trained: Any = None

    def load(self) -> tuple[int, ...]:
        """Import the system; return the numbers of runs worth trying."""
        try:
            self._system = importlib.import_module(self._module).SYSTEM
        except ModuleNotFoundError as error:
            raise MissingLibrary(error.name) from error
        return self._system.sizes

    def prepare(self, order: Order) -> None:
        """Make the work of an order ready to be trained."""
        self._train = self._trained = self._work = None  # two works need not fit in memory
        self._work = make_work(order)
        self._train = self._system.prepare(self._work)

    def train(self) -> float:
        """Train what was prepared, from its initial weights; return the seconds."""
        self._trained = None
        started = time.perf_counter()
        trained = self._train()
        seconds = time.perf_counter() - started
        self._trained = trained
        return seconds

    def losses(self) -> np.ndarray:
        """Judge what was trained last; return an array `[runs]`."""
        return losses(self._work, self._system.weights(self._trained))

    def device(self) -> str:
        """Name the kind of JAX's devices."""
        import jax

        return jax.devices()[0].device_kind


@contextlib.contextmanager
def start_workers(modules: Mapping[str, str]) -> Iterator[dict[str, Worker]]:
    """Start a process for each system, by name; they end with the context."""
    workers: dict[str, Worker] = {}
    try:
        for name, module in modules.items():
            workers[name] = Worker(name, module)
        yield workers
    finally:
        for worker in workers.values():
            worker.close()
        for worker in workers.values():
            worker.join()


def _serve(connection: Connection, module: str) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    desk = Desk(module)
    while True:
        try:
            method, *args = connection.recv()
        except EOFError:
            return
        try:
            connection.send((getattr(desk, method)(*args), None))
        except MissingLibrary as missing:
            connection.send((None, missing))
        except Exception:
            connection.send((None, traceback.format_exc()))
