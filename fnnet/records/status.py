"""Status: how far a sweep is, read from its store while it may be training.

Nothing is locked or written, so a status may be a few seconds old.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnnet.records.attempts import SENT, read_last_attempts
from fnnet.records.lock import find_holder
from fnnet.records.sealed import read_about
from fnnet.records.store import Store
from fnnet.space.space import Config, Space
from fnnet.space.stored import space_from_json


class GroupStatus(NamedTuple):
    """How far the runs of some static values are.

    static: the values.
    num_runs: how many runs have them.
    num_done: how many of these are done.
    num_diverged: how many of those that are done diverged.
    """

    static: Config
    num_runs: int
    num_done: int
    num_diverged: int


class Status(NamedTuple):
    """How far a sweep is.

    state: "finished"; "training", if a process is writing to the store; or "unfinished", if none is seen.
    num_runs: the number of runs of the sweep, or of the part of it that the store is for.
    num_done: trained and committed; in a search, to at least the first rung.
    num_running: sent to the workers, where some may wait for their turn; 0 where no process is seen.
    num_saved: not done, with a saved state from which they resume.
    num_failed: given up, because training them failed or killed every worker.
    num_diverged: how many of those that are done diverged.
    reason: the error of the last chunk that failed; None if none did.
    seconds_left: estimated from what was done since training began; None if it cannot be estimated.
    writer: the process that is training, as `find_holder` returns it.
    groups: by static values.
    rungs: of a search, how many runs have reached each number of steps.
    """

    state: str
    num_runs: int
    num_done: int
    num_running: int
    num_saved: int
    num_failed: int
    num_diverged: int
    reason: str | None
    seconds_left: float | None
    writer: int | None
    groups: list[GroupStatus]
    rungs: dict[int, int]


def read_status(folder: Path) -> Status:
    """Read how far a sweep is.

    Raises:
        InputError: when there is no store, its plan is damaged, or a file cannot be read.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = grid(depth=[0, 1], learning_rate=0.1, seed=range(3))
        ...     results = sweep(mlp_recipe(data), space, data, num_steps=5, store=folder)
        ...     status = read_status(Path(folder))
        >>> status.state, status.num_done, [(group.static, group.num_done) for group in status.groups]
        ('finished', 6, [({'depth': 0}, 3), ({'depth': 1}, 3)])
    """
    store = Store(folder)
    plan = store.require_plan()
    space, rungs = space_from_json(plan["space"]), plan["settings"].get("rungs") or []
    place = {run_id: place for place, run_id in enumerate(space.ids().tolist())}
    writer = find_holder(folder)
    steps, diverged = _read_runs(store, place)
    length = _length(plan, space)
    is_done = steps > 0 if rungs else steps >= np.maximum(length, 1)
    states = [read_about(path) for path in store.list_files("states")]
    underway = _underway(states, place)
    num_runs = _num_runs(plan, len(space))
    num_done = int(is_done.sum())
    is_finished = num_done >= num_runs and not (rungs and states)
    attempts = read_last_attempts(store.attempts_path)
    failed = [] if is_finished else [attempt for attempt in attempts if attempt.outcome == "failed"]
    return Status(
        state="finished" if is_finished else "unfinished" if writer is None else "training",
        num_runs=num_runs,
        num_done=num_done,
        num_running=0 if writer is None else sum(each.runs for each in attempts if each.outcome == SENT),
        num_saved=int((underway > 0)[~is_done].sum()),
        num_failed=min(sum(attempt.runs for attempt in failed), num_runs - num_done),
        num_diverged=int(diverged[is_done].sum()),
        reason=failed[-1].reason if failed else None,
        seconds_left=None
        if writer is None or rungs or is_finished
        else _seconds_left(store, num_runs * length.mean(), np.where(is_done, length, underway)),
        writer=writer,
        groups=_groups(plan, space, is_done, diverged),
        rungs={step: int((steps >= step).sum()) for step in rungs if isinstance(step, int)},
    )


def _read_runs(store: Store, place: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return for how many steps each run was trained, 0 for none, and whether it diverged."""
    steps, diverged = np.zeros(len(place), np.int64), np.zeros(len(place), bool)
    for rows in store.read_rows(columns=("diverged", "step_curve")):
        last_steps = rows["step_curve"].list.last()
        for run_id, has_diverged, step in zip(rows["id"], rows["diverged"], last_steps, strict=True):
            if run_id in place and step > steps[place[run_id]]:
                steps[place[run_id]], diverged[place[run_id]] = step, has_diverged
    return steps, diverged


def _length(plan: Mapping[str, Any], space: Space) -> np.ndarray:
    """Return the number of steps of each run of a plan."""
    if "num_steps" in space.axes:
        return space.column("num_steps")
    return np.full(len(space), plan["settings"].get("num_steps") or 1)


def _underway(states: list[dict[str, Any]], place: Mapping[str, int]) -> np.ndarray:
    """Return the step of the saved state of each run, 0 where there is none."""
    steps = np.zeros(len(place), np.int64)
    for about in states:
        runs, step = about.get("runs"), about.get("step")
        for run_id in runs if isinstance(runs, list) and isinstance(step, int) else ():
            if run_id in place:
                steps[place[run_id]] = max(step, steps[place[run_id]])
    return steps


def _num_runs(plan: Mapping[str, Any], num_runs: int) -> int:
    """Count the runs that a store is for: all, or those of a part of the sweep."""
    match plan.get("options", {}).get("part"):
        case [int(number), int(count)] if 1 <= number <= count:
            return num_runs // count + (number <= num_runs % count)
    return num_runs


def _seconds_left(store: Store, work: float, steps: np.ndarray) -> float | None:
    """Estimate the time left from the steps that were made since training began, when the plan was written.

    Args:
        store: the store of the sweep.
        work: steps of all its runs together.
        steps: made so far, by run.
    """
    began = store.plan_path.stat().st_mtime
    since = [path for path in store.list_files("chunks") if path.stat().st_mtime > began]
    rows = store.read_rows({path.stem for path in since}, columns=("step_curve",)) if since else []
    made = sum(float(table["step_curve"].list.last().sum()) for table in rows)
    for path in store.list_files("states"):
        about = read_about(path)
        if path.stat().st_mtime > began and isinstance(about.get("step"), int):
            made += about["step"] * len(about.get("runs") or ())
    left = work - float(steps.sum())
    return left * max(time.time() - began, 0.0) / made if made else None


def _groups(
    plan: Mapping[str, Any], space: Space, is_done: np.ndarray, diverged: np.ndarray
) -> list[GroupStatus]:
    names = list(dict.fromkeys(name for group in plan["groups"] for name in group["static"]))
    codes = np.stack([space.codes[name] for name in names if name in space.codes] or [np.zeros(len(space))])
    _, first, inverse = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    found = []
    for place in np.argsort(first):
        config, runs = space[first[place]], inverse.ravel() == place
        static = {name: config[name] for name in names if name in config}
        done = is_done & runs
        found.append(GroupStatus(static, int(runs.sum()), int(done.sum()), int((done & diverged).sum())))
    return found
