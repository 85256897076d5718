"""Execution: where numbers and records meet.

The runs of each group are cut into chunks, and a chunk trains as lanes of one program. A finished chunk is
committed to the store, if there is one, and is never done again.
"""

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import polars as pl
from jax.sharding import NamedSharding, PartitionSpec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fnnet.errors import InputError
from fnnet.sweep import store as stores
from fnnet.sweep.chunk import Chunk, Settings, Trainer, narrow
from fnnet.sweep.interrupt import deferred_interrupt
from fnnet.sweep.plan import Plan, Recipe, make_plan
from fnnet.sweep.program import keep_compiled_programs, make_mesh, make_program, use_all_cores
from fnnet.sweep.results import RECORDS, Results, collect
from fnnet.sweep.space import Space
from fnnet.sweep.store import Store
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
    check_steps(num_steps, eval_every)
    if lanes is not None and lanes < 1:
        raise InputError(f"lanes must be a positive integer, got {lanes}")
    settings = Settings(num_steps, eval_every, lanes, state_every, save_params)
    use_all_cores()
    keep_compiled_programs()
    plan = make_plan(recipe, space, data)
    for name in space.axes:
        if name in (*RECORDS, *plan.metrics):
            raise InputError(f"axis {name!r} has the name of a column of the results; call it another name")
    if store is None:
        return _execute(plan, settings, data, None, {}, "", show_progress)
    folder = Store(Path(store))
    with stores.writing(folder):
        fingerprint = _agree(folder, plan, settings, data, accept_fingerprint)
        done = stores.read_chunks(folder, mend=True)
        return _execute(plan, settings, data, folder, done, fingerprint, show_progress)


def fingerprint_of(data: Any) -> dict[str, str]:
    """Describe what the bits of a result depend on besides its plan: versions, device, flags and data."""
    from importlib.metadata import version

    device = jax.local_devices()[0]
    return {
        "versions": " ".join(f"{name} {version(name)}" for name in ("fnnet", "jax", "jaxlib")),
        "device": f"{device.platform} {device.device_kind} {platform.machine()}",
        "flags": f"{os.environ.get('XLA_FLAGS', '')} x64={jax.dtypes.canonicalize_dtype(float) == np.float64}",
        "data": str(getattr(data, "hash", "")),
    }


def _agree(folder: Store, plan: Plan, settings: Settings, data: Any, accept: bool) -> str:
    """Compare a sweep with what its store was made for, and write the plan; returns the fingerprint's name."""
    fingerprint = fingerprint_of(data) | {"lanes": str(settings.lanes or "chosen")}
    wanted: dict[str, Any] = {"num_steps": settings.num_steps, "eval_every": settings.eval_every}
    try:
        stored = stores.read_plan(folder)
    except InputError:  # damaged: this sweep says again what it is, and the chunks speak for themselves
        stores.set_aside(folder, folder.plan_path)
        stored = None
    if stored is not None:
        for name, value in wanted.items():
            if stored["settings"][name] != value:
                raise InputError(
                    f"{folder.folder} was made with {name}={stored['settings'][name]}, got {value}; "
                    "name another folder for another sweep"
                )
        changed = [name for name, value in fingerprint.items() if stored["fingerprint"].get(name) != value]
        if changed and not accept:
            details = "; ".join(f"{n}: {stored['fingerprint'].get(n)} -> {fingerprint[n]}" for n in changed)
            raise InputError(
                f"{folder.folder} was made under another fingerprint ({details}), so its bits may differ; "
                "accept_fingerprint=True goes on and marks the new rows"
            )
    stores.write_plan(folder, {"settings": wanted, "fingerprint": fingerprint, "space": plan.space.to_json()})
    return stores.chunk_id_of(sorted(f"{name}={value}" for name, value in fingerprint.items()))[:8]


def _execute(
    plan: Plan,
    settings: Settings,
    data: Any,
    folder: Store | None,
    done: dict[str, pl.DataFrame],
    fingerprint: str,
    show_progress: bool,
) -> Results:
    mesh = make_mesh()
    data = jax.device_put(data, NamedSharding(mesh, PartitionSpec()))
    run_ids = plan.space.ids()
    finished = set().union(*(rows["id"].to_list() for rows in done.values()))
    is_missing = np.array([run_id not in finished for run_id in run_ids.tolist()], bool)
    parts = list(done.values())
    with (
        Progress(*_COLUMNS, console=Console(stderr=True), disable=not show_progress) as progress,
        deferred_interrupt() as interrupted,
    ):
        bar = progress.add_task("", total=len(run_ids), completed=int(np.sum(~is_missing)))
        for group in plan.groups:
            missing = group.runs[is_missing[group.runs]]
            if not len(missing):
                continue
            progress.update(
                bar, description=" ".join(f"{name}={value}" for name, value in group.static.items())
            )
            trainer = Trainer(make_program(group.task, mesh), plan, settings, data, mesh, folder, interrupted)
            # From the whole group and not from what is missing, so that a resumed sweep has the same lanes.
            num_runs = len(group.runs) // mesh.size
            lanes = settings.lanes or default_lanes(trainer.bytes_per_run(group.runs), num_runs)
            for chunk in _chunks(plan, missing, run_ids, lanes * mesh.size):
                rows = trainer.train(chunk, lanes * mesh.size)
                if folder is not None:
                    rows = rows.with_columns(
                        chunk=pl.lit(chunk.id), lane=pl.int_range(pl.len()), fingerprint=pl.lit(fingerprint)
                    )
                    stores.commit_chunk(folder, chunk.id, rows)
                    stores.drop_state(folder, chunk.id)
                parts.append(rows)
                progress.advance(bar, len(chunk.runs))
                interrupted.check()
    return collect(plan.space, parts, folder)


_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def default_lanes(bytes_per_run: int, num_runs: int) -> int:
    """Choose how many runs train together on one device, from the size of one run's state.

    A chunk's parameters and gradients should stay in the core's share of the cache: 64 networks of
    784-16-16-10, 8 of 784-128-10. Fewer than 8 lanes are other bits than 8, 16 or 32, so 8 is the least.

    Args:
        bytes_per_run: parameters and optimizer state of one run.
        num_runs: runs that there are for one device; more lanes would be padding.

    Returns:
        A power of two from 8 to 64.

    Example:
        >>> default_lanes(53_000, 1000), default_lanes(407_000, 1000), default_lanes(53_000, 12)
        (64, 8, 16)
    """
    lanes = 8
    while lanes < min(64, num_runs) and 2 * lanes * bytes_per_run <= 4_000_000:
        lanes *= 2
    return lanes


def _chunks(plan: Plan, runs: np.ndarray, run_ids: np.ndarray, lanes: int) -> Iterator[Chunk]:
    """Cut runs into chunks of at most `lanes` with one data_seed each."""
    # All lanes see the same batches, so data_seed is a number outside the lanes.
    data_seeds = plan.hparams(runs).get("data_seed", np.zeros(len(runs), np.int32))
    for data_seed in np.unique(data_seeds):
        equal = runs[data_seeds == data_seed]
        for part in np.split(equal, range(lanes, len(equal), lanes)):
            ids = run_ids[part].tolist()
            yield Chunk(stores.chunk_id_of(ids), part, ids, narrow(data_seed))
