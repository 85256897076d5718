"""Plans: which runs can share one compiled program.

An axis that is an argument of the recipe is static: it changes shapes or code. Every other axis is traced: a
number, with one value per lane. Runs with equal static values form a group, which is compiled once.
"""

import inspect
import reprlib
import types
import typing
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple, get_args, get_origin

import jax
import numpy as np
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams, MissingHparam, check_number
from fnnet.space.groups import cut_groups, split_axes, traced_columns
from fnnet.space.space import Config, Space
from fnnet.sweeps.mistakes import check_used, explained
from fnnet.sweeps.tracing import find_hparams, trace_run
from fnnet.task import Recipe, Task
from fnnet.training import check_hparams
from fnnet.types import PyTree

Cut = tuple[Config, Int[np.ndarray, " _"]]
"""The static values and the runs of a group."""


class Group(NamedTuple):
    """The runs that share one program.

    static: the values of the static axes.
    task: the task that the recipe builds from them.
    runs: the runs' places in the space.
    numbers: the hyper-parameters of the first run, with which the task was traced.
    traced: one run of one step, from initialization to measurement, as JAX traced it.
    reads_num_steps: whether what a run computes depends on the hyper-parameter `num_steps`, its length.
    """

    static: Config
    task: Task
    runs: Int[np.ndarray, " runs"]
    numbers: dict[str, Any]
    traced: jax.stages.Traced
    reads_num_steps: bool


class Plan(NamedTuple):
    """A space cut into groups.

    space: the runs.
    static_axes: the axes that are arguments of the recipe.
    traced_axes: all others.
    groups: in the order in which their first runs stand in the space.
    metrics: the names of what the tasks measure.
    higher_is_better: the direction of metrics, by name, as the tasks declare it.
    num_steps: updates in each run; None if they are the axis "num_steps".
    """

    space: Space
    static_axes: tuple[str, ...]
    traced_axes: tuple[str, ...]
    groups: list[Group]
    metrics: tuple[str, ...]
    higher_is_better: dict[str, bool]
    num_steps: int | None

    def hparams(self, runs: Int[np.ndarray, " lanes"]) -> dict[str, np.ndarray]:
        """Return the traced hyper-parameters of one or more runs of a group, `num_steps` among them, arrays `[lanes]`."""
        columns = traced_columns(self.space, self.traced_axes, runs)
        return {"num_steps": self.lengths(runs), **columns}

    def lengths(self, runs: Int[np.ndarray, " runs"]) -> Int[np.ndarray, " runs"]:
        """Return the number of updates of some runs."""
        if self.num_steps is not None:
            return np.full(len(runs), self.num_steps)
        return self.space.array("num_steps")[self.space.codes["num_steps"][runs]]


def make_plan(
    recipe: Recipe, space: Space, data: PyTree, num_steps: int | None = 1, max_steps: int = 1
) -> Plan:
    """Group the runs of a space, and report all mistakes that tracing can find.

    Args:
        recipe: a function from static axes to a `Task`.
        space: the runs.
        data: the data of the tasks.
        num_steps: updates in each run; None if they are the axis "num_steps".
        max_steps: how many steps' batches are drawn at once.

    Returns:
        The plan.

    Raises:
        InputError: when an axis is neither an argument of the recipe nor read by its task, the recipe or the task
            needs one that is missing, a traced axis holds something other than numbers, or building or tracing a
            task fails.
    """
    _check_order(recipe, space)
    static_axes, traced_axes = split_axes(recipe, space)
    arguments = inspect.signature(recipe).parameters
    check_used(recipe, static_axes)
    for name in static_axes:
        _check_kinds(name, space.axes[name], arguments[name].annotation)
    for name in traced_axes:
        _check_dtype(name, space.axes[name])
    groups: list[Group] = []
    metrics: dict[str, None] = {}
    higher_is_better: dict[str, bool] = {}
    cuts = cut_groups(space, static_axes, traced_axes)
    for static, runs in cuts:
        with explained("the recipe", ()):
            task = recipe(**static)
        if not isinstance(task, Task):
            raise InputError(f"the recipe must return a Task, got {reprlib.repr(task)}")
        _check_numbers(task, space, runs, traced_axes, num_steps)
        group = _trace(recipe, task, space, (static, runs), cuts, data, num_steps, max_steps)
        groups.append(group)
        metrics |= dict.fromkeys(group.traced.out_info[0])
        higher_is_better |= task.higher_is_better
    return Plan(space, static_axes, traced_axes, groups, tuple(metrics), higher_is_better, num_steps)


def _check_order(recipe: object, space: object) -> None:
    if isinstance(recipe, Task):
        raise InputError("the recipe is a Task; pass a function that returns one, such as lambda: task")
    if not callable(recipe) or not isinstance(space, Space):
        raise InputError(
            "a sweep takes a recipe, a space and data, in this order; "
            f"got {type(recipe).__name__} and {type(space).__name__}"
        )


def _trace(
    recipe: Recipe,
    task: Task,
    space: Space,
    group: Cut,
    groups: Sequence[Cut],
    data: PyTree,
    num_steps: int | None,
    max_steps: int,
) -> Group:
    """Trace a group's task on one run, without computing, and check that it reads every axis."""
    static, runs = group
    config = space[runs[0]]
    arguments = inspect.signature(recipe).parameters
    traced_axes = [name for name in config if name not in arguments]
    numbers = _numbers_of(config, traced_axes, num_steps)
    traced = trace_run(task, numbers, data, max_steps)
    for name in traced_axes:
        # A misspelled axis is often why a hyper-parameter is missing, so it is named first.
        if name not in {*traced.names_read, "num_steps"}:
            for other, _ in groups:
                if other != static and name in {*chain(*find_hparams(recipe(**other), data, numbers))}:
                    raise _only_read_by(name, static, other)
            if name in _WHY_UNUSED:
                raise InputError(f"axis {name!r} changes nothing: {_WHY_UNUSED[name]}")
            names = {*arguments, *chain(*find_hparams(task, data, numbers))}
            raise unknown_name("axis", name, names - set(space.axes)) from traced.missing
        for value in space.axes[name]:
            if not isinstance(value, int | float):
                raise InputError(f"axis {name!r} takes numbers, got {value!r}")
    if traced.missing is not None:
        raise traced.missing
    return Group(static, task, runs, numbers, traced.program, "num_steps" in traced.names_read)


_WHY_UNUSED = {
    "seed": "neither init nor step of the task uses its key",
    "data_seed": "the batches of the task are not drawn with it",
}


def _numbers_of(config: Config, axes: Sequence[str], num_steps: int | None) -> dict[str, Any]:
    """Return the numbers of a run that its task may read."""
    length = config["num_steps"] if num_steps is None else num_steps
    found = {name: config[name] for name in axes if isinstance(config.get(name), int | float)}
    return {"num_steps": length, **found}


def _only_read_by(name: str, static: Config, other: Config) -> InputError:
    """Build the error for an axis that the runs with some static values read, and those with others do not."""
    differing = [key for key in other if other[key] != static.get(key)]
    here, there = (", ".join(f"{key}={values.get(key)}" for key in differing) for values in (static, other))
    return InputError(
        f"axis {name!r} is read where {there}, but not where {here}; sweep them apart, or as a union of two grids, "
        "grid(...) | grid(...)"
    )


_KINDS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a name",
    tuple: "a tuple",
    type(None): "None",
}


def _check_kinds(name: str, values: tuple[Any, ...], annotation: Any) -> None:
    """Refuse static values of another type than a simple annotation of the recipe's argument."""
    is_union = get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = [get_origin(kind) or kind for kind in (get_args(annotation) if is_union else [annotation])]
    if not all(isinstance(kind, type) and kind in _KINDS for kind in kinds):
        return
    accepted = {*kinds, int} if float in kinds else set(kinds)
    for value in values:
        if type(value) not in accepted:
            expected = " or ".join(_KINDS[kind] for kind in kinds)
            raise InputError(f"axis {name!r} takes {expected}, got {value!r}")


def _check_dtype(name: str, values: tuple[Any, ...]) -> None:
    """Refuse numbers of a traced axis that do not survive the cast to the dtype of its lanes."""
    numbers = np.asarray([value for value in values if isinstance(value, int | float)])
    for extreme in (numbers, numbers[numbers != 0]):
        if extreme.size:
            for place in (extreme.argmin(), extreme.argmax(), np.abs(extreme.astype(float)).argmin()):
                check_number(name, extreme[place].item())


_MOST_CHECKED = 1000  # values of one axis; of more, only the smallest and the largest


def _check_numbers(
    task: Task, space: Space, runs: np.ndarray, traced_axes: tuple[str, ...], num_steps: int | None
) -> None:
    """Let a task check concrete runs: for each value of each traced axis, the first run of the group with it."""
    places: set[int] = set()
    for name in traced_axes:
        codes = space.codes[name][runs]
        if codes[0] < 0:  # these runs lack the axis
            continue
        first = np.full(len(space.axes[name]), -1)
        first[codes[::-1]] = np.arange(len(runs))[::-1]
        found = np.flatnonzero(first >= 0)
        if len(found) > _MOST_CHECKED:
            found = found[_extremes([space.axes[name][code] for code in found])]
        places.update(first[found].tolist())
    for place in sorted(places):
        config = space[runs[place]]
        numbers = _numbers_of(config, traced_axes, num_steps)
        try:
            check_hparams(task, Hparams(numbers))
        except MissingHparam:
            return  # tracing reports it, with the reason
        except InputError as error:
            # The message names an argument, such as momentum; an axis of another name needs to be found.
            is_named = str(error).split()[0] in numbers
            run = ", ".join(f"{name}={numbers[name]}" for name in traced_axes if name in numbers)
            raise error if is_named else InputError(f"{error} (in the run {run})") from error


def _extremes(values: list[Any]) -> list[int]:
    """Return the indices of the smallest and the largest value of each type."""
    places: dict[type, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(type(value), []).append(place)
    return [choose(of_kind, key=values.__getitem__) for of_kind in places.values() for choose in (min, max)]
