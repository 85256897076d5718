"""Successive halving and Hyperband: most runs of a sweep are stopped early, and the better ones go on.

All runs train to the first rung. There configurations are ranked by their mean over seeds, the best go on from
their state, gathered into fewer lanes, to the next rung, and so on. What was stopped stays in the table.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import polars as pl

from fnnet.errors import InputError, unknown_name
from fnnet.sweep import store as stores
from fnnet.sweep.chunk import Chunk, Trainer, Underway, lane_hparams, rows
from fnnet.sweep.execute import Prepared, keep_rows, prepare, progress_bar, take_over, trainer_of, write_plan
from fnnet.sweep.interrupt import Interrupt, deferred_interrupt
from fnnet.sweep.lanes import MIN_LANES, most_lanes
from fnnet.sweep.plan import Recipe
from fnnet.sweep.prepare import Job, cut_chunks, step_flops
from fnnet.sweep.program import lanes_sharding, use_all_cores
from fnnet.sweep.results import Results, collect
from fnnet.sweep.space import Space
from fnnet.sweep.statistics import group_runs, rank

WORTH_COMPILING = 2e11  # operations of idle lanes, about 2 seconds of a small CPU, as long as compiling takes


class Bracket(NamedTuple):
    """One successive halving.

    rungs: the steps at which runs are compared, rising; the last is the length of a whole run.
    factor: of the configurations that are compared at a rung, one in so many goes on.
    metric: what they are compared by.
    over: the axes to average over.
    maximize: whether more is better; None to tell from the metric's name.
    """

    rungs: tuple[int, ...]
    factor: float
    metric: str
    over: tuple[str, ...]
    maximize: bool | None


class Resting(NamedTuple):
    """A chunk that has reached a rung.

    chunk: its runs.
    lanes: on all devices, with which they were trained.
    underway: their state on the host, arrays with a leading axis `[runs]`; None where only the store has it.
    """

    chunk: Chunk
    lanes: int
    underway: Underway | None


def successive_halving(
    recipe: Recipe,
    space: Space,
    data: Any,
    *,
    rungs: Sequence[int],
    metric: str,
    factor: float = 4.0,
    over: str | Sequence[str] = "seed",
    maximize: bool | None = None,
    show_progress: bool = False,
    **options: Any,
) -> Results:
    """Train all runs for a few steps, the better ones for more, and the best to the end.

    Of `n` configurations `floor(n / factor^k)`, and at least one, go on after the `k`-th rung. A configuration
    is all runs that differ in the axes `over` only; they go on or stop together.

    Args:
        recipe: as for `sweep`.
        space: the runs.
        data: as for `sweep`.
        rungs: the steps at which configurations are compared, rising; the last is the length of a whole run.
        metric: what they are compared by, such as "validation_accuracy".
        factor: of how many configurations one goes on.
        over: the axis or axes to average over; one that the space lacks is passed over.
        maximize: whether more is better; None to tell from the metric's name.
        show_progress: whether to draw a progress bar.
        **options: `eval_every`, `store`, `lanes`, `state_every`, `save_params` and `accept_fingerprint`, as for
            `sweep`. A store is for one space; a search that was stopped goes on from it.

    Returns:
        The results of all runs, each with its metrics at the rung that it reached: the column "rung" counts
        from 0. `best` compares those that reached the last rung.

    Raises:
        InputError: before any work, for whatever is wrong with the arguments.
        KeyboardInterrupt: after Ctrl-C, once what is finished is safe.

    Source: Jamieson and Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization.

    Example:
        >>> from fnnet import grid, load_dataset, logspace, mlp_recipe
        >>> data = load_dataset("iris")
        >>> space = grid(learning_rate=logspace(0.001, 1, 8), seed=range(2))
        >>> results = successive_halving(
        ...     mlp_recipe(data), space, data, rungs=[5, 20, 80], metric="train_loss", factor=2
        ... )
        >>> results.table()["rung"].value_counts(sort=True).rows()
        [(0, 8), (1, 4), (2, 4)]
    """
    bracket = _bracket(space, rungs, metric, factor, over, maximize)
    return collect(space, *_search(recipe, space, data, bracket, options, show_progress))


def hyperband(
    recipe: Recipe,
    space: Space,
    data: Any,
    *,
    max_steps: int,
    min_steps: int,
    metric: str,
    factor: float = 4.0,
    over: str | Sequence[str] = "seed",
    maximize: bool | None = None,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    show_progress: bool = False,
    **options: Any,
) -> Results:
    """Run several successive halvings, from one that stops early and often to one that stops nothing.

    Each configuration is in one of them. Those that stop early get more configurations, such that all take
    about as many steps; so neither slow starters nor hopeless ones cost much.

    Args:
        recipe: as for `sweep`.
        space: the runs, usually drawn: `random(...) * grid(seed=...)`.
        data: as for `sweep`.
        max_steps: the length of a whole run.
        min_steps: the least that a run gets.
        metric: as for `successive_halving`, like `factor`, `over`, `maximize` and `options`.
        factor: as above.
        over: as above.
        maximize: as above.
        seed: deals the configurations to the brackets.
        store: a folder, with one of its own for each bracket.
        show_progress: as above.
        **options: as above.

    Returns:
        The results of all runs, with the columns "bracket" and "rung".

    Raises:
        InputError: before any work, for whatever is wrong with the arguments.

    Source: Li et al. 2018, Hyperband: a novel bandit-based approach to hyperparameter optimization,
    algorithm 1.

    Example:
        >>> from fnnet import LogUniform, load_dataset, mlp_recipe, random
        >>> data = load_dataset("iris")
        >>> space = random(20, seed=0, learning_rate=LogUniform(0.001, 1))
        >>> results = hyperband(
        ...     mlp_recipe(data), space, data, max_steps=48, min_steps=3, metric="train_loss"
        ... )
        >>> results.table().group_by("bracket", maintain_order=True).len().sort("bracket").rows()
        [(0, 13), (1, 5), (2, 2)]
    """
    if not 1 <= min_steps <= max_steps:
        raise InputError(f"min_steps must be from 1 to max_steps={max_steps}, got {min_steps}")
    longest = _bracket(space, [max_steps], metric, factor, over, maximize)
    num_brackets = 1 + math.floor(math.log(max_steps / min_steps) / math.log(factor) + 1e-9)
    groups = group_runs(space, {}, tuple(name for name in space.axes if name not in longest.over))
    if len(groups.configs) < num_brackets:
        raise InputError(
            f"{num_brackets} brackets need as many configurations, the space has {len(groups.configs)}"
        )
    parts = []
    dealt = deal(len(groups.configs), num_brackets, factor, seed)
    for number, configs in enumerate(dealt):
        halvings = num_brackets - 1 - number
        rungs = tuple(round(max_steps / factor**k) for k in range(halvings, -1, -1))
        runs = np.flatnonzero(np.isin(groups.group_of_run, configs))
        folder = None if store is None else Path(store) / f"bracket-{number}"
        found, _ = _search(
            recipe,
            space.take(runs),
            data,
            longest._replace(rungs=rungs),
            {**options, "store": folder},
            show_progress,
        )
        parts += [table.with_columns(bracket=pl.lit(number)) for table in found]
    return collect(space, parts)


def deal(num_configs: int, num_brackets: int, factor: float, seed: int) -> list[np.ndarray]:
    """Deal configurations to brackets, in proportion to the sizes that Hyperband gives them.

    Returns:
        For each bracket, from the one that halves most often, the places of its configurations.

    Example:
        >>> [len(configs) for configs in deal(20, 3, 4.0, seed=0)]
        [13, 5, 2]
    """
    halvings = np.arange(num_brackets - 1, -1, -1)
    sizes = np.ceil(num_brackets / (halvings + 1) * factor**halvings)
    ends = np.round(np.cumsum(sizes) / sizes.sum() * num_configs).astype(int)
    for bracket in range(num_brackets):  # none stays empty
        ends[bracket] = np.clip(ends[bracket], bracket + 1, num_configs - (num_brackets - 1 - bracket))
    return np.split(np.random.default_rng(seed).permutation(num_configs), ends[:-1])


def _bracket(
    space: Space,
    rungs: Sequence[int],
    metric: str,
    factor: float,
    over: str | Sequence[str],
    maximize: bool | None,
) -> Bracket:
    steps = list(rungs)
    are_steps = all(isinstance(rung, int) and not isinstance(rung, bool) and rung > 0 for rung in steps)
    if not steps or not are_steps or sorted(set(steps)) != steps:
        raise InputError(f"rungs must be positive integers that rise, such as [100, 400, 1600]; got {rungs}")
    if not 1 < factor < math.inf:
        raise InputError(f"factor must be a number above 1, got {factor}")
    names = (over,) if isinstance(over, str) else tuple(over)
    rank(np.zeros(1), metric, maximize)  # refuses a name that does not say which end is better
    return Bracket(tuple(steps), factor, metric, tuple(n for n in names if n in space.axes), maximize)


def _search(
    recipe: Recipe, space: Space, data: Any, bracket: Bracket, options: dict[str, Any], show_progress: bool
) -> tuple[list[pl.DataFrame], stores.Store | None]:
    """Climb the rungs; returns the rows of all chunks of all rungs."""
    use_all_cores()
    prepared = prepare(
        recipe,
        space,
        data,
        num_steps=bracket.rungs[-1],
        metric=bracket.metric,
        most_runs=max(MIN_LANES * len(jax.local_devices()), _num_runs_at_the_end(space, bracket)),
        fixed={
            "rungs": list(bracket.rungs),
            "factor": bracket.factor,
            "rank_by": bracket.metric,
            "over": list(bracket.over),
            "runs": stores.chunk_id_of(sorted(space.ids().tolist())),
        },
        **options,
    )
    parts: list[pl.DataFrame] = []
    jobs, alive = list(prepared.jobs), np.arange(len(space))
    resting: list[list[Resting]] = [[] for _ in jobs]
    with (
        take_over(prepared) as done,
        progress_bar(show_progress) as progress,
        deferred_interrupt() as interrupted,
    ):
        write_plan(prepared, prepared.jobs)
        bar = progress.add_task("")
        for rung, step in enumerate(bracket.rungs):
            tables = []
            progress.reset(bar, description=f"to step {step}", total=len(alive))
            for number, job in enumerate(jobs):
                runs = np.intersect1d(job.group.runs, alive)
                if not len(runs):
                    continue
                jobs[number] = _fitted(job, prepared, len(runs), step - ([0, *bracket.rungs][rung]))
                rungs = bracket.rungs[: rung + 1]
                found, resting[number] = _climb(
                    prepared, jobs[number], rungs, runs, resting[number], done, interrupted
                )
                tables += found
                progress.advance(bar, len(runs))
            parts += tables
            alive = _survivors(space, collect(space, tables), bracket, rung)
    return parts, prepared.store


def _climb(
    prepared: Prepared,
    job: Job,
    rungs: tuple[int, ...],
    runs: np.ndarray,
    below: list[Resting],
    done: dict[str, pl.DataFrame],
    interrupted: Interrupt,
) -> tuple[list[pl.DataFrame], list[Resting]]:
    """Train some runs of one group to the last of some rungs, from where they rest on the rung below."""
    plan, rung = prepared.plan, len(rungs) - 1
    trainer = trainer_of(prepared, job, interrupted)
    lanes = job.lanes * job.program.mesh.size
    tables, arrived = [], []
    for chunk in cut_chunks(plan, runs, plan.space.ids(), lanes, f"rung {rung}"):
        underway = None
        if chunk.id not in done:
            hparams = lane_hparams(plan, chunk.runs, lanes, job.program.mesh)
            underway = trainer.resume(chunk, hparams)
            if underway is None:
                underway = _gathered(trainer, below, chunk, lanes, rungs) if below else trainer.begin(hparams)
            underway = trainer.advance(chunk, hparams, underway, rungs[-1])
            if prepared.store is not None and rungs[-1] < prepared.settings.num_steps:
                trainer.save(chunk, underway)  # before the rows: what is committed can go on
            if prepared.settings.save_params:
                trainer.save_params(chunk, underway.progress)
            table = rows(plan, chunk, underway).with_columns(rung=pl.lit(rung))
            done[chunk.id] = keep_rows(prepared, job, chunk, table)
            underway = _fetched(underway, len(chunk.runs))
        tables.append(done[chunk.id])
        arrived.append(Resting(chunk, lanes, underway))
        interrupted.check()
    return tables, arrived


def _num_runs_at_the_end(space: Space, bracket: Bracket) -> int:
    """Count the runs that can reach the last rung; more lanes than these fill would be idle there."""
    axes = tuple(name for name in space.axes if name not in bracket.over)
    runs_each = np.bincount(group_runs(space, {}, axes).group_of_run)
    num_kept = _num_kept(len(runs_each), bracket, len(bracket.rungs) - 2)
    return int(np.sort(runs_each)[-num_kept:].sum())


def _num_kept(num_configs: int, bracket: Bracket, rung: int) -> int:
    """Count the configurations that go on from a rung; from -1, below the first, all do."""
    return max(1, math.floor(num_configs / bracket.factor ** (rung + 1) + 1e-9))


def _fitted(job: Job, prepared: Prepared, num_runs: int, num_steps: int) -> Job:
    """Give a group as many lanes as its runs fill, if that saves more than compiling another program takes."""
    num_devices = job.program.mesh.size
    lanes = min(job.lanes, most_lanes(math.ceil(num_runs / num_devices)))
    flops = step_flops(job.group.task, prepared.plan, job.group.runs[0], prepared.data)
    # Told by operations and not by time, so that a search that goes on decides as it did before.
    is_worth_it = (job.lanes - lanes) * num_devices * num_steps * flops > WORTH_COMPILING
    return job._replace(lanes=lanes) if is_worth_it else job


def _survivors(space: Space, reached: Results, bracket: Bracket, rung: int) -> np.ndarray:
    """Choose the runs that go on, by their configurations' means."""
    if bracket.metric not in reached.columns:
        raise unknown_name("metric", bracket.metric, reached.columns)
    axes = tuple(name for name in reached.space.axes if name not in bracket.over)
    groups = group_runs(reached.space, reached.columns, axes)
    means = groups.mean_ci(bracket.metric).mean
    all_axes = tuple(name for name in space.axes if name not in bracket.over)
    num_configs = len(group_runs(space, {}, all_axes).configs)
    kept = rank(means, bracket.metric, bracket.maximize)[: _num_kept(num_configs, bracket, rung)]
    ids = reached.columns["id"][np.isin(groups.group_of_run, kept)]
    return np.flatnonzero(np.isin(space.ids(), ids))


def _fetched(underway: Underway, num_runs: int) -> Underway:
    """Bring a chunk to the host, without the lanes that only filled it up."""
    progress = jax.tree.map(lambda leaf: leaf[:num_runs], jax.device_get(underway.progress))
    curves = {name: [point[:num_runs] for point in points] for name, points in underway.curves.items()}
    return underway._replace(progress=progress, curves=curves)


def _gathered(
    trainer: Trainer, below: list[Resting], chunk: Chunk, lanes: int, rungs: tuple[int, ...]
) -> Underway:
    """Put runs that rest in several chunks side by side on the devices, filled up to `lanes`."""
    used = [each for each in below if np.isin(each.chunk.runs, chunk.runs).any()]
    states = [each.underway or _recalled(trainer, each, rungs[:-1]) for each in used]
    wanted = np.concatenate([chunk.runs, np.repeat(chunk.runs[:1], lanes - len(chunk.runs))])
    runs = np.concatenate([each.chunk.runs for each in used])
    order = np.argsort(runs)
    places = order[np.searchsorted(runs, wanted, sorter=order)]

    def gather(*leaves: Any) -> np.ndarray:
        return np.concatenate(leaves)[places]

    progress = jax.tree.map(gather, *(state.progress for state in states))
    curves = {
        name: [gather(*points) for points in zip(*(state.curves[name] for state in states), strict=True)]
        for name in states[0].curves
    }
    # The time of runs that were stopped stays with them.
    shares = [np.isin(each.chunk.runs, chunk.runs).mean() for each in used]
    seconds = sum(share * state.seconds for share, state in zip(shares, states, strict=True))
    progress = jax.device_put(progress, lanes_sharding(trainer.program.mesh))
    return Underway(progress, curves, states[0].step, float(seconds))


def _recalled(trainer: Trainer, resting: Resting, rungs: tuple[int, ...]) -> Underway:
    """Load the state of a chunk from the store; where it is lost, train the chunk again."""
    hparams = lane_hparams(trainer.plan, resting.chunk.runs, resting.lanes, trainer.program.mesh)
    underway = trainer.resume(resting.chunk, hparams)
    if underway is None:
        underway = trainer.begin(hparams)
        for rung in rungs:
            underway = trainer.advance(resting.chunk, hparams, underway, rung)
    return _fetched(underway, len(resting.chunk.runs))
