"""Flights: the orders sent to workers, and second copies of those that take too long.

A worker may be slow, or hang. Once no order waits and workers are idle, an order that has taken three times as long as
others of its kind is sent once more, and the first answer counts. The second answer, if it comes while the sweep still
trains, is only compared with the first: the same order gives the same bits.
"""

import collections
import statistics
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from fnnet.data.content import content_hash
from fnnet.engines.engine import result_of
from fnnet.lanes.chunk import ChunkSpec
from fnnet.sweeps.crew import MAX_ATTEMPTS, Crew
from fnnet.sweeps.job import Job
from fnnet.sweeps.states import ChunkState, Saved
from fnnet.sweeps.worker import Trained

SIGNAL_SECONDS = 0.5  # between looks for a signal, and for late orders, while workers train
LATE = 3  # times as long as others of its kind
COMPILE_SECONDS = 2.0  # that another worker may need first
NUM_PACES = 101  # of the last answers of a kind, whose median is taken


class Order(NamedTuple):
    """A chunk to be trained.

    number: the number of the group.
    job: the group, with the lanes of the chunk.
    spec: the chunk.
    places: the places of its runs in the space.
    sources: states that it can resume from.
    state: how far it is; None before it is first sent to a worker.
    first_step: steps made before it began or was resumed.
    saved: when its state was last saved.
    attempts: how often a worker was lost that trained it from this state.
    """

    number: int
    job: Job
    spec: ChunkSpec
    places: np.ndarray
    sources: Sequence[Saved]
    state: ChunkState | None = None
    first_step: int = 0
    saved: float = 0.0
    attempts: int = 0

    @property
    def kind(self) -> tuple[int, int]:
        """The group and its lanes: orders of the same kind take equally long per step."""
        return self.number, self.job.lanes


@dataclass
class _Flight:
    """An order that was sent and has no answer yet.

    order: what was sent.
    sent: when.
    num_out: workers that have it.
    is_decided: whether an answer to it counted.
    first: the worker of that answer and the hashes of what it trained, if another worker had the order too.
    """

    order: Order
    sent: float
    num_out: int = 0
    is_decided: bool = False
    first: tuple[str, dict[tuple[int, str], str]] | None = None


class Flights:
    """The orders of a sweep that were sent to workers."""

    def __init__(self, crew: Crew, state_every: float, note: Callable[..., None]) -> None:
        """Start without orders.

        Args:
            crew: the workers.
            state_every: seconds after which they return the state of a chunk.
            note: adds an attempt to the log, as `Kept.note` does.
        """
        engine = crew.engine
        self.num_open: int = 0  # orders without an answer
        self._crew, self._note, self._num_workers = crew, note, engine.num_workers
        self._most = 2 * engine.num_workers  # so that none waits for its next order
        self._seconds = state_every
        if engine.is_in_process:
            self._most, self._seconds = 1, 0.0  # a segment at a time, for progress and signals
        self._flying: dict[Future[Any], _Flight] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._paces: dict[tuple[int, int], collections.deque[float]] = {}  # seconds per step, by kind
        self._queued = monotonic()  # when an order last waited for a worker
        self._looked = monotonic()  # for late orders

    @property
    def has_room(self) -> bool:
        """Whether the workers can take another order."""
        return len(self._flying) < self._most

    def send(self, order: Order) -> None:
        """Have a worker train a chunk for a while."""
        self.num_open += 1
        self._submit(_Flight(order, monotonic()))

    def send_late_again(self) -> None:
        """Send late orders to idle workers too, if there are any; only where no other order waits."""
        now, num_idle = monotonic(), self._num_workers - len(self._flying)
        if num_idle > 0 and now - self._looked >= SIGNAL_SECONDS:
            self._looked = now
            late = [flight for flight in self._flying.values() if self._is_late(flight, now)]
            for flight in late[:num_idle]:
                self._submit(flight)

    def receive(self) -> tuple[Order, Trained | Exception] | None:
        """Wait briefly for an answer that counts; return it with its order.

        An error counts as well, unless a worker was lost and another one has the order too.
        """
        try:
            future = self._ended.get(timeout=SIGNAL_SECONDS)
        except Empty:
            return None
        if len(self._flying) > self._num_workers:
            self._queued = monotonic()
        flight = self._flying.pop(future)
        flight.num_out -= 1
        answer = _answer_of(future)
        if flight.is_decided:
            self._compare(flight, answer)
        elif flight.num_out and isinstance(answer, Exception) and self._crew.engine.is_lost(answer):
            self._note(flight.order.spec, "lost", reason=f"{type(answer).__name__}: {answer}")
            flight.order = flight.order._replace(attempts=flight.order.attempts + 1)
        else:
            self._decide(flight, answer)
            return flight.order, answer
        return None

    def close(self) -> None:
        """Cancel the orders that no worker has started; wait for none."""
        for future in self._flying:
            future.cancel()

    def _submit(self, flight: _Flight) -> None:
        """Have one more worker train an order."""
        order = flight.order
        assert order.state is not None
        future = self._crew.train(
            order.job.group,
            order.spec,
            order.state.leaves,
            order.state.step,
            order.job.segment,
            self._seconds,
        )
        flight.num_out += 1
        self._flying[future] = flight
        future.add_done_callback(self._ended.put)

    def _decide(self, flight: _Flight, answer: Trained | Exception) -> None:
        """Let an answer count, and remember what the next ones are compared with."""
        flight.is_decided = True
        self.num_open -= 1
        if isinstance(answer, Exception):
            return
        order = flight.order
        assert order.state is not None
        paces = self._paces.setdefault(order.kind, collections.deque(maxlen=NUM_PACES))
        paces.append(answer.seconds / (answer.step - order.state.step))
        if flight.num_out:
            flight.first = answer.worker, _hashes(answer)

    def _is_late(self, flight: _Flight, now: float) -> bool:
        """Return whether a second worker should train an order, now that no order waits for a worker."""
        order = flight.order
        paces = self._paces.get(order.kind)
        # A copy may be lost too, and a chunk has only so many attempts.
        if paces is None or flight.is_decided or flight.num_out > 1 or order.attempts > MAX_ATTEMPTS - 2:
            return False
        assert order.state is not None
        pace = statistics.median(paces)
        whole = pace * (order.spec.stops[-1] - order.state.step)
        usual = min(whole, self._seconds + pace * order.job.segment)
        return now - max(flight.sent, self._queued) > LATE * usual + COMPILE_SECONDS

    def _compare(self, flight: _Flight, second: Trained | Exception) -> None:
        """Compare a second answer with the one that counted, and raise the alarm if they differ."""
        if isinstance(second, Exception) or flight.first is None:
            return
        spec, (name, first), found = flight.order.spec, flight.first, _hashes(second)
        # One of the two may have trained for more steps in its time.
        differing = [key for key in first.keys() & found.keys() if first[key] != found[key]]
        if not differing:
            self._note(spec, "late", second.worker, second.seconds, f"{name} was faster")
            return
        for worker, other in ((name, second.worker), (second.worker, name)):
            self._note(spec, "differed", worker, reason=f"{other} trained it to other bits")
        step, what = min(differing)
        warnings.warn(
            f"the workers {name} and {second.worker} trained the same chunk {spec.id} to different bits ({what} "
            f"after step {step:,}): one of them is faulty, or the task is not deterministic; the first answer, of {name}, "
            "is kept",
            stacklevel=2,
        )


def _answer_of(future: Future[Any]) -> Trained | Exception:
    """Return what became of an order."""
    try:
        trained: Trained = result_of(future)
    except Exception as error:
        return error
    return trained


def _hashes(trained: Trained) -> dict[tuple[int, str], str]:
    """Hash each evaluation and the last state of a chunk, by step."""
    points = {(int(point["step"][0]), "evaluation"): content_hash(point) for point in trained.points}
    return points | {(trained.step, "state"): content_hash(trained.leaves)}
