"""Execution: train a prepared sweep chunk by chunk.

The runs of each group are cut into chunks, and a chunk trains as lanes of one program. A finished chunk is
committed to the store, if there is one, and is never trained again.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from fnnet.memory import is_out_of_memory
from fnnet.records.results import Results
from fnnet.records.rows import collect
from fnnet.space.space import Space
from fnnet.sweeps import fingerprint as fingerprints
from fnnet.sweeps.chunk import Chunk, Trainer
from fnnet.sweeps.interrupt import Interrupt, deferred_interrupt
from fnnet.sweeps.job import Job, cut_chunks, with_half_the_lanes
from fnnet.sweeps.plan import Recipe
from fnnet.sweeps.prepare import Prepared, prepare
from fnnet.sweeps.progress import Progress, shown
from fnnet.sweeps.resume import (
    Done,
    Waiting,
    drop_stale,
    find_missing,
    find_waiting,
    read_done,
    stored_plan,
)


def sweep(
    recipe: Recipe,
    space: Space,
    data: Any,
    *,
    num_steps: int,
    eval_every: int | None = None,
    store: str | os.PathLike[str] | None = None,
    lanes: int | None = None,
    state_every: float = 60.0,
    save_params: bool | None = None,
    accept_fingerprint: bool = False,
    show_progress: bool = False,
) -> Results:
    """Train every run of a space that the store does not hold yet.

    A store refuses a sweep that computes something else. It compares the programs that JAX traces, so changes inside a
    Python callback (`jax.pure_callback`) go unnoticed.

    Args:
        recipe: a function whose arguments are the static axes and which returns a `Task`.
        space: the runs, as `grid` makes them.
        data: what the task takes, usually a `Dataset`.
        num_steps: updates in each run.
        eval_every: evaluate every this many steps and at the end; None to evaluate only at the end.
        store: a folder that keeps every finished chunk. Rerunning resumes an interrupted sweep, and a sweep whose
            space has grown trains only the new runs. None keeps nothing.
        lanes: runs that train together on one device; None to choose for each group.
        state_every: seconds between saves of the chunk that is training.
        save_params: whether to keep the trained parameters, for `Results.member`. Stored runs without parameters
            are trained again. None keeps them if there is a store and they take at most 1 GB in all.
        accept_fingerprint: resume a store that was made with other versions, another device or another recipe; the
            new rows carry another `fingerprint`. Other data always need another store.
        show_progress: whether to report progress on stderr: a bar on a terminal, otherwise a line now and then.

    Returns:
        The results, one row per run in the order of the space.

    Raises:
        InputError: before any work, when an argument is invalid or the store holds another sweep.
        KeyboardInterrupt: after Ctrl-C, once all finished work is saved.

    Example:
        >>> from fnnet import grid, load_dataset, logspace, mlp_recipe
        >>> data = load_dataset("iris")
        >>> space = grid(depth=[0, 1], learning_rate=logspace(0.01, 1, 3), seed=range(2))
        >>> results = sweep(mlp_recipe(data), space, data, num_steps=50)
        >>> results.table().height
        12
    """
    prepared = prepare(
        recipe,
        space,
        data,
        num_steps=num_steps,
        eval_every=eval_every,
        store=store,
        lanes=lanes,
        state_every=state_every,
        save_params=save_params,
        accept_fingerprint=accept_fingerprint,
        show_progress=show_progress,
    )
    return execute(prepared, show_progress=show_progress)


def execute(prepared: Prepared, *, show_progress: bool = False) -> Results:
    """Train every run of a prepared sweep that its store does not hold yet.

    Args:
        prepared: by `prepare`.
        show_progress: as for `sweep`.

    Returns:
        The results, one row per run in the order of the space.

    Raises:
        InputError: when another process is writing to the store, or the store has come to hold another sweep.
        KeyboardInterrupt: after Ctrl-C, once all finished work is saved.
    """
    folder = prepared.store
    is_finished = not any(estimate.num_missing for estimate in prepared.estimates)
    if folder is not None and is_finished and not os.access(folder.folder, os.W_OK):
        return collect(prepared.plan.space, list(folder.read_chunks().values()), folder)
    with take_over(prepared) as (prepared, done):
        return _execute(prepared, done, show_progress)


@contextlib.contextmanager
def take_over(prepared: Prepared) -> Iterator[tuple[Prepared, Done]]:
    """Acquire the write lock of a sweep's store, if it has one.

    Yields the sweep, merged with the plan in its store, and the chunks that the store holds.
    """
    if prepared.store is None:
        yield prepared, Done({}, {})
        return
    plan, folder, accept = prepared.plan, prepared.store, prepared.accept_fingerprint
    with folder.writing():
        stored = stored_plan(folder, mend=True)
        fingerprints.check(folder, prepared.described, stored, accept=accept)
        described = fingerprints.merge(prepared.described, stored)
        done = read_done(
            folder, plan, described, stored, prepared.settings.save_params, accept=accept, mend=True
        )
        yield prepared._replace(described=described), done
        folder.drop_states(set(plan.space.ids().tolist()))


def _find_waiting(prepared: Prepared) -> list[Waiting]:
    if prepared.store is None:
        return []
    return find_waiting(prepared.store, {_state_fingerprint(prepared, job) for job in prepared.jobs})


def describe_stored(prepared: Prepared) -> str | None:
    """Describe what a store already holds of a sweep; None where it holds nothing."""
    num_runs = len(prepared.plan.space)
    num_done = num_runs - sum(estimate.num_missing for estimate in prepared.estimates)
    steps = [waiting.step for waiting in _find_waiting(prepared)] if num_done < num_runs else []
    if not num_done and not steps and not prepared.num_without_params:
        return None
    text = f"resuming: {num_done:,} of {num_runs:,} runs are done"
    if steps:
        text += f", {len(steps)} chunk{'s' if len(steps) > 1 else ''} under way from step {max(steps):,}"
    if prepared.num_without_params:
        text += f"; {prepared.num_without_params:,} are trained again because their parameters are missing"
    return text


def _execute(prepared: Prepared, done: Done, show_progress: bool) -> Results:
    plan, folder = prepared.plan, prepared.store
    is_missing = find_missing(plan, done)
    parts = list(done.chunks.values())
    jobs = list(prepared.jobs)
    write_plan(prepared, jobs)
    waiting = _find_waiting(prepared)
    with (
        shown(show_progress and bool(is_missing.any())) as show,
        deferred_interrupt() as interrupted,
    ):
        num_missing, num_steps = int(is_missing.sum()), prepared.settings.num_steps
        progress = Progress(
            show,
            num_runs=len(is_missing),
            num_done=len(is_missing) - num_missing,
            work=num_missing * num_steps,
            metric=prepared.metric,
            axes=plan.space.varied_axes,
        )
        progress.show(is_urgent=True)
        for number, job in enumerate(prepared.jobs):
            progress.begin_stage(" ".join(f"{name}={value}" for name, value in job.group.static.items()))
            while len(missing := job.group.runs[is_missing[job.group.runs]]):
                try:
                    for chunk, rows in _train_chunks(
                        prepared, jobs[number], missing, waiting, done, interrupted, progress
                    ):
                        parts.append(rows)
                        is_missing[chunk.runs] = False
                        progress.finish(rows, rows.height * num_steps)
                        interrupted.check()
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    jobs[number] = with_half_the_lanes(jobs[number], plan, prepared.data)
                    write_plan(prepared, jobs)
        progress.begin_stage("")
        progress.show(is_urgent=True)
        if folder is not None and done.stale:
            drop_stale(folder, done, parts)
    return collect(plan.space, parts, folder)


def _train_chunks(
    prepared: Prepared,
    job: Job,
    runs: np.ndarray,
    waiting: list[Waiting],
    done: Done,
    interrupted: Interrupt,
    progress: Progress,
) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    """Train some runs of one group and commit each chunk."""
    trainer = trainer_of(prepared, job, interrupted, progress)
    lanes = job.lanes * job.program.mesh.size
    for chunk in _cut(prepared, job, runs, waiting):
        rows = keep_rows(prepared, job, chunk, trainer.train(chunk, lanes), done)
        if prepared.store is not None:
            prepared.store.drop_state(chunk.id)
        yield chunk, rows


def _cut(prepared: Prepared, job: Job, runs: np.ndarray, waiting: list[Waiting]) -> Iterator[Chunk]:
    """Cut some runs of one group into chunks; runs of one saved state come first and stay together."""
    plan, lanes, ids = prepared.plan, job.lanes * job.program.mesh.size, prepared.plan.space.ids()
    fingerprint = _state_fingerprint(prepared, job)
    for state in waiting:
        is_here = np.isin(ids[runs], state.run_ids) & (state.fingerprint == fingerprint)
        if is_here.any():
            for chunk in cut_chunks(plan, runs[is_here], ids, lanes):
                yield chunk._replace(state=state.id)
            runs = runs[~is_here]
    if len(runs):
        yield from cut_chunks(plan, runs, ids, lanes)


def trainer_of(prepared: Prepared, job: Job, interrupted: Interrupt, progress: Progress) -> Trainer:
    """Build the trainer of a group's chunks."""
    return Trainer(
        job.program,
        job.segment,
        prepared.plan,
        prepared.settings,
        prepared.data,
        prepared.store,
        fingerprint_of(prepared, job),
        _state_fingerprint(prepared, job),
        interrupted,
        progress.advance,
    )


def fingerprint_of(prepared: Prepared, job: Job) -> str:
    """Return the fingerprint of a group's runs: all that their bits depend on besides their configurations."""
    num_devices = job.program.mesh.size
    return fingerprints.name_of(prepared.described, job.program_hash, job.lanes, num_devices)


def _state_fingerprint(prepared: Prepared, job: Job) -> str:
    return fingerprints.name_of(prepared.described, job.program_hash, job.lanes)


def keep_rows(prepared: Prepared, job: Job, chunk: Chunk, rows: pl.DataFrame, done: Done) -> pl.DataFrame:
    """Commit the rows of a finished chunk to the store, if there is one; returns them with their place in it."""
    if prepared.store is None:
        return rows
    rows = rows.with_columns(
        chunk=pl.lit(chunk.id), lane=pl.int_range(pl.len()), fingerprint=pl.lit(fingerprint_of(prepared, job))
    )
    prepared.store.commit_chunk(chunk.id, rows, replace=done.stale.pop(chunk.id, None) is not None)
    return rows


def write_plan(prepared: Prepared, jobs: Sequence[Job]) -> None:
    """Write the plan of a sweep, with the lanes of each group, to its store, if it has one."""
    if prepared.store is None:
        return
    now, others = prepared.described["groups"][: len(jobs)], prepared.described["groups"][len(jobs) :]
    groups = [described | {"lanes": job.lanes} for described, job in zip(now, jobs, strict=True)]
    prepared.store.write_plan({**prepared.described, "groups": groups + others})
