"""The coordinator of a sweep: it alone decides what trains next, and it alone writes to the store.

It trains stages: some runs up to some step. A plain sweep is one stage; a search is several, and runs that reach the
next one resume from their states, gathered into fewer lanes. An engine receives orders: an order is to train
a chunk from a state for some time.
"""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator

import numpy as np

from fnnet.errors import InputError
from fnnet.memory import is_out_of_memory
from fnnet.records.attempts import SENT
from fnnet.records.rows import Rows
from fnnet.sweeps.compatibility import check
from fnnet.sweeps.crew import MAX_ATTEMPTS
from fnnet.sweeps.events import Began, Committed, Evaluated, Event, Failed, Interrupted, OutOfMemory, Segment
from fnnet.sweeps.fingerprint import merge
from fnnet.sweeps.flights import Flights, Order
from fnnet.sweeps.interrupt import Interrupt, deferred_interrupt
from fnnet.sweeps.job import cut_chunks, with_fitting_lanes, with_half_the_lanes
from fnnet.sweeps.kept import Kept
from fnnet.sweeps.prepare import Prepared
from fnnet.sweeps.resume import Done, drop_stale, read_done, stored_plan
from fnnet.sweeps.stage import Stage
from fnnet.sweeps.states import ChunkState, on_host
from fnnet.sweeps.worker import Trained


@contextlib.contextmanager
def coordinate(prepared: Prepared, emit: Callable[[Event], None]) -> Iterator["Coordinator"]:
    """Take over a prepared sweep: acquire the write lock of its store, if it has one, and defer signals.

    Args:
        prepared: the sweep.
        emit: called with each event.

    Yields:
        Its coordinator.

    Raises:
        InputError: when another process is writing to the store, or it has come to hold another sweep.
    """
    store, accept = prepared.store, prepared.options.accept_fingerprint
    if store is None:
        with (
            deferred_interrupt() as interrupt,
            contextlib.closing(Coordinator(prepared, Done({}, {}, {}, {}), interrupt, emit)) as coordinator,
        ):
            yield coordinator
        return
    with store.writing(), deferred_interrupt() as interrupt:
        stored = stored_plan(store, mend=True)
        check(store, prepared.described, stored, accept=accept)
        prepared = prepared._replace(described=merge(prepared.described, stored))
        done = read_done(
            store, prepared.plan, prepared.described, stored, prepared.save_params, accept=accept, mend=True
        )
        with contextlib.closing(Coordinator(prepared, done, interrupt, emit)) as coordinator:
            coordinator.kept.write_plan(prepared.jobs)
            yield coordinator
        drop_stale(store, done)
        store.drop_states(set(prepared.plan.space.ids().tolist()), kept=coordinator.kept.last_states())


class Coordinator:
    """Trains the stages of a sweep, one after another."""

    def __init__(
        self, prepared: Prepared, done: Done, interrupt: Interrupt, emit: Callable[[Event], None]
    ) -> None:
        """Start from what a store holds.

        Args:
            prepared: the sweep.
            done: its finished chunks.
            interrupt: the signal that stops it.
            emit: called with each event.
        """
        self.prepared: Prepared = prepared
        self.kept: Kept = Kept(prepared, done)
        self._flights = Flights(prepared.crew, prepared.options.state_every, self.kept.note)
        self._interrupt, self._emit = interrupt, emit
        self._jobs = list(prepared.jobs)  # with as many lanes as fit in memory
        self._fitted = list(prepared.jobs)  # with as many as the runs of the current stage fill
        self._again: collections.deque[Order] = collections.deque()  # before any other order

    def train(self, stage: Stage) -> list[Rows]:
        """Train the runs of a stage that are not finished.

        Returns:
            The rows of all runs in a stage of a search. In a plain sweep, those of the runs that were trained now if no
            store keeps them; otherwise none.

        Raises:
            InputError: when not even one run fits in memory.
            KeyboardInterrupt: after a signal, once what is training here is saved.
        """
        tables = [] if stage.rung is None else self.kept.read_finished(stage)
        for rows in tables:
            self._emit(Committed(rows, stage.stops[-1] - stage.first_step))
        is_returned = stage.rung is not None or self.prepared.store is None
        orders, flights = self._orders(stage), self._flights
        while True:
            while flights.has_room and (order := self._next(stage, orders)) is not None:
                flights.send(order)
            if not flights.num_open:
                break
            if flights.has_room:
                flights.send_late_again()
            committed = self._receive(stage)
            tables += committed if is_returned else []
            self._check_interrupt()
        self.kept.end_stage()
        return tables

    def close(self) -> None:
        """Cancel all orders sent to workers."""
        self._flights.close()

    def _orders(self, stage: Stage) -> Iterator[Order]:
        """Cut the runs of a stage that are not finished into chunks, group by group."""
        missing = self.kept.find_missing(stage)
        if stage.rung in (None, 0):
            self._fitted = list(self._jobs)
        for number, job in enumerate(self._jobs):
            num_runs = len(np.intersect1d(job.runs, stage.runs))
            if stage.rung is None and num_runs:
                self._emit(Began(" ".join(f"{name}={value}" for name, value in job.static.items())))
            elif num_runs:
                self._fitted[number] = with_fitting_lanes(
                    self._fitted[number],
                    self.prepared.plan,
                    self.prepared.data,
                    self.prepared.crew.worker.num_devices,
                    num_runs,
                    stage.stops[-1] - stage.first_step,
                )
            yield from self._cut(number, stage, np.intersect1d(job.runs, missing))

    def _cut(self, number: int, stage: Stage, runs: np.ndarray) -> Iterator[Order]:
        """Cut runs of a group into chunks, those that were trained furthest first."""
        job, num_devices = self._fitted[number], self.prepared.crew.worker.num_devices
        sources = self.kept.find_sources(job, stage)
        steps = self.kept.steps_of(runs, sources)
        for step in np.unique(steps)[::-1]:
            alike = [source for source in sources if source.step == step]
            for spec, places in cut_chunks(
                self.prepared.plan,
                self.kept.ids,
                job,
                num_devices,
                runs[steps == step],
                self.prepared.options.eval_every,
                stage.stops,
                *stage.names,
            ):
                yield Order(number, job, spec, places, alike)

    def _next(self, stage: Stage, orders: Iterator[Order]) -> Order | None:
        """Return the next order, with its state; None if there is none now."""
        while (order := self._again.popleft() if self._again else next(orders, None)) is not None:
            if order.state is not None:
                return order
            if order.job.lanes == self._fitted[order.number].lanes:
                state = self.kept.resume(order.job, order.spec, order.sources)
                self.kept.note(order.spec, SENT)
                return order._replace(state=state, first_step=state.step, saved=time.perf_counter())
            # Memory has run out since it was cut.
            self._again.extendleft(reversed([*self._cut(order.number, stage, order.places)]))
        return None

    def _receive(self, stage: Stage) -> list[Rows]:
        """Wait briefly for an answer; commit a finished chunk and return its rows, or queue it to continue."""
        received = self._flights.receive()
        if received is None:
            return []
        order, answer = received
        if isinstance(answer, Exception):
            self._recover(stage, order, answer)
            return []
        order = order._replace(state=self._advance(order, answer), attempts=0)
        assert order.state is not None
        if order.state.step == order.spec.stops[-1]:
            self.kept.note(order.spec, "trained", answer.worker, order.state.seconds)
            rows = self.kept.commit(order.job, stage, order.spec, order.places, on_host(order.state))
            first_step = max(stage.first_step, self.prepared.first_steps[order.places].min().item())
            self._emit(Committed(rows, stage.stops[-1] - first_step, order.spec.id))
            return [rows]
        is_time = time.perf_counter() - order.saved >= self.prepared.options.state_every
        if is_time or self._interrupt.is_set:
            self.kept.save(order.job, order.spec, on_host(order.state))
            order = order._replace(saved=time.perf_counter())
        self._again.appendleft(order)
        return []

    def _recover(self, stage: Stage, order: Order, error: Exception) -> None:
        """Recover from an error, or raise it."""
        reason = f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            self.kept.note(order.spec, "out of memory", reason=reason)
            self._halve_lanes(order)
            self._again.extend(self._cut(order.number, stage, order.places))
        elif self.prepared.crew.engine.is_lost(error):
            self._try_again(stage, order, reason)
        elif self.prepared.options.on_error == "continue" and not isinstance(error, InputError):
            self._give_up(order, reason)
        else:
            self.kept.note(order.spec, "failed", reason=reason)
            raise error

    def _advance(self, order: Order, trained: Trained) -> ChunkState:
        """Return the state of a chunk after what a worker trained."""
        before, spec = order.state, order.spec
        assert before is not None
        self._emit(Segment(spec, order.first_step, trained.step))
        for point in trained.points:
            self._emit(Evaluated(spec, int(point["step"][0]), point))
        return ChunkState(
            spec.run_ids,
            trained.step,
            before.seconds + trained.seconds,
            trained.leaves,
            [*before.points, *trained.points],
        )

    def _halve_lanes(self, order: Order) -> None:
        """Halve the lanes of a group that ran out of memory, unless they are already halved."""
        job = self._fitted[order.number]
        if job.lanes < order.job.lanes:
            return
        job = with_half_the_lanes(job, self.prepared.plan, self.prepared.crew)
        self._fitted[order.number] = job
        if job.lanes < self._jobs[order.number].lanes:
            self._jobs[order.number] = job
            self.kept.write_plan(self._jobs)
        self._emit(OutOfMemory(job.static, job.lanes))

    def _try_again(self, stage: Stage, order: Order, reason: str) -> None:
        """Retry after a worker was lost: the same chunk, then its halves, until the run that kills workers is alone."""
        attempts = order.attempts + 1
        if attempts < MAX_ATTEMPTS or len(order.places) > 1:
            self.kept.note(order.spec, "lost", reason=reason)
        if attempts < MAX_ATTEMPTS:
            self._again.appendleft(order._replace(attempts=attempts))
            self.kept.note(order.spec, SENT)
        elif len(order.places) > 1:
            for half in np.array_split(order.places, 2):
                # A half has one attempt, after which the run is in it; a run that is alone has all of them.
                attempts = MAX_ATTEMPTS - 1 if len(half) > 1 else 0
                self._again += [
                    part._replace(attempts=attempts) for part in self._cut(order.number, stage, half)
                ]
        else:
            self._give_up(order, reason)

    def _give_up(self, order: Order, reason: str) -> None:
        """Give up the runs of a chunk."""
        self.kept.note(order.spec, "failed", reason=reason)
        self._emit(Failed(order.spec, reason))

    def _check_interrupt(self) -> None:
        """Stop if a signal was received."""
        if self._interrupt.signum is not None:
            self._emit(Interrupted(self._interrupt.signum))
        self._interrupt.check()
