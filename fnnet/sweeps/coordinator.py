"""The coordinator of a sweep: it alone decides what trains next, and it alone writes to the store.

It trains stages: some runs up to some step. A plain sweep is one stage; a search is several, and runs that reach the
next one resume from their states, gathered into fewer lanes.
"""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
import polars as pl

from fnnet.lanes.chunk import ChunkSpec, place_hparams, train_segment
from fnnet.lanes.program import shapes_of_one
from fnnet.leaves import name_leaves
from fnnet.memory import is_out_of_memory
from fnnet.records.sealed import Sealed
from fnnet.sweeps.compatibility import check
from fnnet.sweeps.events import Began, Committed, Evaluated, Event, Interrupted, OutOfMemory, Segment
from fnnet.sweeps.fingerprint import merge, name_of, name_of_state
from fnnet.sweeps.interrupt import Interrupt, deferred_interrupt
from fnnet.sweeps.job import Job, cut_chunks, with_fitting_lanes, with_half_the_lanes
from fnnet.sweeps.prepare import Prepared
from fnnet.sweeps.resume import Done, drop_stale, find_missing, read_done, stored_plan
from fnnet.sweeps.stage import Stage
from fnnet.sweeps.states import (
    ChunkState,
    Saved,
    find_states,
    gather,
    load_state,
    make_rows,
    on_host,
    save_state,
)


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
        with deferred_interrupt() as interrupt:
            yield Coordinator(prepared, Done({}, {}, {}), interrupt, emit)
        return
    with store.writing(), deferred_interrupt() as interrupt:
        stored = stored_plan(store, mend=True)
        check(store, prepared.described, stored, accept=accept)
        prepared = prepared._replace(described=merge(prepared.described, stored))
        done = read_done(
            store, prepared.plan, prepared.described, stored, prepared.save_params, accept=accept, mend=True
        )
        coordinator = Coordinator(prepared, done, interrupt, emit)
        coordinator.write_plan()
        yield coordinator
        drop_stale(store, done)
        store.drop_states(set(prepared.plan.space.ids().tolist()), kept=coordinator.last_states())


class Coordinator:
    """Trains the stages of a sweep, one after the other."""

    def __init__(
        self, prepared: Prepared, done: Done, interrupt: Interrupt, emit: Callable[[Event], None]
    ) -> None:
        """Begin with what a store holds.

        Args:
            prepared: the sweep.
            done: its finished chunks.
            interrupt: the signal that stops it.
            emit: called with each event.
        """
        self.prepared, self.done = prepared, done
        self._interrupt, self._emit = interrupt, emit
        self._jobs = list(prepared.jobs)  # with as many lanes as fit in memory
        self._fitted = list(prepared.jobs)  # with as many as the runs of the current stage fill
        self._lanes_used = [{job.lanes} for job in prepared.jobs]  # so far, by group
        self._saved = {} if prepared.store is None else find_states(prepared.store)
        self._held: dict[str, ChunkState] = {}  # states of the stage before, by chunk, that no store keeps
        self._ids = prepared.plan.space.ids()

    def find_missing(self, stage: Stage) -> np.ndarray:
        """Return the places of the runs of a stage that are not finished."""
        return stage.runs[find_missing(self._ids[stage.runs], self._finished(stage).values())]

    def _finished(self, stage: Stage) -> dict[str, pl.DataFrame]:
        """Return the finished chunks of a stage."""
        chunks = self.done.chunks.items()
        return {chunk_id: rows for chunk_id, rows in chunks if stage.has_chunk(chunk_id, rows["id"])}

    def train(self, stage: Stage) -> list[pl.DataFrame]:
        """Train the runs of a stage that are not finished.

        Returns:
            The rows of all runs in a stage of a search; in a plain sweep those of the runs that were trained now.

        Raises:
            InputError: when not even one run fits in memory.
            KeyboardInterrupt: after a signal, once the chunk that is training is saved.
        """
        tables = [] if stage.rung is None else self._read_finished(stage)
        for rows in tables:
            self._emit(Committed(rows, stage.stops[-1] - stage.first_step))
        missing = self.find_missing(stage)
        held: dict[str, ChunkState] = {}
        if stage.rung in (None, 0):
            self._fitted = list(self._jobs)
        for number, job in enumerate(self._jobs):
            num_runs = len(np.intersect1d(job.runs, stage.runs))
            if stage.rung is None and num_runs:
                self._emit(Began(" ".join(f"{name}={value}" for name, value in job.static.items())))
            elif num_runs:
                num_steps = stage.stops[-1] - stage.first_step
                plan, data = self.prepared.plan, self.prepared.data
                self._fitted[number] = with_fitting_lanes(
                    self._fitted[number], plan, data, num_runs, num_steps
                )
            runs = np.intersect1d(job.runs, missing)
            while len(runs):
                try:
                    for rows, places in self._train_group(number, stage, runs, held):
                        tables.append(rows)
                        runs = np.setdiff1d(runs, places)
                        self._check_interrupt()
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    self._halve_lanes(number)
        self._held = held
        return tables

    def last_states(self) -> set[str]:
        """List the saved states of finished runs from which the sweep can go on, if they are to be kept."""
        if not self.prepared.options.keep_states:
            return set()
        return {saved.id for saved in self._saved.values() if saved.step == self.prepared.num_steps}

    def _read_finished(self, stage: Stage) -> list[pl.DataFrame]:
        """Read the rows of the runs of a stage that the store holds."""
        store, wanted = self.prepared.store, self._ids[stage.runs].tolist()
        if store is None:
            return []
        tables = store.read_rows(self._finished(stage))
        return [rows.filter(pl.col("id").is_in(wanted)) for rows in tables]

    def write_plan(self) -> None:
        """Write the plan of the sweep, with the lanes of each group, to its store."""
        described, store = self.prepared.described, self.prepared.store
        assert store is not None
        now, others = described["groups"][: len(self._jobs)], described["groups"][len(self._jobs) :]
        groups = [group | {"lanes": job.lanes} for group, job in zip(now, self._jobs, strict=True)]
        store.write_plan({**described, "groups": groups + others})

    def _halve_lanes(self, number: int) -> None:
        """Go on with half the lanes of a group that ran out of memory."""
        job = with_half_the_lanes(self._fitted[number], self.prepared.plan, self.prepared.data)
        self._fitted[number] = job
        if job.lanes < self._jobs[number].lanes:
            self._jobs[number] = job
            if self.prepared.store is not None:
                self.write_plan()
        self._emit(OutOfMemory(job.static, job.lanes))

    def _check_interrupt(self) -> None:
        """Stop if a signal was received."""
        if self._interrupt.signum is not None:
            self._emit(Interrupted(self._interrupt.signum))
        self._interrupt.check()

    def _train_group(
        self, number: int, stage: Stage, runs: np.ndarray, held: dict[str, ChunkState]
    ) -> Iterator[tuple[pl.DataFrame, np.ndarray]]:
        """Train some runs of a group in chunks, those that were trained furthest first; yields rows and places.

        States of runs that may train on in another stage are added to `held`, unless the store keeps them.
        """
        plan, options, job = self.prepared.plan, self.prepared.options, self._fitted[number]
        self._lanes_used[number].add(job.lanes)
        sources = self._find_sources(number, job, stage)
        step_of_run = {run_id: source.step for source in reversed(sources) for run_id in source.run_ids}
        steps = np.array([step_of_run.get(run_id, 0) for run_id in self._ids[runs].tolist()])
        for step in np.unique(steps)[::-1]:
            alike = [source for source in sources if source.step == step]
            for spec, places in cut_chunks(
                plan, job, runs[steps == step], options.eval_every, stage.stops, *stage.names
            ):
                state = self._train_chunk(job, spec, self._resume(job, spec, alike))
                has_next = stage.rung is not None and stage.stops[-1] < self.prepared.num_steps
                if (has_next or options.keep_states) and not self._save(job, spec, state) and has_next:
                    held[spec.id] = state
                rows = self._commit(job, stage, spec, places, state)
                first_step = max(stage.first_step, self.prepared.first_steps[places].min().item())
                self._emit(Committed(rows, stage.stops[-1] - first_step))
                yield rows, places

    def _find_sources(self, number: int, job: Job, stage: Stage) -> list[Saved]:
        """List the states from which runs of a group can resume, the longest trained first."""
        own, first_step = self._state_fingerprint(job), stage.first_step
        # At the start of a stage, runs are gathered from whatever lanes the stages before had.
        others = (job._replace(lanes=lanes) for lanes in self._lanes_used[number])
        earlier = {own, *map(self._state_fingerprint, others)}
        found = [Saved(chunk_id, own, state.run_ids, state.step) for chunk_id, state in self._held.items()]
        found += [
            saved
            for saved in self._saved.values()
            if saved.fingerprint == own or (saved.step == first_step and saved.fingerprint in earlier)
        ]
        in_stage = [saved for saved in found if max(first_step, 1) <= saved.step <= stage.stops[-1]]
        return sorted(in_stage, key=lambda saved: -saved.step)

    def _resume(self, job: Job, spec: ChunkSpec, sources: Sequence[Saved]) -> ChunkState:
        """Gather the state of a chunk; its first one where it has none, or a part is lost."""
        fresh = ChunkState(spec.run_ids, 0, 0.0, None, [])
        sources = [source for source in sources if not set(source.run_ids).isdisjoint(spec.run_ids)]
        if not sources:
            return fresh
        hparams = place_hparams(spec.traced, spec.lanes, job.program.mesh)
        one_lane = shapes_of_one(jax.eval_shape(job.program.begin, hparams, self.prepared.data))
        states = []
        for source in sources:
            state = self._held.get(source.id)
            if state is None and self.prepared.store is not None:
                state = load_state(self.prepared.store, source.id, one_lane)
            if state is None or state.step != source.step:
                return fresh
            states.append(state)
        state = gather(states, spec.run_ids)
        # Where a sweep went on to more steps, the end of its runs until then need not be a step to evaluate at.
        is_at_stop = bool(state.points) and state.points[-1]["step"][0] == state.step
        is_superfluous = is_at_stop and not spec.is_measured(state.step)
        return state._replace(points=state.points[:-1]) if is_superfluous else state

    def _train_chunk(self, job: Job, spec: ChunkSpec, state: ChunkState) -> ChunkState:
        """Train a chunk to its last stop, segment by segment; returns its state on the host."""
        first_step, end, saved = state.step, spec.stops[-1], time.perf_counter()
        while state.step < end:
            stop = min(spec.next_measured(state.step), state.step + job.segment)
            started = time.perf_counter()
            progress, points = train_segment(
                job.program, spec, self.prepared.data, state.progress, state.step, stop
            )
            seconds = state.seconds + time.perf_counter() - started
            state = ChunkState(spec.run_ids, stop, seconds, progress, [*state.points, *points])
            self._emit(Segment(spec, first_step, stop))
            for point in points:
                self._emit(Evaluated(spec, stop, point))
            if stop < end:
                is_time = time.perf_counter() - saved >= self.prepared.options.state_every
                if is_time or self._interrupt.is_set:
                    self._save(job, spec, on_host(state))
                    saved = time.perf_counter()
                self._check_interrupt()
        return on_host(state)

    def _save(self, job: Job, spec: ChunkSpec, state: ChunkState) -> bool:
        """Save the state of a chunk, if there is a store; returns whether it is saved.

        A state only saves time, so training continues where it cannot be written.
        """
        if self.prepared.store is None:
            return False
        fingerprint = self._state_fingerprint(job)
        try:
            save_state(self.prepared.store, spec.id, state, fingerprint)
        except OSError as error:
            warnings.warn(
                f"cannot save a chunk that is training in {error.filename}: {error.strerror}; the sweep goes on",
                stacklevel=2,
            )
            return False
        self._saved[spec.id] = Saved(spec.id, fingerprint, spec.run_ids, state.step)
        return True

    def _commit(
        self, job: Job, stage: Stage, spec: ChunkSpec, places: np.ndarray, state: ChunkState
    ) -> pl.DataFrame:
        """Build the rows of a finished chunk and commit them, if there is a store."""
        rows = make_rows(self.prepared.plan.space.take(places), self.prepared.plan.metrics, state)
        for name, value in (("rung", stage.rung), ("bracket", stage.bracket)):
            if value is not None:
                rows = rows.with_columns(pl.lit(value).alias(name))
        store = self.prepared.store
        if store is None:
            return rows
        fingerprint = name_of(self.prepared.described, job.program_hash, job.lanes, job.program.mesh.size)
        if self.prepared.save_params:
            assert state.progress is not None
            about = {"fingerprint": fingerprint, "runs": spec.run_ids}
            params = jax.device_get(jax.vmap(job.task.params)(state.progress.state))
            store.save_params(spec.id, Sealed(about, name_leaves(params)))
        rows = rows.with_columns(
            chunk=pl.lit(spec.id), lane=pl.int_range(pl.len()), fingerprint=pl.lit(fingerprint)
        )
        store.commit_chunk(spec.id, rows, replace=spec.id in self.done.without_params)
        self.done.without_params.pop(spec.id, None)
        self.done.chunks[spec.id] = rows.select("id", "chunk", "fingerprint")
        if stage.rung is None and not self.prepared.options.keep_states:
            store.drop_state(spec.id)
            self._saved.pop(spec.id, None)
        return rows

    def _state_fingerprint(self, job: Job) -> str:
        return name_of_state(self.prepared.described, job.program_hash, job.lanes)
