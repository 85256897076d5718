"""Tracing: one run of one step as JAX traces it, without computing, and the hyper-parameters that it reads."""

import hashlib
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr
from jax.interpreters.partial_eval import dce_jaxpr

from fnnet.errors import InputError
from fnnet.hparams import Hparams, MissingHparam
from fnnet.memory import too_large, tree_bytes, usable_bytes
from fnnet.precision import widen
from fnnet.sweeps.mistakes import explained
from fnnet.task import Task
from fnnet.types import PyTree

# Their batches are part of the program, whatever the length of the runs; two suffice to distinguish orders.
_TRACED_STEPS = 2


class TracedRun(NamedTuple):
    """One run of one step, from initialization to measurement.

    program: as JAX traced it; None if a hyper-parameter is missing.
    names_read: the hyper-parameters that the task reads, up to the missing one; "seed" and "data_seed" only if they
        change what is computed, where that is known.
    missing: the error that names a missing hyper-parameter.
    """

    program: Any
    names_read: set[str]
    missing: MissingHparam | None


def trace_run(task: Task, numbers: Mapping[str, Any], data: PyTree, max_steps: int = 1) -> TracedRun:
    """Trace a task.

    Args:
        task: the task of the run.
        numbers: its hyper-parameters.
        data: the data of the task.
        max_steps: how many steps' batches are drawn at once.

    Raises:
        InputError: when a function of the task cannot be traced, or arrays do not fit in memory.
    """
    names_read: set[str] = set()
    usable, names = usable_bytes(), tuple(name for name in numbers if name != "num_steps")

    def one_step(keys: Any, numbers: dict[str, Any], data: PyTree) -> PyTree:
        hparams = Hparams(numbers)
        hparams.names_read = names_read
        with explained("init of the task", names):
            state = task.init(keys[0], hparams, data)
        _check_memory(state, usable)
        with explained("batches of the task", names):
            draw, data_seed = task.batches.draw, hparams.peek("data_seed", 0)
            selections = draw(data_seed, data, 0, _TRACED_STEPS)
            many = jax.eval_shape(lambda data: draw(0, data, 0, max_steps), data)
        _check_memory(many, usable)
        with explained("batches of the task", names):
            batch = task.batches.select(data, jax.tree.map(lambda leaf: leaf[0], selections))
        with explained("step of the task", names):
            stepped = task.step(keys[1], hparams, state, batch)
        with explained("measure of the task", names):
            measured = task.measure(hparams, stepped[0], data)
        if task.react is None:
            return measured, stepped
        with explained("react of the task", names):
            state, measured = task.react(hparams, stepped[0], widen(dict(measured)))
        return measured, (state, stepped[1])

    keys = jax.eval_shape(lambda: (jax.random.key(0), jax.random.key(1)))
    try:
        # Only the shapes of the data, so that the result does not depend on the devices that hold them.
        program = jax.jit(one_step).trace(keys, dict(numbers), jax.tree.map(_shape, data))
    except MissingHparam as error:
        return TracedRun(None, names_read | {"seed", "data_seed"}, error)  # perhaps it uses them
    except OverflowError as error:
        raise InputError(f"the network, the batch or a number is too large: {error}") from error
    used = _used(
        program.jaxpr, ["seed"] * len(keys) + sorted(numbers)
    )  # the order in which JAX flattens a dict
    names_read |= {"seed", "data_seed"} & used | {"data_seed"} - numbers.keys()
    return TracedRun(program, names_read, None)


def program_hash(traced: jax.stages.Traced, platform: str) -> str:
    """Hash what one run computes, as lowered for a platform; it depends on the recipe but not on the number of lanes."""
    return hashlib.sha256(traced.lower(lowering_platforms=(platform,)).as_text().encode()).hexdigest()[:16]


def find_hparams(
    task: Task, data: PyTree, numbers: Mapping[str, Any] | None = None
) -> tuple[list[str], list[str]]:
    """Find the hyper-parameters that a task reads, by tracing it with a placeholder for each missing one.

    Args:
        task: any.
        data: the data of the task.
        numbers: the hyper-parameters that are known.

    Returns:
        The names of those that the task requires, in the order in which it reads them, and of all others.

    Example:
        >>> from fnnet import load_dataset, mlp_recipe
        >>> data = load_dataset("iris")
        >>> find_hparams(mlp_recipe(data)(optimizer="rprop"), data)[0]
        ['learning_rate']
    """
    known = dict(numbers or {})
    required: list[str] = []
    names_read: set[str] = set()
    while True:
        try:
            run = trace_run(task, known, data)
        except InputError:  # a placeholder does not suit the task
            break
        names_read |= run.names_read
        if run.missing is None or run.missing.name in known:
            break
        required.append(run.missing.name)
        known[run.missing.name] = 0.5
    own = names_read - {"num_steps"}  # which every run has
    return [name for name in required if name in own], sorted(own - set(required))


def _used(traced: ClosedJaxpr, names: list[str]) -> set[str]:
    """Return the names of those of a function's first inputs that affect its results."""
    _, is_used = dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars))
    return set(itertools.compress(names, is_used))


def _shape(leaf: Any) -> Any:
    """Return the shape and dtype of an array as it is traced, and anything else itself."""
    if not hasattr(leaf, "dtype"):
        return leaf
    dtype = jax.dtypes.canonicalize_dtype(leaf.dtype, allow_extended_dtype=True)
    return jax.ShapeDtypeStruct(leaf.shape, dtype)


def _check_memory(tree: PyTree, usable: float) -> None:
    """Refuse arrays that do not fit in memory by themselves, before XLA allocates them."""
    needed = tree_bytes(tree)
    if needed > usable:
        raise too_large(needed, usable)
