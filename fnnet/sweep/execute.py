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

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams
from fnnet.sweep import fingerprint as fingerprints
from fnnet.sweep import store as stores
from fnnet.sweep.chunk import Chunk, Settings, Trainer, narrow, params_of
from fnnet.sweep.interrupt import Interrupt, deferred_interrupt
from fnnet.sweep.memory import is_out_of_memory
from fnnet.sweep.plan import Plan, Recipe, make_plan
from fnnet.sweep.prepare import (
    Estimate,
    Job,
    cut_chunks,
    most_steps,
    prepare_group,
    with_half_the_lanes,
)
from fnnet.sweep.program import keep_compiled_programs, make_mesh, shared_sharding, use_all_cores
from fnnet.sweep.progress import Progress, choose_metric, compiling, shown
from fnnet.sweep.provenance import describe_origin
from fnnet.sweep.results import Results, check_names, collect
from fnnet.sweep.resume import (
    Done,
    Waiting,
    drop_stale,
    find_missing,
    find_waiting,
    read_done,
    stored_plan,
)
from fnnet.sweep.space import Space
from fnnet.sweep.store import Store
from fnnet.train import check_steps

MAX_PARAMS_BYTES = 1e9  # of a whole sweep that are kept without being asked for


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
    """Train every run of a space that the store does not hold already.

    A store refuses a sweep that computes something else. What it compares is the program that JAX traces, so a Python
    function that the program calls back (`jax.pure_callback`) may change unseen.

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
        save_params: whether to keep the trained parameters, for `Results.member`. Runs of the store that lack
            theirs are trained again. None keeps those of a sweep with a store while they are under 1 GB in all.
        accept_fingerprint: go on with a store that was made with other versions, device or recipe; the new
            rows carry another `fingerprint`. Other data are another sweep.
        show_progress: whether to show on stderr how far the sweep is: a bar on a terminal, else a line now and then.

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
        show_progress=show_progress,
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
    num_without_params: finished runs that are trained again because their parameters are missing.
    accept_fingerprint: whether another fingerprint may.
    store: the folder, if there is one.
    metric: by which progress tells the best run so far, if there is one.
    """

    plan: Plan
    settings: Settings
    data: Any
    jobs: list[Job]
    estimates: list[Estimate]
    described: fingerprints.Description
    num_without_params: int
    accept_fingerprint: bool
    store: Store | None
    metric: str | None = None

    def __repr__(self) -> str:
        """Say what is going to be trained, and for how long."""
        num_missing = sum(estimate.num_missing for estimate in self.estimates)
        seconds = sum(estimate.seconds for estimate in self.estimates)
        return (
            f"Prepared: {self.plan.space.summary}, {num_missing} to train for {self.settings.num_steps} steps "
            f"in {len(self.jobs)} program{'s' * (len(self.jobs) != 1)}, about {seconds:.3g} s"
        )


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
    save_params: bool | None = None,
    accept_fingerprint: bool = False,
    metric: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    most_runs: int | None = None,
    show_progress: bool = False,
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
    use_all_cores()
    keep_compiled_programs()
    plan = make_plan(recipe, space, data, most_steps(num_steps, eval_every))
    check_names(space.axes, plan.metrics)
    if metric is not None and metric not in plan.metrics:
        raise unknown_name("metric", metric, plan.metrics)
    folder = None if store is None else Store(Path(store))
    fixed = {"num_steps": num_steps, "eval_every": eval_every, **(fixed or {})}
    # Without a store nothing is compared, so the data need not be hashed.
    described = fingerprints.describe(plan, None if folder is None else data, fixed, lanes)
    stored = None
    if folder is not None:
        stores.check_folder(folder)
        stored = stored_plan(folder)
        fingerprints.check(folder, described, stored, accept=accept_fingerprint)
    if save_params is None:
        save_params = folder is not None and _keeps_params(plan, data, stored)
    settings = Settings(num_steps, eval_every, lanes, state_every, save_params)
    described |= describe_origin(recipe, data, settings._asdict())
    done = Done({}, {})
    if folder is not None:
        done = read_done(folder, plan, described, stored, settings.save_params, accept=accept_fingerprint)
    is_missing = find_missing(plan, done)
    mesh = make_mesh()
    data = jax.device_put(data, shared_sharding(mesh))
    jobs, estimates = [], []
    before = fingerprints.lanes_before(described, stored)
    num_programs = sum(bool(is_missing[group.runs].any()) for group in plan.groups)
    with compiling(num_programs, show_progress) as show_compiled:
        for group, described_group, lanes_before in zip(
            plan.groups, described["groups"], before, strict=True
        ):
            missing = group.runs[is_missing[group.runs]]
            job, estimate = prepare_group(
                plan,
                group,
                missing,
                mesh,
                settings,
                data,
                lanes or lanes_before,
                described_group["program"],
                most_runs,
            )
            jobs.append(job)
            estimates.append(estimate)
            show_compiled(sum(estimate.num_missing > 0 for estimate in estimates))
    num_finished = len(space) - int(find_missing(plan, Done({**done.chunks, **done.stale}, {})).sum())
    num_without_params = int(is_missing.sum()) - (len(space) - num_finished)
    return Prepared(
        plan,
        settings,
        data,
        jobs,
        estimates,
        described,
        num_without_params,
        accept_fingerprint,
        folder,
        metric or choose_metric(plan.metrics),
    )


def execute(prepared: Prepared, *, show_progress: bool = False) -> Results:
    """Train every run of a prepared sweep that its store does not hold already.

    Args:
        prepared: by `prepare`.
        show_progress: as for `sweep`.

    Returns:
        The results, a row for each run in the order of the space.

    Raises:
        InputError: when another process writes to the store, or it has become another sweep's.
        KeyboardInterrupt: after Ctrl-C, once what is finished is safe.
    """
    folder = prepared.store
    is_finished = not any(estimate.num_missing for estimate in prepared.estimates)
    if folder is not None and is_finished and not os.access(folder.folder, os.W_OK):
        return collect(prepared.plan.space, list(stores.read_chunks(folder).values()), folder)
    with take_over(prepared) as (prepared, done):
        return _execute(prepared, done, show_progress)


@contextlib.contextmanager
def take_over(prepared: Prepared) -> Iterator[tuple[Prepared, Done]]:
    """Acquire the write lock of a sweep's store, if it has one.

    Yields the sweep, with what the store says of earlier parts of it, and the chunks that are there.
    """
    if prepared.store is None:
        yield prepared, Done({}, {})
        return
    plan, folder, accept = prepared.plan, prepared.store, prepared.accept_fingerprint
    with stores.writing(folder):
        stored = stored_plan(folder, mend=True)
        fingerprints.check(folder, prepared.described, stored, accept=accept)
        described = fingerprints.merge(prepared.described, stored)
        done = read_done(
            folder, plan, described, stored, prepared.settings.save_params, accept=accept, mend=True
        )
        yield prepared._replace(described=described), done
        stores.drop_states(folder)


def _keeps_params(plan: Plan, data: Any, stored: fingerprints.Description | None) -> bool:
    """Decide whether parameters are kept without being asked for: as before, and while they are not too many."""
    options = (stored or {}).get("options")
    if isinstance(options, dict) and options.get("save_params") is False:
        return False
    num_bytes = 0
    for group in plan.groups:
        columns = plan.hparams(group.runs[:1])
        hparams = {name: narrow(column)[0] for name, column in columns.items()}

        def params(hparams: Any, data: Any, task: Any = group.task) -> Any:
            return params_of(task.init(Hparams(hparams), data))

        leaves = jax.tree.leaves(jax.eval_shape(params, hparams, data))
        num_bytes += len(group.runs) * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    return num_bytes <= MAX_PARAMS_BYTES


def _find_waiting(prepared: Prepared) -> list[Waiting]:
    if prepared.store is None:
        return []
    return find_waiting(prepared.store, {_state_fingerprint(prepared, job) for job in prepared.jobs})


def going_on(prepared: Prepared) -> str | None:
    """Say what a store already holds of a sweep; None where it holds nothing."""
    num_runs = len(prepared.plan.space)
    num_done = num_runs - sum(estimate.num_missing for estimate in prepared.estimates)
    steps = [waiting.step for waiting in _find_waiting(prepared)] if num_done < num_runs else []
    if not num_done and not steps and not prepared.num_without_params:
        return None
    text = f"going on: {num_done:,} of {num_runs:,} runs are done"
    if steps:
        text += f", {len(steps)} chunk{'s' if len(steps) > 1 else ''} under way from step {max(steps):,}"
    if prepared.num_without_params:
        text += f"; {prepared.num_without_params:,} are trained again, because their parameters are not there"
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
            axes=varied_axes(plan.space),
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
            stores.drop_state(prepared.store, chunk.id)
        yield chunk, rows


def _cut(prepared: Prepared, job: Job, runs: np.ndarray, waiting: list[Waiting]) -> Iterator[Chunk]:
    """Cut some runs of one group into chunks, first those that wait in the same state, however wide it was."""
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
    """Make what trains a group's chunks."""
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
    """Name what the bits of a group's runs depend on besides their configurations."""
    num_devices = job.program.mesh.size
    return fingerprints.name_of(prepared.described, job.program_hash, job.lanes, num_devices)


def _state_fingerprint(prepared: Prepared, job: Job) -> str:
    return fingerprints.name_of(prepared.described, job.program_hash, job.lanes)


def keep_rows(prepared: Prepared, job: Job, chunk: Chunk, rows: pl.DataFrame, done: Done) -> pl.DataFrame:
    """Commit the rows of a finished chunk to the store, if there is one; returns them with where they are kept."""
    if prepared.store is None:
        return rows
    rows = rows.with_columns(
        chunk=pl.lit(chunk.id), lane=pl.int_range(pl.len()), fingerprint=pl.lit(fingerprint_of(prepared, job))
    )
    stores.commit_chunk(prepared.store, chunk.id, rows, replace=done.stale.pop(chunk.id, None) is not None)
    return rows


def write_plan(prepared: Prepared, jobs: Sequence[Job]) -> None:
    """Write what a sweep is, with the lanes of each group, to its store, if it has one."""
    if prepared.store is None:
        return
    now, others = prepared.described["groups"][: len(jobs)], prepared.described["groups"][len(jobs) :]
    groups = [described | {"lanes": job.lanes} for described, job in zip(now, jobs, strict=True)]
    stores.write_plan(prepared.store, {**prepared.described, "groups": groups + others})


def varied_axes(space: Space) -> list[str]:
    """List the axes that tell the runs of a space apart."""
    return [name for name in space.axes if len(space.axes[name]) > 1 or not space.present(name).all()]
