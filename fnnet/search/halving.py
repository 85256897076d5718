"""Successive halving: stop most runs of a sweep early and promote the better ones.

All runs train to the first rung. There configurations are ranked by their mean over seeds, and the best resume from
their state, gathered into fewer lanes, to the next rung, and so on. Stopped runs stay in the table.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import polars as pl

from fnnet.errors import InputError, unknown_name
from fnnet.lanes.choice import most_lanes
from fnnet.lanes.program import lanes_sharding, use_all_cores
from fnnet.records.ranking import rank
from fnnet.records.results import Results
from fnnet.records.rows import collect
from fnnet.records.statistics import averaged_axes, find_configurations
from fnnet.records.store import chunk_id_of
from fnnet.space.space import Space
from fnnet.sweeps.chunk import Chunk, Trainer, Underway, lane_hparams, rows
from fnnet.sweeps.execution import keep_rows, take_over, trainer_of, write_plan
from fnnet.sweeps.interrupt import Interrupt, deferred_interrupt
from fnnet.sweeps.job import Job, cut_chunks, step_flops
from fnnet.sweeps.plan import Recipe
from fnnet.sweeps.prepare import Prepared, prepare
from fnnet.sweeps.progress import Progress, shown
from fnnet.sweeps.resume import Done

FEWEST_LANES = 8  # on a device; with fewer the first rung, where the most runs are, is slow
WORTH_COMPILING = 2e11  # operations of idle lanes: about 2 seconds on a small CPU, as long as compiling takes


class Bracket(NamedTuple):
    """One successive halving.

    runs: their places in the space.
    rungs: the steps at which runs are compared, increasing; the last is the length of a full run.
    factor: at each rung, one in `factor` configurations is promoted.
    metric: ranks them.
    over: the axes to average over.
    maximize: whether more is better; None to infer that from the metric's name.
    number: the bracket's place among several, the column "bracket" of its runs; None for the only one.
    """

    runs: np.ndarray
    rungs: tuple[int, ...]
    factor: float
    metric: str
    over: tuple[str, ...]
    maximize: bool | None
    number: int | None = None


class Paused(NamedTuple):
    """A chunk paused at a rung.

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

    Of `n` configurations, `floor(n / factor^k)`, and at least one, are promoted from the `k`-th rung. A configuration
    is the set of runs that differ only in the axes `over`; they are promoted or stopped together.

    Args:
        recipe: as for `sweep`.
        space: the runs.
        data: as for `sweep`.
        rungs: the steps at which configurations are compared, increasing; the last is the length of a full run.
        metric: ranks them, such as "validation_accuracy".
        factor: at each rung, one in `factor` configurations is promoted.
        over: the axis or axes to average over; a space need not have the axis "seed".
        maximize: whether more is better; None to infer that from the metric's name.
        show_progress: as for `sweep`.
        **options: `eval_every`, `store`, `lanes`, `state_every`, `save_params` and `accept_fingerprint`, as for
            `sweep`. A store is for one space; rerunning resumes an interrupted search.

    Returns:
        The results of all runs, each with its metrics at the rung that it reached: the column "rung" counts
        from 0, and "steps" says how far the run was trained. `best` compares those that reached the last rung.

    Raises:
        InputError: before any work, when an argument is invalid.
        KeyboardInterrupt: after Ctrl-C, once all finished work is saved.

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
    bracket = make_bracket(space, rungs, metric, factor, over, maximize)
    return climb_all(recipe, space, data, [bracket], options, show_progress)


def make_bracket(
    space: Space,
    rungs: Sequence[int],
    metric: str,
    factor: float,
    over: str | Sequence[str],
    maximize: bool | None,
) -> Bracket:
    """Check the arguments of a successive halving.

    Raises:
        InputError: naming the argument, what came and what was expected.
    """
    steps = list(rungs)
    are_steps = all(isinstance(rung, int) and not isinstance(rung, bool) and rung > 0 for rung in steps)
    if not steps or not are_steps or sorted(set(steps)) != steps:
        raise InputError(f"rungs must be increasing positive integers, such as [100, 400, 1600]; got {rungs}")
    if not 1 < factor < math.inf:
        raise InputError(f"factor must be a number above 1, got {factor}")
    rank(np.zeros(1), metric, maximize)  # refuses a name that does not say whether more is better
    axes = averaged_axes(space, over)
    return Bracket(np.arange(len(space)), tuple(steps), factor, metric, axes, maximize)


def climb_all(
    recipe: Recipe,
    space: Space,
    data: Any,
    brackets: Sequence[Bracket],
    options: dict[str, Any],
    show_progress: bool,
) -> Results:
    """Train all brackets of a search, one after the other, as one sweep with one store.

    Args:
        recipe: as for `sweep`.
        space: all runs.
        data: as for `sweep`.
        brackets: each run is in exactly one, and all end at the same step. The first one has all rungs.
        options: of `prepare`.
        show_progress: whether to report progress.

    Returns:
        The results of all runs.
    """
    use_all_cores()
    first = brackets[0]
    prepared = prepare(
        recipe,
        space,
        data,
        num_steps=first.rungs[-1],
        metric=first.metric,
        most_runs=max(
            FEWEST_LANES * len(jax.local_devices()),
            *(_num_runs_at_the_end(space, bracket) for bracket in brackets),
        ),
        fixed={
            "rungs": list(first.rungs),
            "factor": first.factor,
            "rank_by": first.metric,
            "over": list(first.over),
            "runs": [chunk_id_of(sorted(space.ids()[each.runs].tolist())) for each in brackets],
        },
        show_progress=show_progress,
        **options,
    )
    parts: list[pl.DataFrame] = []
    with (
        take_over(prepared) as (prepared, done),
        shown(show_progress) as show,
        deferred_interrupt() as interrupted,
    ):
        write_plan(prepared, prepared.jobs)
        progress = Progress(
            show,
            num_runs=len(space),
            work=sum(_work(space, bracket) for bracket in brackets),
            metric=first.metric,
            maximize=first.maximize,
            axes=space.varied_axes,
        )
        progress.show(is_urgent=True)
        for bracket in brackets:
            parts += _climb(prepared, bracket, done, interrupted, progress)
        progress.show(is_urgent=True)
    return collect(space, parts, prepared.store)


def _climb(
    prepared: Prepared,
    bracket: Bracket,
    done: Done,
    interrupted: Interrupt,
    progress: Progress,
) -> list[pl.DataFrame]:
    """Train one bracket, rung by rung; returns the rows of all chunks of all rungs."""
    space, alive = prepared.plan.space, bracket.runs
    jobs = list(prepared.jobs)
    paused: list[list[Paused]] = [[] for _ in jobs]
    parts: list[pl.DataFrame] = []
    for rung, step in enumerate(bracket.rungs):
        tables = []
        name = "" if bracket.number is None else f"bracket {bracket.number} "
        progress.begin_stage(f"{name}to step {step}", len(alive))
        for number, job in enumerate(jobs):
            runs = np.intersect1d(job.group.runs, alive)
            if not len(runs):
                continue
            jobs[number] = _fitted(job, prepared, len(runs), _steps_to(bracket, rung))
            found, paused[number] = _climb_one(
                prepared, jobs[number], bracket, rung, runs, paused[number], done, interrupted, progress
            )
            tables += found
        parts += tables
        alive = _survivors(space, collect(space, tables), bracket, rung)
    return parts


def _climb_one(
    prepared: Prepared,
    job: Job,
    bracket: Bracket,
    rung: int,
    runs: np.ndarray,
    below: list[Paused],
    done: Done,
    interrupted: Interrupt,
    progress: Progress,
) -> tuple[list[pl.DataFrame], list[Paused]]:
    """Train some runs of one group to a rung, from their state at the rung below."""
    plan, rungs = prepared.plan, bracket.rungs[: rung + 1]
    trainer = trainer_of(prepared, job, interrupted, progress)
    lanes = job.lanes * job.program.mesh.size
    tables, arrived = [], []
    for chunk in cut_chunks(plan, runs, plan.space.ids(), lanes, f"rung {rung}"):
        underway = None
        if chunk.id not in done.chunks:
            hparams = lane_hparams(plan, chunk.runs, lanes, job.program.mesh)
            underway = trainer.resume(chunk, hparams)
            if underway is None:
                underway = _gathered(trainer, below, chunk, lanes, rungs) if below else trainer.begin(hparams)
            underway = trainer.advance(chunk, hparams, underway, rungs[-1])
            if prepared.store is not None and rungs[-1] < prepared.settings.num_steps:
                trainer.save(chunk, underway)  # before the rows, so that committed runs can be promoted
            if prepared.settings.save_params:
                trainer.save_params(chunk, underway.progress)
            table = rows(plan, chunk, underway).with_columns(rung=pl.lit(rung))
            if bracket.number is not None:
                table = table.with_columns(bracket=pl.lit(bracket.number))
            done.chunks[chunk.id] = keep_rows(prepared, job, chunk, table, done)
            underway = _fetched(underway, len(chunk.runs))
        tables.append(done.chunks[chunk.id])
        progress.finish(tables[-1], len(chunk.runs) * _steps_to(bracket, rung))
        arrived.append(Paused(chunk, lanes, underway))
        interrupted.check()
    return tables, arrived


def _steps_to(bracket: Bracket, rung: int) -> int:
    """Count the steps from the rung below."""
    return bracket.rungs[rung] - (bracket.rungs[rung - 1] if rung else 0)


def _work(space: Space, bracket: Bracket) -> float:
    """Count the steps of all runs of a bracket, as if all configurations had equally many runs."""
    axes = tuple(name for name in space.axes if name not in bracket.over)
    num_configs = len(find_configurations(space.take(bracket.runs), {}, axes).configs)
    runs_each = len(bracket.runs) / num_configs
    num_kept = [_num_kept(num_configs, bracket, rung - 1) for rung in range(len(bracket.rungs))]
    return runs_each * sum(number * _steps_to(bracket, rung) for rung, number in enumerate(num_kept))


def _num_runs_at_the_end(space: Space, bracket: Bracket) -> int:
    """Count the runs that can reach the last rung; more lanes than these fill would be idle there."""
    axes = tuple(name for name in space.axes if name not in bracket.over)
    runs_each = np.bincount(find_configurations(space.take(bracket.runs), {}, axes).config_of_run)
    num_kept = _num_kept(len(runs_each), bracket, len(bracket.rungs) - 2)
    return int(np.sort(runs_each)[-num_kept:].sum())


def _num_kept(num_configs: int, bracket: Bracket, rung: int) -> int:
    """Count the configurations that are promoted from a rung; from -1, below the first, all are."""
    return max(1, math.floor(num_configs / bracket.factor ** (rung + 1) + 1e-9))


def _fitted(job: Job, prepared: Prepared, num_runs: int, num_steps: int) -> Job:
    """Reduce a group's lanes to what its runs fill, if that saves more than compiling another program takes."""
    num_devices = job.program.mesh.size
    lanes = min(job.lanes, most_lanes(math.ceil(num_runs / num_devices)))
    flops = step_flops(job.group.task, prepared.plan, job.group.runs[0], prepared.data)
    # Decided by operations and not by time, so that a resumed search decides as it did before.
    is_worth_it = (job.lanes - lanes) * num_devices * num_steps * flops > WORTH_COMPILING
    return job._replace(lanes=lanes) if is_worth_it else job


def _survivors(space: Space, reached: Results, bracket: Bracket, rung: int) -> np.ndarray:
    """Choose the runs to promote, by the means of their configurations."""
    if bracket.metric not in reached.columns:
        raise unknown_name("metric", bracket.metric, reached.columns)
    axes = tuple(name for name in reached.space.axes if name not in bracket.over)
    configurations = find_configurations(reached.space, reached.columns, axes)
    means = configurations.mean_ci(bracket.metric).mean
    all_axes = tuple(name for name in space.axes if name not in bracket.over)
    num_configs = len(find_configurations(space.take(bracket.runs), {}, all_axes).configs)
    kept = rank(means, bracket.metric, bracket.maximize)[: _num_kept(num_configs, bracket, rung)]
    ids = reached.columns["id"][np.isin(configurations.config_of_run, kept)]
    return np.flatnonzero(np.isin(space.ids(), ids))


def _fetched(underway: Underway, num_runs: int) -> Underway:
    """Copy the state of a chunk to the host, without padding lanes."""
    progress = jax.tree.map(lambda leaf: leaf[:num_runs], jax.device_get(underway.progress))
    curves = {name: [point[:num_runs] for point in points] for name, points in underway.curves.items()}
    return underway._replace(progress=progress, curves=curves)


def _gathered(
    trainer: Trainer, below: list[Paused], chunk: Chunk, lanes: int, rungs: tuple[int, ...]
) -> Underway:
    """Gather runs that were paused in several chunks into one chunk on the devices, padded to `lanes`."""
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


def _recalled(trainer: Trainer, paused: Paused, rungs: tuple[int, ...]) -> Underway:
    """Load the state of a chunk from the store; where it is lost, train the chunk again."""
    hparams = lane_hparams(trainer.plan, paused.chunk.runs, paused.lanes, trainer.program.mesh)
    underway = trainer.resume(paused.chunk, hparams)
    if underway is None:
        underway = trainer.begin(hparams)
        for rung in rungs:
            underway = trainer.advance(paused.chunk, hparams, underway, rung)
    return _fetched(underway, len(paused.chunk.runs))
