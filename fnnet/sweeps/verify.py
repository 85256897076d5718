"""Verification of stored results, by training the same runs alone."""

import functools
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from fnnet.best import BEST_STEP
from fnnet.data.content import leaf_hashes
from fnnet.data.record import reload_data
from fnnet.errors import InputError, check_integer
from fnnet.records.rows import open_results
from fnnet.records.store import Store
from fnnet.sweeps.compatibility import changed_leaves
from fnnet.sweeps.plan import Recipe, make_plan
from fnnet.sweeps.provenance import OWN_RECIPES
from fnnet.task import Task
from fnnet.training import train_through
from fnnet.types import PyTree


def verify(
    recipe: Recipe | None = None,
    store: str | os.PathLike[str] | None = None,
    data: PyTree = None,
    *,
    num_runs: int = 4,
    seed: int = 0,
) -> dict[str, float]:
    """Train some runs of a store again, one at a time, and compare their metrics with the stored ones.

    A run alone sums in a different order than in lanes, so results agree up to rounding, which training amplifies
    at learning rates near the edge of stability.

    Args:
        recipe: the sweep's recipe; None if it is one of fnnet's own.
        store: the sweep's folder, as in `verify(store="results/first")`.
        data: the sweep's data; None to load what the store names.
        num_runs: number of runs, drawn at random; all if there are fewer.
        seed: seed of the draw.

    Returns:
        The largest absolute difference from the stored values, per metric. Values that are not finite count as equal.

    Raises:
        InputError: when the folder holds no sweep or no finished run, the data changed, or the recipe or data have to
            be passed.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = sweep(mlp_recipe(data), grid(depth=0, learning_rate=0.1), data, num_steps=5, store=folder)
        ...     differences = verify(store=folder)
        >>> differences["test_loss"] < 1e-5
        True
    """
    check_integer("num_runs", num_runs)
    if store is None:
        raise InputError('verify needs the folder of a sweep, such as store="results/first"')
    results = open_results(store)
    stored = Store(store).read_plan()
    if stored is None or not len(results.space):
        raise InputError(f"{store} holds no finished run yet")
    if data is None:
        data = reload_data(stored.get("data") or {})
    leaves = leaf_hashes(data)
    if leaves != stored["leaves"]:
        raise InputError(f"{store}: the data have changed ({changed_leaves(stored['leaves'], leaves)})")
    num_steps = stored["settings"].get("num_steps")
    plan = make_plan(recipe or stored_recipe(store, stored, data), results.space, data, num_steps)
    drawn = np.random.default_rng(seed).permutation(len(results.space))[:num_runs]
    differences: dict[str, float] = {}
    lengths = plan.lengths(np.arange(len(plan.space)))
    for group in plan.groups:

        @functools.partial(jax.jit, static_argnums=2)
        def alone(hparams: Any, data: PyTree, stops: tuple[int, ...], task: Task = group.task) -> Any:
            return train_through(task, hparams, data, stops).metrics

        for run in np.intersect1d(group.runs, drawn):
            hparams = {name: column[0] for name, column in plan.hparams(np.array([run])).items()}
            # A search stops runs early, at their last evaluation. The one step of a `function_task` has many.
            evaluated = results["step_curve"][run]
            stops = np.unique(np.minimum(evaluated[~np.isnan(evaluated)].astype(int), lengths[run])).tolist()
            if group.task.react is None:  # what was evaluated earlier changes nothing
                stops = stops[-1:]
            for name, value in alone(hparams, data, tuple(stops)).items():
                if name == BEST_STEP:  # where two evaluations agree up to rounding, either may be the best
                    continue
                difference = _distance(float(np.ravel(value)[-1]), float(results[name][run]))
                differences[name] = max(difference, differences.get(name, 0.0))
    return differences


def judge(difference: float, stored: np.ndarray) -> tuple[str, float]:
    """Classify the difference of a metric relative to its scale.

    Args:
        difference: the largest absolute difference, from `verify`.
        stored: the stored metric of all runs.

    Returns:
        "the same up to rounding", "close, as training amplifies rounding", or "different"; and the scale, which is the
        largest finite absolute value.

    Example:
        >>> judge(1e-6, np.array([0.5, -2.0, np.inf])), judge(0.5, np.array([0.5, -2.0]))
        (('the same up to rounding', 2.0), ('different', 2.0))
    """
    finite = np.abs(stored[np.isfinite(stored)])
    scale = float(finite.max()) if len(finite) else 0.0
    if difference <= 1e-4 * scale or difference == 0:
        return "the same up to rounding", scale
    return ("close, as training amplifies rounding" if difference <= 0.02 * scale else "different"), scale


def stored_recipe(store: str | os.PathLike[str], stored: Mapping[str, Any], data: PyTree) -> Recipe:
    """Build the recipe that a plan names, which must be one of fnnet's own; nothing is imported by name.

    Raises:
        InputError: when it is not one of them.
    """
    recorded = stored.get("recipe")
    name = recorded.get("name") if isinstance(recorded, dict) else None
    if name not in OWN_RECIPES:
        raise InputError(
            f"{store} was made with the recipe {name}, which only your own code knows: fn.verify(recipe, store, data), "
            "or fnnet verify STORE --recipe MODULE:FUNCTION"
        )
    return OWN_RECIPES[name](data)


def _distance(one: float, other: float) -> float:
    if not np.isfinite(one) and not np.isfinite(other):
        return 0.0
    return abs(one - other)
