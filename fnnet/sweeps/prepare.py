"""Preparation: a sweep whose mistakes are found, whose programs are compiled and whose cost is estimated.

Nothing is trained and nothing is written to a store.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams
from fnnet.lanes.program import keep_compiled_programs, make_mesh, shared_sharding, use_all_cores
from fnnet.records.columns import check_names
from fnnet.records.store import Store
from fnnet.space.space import Space
from fnnet.sweeps import fingerprint as fingerprints
from fnnet.sweeps.chunk import Settings, narrow, params_of
from fnnet.sweeps.job import Estimate, Job, most_steps, prepare_group
from fnnet.sweeps.plan import Plan, Recipe, make_plan
from fnnet.sweeps.progress import choose_metric, compiling
from fnnet.sweeps.provenance import describe_origin
from fnnet.sweeps.resume import Done, find_missing, read_done, stored_plan
from fnnet.training import check_steps

MAX_PARAMS_BYTES = 1e9  # of a whole sweep; more are kept only when asked for


class Prepared(NamedTuple):
    """A sweep that is ready to be executed.

    plan: its groups.
    settings: what all runs share.
    data: on the devices.
    jobs: the groups with their compiled programs and lanes.
    estimates: the cost of each group.
    described: its description in the plan of a store.
    num_without_params: finished runs that are trained again because their parameters are missing.
    accept_fingerprint: whether to resume a store that was made under another fingerprint.
    store: the folder, if there is one.
    metric: ranks the runs when progress shows the best one; None if no metric can.
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
    metric: str | None

    def __repr__(self) -> str:
        """Summarize what is to be trained, and the estimated time."""
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
    """Check the arguments, choose lanes, compile, and estimate the cost of a sweep, without training it.

    The arguments are those of `sweep`, and `metric`, which the tasks must measure; `fixed`, further settings that may
    not change within a store; and `most_runs`, the most runs to train together where lanes are chosen.

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
    check_steps(num_steps, eval_every)
    if lanes is not None and lanes < 1:
        raise InputError(f"lanes must be a positive integer, got {lanes}")
    if save_params and store is None:
        raise InputError("save_params=True keeps parameters in a store; pass its folder as store=...")
    use_all_cores()
    keep_compiled_programs()
    plan = make_plan(recipe, space, data, most_steps(num_steps, eval_every))
    check_names(space.axes, plan.metrics)
    if metric is not None and metric not in plan.metrics:
        raise unknown_name("metric", metric, plan.metrics)
    folder = None if store is None else Store(store)
    fixed = {"num_steps": num_steps, "eval_every": eval_every, **(fixed or {})}
    # Without a store nothing is compared, so the data need not be hashed.
    described = fingerprints.describe(plan, None if folder is None else data, fixed, lanes)
    stored = None
    if folder is not None:
        folder.check_folder()
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
        choose_metric(plan.metrics if metric is None else [metric]),
    )


def _keeps_params(plan: Plan, data: Any, stored: fingerprints.Description | None) -> bool:
    """Decide whether to keep parameters by default: not if the store keeps none, nor if they are too large."""
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
