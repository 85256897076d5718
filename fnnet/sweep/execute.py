"""Execution: where numbers and records meet.

The runs of each group are cut into chunks, and a chunk trains as lanes of one program. A finished chunk is
committed to the store, if there is one, and is never done again.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fnnet.errors import InputError, unknown_name
from fnnet.sweep import fingerprint as fingerprints
from fnnet.sweep import store as stores
from fnnet.sweep.chunk import Chunk, Settings, Trainer
from fnnet.sweep.interrupt import Interrupt, deferred_interrupt
from fnnet.sweep.memory import is_out_of_memory
from fnnet.sweep.plan import Plan, Recipe, make_plan
from fnnet.sweep.prepare import Estimate, Job, cut_chunks, prepare_group, with_half_the_lanes
from fnnet.sweep.program import keep_compiled_programs, make_mesh, shared_sharding, use_all_cores
from fnnet.sweep.results import Results, check_names, collect
from fnnet.sweep.space import Space
from fnnet.sweep.store import DamagedPlan, Store
from fnnet.train import check_steps


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
    save_params: bool = False,
    accept_fingerprint: bool = False,
    show_progress: bool = False,
) -> Results:
    """Train every run of a space that the store does not hold already.

    Args:
        recipe: a function whose arguments are the static axes and which returns a `Task`.
        space: the runs, as `grid` makes them.
        data: what the task takes, usually a `Dataset`.
        num_steps: updates in each run.
        eval_every: measure after so many updates each; None for only after the last one.
        store: a folder that keeps every finished chunk. Run again, a sweep that was stopped goes on, and one
            whose space has grown trains only what is new. None keeps nothing.
        lanes: runs that train together on one device; None to choose for each group.
        state_every: seconds after which a chunk under way is saved too.
        save_params: keep the trained parameters, for `Results.member`.
        accept_fingerprint: go on with a store that was made with other versions, device or data; the new
            rows carry another `fingerprint`.
        show_progress: whether to draw a progress bar.

    Returns:
        The results, a row for each run in the order of the space.

    Raises:
        InputError: before any work, for whatever is wrong with the arguments or does not fit the store.
        KeyboardInterrupt: after Ctrl-C, once what is finished is safe.

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
    )
    return execute(prepared, show_progress=show_progress)


class Prepared(NamedTuple):
    """A sweep that is ready to be executed.

    plan: its groups.
    settings: what all runs share.
    data: on the devices.
    jobs: the groups with their compiled programs and lanes.
    estimates: what each group is going to take.
    described: what the store's plan says of it.
    accept_fingerprint: whether another fingerprint may.
    store: the folder, if there is one.
    """

    plan: Plan
    settings: Settings
    data: Any
    jobs: list[Job]
    estimates: list[Estimate]
    described: fingerprints.Description
    accept_fingerprint: bool
    store: Store | None


def prepare(
    recipe: Recipe,
    space: Space,
    data: Any,
    *,
    num_steps: int,
    eval_every: int | None = None,
    store: str | os.PathLike[str] | None = None,
    lanes: int | None = None,
    state_every: float = 60.0,
    save_params: bool = False,
    accept_fingerprint: bool = False,
    metric: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    most_runs: int | None = None,
) -> Prepared:
    """Find every mistake, choose lanes, compile and measure; trains and writes nothing.

    The arguments are those of `sweep`, and `metric`, which the tasks must measure, `fixed`, what else may not
    change in a store, and `most_runs`, that train together if lanes are chosen.

    Returns:
        The sweep; its `estimates` tell what it would take, and `execute` trains it.

    Raises:
        InputError: for whatever is wrong with the arguments, or does not fit the store or the memory.

    Example:
        >>> from fnnet import grid, load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> space = grid(depth=[0, 1], learning_rate=[0.1, 0.3], seed=range(5))
        >>> prepared = prepare(mlp_recipe(data), space, data, num_steps=50)
        >>> [(estimate.static, estimate.num_missing) for estimate in prepared.estimates]
        [({'depth': 0}, 10), ({'depth': 1}, 10)]
        >>> execute(prepared).table().height
        20
    """
    check_steps(num_steps, eval_every)
    if lanes is not None and lanes < 1:
        raise InputError(f"lanes must be a positive integer, got {lanes}")
    if save_params and store is None:
        raise InputError("save_params=True keeps parameters in a store: give store=..., the folder of one")
    settings = Settings(num_steps, eval_every, lanes, state_every, save_params)
    use_all_cores()
    keep_compiled_programs()
    plan = make_plan(recipe, space, data)
    check_names(space.axes, plan.metrics)
    if metric is not None and metric not in plan.metrics:
        raise unknown_name("metric", metric, plan.metrics)
    folder = None if store is None else Store(Path(store))
    fixed = {"num_steps": num_steps, "eval_every": eval_every, **(fixed or {})}
    described = fingerprints.describe(plan, data, fixed, lanes)
    done, stored = {}, None
    if folder is not None:
        stores.check_folder(folder)
        stored = _stored_plan(folder)
        fingerprints.check(folder, described, stored, accept=accept_fingerprint)
        done = stores.read_chunks(folder)
    is_missing = _is_missing(plan, done)
    mesh = make_mesh()
    data = jax.device_put(data, shared_sharding(mesh))
    jobs, estimates = [], []
    for group, described_group in zip(plan.groups, described["groups"], strict=True):
        missing = group.runs[is_missing[group.runs]]
        fixed_lanes = lanes or fingerprints.lanes_before(described_group, stored)
        job, estimate = prepare_group(
            plan, group, missing, mesh, settings, data, fixed_lanes, described_group["program"], most_runs
        )
        jobs.append(job)
        estimates.append(estimate)
    return Prepared(plan, settings, data, jobs, estimates, described, accept_fingerprint, folder)


def execute(prepared: Prepared, *, show_progress: bool = False) -> Results:
    """Train every run of a prepared sweep that its store does not hold already.

    Args:
        prepared: by `prepare`.
        show_progress: whether to draw a progress bar.

    Returns:
        The results, a row for each run in the order of the space.

    Raises:
        InputError: when another process writes to the store, or it has become another sweep's.
        KeyboardInterrupt: after Ctrl-C, once what is finished is safe.
    """
    with take_over(prepared) as done:
        return _execute(prepared, done, show_progress)


@contextlib.contextmanager
def take_over(prepared: Prepared) -> Iterator[dict[str, pl.DataFrame]]:
    """Be the one writer of a sweep's store, if it has one; gives the chunks that are in it."""
    if prepared.store is None:
        yield {}
        return
    with stores.writing(prepared.store):
        stored = _stored_plan(prepared.store, mend=True)
        fingerprints.check(prepared.store, prepared.described, stored, accept=prepared.accept_fingerprint)
        yield stores.read_chunks(prepared.store, mend=True)
        stores.drop_states(prepared.store)


def _stored_plan(folder: Store, *, mend: bool = False) -> fingerprints.Description | None:
    try:
        return stores.read_plan(folder)
    except DamagedPlan:  # this sweep says again what it is, and the chunks speak for themselves
        if mend:
            stores.set_aside(folder, folder.plan_path)
        return None


def _is_missing(plan: Plan, done: Mapping[str, pl.DataFrame]) -> np.ndarray:
    finished = set().union(*(rows["id"].to_list() for rows in done.values()))
    return np.array([run_id not in finished for run_id in plan.space.ids().tolist()], bool)


def _execute(prepared: Prepared, done: dict[str, pl.DataFrame], show_progress: bool) -> Results:
    is_missing = _is_missing(prepared.plan, done)
    parts = list(done.values())
    jobs = list(prepared.jobs)
    write_plan(prepared, jobs)
    with (
        progress_bar(show_progress) as progress,
        deferred_interrupt() as interrupted,
    ):
        bar = progress.add_task("", total=len(is_missing), completed=int(np.sum(~is_missing)))
        for number, job in enumerate(prepared.jobs):
            static = " ".join(f"{name}={value}" for name, value in job.group.static.items())
            progress.update(bar, description=static)
            missing = job.group.runs[is_missing[job.group.runs]]
            while len(missing):
                try:
                    for chunk, rows in _train_chunks(prepared, jobs[number], missing, interrupted):
                        parts.append(rows)
                        missing = np.setdiff1d(missing, chunk.runs)
                        progress.advance(bar, rows.height)
                        interrupted.check()
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    jobs[number] = with_half_the_lanes(jobs[number], prepared.plan, prepared.data)
                    write_plan(prepared, jobs)
    return collect(prepared.plan.space, parts, prepared.store)


def _train_chunks(
    prepared: Prepared, job: Job, runs: np.ndarray, interrupted: Interrupt
) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    """Train some runs of one group and commit each chunk."""
    plan, folder = prepared.plan, prepared.store
    trainer = trainer_of(prepared, job, interrupted)
    lanes = job.lanes * job.program.mesh.size
    for chunk in cut_chunks(plan, runs, plan.space.ids(), lanes):
        rows = keep_rows(prepared, job, chunk, trainer.train(chunk, lanes))
        if folder is not None:
            stores.drop_state(folder, chunk.id)
        yield chunk, rows


def trainer_of(prepared: Prepared, job: Job, interrupted: Interrupt) -> Trainer:
    """Make what trains a group's chunks."""
    return Trainer(
        job.program,
        job.segment,
        prepared.plan,
        prepared.settings,
        prepared.data,
        prepared.store,
        fingerprint_of(prepared, job),
        interrupted,
    )


def fingerprint_of(prepared: Prepared, job: Job) -> str:
    """Name what the bits of a group's runs depend on besides their configurations."""
    return fingerprints.name_of(prepared.described["fingerprint"], job.program_hash, job.lanes)


def keep_rows(prepared: Prepared, job: Job, chunk: Chunk, rows: pl.DataFrame) -> pl.DataFrame:
    """Commit the rows of a finished chunk to the store, if there is one; returns them with where they are kept."""
    if prepared.store is None:
        return rows
    rows = rows.with_columns(
        chunk=pl.lit(chunk.id), lane=pl.int_range(pl.len()), fingerprint=pl.lit(fingerprint_of(prepared, job))
    )
    stores.commit_chunk(prepared.store, chunk.id, rows)
    return rows


def write_plan(prepared: Prepared, jobs: Sequence[Job]) -> None:
    """Write what a sweep is, with the lanes of each group, to its store, if it has one."""
    if prepared.store is None:
        return
    groups = zip(prepared.described["groups"], jobs, strict=True)
    described = [described | {"lanes": job.lanes} for described, job in groups]
    stores.write_plan(prepared.store, {**prepared.described, "groups": described})


def progress_bar(is_shown: bool) -> Progress:
    """Make a bar that counts runs, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not is_shown)
