"""What is kept of a sweep while it trains: finished chunks, and states to resume from, in its store if it has one."""

import contextlib
import warnings
from collections.abc import Iterable, Sequence

import jax
import numpy as np

from fnnet.lanes.chunk import ChunkSpec
from fnnet.leaves import name_leaves
from fnnet.records.attempts import BEGAN, Attempt, append_attempts
from fnnet.records.rows import Rows, from_table, to_table
from fnnet.records.sealed import Sealed
from fnnet.records.store import Chunk
from fnnet.sweeps.fingerprint import name_of, name_of_state
from fnnet.sweeps.job import Job
from fnnet.sweeps.prepare import Prepared
from fnnet.sweeps.resume import Done, find_missing
from fnnet.sweeps.stage import Stage
from fnnet.sweeps.states import ChunkState, Saved, find_states, gather, load_state, make_rows, save_state


class Kept:
    """The finished chunks and the states of a sweep."""

    def __init__(self, prepared: Prepared, done: Done) -> None:
        """Start from what a store holds.

        Args:
            prepared: the sweep.
            done: its finished chunks.
        """
        self.done = done
        self._prepared, self._store = prepared, prepared.store
        self.ids: np.ndarray = prepared.plan.space.ids()
        self._saved = {} if prepared.store is None else find_states(prepared.store)
        self._held: dict[str, ChunkState] = {}  # states that no store keeps, of the stage before
        self._to_hold: dict[str, ChunkState] = {}  # and of this one
        self._lanes_used: dict[str, set[int]] = {}  # so far, by program
        self._log_head: tuple[Attempt, ...] = (BEGAN,)  # before the first line of the log

    def find_missing(self, stage: Stage) -> np.ndarray:
        """Return the places of the runs of a stage that are not finished."""
        return stage.runs[find_missing(self.ids[stage.runs], self._finished(stage).values())]

    def read_finished(self, stage: Stage) -> list[Rows]:
        """Read the rows of the runs of a stage that the store holds."""
        if self._store is None:
            return []
        wanted = self.ids[stage.runs].tolist()
        tables = self._store.read_rows(self._finished(stage))
        found = (table.filter(table["id"].is_in(wanted)) for table in tables)
        return [
            from_table(table) for table in found if table.height
        ]  # other brackets have chunks of this name too

    def write_plan(self, jobs: Sequence[Job]) -> None:
        """Write the plan of the sweep, with the lanes of each group, to the store."""
        if self._store is None:
            return
        described = self._prepared.described
        now, others = described["groups"][: len(jobs)], described["groups"][len(jobs) :]
        groups = [group | {"lanes": job.lanes} for group, job in zip(now, jobs, strict=True)]
        self._store.write_plan({**described, "groups": groups + others})

    def find_sources(self, job: Job, stage: Stage) -> list[Saved]:
        """List the states from which runs of a group can resume, the longest trained first."""
        own, first_step = self._state_fingerprint(job), stage.first_step
        # At the start of a stage, runs are gathered from whatever lanes the stages before had.
        used = self._lanes_used.setdefault(job.group.program, set())
        used.add(job.lanes)
        earlier = {self._state_fingerprint(job._replace(lanes=lanes)) for lanes in used}
        found = [Saved(chunk_id, own, state.run_ids, state.step) for chunk_id, state in self._held.items()]
        found += [
            saved
            for saved in self._saved.values()
            if saved.fingerprint == own or (saved.step == first_step and saved.fingerprint in earlier)
        ]
        in_stage = [saved for saved in found if max(first_step, 1) <= saved.step <= stage.stops[-1]]
        return sorted(in_stage, key=lambda saved: -saved.step)

    def steps_of(self, runs: np.ndarray, sources: Sequence[Saved]) -> np.ndarray:
        """Return how far each of some runs was trained, `[runs]`, for sources with the longest trained first."""
        step_of_run = {run_id: source.step for source in reversed(sources) for run_id in source.run_ids}
        return np.array([step_of_run.get(run_id, 0) for run_id in self.ids[runs].tolist()])

    def resume(self, job: Job, spec: ChunkSpec, sources: Iterable[Saved]) -> ChunkState:
        """Gather the state of a chunk; the initial state if none is saved or a part of it is lost."""
        fresh = ChunkState(spec.run_ids, 0, 0.0, None, [])
        sources = [source for source in sources if not set(source.run_ids).isdisjoint(spec.run_ids)]
        if not sources:
            return fresh
        states = []
        for source in sources:
            state = self._held.get(source.id)
            if state is None and self._store is not None:
                state = load_state(self._store, source.id, job.one_run)
            if state is None or state.step != source.step:
                return fresh
            states.append(state)
        state = gather(states, spec.run_ids)
        # If a sweep was extended, the former end of its runs need not be a step of evaluation.
        is_at_stop = bool(state.points) and state.points[-1]["step"][0] == state.step
        is_superfluous = is_at_stop and not spec.is_measured(state.step)
        return state._replace(points=state.points[:-1]) if is_superfluous else state

    def save(self, job: Job, spec: ChunkSpec, state: ChunkState) -> bool:
        """Save the state of a chunk, if there is a store; returns whether it is saved.

        A state only saves time, so training continues if it cannot be written.
        """
        if self._store is None:
            return False
        fingerprint = self._state_fingerprint(job)
        try:
            save_state(self._store, spec.id, state, fingerprint)
        except OSError as error:
            warnings.warn(
                f"cannot save a chunk that is training in {error.filename}: {error.strerror}; the sweep continues",
                stacklevel=2,
            )
            return False
        self._saved[spec.id] = Saved(spec.id, fingerprint, spec.run_ids, state.step)
        return True

    def commit(self, job: Job, stage: Stage, spec: ChunkSpec, places: np.ndarray, state: ChunkState) -> Rows:
        """Build the rows of a finished chunk and commit them, if there is a store; keep its state if it is needed."""
        prepared, keeps_states = self._prepared, self._prepared.options.keep_states
        goes_on = stage.rung is not None and stage.stops[-1] < prepared.num_steps
        if (goes_on or keeps_states) and not self.save(job, spec, state) and goes_on:
            self._to_hold[spec.id] = state
        progress = jax.tree.unflatten(jax.tree.structure(job.one_run), state.leaves or ())
        rows = make_rows(prepared.plan.space.take(places), prepared.plan.metrics, state, progress.diverged_at)
        for name, value in (("rung", stage.rung), ("bracket", stage.bracket)):
            if value is not None:
                rows[name] = np.full(len(places), value, np.int32)
        if self._store is None:
            return rows
        num_devices = prepared.crew.worker.num_devices
        fingerprint = name_of(prepared.described, job.group.program, job.lanes, num_devices)
        if prepared.save_params:
            about = {"fingerprint": fingerprint, "runs": spec.run_ids}
            params = jax.device_get(jax.vmap(job.task.params)(progress.state))
            self._store.save_params(spec.id, Sealed(about, name_leaves(params)))
        rows["chunk"] = np.full(len(places), spec.id)
        rows["lane"] = np.arange(len(places))
        rows["fingerprint"] = np.full(len(places), fingerprint)
        self._store.commit_chunk(spec.id, to_table(rows), replace=spec.id in self.done.without_params)
        self.done.without_params.pop(spec.id, None)
        self.done.chunks[spec.id] = Chunk(spec.run_ids, fingerprint)
        if stage.rung is None and not keeps_states:
            self._store.drop_state(spec.id)
            self._saved.pop(spec.id, None)
        return rows

    def note(
        self, spec: ChunkSpec, outcome: str, worker: str = "", seconds: float = 0.0, reason: str = ""
    ) -> None:
        """Add to the log what came of an attempt to train a chunk, or that the chunk is sent to a worker."""
        if self._store is None:
            return
        attempt = Attempt(spec.id, len(spec.run_ids), worker, outcome, seconds, reason)
        with contextlib.suppress(OSError):  # it is only a log
            append_attempts(self._store.attempts_path, *self._log_head, attempt)
            self._log_head = ()

    def end_stage(self) -> None:
        """Release the states of the stage before this one."""
        self._held, self._to_hold = self._to_hold, {}

    def last_states(self) -> set[str]:
        """List the saved states of finished runs from which the sweep can continue, if they are kept."""
        if not self._prepared.options.keep_states:
            return set()
        return {saved.id for saved in self._saved.values() if saved.step == self._prepared.num_steps}

    def _finished(self, stage: Stage) -> dict[str, Chunk]:
        """Return the finished chunks of a stage."""
        chunks = self.done.chunks.items()
        return {chunk_id: chunk for chunk_id, chunk in chunks if stage.has_chunk(chunk_id, chunk.run_ids)}

    def _state_fingerprint(self, job: Job) -> str:
        return name_of_state(self._prepared.described, job.group.program, job.lanes)
