"""Plans: which runs can share one compiled program.

An axis that is an argument of the recipe is static: it changes shapes or code. Every other axis is traced: a
number, with one value per lane. Runs with equal static values form a group, which is compiled once.
"""

import hashlib
import inspect
import reprlib
import types
import typing
from typing import Any, NamedTuple, get_args, get_origin

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr
from jax.interpreters.partial_eval import dce_jaxpr
from jaxtyping import Int

from fnnet.errors import InputError, unknown_name
from fnnet.hparams import Hparams, MissingHparam, check_number
from fnnet.memory import too_large, tree_bytes, usable_bytes
from fnnet.space.groups import cut_groups, split_axes, traced_columns
from fnnet.space.space import Config, Space
from fnnet.task import Recipe, Task
from fnnet.training import check_hparams


class Group(NamedTuple):
    """The runs that share one program.

    static: the values of the static axes.
    task: the task that the recipe builds from them.
    runs: the runs' places in the space.
    traced: one run of one step, from initialization to measurement, as JAX traced it.
    """

    static: Config
    task: Task
    runs: Int[np.ndarray, " runs"]
    traced: Any

    def program_hash(self) -> str:
        """Return a hash of what one run computes; it depends on the recipe but not on the number of lanes."""
        return hashlib.sha256(self.traced.lower().as_text().encode()).hexdigest()[:16]


class Plan(NamedTuple):
    """A space cut into groups.

    space: the runs.
    static_axes: the axes that are arguments of the recipe.
    traced_axes: all others.
    groups: in the order in which their first runs stand in the space.
    metrics: the names of what the tasks measure.
    higher_is_better: the direction of metrics, by name, as the tasks declare it.
    """

    space: Space
    static_axes: tuple[str, ...]
    traced_axes: tuple[str, ...]
    groups: list[Group]
    metrics: tuple[str, ...]
    higher_is_better: dict[str, bool]

    def hparams(self, runs: Int[np.ndarray, " lanes"]) -> dict[str, np.ndarray]:
        """Return the traced hyper-parameters of one or more runs of a group, an array `[lanes]` for each axis."""
        return traced_columns(self.space, self.traced_axes, runs)


def make_plan(recipe: Recipe, space: Space, data: Any, max_steps: int = 1) -> Plan:
    """Group the runs of a space, and find all mistakes that tracing can find.

    Args:
        recipe: a function from static axes to a `Task`.
        space: the runs.
        data: of the tasks.
        max_steps: how many steps' batches are drawn at once, which is part of the traced program.

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
    for name in static_axes:
        _check_kinds(name, space.axes[name], arguments[name].annotation)
    for name in traced_axes:
        _check_dtype(name, space.axes[name])
    groups: list[Group] = []
    metrics: dict[str, None] = {}
    higher_is_better: dict[str, bool] = {}
    for static, runs in cut_groups(space, static_axes, traced_axes):
        task = recipe(**static)
        if not isinstance(task, Task):
            raise InputError(f"the recipe must return a Task, got {reprlib.repr(task)}")
        _check_numbers(task, space, runs, traced_axes)
        traced = _trace(task, space, runs, traced_axes, set(arguments), data, max_steps)
        groups.append(Group(static, task, runs, traced))
        metrics |= dict.fromkeys(traced.out_info[0])
        higher_is_better |= task.higher_is_better
    return Plan(space, static_axes, traced_axes, groups, tuple(metrics), higher_is_better)


def _check_order(recipe: Any, space: Any) -> None:
    if isinstance(recipe, Task):
        raise InputError("the recipe is a Task; pass a function that returns one, such as lambda: task")
    if not callable(recipe) or not isinstance(space, Space):
        raise InputError(
            "a sweep takes a recipe, a space and data, in this order; "
            f"got {type(recipe).__name__} and {type(space).__name__}"
        )


def _trace(
    task: Task,
    space: Space,
    runs: np.ndarray,
    traced_axes: tuple[str, ...],
    arguments: set[str],
    data: Any,
    max_steps: int,
) -> Any:
    """Trace a group's task on one run, without computing, and check that it reads every axis."""
    config = space[runs[0]]
    numbers = {name: config[name] for name in traced_axes if isinstance(config.get(name), int | float)}
    names_read: set[str] = set()
    usable = usable_bytes()

    def one_step(keys: Any, numbers: dict[str, Any], data: Any) -> Any:
        hparams = Hparams(numbers)
        hparams.names_read = names_read
        state = task.init(keys[0], hparams, data)
        _check_memory(state, usable)
        selections = task.batches.draw(hparams.get("data_seed", 0), data, 0, max_steps)
        _check_memory(selections, usable)
        batch = task.batches.select(data, jax.tree.map(lambda leaf: leaf[0], selections))
        stepped = task.step(keys[1], hparams, state, batch)
        return task.measure(hparams, stepped[0], data), stepped

    missing, traced = None, None
    keys = jax.eval_shape(lambda: (jax.random.key(0), jax.random.key(1)))
    try:
        traced = jax.jit(one_step).trace(keys, numbers, data)
        if _are_used(traced.jaxpr, len(keys)):
            names_read.add("seed")
    except MissingHparam as error:
        missing = error
        names_read.add("seed")  # perhaps
    except OverflowError as error:
        raise InputError(f"the network, the batch or a number is too large: {error}") from error
    except _NEEDS_NUMBERS as error:
        raise InputError(
            f"the task uses a traced number where Python needs its value (traced axes: {', '.join(numbers)}); "
            "use jnp.where and fn.schedules, or make the axis static: an argument of the recipe"
        ) from error
    for name in (name for name in traced_axes if name in config):
        # A misspelled axis is often why a hyper-parameter is missing, so it is named first.
        if name not in names_read:
            if name == "seed":
                raise InputError(
                    "axis 'seed' changes nothing: neither init nor step of the task uses its key"
                )
            _read_on(missing, one_step, keys, numbers, data)  # which completes names_read
            raise unknown_name("axis", name, (arguments | names_read) - set(space.axes)) from missing
        for value in space.axes[name]:
            if not isinstance(value, int | float):
                raise InputError(f"axis {name!r} takes numbers, got {value!r}")
    if missing is not None:
        raise missing
    return traced


def _read_on(
    missing: MissingHparam | None, one_step: Any, keys: Any, numbers: dict[str, Any], data: Any
) -> None:
    """Trace with a placeholder for each missing hyper-parameter, so that all names are read."""
    while missing is not None:
        numbers = numbers | {missing.name: 0.5}
        try:
            jax.eval_shape(one_step, keys, numbers, data)
            return
        except MissingHparam as error:
            missing = error
        except InputError:
            return


def _are_used(traced: ClosedJaxpr, num_inputs: int) -> bool:
    """Return whether any of the first inputs of a function affects its results."""
    _, is_used = dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars))
    return any(is_used[:num_inputs])


def _check_memory(tree: Any, usable: float) -> None:
    """Refuse arrays that do not fit in memory by themselves, before XLA allocates them."""
    needed = tree_bytes(tree)
    if needed > usable:
        raise too_large(needed, usable)


_NEEDS_NUMBERS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
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
    kinds = get_args(annotation) if is_union else (annotation,)
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


def _check_numbers(task: Task, space: Space, runs: np.ndarray, traced_axes: tuple[str, ...]) -> None:
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
        numbers = {name: config[name] for name in traced_axes if isinstance(config.get(name), int | float)}
        try:
            check_hparams(task, Hparams(numbers))
        except MissingHparam:
            return  # tracing reports it, with the reason
        except InputError as error:
            # The message names an argument, such as momentum; an axis of another name needs to be found.
            is_named = str(error).split()[0] in numbers
            run = ", ".join(f"{name}={value}" for name, value in numbers.items())
            raise error if is_named else InputError(f"{error} (in the run {run})") from error


def _extremes(values: list[Any]) -> list[int]:
    """Return the indices of the smallest and the largest value of each type."""
    places: dict[type, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(type(value), []).append(place)
    return [choose(of_kind, key=values.__getitem__) for of_kind in places.values() for choose in (min, max)]
