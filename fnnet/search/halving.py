"""Successive halving: stop most runs of a sweep early and promote the better ones.

All runs train to the first rung. There, configurations are ranked by their mean over seeds. The best are gathered into
fewer lanes and resume from their state to the next rung, and so on. Stopped runs remain in the table.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnet.errors import InputError, unknown_name
from fnnet.lanes.program import use_all_cores
from fnnet.records.ranking import rank
from fnnet.records.results import Results
from fnnet.records.rows import Rows, collect
from fnnet.records.statistics import averaged_axes, find_configurations
from fnnet.records.store import chunk_id_of
from fnnet.space.space import Space
from fnnet.sweeps.coordinator import coordinate
from fnnet.sweeps.events import Began, Finished
from fnnet.sweeps.execution import announce
from fnnet.sweeps.options import make_options
from fnnet.sweeps.prepare import prepare_search
from fnnet.sweeps.progress import watched
from fnnet.sweeps.stage import Stage
from fnnet.task import Recipe
from fnnet.types import PyTree

FEWEST_LANES = 8  # per device; with fewer, the first rung, which has the most runs, is slow


class Bracket(NamedTuple):
    """The runs and the settings of one successive halving.

    runs: indices of its runs in the space.
    rungs: the steps at which configurations are compared, increasing; the last is the length of a full run.
    factor: at each rung, one in `factor` configurations is promoted.
    metric: the metric that ranks them.
    over: the axes to average over.
    higher_is_better: the direction; None for that of the metric.
    number: the index of the bracket, the column "bracket" of its runs; None if there is only one.
    """

    runs: np.ndarray
    rungs: tuple[int, ...]
    factor: float
    metric: str
    over: tuple[str, ...]
    higher_is_better: bool | None
    number: int | None = None


def successive_halving(
    recipe: Recipe,
    space: Space,
    data: PyTree,
    *,
    rungs: Sequence[int],
    metric: str,
    factor: float = 4.0,
    over: str | Sequence[str] = "seed",
    higher_is_better: bool | None = None,
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
        metric: the metric that ranks them, such as "validation_accuracy".
        factor: at each rung, one in `factor` configurations is promoted.
        over: the axis or axes to average over; a space need not have the axis "seed".
        higher_is_better: the direction; None for that of the metric.
        **options: the fields of `Options`. A store holds the search of one space; with it, repeating the call resumes
            an interrupted search.

    Returns:
        The results of all runs, each with its metrics at the last rung that it reached. The column "rung" is the index
        of that rung, and "steps" the number of updates so far. `best` compares the runs that reached the last rung.

    Raises:
        InputError: before any work, when an argument is invalid.
        KeyboardInterrupt: after Ctrl-C, once all finished work is saved.

    Source: Jamieson & Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter optimization".

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
    bracket = make_bracket(space, rungs, metric, factor, over, higher_is_better)
    return climb_all(recipe, space, data, [bracket], options)


def make_bracket(
    space: Space,
    rungs: Sequence[int],
    metric: str,
    factor: float,
    over: str | Sequence[str],
    higher_is_better: bool | None,
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
    axes = averaged_axes(space, over)
    return Bracket(np.arange(len(space)), tuple(steps), factor, metric, axes, higher_is_better)


def climb_all(
    recipe: Recipe, space: Space, data: PyTree, brackets: Sequence[Bracket], options: dict[str, Any]
) -> Results:
    """Train all brackets of a search, one after the other, as one sweep with one store.

    Args:
        recipe: as for `sweep`.
        space: all runs.
        data: as for `sweep`.
        brackets: each run is in exactly one, and all end at the same step. The first one has all rungs.
        options: the fields of `Options`.

    Returns:
        The results of all runs.
    """
    use_all_cores()
    first = brackets[0]
    prepared = prepare_search(
        recipe,
        space,
        data,
        num_steps=first.rungs[-1],
        options=make_options({**options, "metric": first.metric}),
        fixed={
            "rungs": list(first.rungs),
            "factor": first.factor,
            "rank_by": first.metric,
            "over": list(first.over),
            "runs": [chunk_id_of(sorted(space.ids()[each.runs].tolist())) for each in brackets],
        },
        most_runs=max(
            FEWEST_LANES * len(jax.local_devices()),
            *(_num_runs_at_the_end(space, bracket) for bracket in brackets),
        ),
        higher_is_better=first.higher_is_better,
    )
    parts: list[Rows] = []
    with watched(prepared.options) as emit, coordinate(prepared, emit) as coordinator:
        work = sum(_work(space, bracket) for bracket in brackets)
        # Each rung cuts its runs into chunks of its own.
        planned = announce(prepared, len(space), 0, work)
        emit(planned._replace(num_groups=0, num_chunks=0))
        for bracket in brackets:
            alive, name = bracket.runs, "" if bracket.number is None else f"bracket {bracket.number} "
            for rung, step in enumerate(bracket.rungs):
                emit(Began(f"{name}to step {step}", len(alive)))
                reached = coordinator.train(Stage(alive, bracket.rungs[: rung + 1], rung, bracket.number))
                parts += reached
                alive = _survivors(space, collect(space, reached), bracket, rung, prepared.higher_is_better)
        emit(Finished(len(space)))
    return collect(space, parts, prepared.store, prepared.plan.higher_is_better)


def _steps_to(bracket: Bracket, rung: int) -> int:
    """Return the number of steps from the rung below."""
    return bracket.rungs[rung] - (bracket.rungs[rung - 1] if rung else 0)


def _work(space: Space, bracket: Bracket) -> float:
    """Count the steps of all runs of a bracket, as if all configurations had equally many runs."""
    num_configs = len(find_configurations(space.take(bracket.runs), bracket.over).configs)
    runs_each = len(bracket.runs) / num_configs
    num_kept = [_num_kept(num_configs, bracket, rung - 1) for rung in range(len(bracket.rungs))]
    return runs_each * sum(number * _steps_to(bracket, rung) for rung, number in enumerate(num_kept))


def _num_runs_at_the_end(space: Space, bracket: Bracket) -> int:
    """Count the runs that can reach the last rung; any more lanes would be idle there."""
    runs_each = np.bincount(find_configurations(space.take(bracket.runs), bracket.over).config_of_run)
    num_kept = _num_kept(len(runs_each), bracket, len(bracket.rungs) - 2)
    return int(np.sort(runs_each)[-num_kept:].sum())


def _num_kept(num_configs: int, bracket: Bracket, rung: int) -> int:
    """Count the configurations that are promoted from a rung; from -1, below the first, all are."""
    return max(1, math.floor(num_configs / bracket.factor ** (rung + 1) + 1e-9))


def _survivors(
    space: Space, reached: Results, bracket: Bracket, rung: int, higher_is_better: bool
) -> np.ndarray:
    """Choose the runs to promote, by the means of their configurations."""
    if bracket.metric not in reached:
        raise unknown_name("metric", bracket.metric, reached)
    configurations = find_configurations(reached.space, bracket.over)
    means = configurations.mean_interval(reached[bracket.metric]).mean
    num_configs = len(find_configurations(space.take(bracket.runs), bracket.over).configs)
    kept = rank(means, higher_is_better)[: _num_kept(num_configs, bracket, rung)]
    ids = reached["id"][np.isin(configurations.config_of_run, kept)]
    return np.flatnonzero(np.isin(space.ids(), ids))
