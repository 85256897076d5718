"""Workers in virtual time: what a coordinator spends on a sweep, whatever its workers would take."""

import collections
import contextlib
import heapq
import os
import pickle
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax.numpy as jnp
import numpy as np

import fnnet as fn
from fnnet.engines.engine import Arrays, Engine
from fnnet.sweeps import flights
from fnnet.sweeps.sending import send
from fnnet.sweeps.worker import Trained

NUM_POINTS = 10  # evaluations of a run
STEPS = 100
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def tiny_recipe() -> fn.Task:
    """Build a task with a single number; nothing trains it here."""
    return fn.Task(
        init=lambda key, hparams, data: jnp.float32(hparams["start"]),
        step=lambda key, hparams, w, batch: (w * hparams["factor"], {"loss": w}),
        measure=lambda hparams, w, data: {"train_loss": w, "test_loss": w, "train_accuracy": w},
    )


def answer_for(spec: Any) -> Trained:
    """Make up what a worker would return for a chunk."""
    num_runs = len(spec.run_ids)
    names = ("batch_loss", "train_loss", "test_loss", "train_accuracy")
    start = np.array(spec.traced["start"], np.float32)
    points = [
        {"step": np.full(num_runs, step, np.int32), **dict.fromkeys(names, start / np.float32(step))}
        for step in range(STEPS // NUM_POINTS, STEPS + 1, STEPS // NUM_POINTS)
    ]
    return Trained([start, np.full(num_runs, -1, np.int32), start], STEPS, points, 1.0, "virtual:1")


class Workers:
    """Workers in virtual time: the clock advances by what this thread spends, and jumps to the next answer."""

    def __init__(self, num_workers: int, chunk_seconds: float, open_workspace: Any) -> None:
        """Start them.

        Args:
            num_workers: how many.
            chunk_seconds: what each chunk takes on average.
            open_workspace: what a real engine would pickle with every order.
        """
        self.now = self.sending = self.idle = 0.0
        self.order_bytes = self.answer_bytes = self.num_chunks = 0
        self.answered: list[float] = []  # when each chunk was, on the clock
        self._chunk_seconds, self._open = chunk_seconds, open_workspace
        self._free, self._random = [0.0] * num_workers, random.Random(0)  # noqa: S311
        self._training: list[tuple[float, int, Future, bytes]] = []
        self._there: collections.deque[Future] = collections.deque()
        self._since = time.process_time()
        self.engine = Engine(self.submit, _share_nothing, num_workers, None, lambda error: False, "virtual")

    @contextlib.contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Leave out what only this simulation does."""
        self.now += time.process_time() - self._since
        yield
        self._since = time.process_time()

    def submit(self, function: Callable, open_workspace: Any, *arguments: Any) -> Future:
        """Begin to train a chunk on the worker that is free first."""
        started = time.process_time()
        order = pickle.dumps((function, self._open, *arguments))
        self.sending += time.process_time() - started
        with self._off_the_clock():
            answer = pickle.dumps(answer_for(arguments[2]))
            begins = max(heapq.heappop(self._free), self.now)
            ends = begins + self._chunk_seconds * self._random.uniform(
                0.5, 1.5
            )  # or all would answer at once
            heapq.heappush(self._free, ends)
            future: Future = Future()
            self.num_chunks += 1
            heapq.heappush(self._training, (ends, self.num_chunks, future, answer))
            self.order_bytes, self.answer_bytes = len(order), len(answer)
        return future

    def put(self, future: Future) -> None:
        """Take note of an answer, as the queue of the coordinator does."""
        self._there.append(future)

    def get(self, timeout: float) -> Future:
        """Return the next answer, as the queue of the coordinator does; jump to it if there is none yet."""
        while not self._there:
            with self._off_the_clock():
                earlier = max(0.0, self._training[0][0] - self.now)
                self.now += earlier
                self.idle += earlier
            while self._training and self._training[0][0] <= self.now:
                _, _, future, answer = heapq.heappop(self._training)
                started = time.process_time()
                value = pickle.loads(answer)  # noqa: S301
                self.sending += time.process_time() - started
                future.set_result(value)
                self.answered.append(self.now)
        return self._there.popleft()


class Spent(NamedTuple):
    """What a sweep through virtual workers took.

    seconds: on the virtual clock.
    idle: seconds that the coordinator waited for answers.
    sending: seconds of pickling and unpickling.
    fsync: seconds in which the disk was waited for.
    chunks: trained.
    order_bytes: of an order.
    answer_bytes: of an answer.
    peak_bytes: the most memory of this process.
    rate: chunks per second in the middle half of the sweep.
    """

    seconds: float
    idle: float
    sending: float
    fsync: float
    chunks: int
    order_bytes: int
    answer_bytes: int
    peak_bytes: int
    rate: float


def through_coordinator(
    num_runs: int, lanes: int, num_workers: int, chunk_seconds: float, sync: bool | None
) -> Spent:
    """Sweep on virtual workers, in this process.

    Args:
        num_runs: of the sweep.
        lanes: runs in a chunk.
        num_workers: virtual ones.
        chunk_seconds: what each chunk takes them on average.
        sync: whether the store forces what it writes to the disk; None for no store.
    """
    space = fn.grid(
        start=np.linspace(0.5, 2, num_runs // 256).tolist(), factor=np.linspace(0.1, 0.9, 256).tolist()
    )
    fsync_seconds = [0.0]

    def fsync(descriptor: int, really: Callable[[int], None] = os.fsync) -> None:
        if sync:
            started = time.perf_counter()
            really(descriptor)
            fsync_seconds[0] += time.perf_counter() - started

    with (
        tempfile.TemporaryDirectory(dir=None if sync else MEMORY_DISK) as folder,
        mock.patch.object(os, "fsync", fsync),
    ):
        store = None if sync is None else Path(folder, "store")
        prepared = fn.prepare(
            tiny_recipe,
            space,
            None,
            num_steps=STEPS,
            eval_every=STEPS // NUM_POINTS,
            lanes=lanes,
            store=store,
            save_params=False,
        )
        crew = prepared.crew._replace(worker=prepared.crew.worker._replace(num_devices=1))
        sharing = Engine(crew.engine.submit, _share_nothing, 1, None, crew.engine.is_lost, "virtual")
        workers = Workers(num_workers, chunk_seconds, send(sharing, tiny_recipe, None))
        prepared = prepared._replace(crew=crew._replace(engine=workers.engine))
        with mock.patch.object(flights, "SimpleQueue", lambda: workers):
            results = fn.execute(prepared)
    assert len(results) == num_runs
    first, last = (workers.answered[workers.num_chunks * part // 4] for part in (1, 3))
    return Spent(
        workers.now,
        workers.idle,
        workers.sending,
        fsync_seconds[0],
        workers.num_chunks,
        workers.order_bytes,
        workers.answer_bytes,
        peak_bytes(),
        workers.num_chunks / 2 / max(last - first, 1e-9),
    )


def _share_nothing(arrays: Arrays) -> Callable[[], Arrays]:
    return dict


def peak_bytes() -> int:
    """Read the most memory that this process has used."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
