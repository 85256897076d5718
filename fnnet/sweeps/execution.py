"""Execution: train every run of a sweep that its store does not hold yet."""

import os
from typing import Any

import numpy as np

from fnnet.records.results import Results
from fnnet.records.rows import collect, from_table
from fnnet.space.space import Space
from fnnet.sweeps.coordinator import coordinate
from fnnet.sweeps.events import Finished, Planned
from fnnet.sweeps.fingerprint import name_of_state
from fnnet.sweeps.prepare import Prepared, prepare
from fnnet.sweeps.progress import watched
from fnnet.sweeps.stage import Stage
from fnnet.sweeps.states import find_states
from fnnet.task import Recipe
from fnnet.types import PyTree

SECONDS_FOR_PEAK = 60.0  # of a sweep that is worth a measurement of half a second


def sweep(
    recipe: Recipe,
    space: Space,
    data: PyTree,
    *,
    num_steps: int | None = None,
    part: tuple[int, int] | None = None,
    **options: Any,
) -> Results:
    """Train every run of a space, or of a part of it, that the store does not hold yet.

    A store refuses a sweep that computes something else. It compares the programs that JAX traces, so changes inside a
    Python callback (`jax.pure_callback`) go unnoticed.

    Args:
        recipe: a function whose arguments are the static axes and which returns a `Task`.
        space: the runs, as `grid` makes them.
        data: what the task takes, usually a `Dataset`.
        num_steps: updates in each run; omitted if "num_steps" is an axis of the space. Tasks can read it as the
            hyper-parameter `num_steps`, for a schedule that ends with the run.
        part: which part of the runs to train, and how many parts there are: `(3, 16)` is the third of sixteen. Each
            trains into a store of its own, on any machine, and `merge_stores` joins them. None for all runs.
        **options: the fields of `Options`, such as `eval_every` and `store`.

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
    return execute(prepare(recipe, space, data, num_steps=num_steps, part=part, **options))


def execute(prepared: Prepared) -> Results:
    """Train the runs of a prepared sweep that its store does not hold yet.

    Args:
        prepared: by `prepare`.

    Returns:
        The results, one row per run in the order of the space.

    Raises:
        InputError: when another process is writing to the store, or the store has come to hold another sweep.
        KeyboardInterrupt: after Ctrl-C, once all finished work is saved.

    Example:
        >>> from fnnet import grid, load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> prepared = prepare(mlp_recipe(data), grid(learning_rate=[0.1, 0.3]), data, num_steps=5)
        >>> len(execute(prepared))
        2
    """
    plan, store, runs = prepared.plan, prepared.store, prepared.runs
    is_finished = not any(estimate.num_missing for estimate in prepared.estimates)
    if store is not None and is_finished and not os.access(store.folder, os.W_OK):
        return collect(plan.space, map(from_table, store.read_rows()), store, plan.higher_is_better)
    lengths = plan.lengths(np.arange(len(plan.space)))
    stages = [Stage(runs[lengths[runs] == length], [length]) for length in np.unique(lengths[runs]).tolist()]
    with watched(prepared.options) as emit, coordinate(prepared, emit) as coordinator:
        missing = np.concatenate([coordinator.kept.find_missing(stage) for stage in stages])
        work = int((lengths - prepared.first_steps)[missing].sum())
        emit(announce(prepared, len(runs), len(runs) - len(missing), work))
        parts = [rows for stage in stages for rows in coordinator.train(stage)]
        if store is not None:
            parts = [from_table(table) for table in store.read_rows(coordinator.kept.done.chunks)]
        emit(Finished(len(runs)))
    return collect(plan.space, parts, store, plan.higher_is_better)


def announce(prepared: Prepared, num_runs: int, num_done: int, work: float) -> Planned:
    """Build the event that says what is to be trained.

    The peak of the devices is measured only for a sweep that shows its progress and takes a while.

    Args:
        prepared: the sweep.
        num_runs: the number of runs to be finished in the end.
        num_done: the number of those already finished.
        work: still to do, in steps summed over runs.
    """
    engine, estimates = prepared.crew.engine, prepared.estimates
    seconds = sum(estimate.seconds for estimate in estimates)
    is_worth_it = prepared.options.show_progress and seconds > SECONDS_FOR_PEAK
    return Planned(
        num_runs=num_runs,
        num_done=num_done,
        work=work,
        metric=prepared.metric,
        higher_is_better=prepared.higher_is_better,
        axes=prepared.plan.space.varied_axes,
        num_groups=len(estimates),
        num_chunks=sum(estimate.num_chunks for estimate in estimates),
        step_flops={job.group.program: job.step_flops for job in prepared.jobs},
        peak=prepared.crew.measure_peak() * engine.num_workers if is_worth_it else None,
    )


def describe_stored(prepared: Prepared) -> str | None:
    """Describe what a store already holds of a sweep; None if it holds nothing."""
    num_runs = len(prepared.runs)
    num_done = num_runs - sum(estimate.num_missing for estimate in prepared.estimates)
    steps = []
    if prepared.store is not None and num_done < num_runs:
        own = {name_of_state(prepared.described, job.group.program, job.lanes) for job in prepared.jobs}
        saved = find_states(prepared.store).values()
        steps = [state.step for state in saved if state.fingerprint in own]
    if not num_done and not steps and not prepared.num_without_params:
        return None
    text = f"resuming: {num_done:,} of {num_runs:,} runs are done"
    if steps:
        text += f", {len(steps)} chunk{'s' if len(steps) > 1 else ''} under way from step {max(steps):,}"
    if num_going_on := int(np.count_nonzero(prepared.first_steps)):
        text += f"; {num_going_on:,} go on from step {max(prepared.first_steps):,} to {prepared.num_steps:,}"
    if prepared.num_without_params:
        text += f"; {prepared.num_without_params:,} are trained again because their parameters are missing"
    return text
