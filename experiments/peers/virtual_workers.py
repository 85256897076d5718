"""Workers in virtual time: what a coordinator spends on a sweep, whatever its workers would take."""

import collections
import contextlib
import heapq
import inspect
import pickle
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import jax.numpy as jnp
import numpy as np

import fnnet as fn
from fnnet.engines.engine import Arrays, Engine
from fnnet.lanes.chunk import ChunkSpec
from fnnet.lanes.cost import Cost
from fnnet.sweeps import worker
from fnnet.sweeps.worker import Trained, Worker

NUM_POINTS = 10  # evaluations of a run
STEPS = 100
WORKER = Worker({"versions": "none", "device": "virtual"}, 1, "cpu", 1e9, "virtual:1", "default")


def tiny_recipe() -> fn.Task:
    """Build a task with a single number; nothing trains it here."""
    return fn.Task(
        init=lambda key, hparams, data: jnp.float32(hparams["start"]),
        step=lambda key, hparams, w, batch: (w * hparams["factor"], {"loss": w}),
        measure=lambda hparams, w, data: {"train_loss": w, "test_loss": w, "train_accuracy": w},
    )


def answer(function: Callable[..., Any], *arguments: Any) -> Any:
    """Make up what a worker would return."""
    if function is worker.describe:
        return WORKER
    named = inspect.signature(function).bind(*arguments).arguments
    if function is worker.measure:
        return Cost(named["lanes"], 1000, 0.0, 0.0, 1e-3, 0.0)
    spec: ChunkSpec = named["spec"]
    num_runs, start = len(spec.run_ids), np.array(spec.traced["start"], np.float32)
    names = ("batch_loss", "train_loss", "test_loss", "train_accuracy")
    points = [
        {"step": np.full(num_runs, step, np.int32), **dict.fromkeys(names, start / np.float32(step))}
        for step in range(STEPS // NUM_POINTS, STEPS + 1, STEPS // NUM_POINTS)
    ]
    return Trained([start, np.full(num_runs, -1, np.int32), start], STEPS, points, 1.0, WORKER.name)


class Workers:
    """Workers in virtual time: the clock advances by what this process spends, and jumps to answers."""

    def __init__(self, num_workers: int, chunk_seconds: float) -> None:
        """Start them.

        Args:
            num_workers: how many.
            chunk_seconds: what each chunk takes on average.
        """
        self.now = self.sending = self.idle = 0.0
        self.order_bytes = self.answer_bytes = self.num_chunks = 0
        self.answered: list[float] = []  # when each chunk was, on the clock
        self._chunk_seconds = chunk_seconds
        self._free, self._random = [0.0] * num_workers, random.Random(0)
        self._training: list[tuple[float, int, Future[Any], bytes]] = []
        self._there: collections.deque[Future[Any]] = collections.deque()
        self.engine = Engine(self.submit, _share_nothing, num_workers, 1, lambda error: False, "virtual")
        self.since = time.process_time()  # this clock goes on

    @contextlib.contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Leave out what only this simulation does."""
        self.now += time.process_time() - self.since
        yield
        self.since = time.process_time()

    def submit(self, *order: Any) -> Future[Any]:
        """Answer a question at once; begin to train a chunk on the worker that is free first."""
        future: Future[Any] = Future()
        if order[0] is not worker.train:
            future.set_result(answer(*order))
            return future
        started = time.process_time()
        sent = pickle.dumps(order)
        self.sending += time.process_time() - started
        with self._off_the_clock():
            # Of different lengths, or all would answer at once.
            seconds = self._chunk_seconds * self._random.uniform(0.5, 1.5)
            received = pickle.dumps(answer(*order)._replace(seconds=seconds))
            ends = max(heapq.heappop(self._free), self.now) + seconds
            heapq.heappush(self._free, ends)
            self.num_chunks += 1
            heapq.heappush(self._training, (ends, self.num_chunks, future, received))
            self.order_bytes, self.answer_bytes = len(sent), len(received)
        return future

    def clock(self) -> float:
        """Return the time on the clock."""
        return self.now + time.process_time() - self.since

    def put(self, future: Future[Any]) -> None:
        """Take note of an answer, as the queue of the coordinator does."""
        self._there.append(future)

    def get(self, timeout: float) -> Future[Any]:
        """Return the next answer, as the queue of the coordinator does; jump to it if there is none yet."""
        while not self._there:
            with self._off_the_clock():
                earlier = max(0.0, self._training[0][0] - self.now)
                self.now += earlier
                self.idle += earlier
            while self._training and self._training[0][0] <= self.now:
                _, _, future, received = heapq.heappop(self._training)
                started = time.process_time()
                value = pickle.loads(received)
                self.sending += time.process_time() - started
                future.set_result(value)
                self.answered.append(self.now)
        return self._there.popleft()


def _share_nothing(arrays: Arrays) -> Callable[[], Arrays]:
    return dict
