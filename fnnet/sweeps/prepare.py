"""Preparation: check a sweep, compile its programs and estimate its cost.

Nothing is trained and nothing is written to a store.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnet.data.content import leaf_hashes
from fnnet.engines.this_process import local
from fnnet.errors import unknown_name
from fnnet.hparams import Hparams
from fnnet.lanes.program import keep_compiled_programs, use_all_cores
from fnnet.precision import canonicalize
from fnnet.records.columns import check_names
from fnnet.records.ranking import is_higher_better
from fnnet.records.store import Store
from fnnet.space.groups import find_part
from fnnet.space.space import Space
from fnnet.sweeps.arguments import check_can_go_on, check_part, longest_run
from fnnet.sweeps.compatibility import check, lanes_before
from fnnet.sweeps.crew import Crew, gather_crew
from fnnet.sweeps.estimate import Estimate
from fnnet.sweeps.events import Compiled
from fnnet.sweeps.fingerprint import Description, describe
from fnnet.sweeps.job import Job, most_steps, prepare_group
from fnnet.sweeps.options import Options, make_options
from fnnet.sweeps.plan import Plan, make_plan
from fnnet.sweeps.progress import choose_metric, watched
from fnnet.sweeps.provenance import describe_origin
from fnnet.sweeps.resume import Done, find_missing, read_done, stored_plan
from fnnet.task import Recipe
from fnnet.training import init_state
from fnnet.types import PyTree

MAX_PARAMS_BYTES = 1e9  # of a whole sweep; more are kept only when asked for


class Prepared(NamedTuple):
    """A sweep that is ready to be executed.

    plan: its runs and groups.
    num_steps: updates in each run, or in the longest where they differ.
    options: as given.
    save_params: whether to keep the trained parameters.
    data: the data of the tasks.
    crew: the workers that train it.
    runs: the places of the runs that it trains: of all, or of a part.
    jobs: the groups with their lanes and estimates.
    described: its description in the plan of a store.
    num_without_params: finished runs that are trained again because their parameters are missing.
    first_steps: `[runs]`, the steps that runs were trained for before the sweep went on to more; 0 elsewhere.
    store: the folder, if there is one.
    metric: ranks the runs when progress shows the best one; None if no metric can.
    higher_is_better: the direction of that metric.
    """

    plan: Plan
    num_steps: int
    options: Options
    save_params: bool
    data: PyTree
    crew: Crew
    runs: np.ndarray
    jobs: list[Job]
    described: Description
    num_without_params: int
    first_steps: np.ndarray
    store: Store | None
    metric: str | None
    higher_is_better: bool

    @property
    def estimates(self) -> list[Estimate]:
        """The cost of each group that has runs to train or trained ones."""
        return [job.estimate for job in self.jobs if job.estimate.num_runs]

    @property
    def steps(self) -> str:
        """The length of a run in words, such as "50 steps"."""
        return f"{'up to ' * (self.plan.num_steps is None)}{self.num_steps} step{'s' * (self.num_steps != 1)}"

    def __repr__(self) -> str:
        """Summarize what is to be trained, and the estimated time."""
        num_missing = sum(estimate.num_missing for estimate in self.estimates)
        seconds = sum(estimate.seconds for estimate in self.estimates)
        about = "" if math.isnan(seconds) else f", about {seconds:.3g} s"
        return (
            f"Prepared: {self.plan.space.summary}, {num_missing} to train for {self.steps} "
            f"in {len(self.estimates)} program{'s' * (len(self.estimates) != 1)}{about}"
        )


def prepare(
    recipe: Recipe,
    space: Space,
    data: PyTree,
    *,
    num_steps: int | None = None,
    part: tuple[int, int] | None = None,
    **options: Any,
) -> Prepared:
    """Check the arguments, choose lanes, compile, and estimate the cost of a sweep, without training it.

    Args:
        recipe: as for `sweep`.
        space: as for `sweep`.
        data: as for `sweep`.
        num_steps: as for `sweep`.
        part: as for `sweep`.
        **options: the fields of `Options`.

    Returns:
        The prepared sweep: its `estimates` are the cost of each group, and `execute` trains it.

    Raises:
        InputError: when an argument is invalid, the store holds another sweep, or a run does not fit in memory.

    Example:
        >>> from fnnet import execute, grid, load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> space = grid(depth=[0, 1], learning_rate=[0.1, 0.3], seed=range(5))
        >>> prepared = prepare(mlp_recipe(data), space, data, num_steps=50)
        >>> [(estimate.static, estimate.num_missing) for estimate in prepared.estimates]
        [({'depth': 0}, 10), ({'depth': 1}, 10)]
        >>> execute(prepared).table().height
        20
    """
    return prepare_search(recipe, space, data, num_steps, make_options(options), part)


def prepare_search(
    recipe: Recipe,
    space: Space,
    data: PyTree,
    num_steps: int | None,
    options: Options,
    part: tuple[int, int] | None = None,
    fixed: Mapping[str, Any] | None = None,
    most_runs: int | None = None,
    higher_is_better: bool | None = None,
) -> Prepared:
    """Prepare a sweep, or a search, which trains some of its runs for fewer steps.

    Args:
        recipe: as for `sweep`.
        space: as for `sweep`.
        data: as for `sweep`.
        num_steps: updates in a full run; None if they are the axis "num_steps".
        options: the options of the sweep.
        part: the number of the part to train, from 1, and the number of parts; None for the whole sweep.
        fixed: of a search, further settings that may not change within a store.
        most_runs: the most runs to train together where lanes are chosen; None for all that are missing.
        higher_is_better: the direction of the metric that ranks the runs of a search; None for its own.
    """
    longest = longest_run(space, num_steps, options.eval_every)
    if part is not None:
        check_part(part, len(space))
    engine = options.engine or local()
    if engine.is_in_process:
        use_all_cores()
        keep_compiled_programs()  # which compiles something, for 60 MB that a coordinator does not need
    plan = make_plan(recipe, space, data, num_steps, most_steps(longest, options.eval_every))
    check_names(space.axes, plan.metrics)
    if options.keep_states:
        check_can_go_on(plan, options.eval_every, is_search=fixed is not None)
    if options.metric is not None and options.metric not in plan.metrics:
        raise unknown_name("metric", options.metric, plan.metrics)
    metric = options.metric
    if fixed is None:
        metric = choose_metric(plan.metrics if metric is None else [metric], plan.higher_is_better)
    is_higher = metric is not None and is_higher_better(metric, plan.higher_is_better, higher_is_better)
    store = None if options.store is None else Store(options.store)
    fixed = {"num_steps": num_steps, "eval_every": options.eval_every, **(fixed or {})}
    # Without a store nothing is compared, so the data need not be hashed.
    leaves = {} if store is None else leaf_hashes(data)
    crew = gather_crew(engine, recipe, plan, data)
    described = describe(plan, leaves, fixed, options.lanes, crew.worker.environment, crew.worker.platform)
    stored, done, save_params = None, Done({}, {}, {}, {}), False
    if store is not None:
        store.check_folder()
        stored = stored_plan(store)
        check(store, described, stored, accept=options.accept_fingerprint)
        asked = options.save_params
        save_params = _keeps_params(plan, data, stored) if asked is None else asked
        accept = options.accept_fingerprint
        done = read_done(store, plan, described, stored, save_params, accept=accept)
    described |= describe_origin(recipe, data, _recorded(num_steps, options, part, save_params))
    runs = np.arange(len(space)) if part is None else find_part([group.runs for group in plan.groups], *part)
    is_missing = np.isin(np.arange(len(space)), runs) & find_missing(space.ids(), done.chunks.values())
    first_steps = _first_steps(space, done) * is_missing
    jobs: list[Job] = []
    before = lanes_before(described, stored)
    num_programs = sum(bool(is_missing[group.runs].any()) for group in plan.groups)
    with watched(options) as emit:
        emit(Compiled(0, num_programs))
        for group, described_group, lanes in zip(plan.groups, described["groups"], before, strict=True):
            job = prepare_group(
                plan,
                group,
                np.intersect1d(group.runs, runs),
                group.runs[is_missing[group.runs]],
                first_steps,
                crew,
                options.eval_every,
                data,
                options.lanes or lanes,
                described_group["program"],
                most_runs,
            )
            jobs.append(job)
            emit(Compiled(sum(job.estimate.num_missing > 0 for job in jobs), num_programs))
    lost = ~find_missing(space.ids(), done.without_params.values())
    return Prepared(
        plan,
        longest,
        options,
        save_params,
        data,
        crew,
        runs,
        jobs,
        described,
        num_without_params=int((is_missing & lost).sum()),
        first_steps=first_steps,
        store=store,
        metric=metric,
        higher_is_better=is_higher,
    )


def _recorded(
    num_steps: int | None, options: Options, part: tuple[int, int] | None, save_params: bool
) -> dict[str, Any]:
    """Return the options that a store's plan records."""
    return {
        "num_steps": num_steps,
        "eval_every": options.eval_every,
        "lanes": options.lanes,
        "state_every": options.state_every,
        "save_params": save_params,
        "keep_states": options.keep_states,
        "part": part and list(part),
    }


def _first_steps(space: Space, done: Done) -> np.ndarray:
    """Return for how many steps each run was trained before its sweep went on to more, `[runs]`."""
    first_steps = np.zeros(len(space), np.int64)
    if not done.shorter:
        return first_steps
    place = {run_id: place for place, run_id in enumerate(space.ids().tolist())}
    for chunk_id, chunk in done.shorter.items():
        found = [place[run_id] for run_id in chunk.run_ids if run_id in place]
        first_steps[found] = np.maximum(done.lengths[chunk_id], first_steps[found])
    return first_steps


def _keeps_params(plan: Plan, data: PyTree, stored: Description | None) -> bool:
    """Decide whether to keep parameters by default: not if the store keeps none, nor if they are too large."""
    options = (stored or {}).get("options")
    if isinstance(options, dict) and options.get("save_params") is False:
        return False
    num_bytes = 0
    for group in plan.groups:
        columns = plan.hparams(group.runs[:1])
        hparams = {name: canonicalize(column)[0] for name, column in columns.items()}

        def params(hparams: Any, data: PyTree, task: Any = group.task) -> Any:
            return task.params(init_state(task, Hparams(hparams), data))

        leaves = jax.tree.leaves(jax.eval_shape(params, hparams, data))
        num_bytes += len(group.runs) * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    return num_bytes <= MAX_PARAMS_BYTES
