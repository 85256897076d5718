"""Plans: which runs can share one compiled program.

An axis that is an argument of the recipe is static: it changes shapes or code. Every other axis is traced: a
number, one lane for each value. Runs with equal static values form a group, which is compiled once.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams, MissingHparam
from fnnet.optimizers import check_learning_rate
from fnnet.sweep.space import Config, Space
from fnnet.task import Task

Recipe = Callable[..., Task]


class Group(NamedTuple):
    """The runs that share one program.

    static: the values of the static axes.
    task: what the recipe made of them.
    runs: the runs' places in the space.
    traced: one run's life of one step, as JAX traced it.
    """

    static: Config
    task: Task
    runs: Int[np.ndarray, " runs"]
    traced: Any

    def program_hash(self) -> str:
        """Name what one run computes: another recipe gives another name, the number of lanes does not."""
        return hashlib.sha256(self.traced.lower().as_text().encode()).hexdigest()[:16]


class Plan(NamedTuple):
    """A space cut into groups.

    space: the runs.
    static_axes: the axes that are arguments of the recipe.
    traced_axes: all others.
    groups: in the order in which their first runs stand in the space.
    metrics: the names of what the tasks measure.
    """

    space: Space
    static_axes: tuple[str, ...]
    traced_axes: tuple[str, ...]
    groups: list[Group]
    metrics: tuple[str, ...]

    def hparams(self, runs: Int[np.ndarray, " lanes"]) -> dict[str, np.ndarray]:
        """Give the traced hyper-parameters of some runs of one group, an array `[lanes]` for each axis they have.

        There is at least one run.
        """
        codes = {name: self.space.codes[name][runs] for name in self.traced_axes}
        return {name: np.asarray(self.space.axes[name])[c] for name, c in codes.items() if c[0] >= 0}


def make_plan(recipe: Recipe, space: Space, data: Any) -> Plan:
    """Group a space's runs and find every mistake that shows before any work is done.

    Args:
        recipe: a function from static axes to a `Task`.
        space: the runs.
        data: what the tasks will get.

    Returns:
        The plan.

    Raises:
        InputError: when an axis is neither an argument of the recipe nor read by its task, when the recipe
            or the task needs one that is missing, when a traced axis is not of numbers, or whatever building
            and tracing a task finds wrong.
    """
    static_axes, traced_axes = split_axes(recipe, space)
    arguments = set(inspect.signature(recipe).parameters)
    for rate in space.axes.get("learning_rate", ()):
        check_learning_rate(rate)
    groups: list[Group] = []
    metrics: dict[str, None] = {}
    for static, runs in cut_groups(space, static_axes, traced_axes):
        task = recipe(**static)
        traced = _trace(task, space, runs, traced_axes, arguments, data)
        groups.append(Group(static, task, runs, traced))
        metrics |= dict.fromkeys(traced.out_info)
    return Plan(space, static_axes, traced_axes, groups, tuple(metrics))


def split_axes(recipe: Recipe, space: Space) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the axes that are arguments of a recipe, which are static, from all others, which are traced.

    Raises:
        InputError: when an argument has no value.
    """
    arguments = inspect.signature(recipe).parameters
    for name, argument in arguments.items():
        if argument.default is argument.empty and name not in space.axes:
            raise InputError(f"the recipe's argument {name!r} has no default and is no axis of the space")
    static_axes = tuple(name for name in space.axes if name in arguments)
    return static_axes, tuple(name for name in space.axes if name not in arguments)


def cut_groups(
    space: Space, static_axes: tuple[str, ...], traced_axes: tuple[str, ...]
) -> list[tuple[Config, np.ndarray]]:
    """List the distinct static values, and the runs that have each; runs that lack a traced axis stand apart."""
    keys = [space.codes[name] for name in static_axes]
    keys += [space.present(name).astype(np.int32) for name in traced_axes]
    _, first, inverse = np.unique(np.stack(keys), axis=1, return_index=True, return_inverse=True)
    groups = []
    for place in np.argsort(first):
        config = space[first[place]]
        static = {name: config[name] for name in static_axes if name in config}
        groups.append((static, np.flatnonzero(inverse.ravel() == place)))
    return groups


def _trace(
    task: Task, space: Space, runs: np.ndarray, traced_axes: tuple[str, ...], arguments: set[str], data: Any
) -> Any:
    """Trace a group's functions on one run, without computing, and compare its axes with the names read."""
    config = space[runs[0]]
    numbers = {name: config[name] for name in traced_axes if isinstance(config.get(name), int | float)}
    names_read: set[str] = set()

    def one_step(numbers: dict[str, Any], data: Any) -> Any:
        hparams = Hparams(numbers)
        hparams.names_read = names_read
        state = task.init(hparams, data)
        batches = task.batches(hparams.get("data_seed", 0), data, 0, 1)
        state, _ = task.step(hparams, state, data, jax.tree.map(lambda leaf: leaf[0], batches))
        return task.measure(hparams, state, data)

    missing, traced = None, None
    try:
        traced = jax.jit(one_step).trace(numbers, data)
    except MissingHparam as error:
        missing = error
    for name in (name for name in traced_axes if name in config):
        # A misspelt axis is why a hyper-parameter is missing, so it is named first.
        if name not in names_read:
            raise unknown_name("axis", name, (arguments | names_read) - set(space.axes)) from missing
        for value in space.axes[name]:
            if not isinstance(value, int | float):
                raise InputError(
                    f"axis {name!r} is no argument of the recipe, so its values are numbers; got {value!r}"
                )
    if missing is not None:
        raise missing
    return traced
