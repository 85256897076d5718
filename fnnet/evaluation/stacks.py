"""Stacks: networks of one shape, with a leading axis over networks in each leaf of their parameters."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from fnnet.data.record import abstract_data
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.leaves import name_leaves
from fnnet.memory import tree_bytes
from fnnet.network import Network, batched
from fnnet.precision import canonicalize
from fnnet.records.params import load_runs
from fnnet.records.results import Results
from fnnet.task import Task
from fnnet.training import init_state
from fnnet.types import Params, PyTree

LOADED_BYTES = 100_000_000  # about the number of bytes of parameters that are read from a store at once

Predict = Callable[[Mapping[str, Any], Params, PyTree], Array]
"""Maps a network's hyper-parameters, its parameters and inputs `[n, ...]` to its outputs `[n, ...]`."""


class Stack(NamedTuple):
    """Networks of one shape.

    predict: computes the outputs of one network.
    one: the shapes of one network's hyper-parameters and parameters.
    portions: pairs of some networks' indices among all that are evaluated, and their hyper-parameters and parameters,
        `[portion, ...]` in each leaf.
    """

    predict: Predict
    one: tuple[dict[str, Any], Any]
    portions: Iterable[tuple[np.ndarray, tuple[dict[str, Any], Params]]]


def stack_of_params(network: Network, params: Params) -> Stack:
    """Build the stack of networks with the given parameters, which are checked against the network."""
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    params = _fit_params(params, shapes)
    places = np.arange(len(jax.tree.leaves(params)[0]))
    return Stack(_predict_with(batched(network)), ({}, shapes), [(places, ({}, params))])


def stack_of_group(
    results: Results,
    task: Task,
    traced: dict[str, np.ndarray],
    runs: np.ndarray,
) -> Stack:
    """Build the stack of the networks of one group; each portion is read from the store when it is reached.

    Args:
        results: the results of the sweep.
        task: the task of the group.
        traced: the traced hyper-parameters of the group's runs.
        runs: their indices in the results.

    Raises:
        InputError: when a traced axis is not numeric, or the task has no `predict`; and, while reading, when
            parameters are missing or damaged.
    """
    if (task_predict := task.predict) is None:
        raise InputError(
            "the recipe's task has no predict; pass Task(..., predict=lambda hparams, params, inputs: ...)"
        )
    plan = None if results.store is None else results.store.read_plan()
    if plan is not None and plan["settings"].get("num_steps") is not None:
        traced = {"num_steps": np.full(len(runs), plan["settings"]["num_steps"]), **traced}
    for name, values in traced.items():
        if values.dtype.kind not in "biuf":
            raise InputError(
                f"axis {name!r} is not an argument of the recipe; pass the recipe that made the results"
            )
    hparams = {name: canonicalize(values) for name, values in traced.items()}
    one = {
        name: jax.ShapeDtypeStruct((), jax.dtypes.canonicalize_dtype(values.dtype))
        for name, values in hparams.items()
    }
    shapes = _params_shapes(results, plan, task, one, int(runs[0]))

    def predict(hparams: Mapping[str, Any], params: Params, inputs: Any) -> Array:
        return task_predict(Hparams(hparams), params, inputs)

    num_parts = math.ceil(len(runs) / max(1, LOADED_BYTES // tree_bytes(shapes)))
    kept = {name: results[name] for name in ("id", "chunk", "fingerprint") if name in results}
    # Runs whose parameters are in one file are read together.
    order = np.argsort(kept["chunk"][runs], kind="stable") if "chunk" in kept else np.arange(len(runs))

    def load() -> Iterator[tuple[np.ndarray, PyTree]]:
        for places in np.array_split(order, num_parts):
            rows = runs[places]
            columns = {name: column[rows] for name, column in kept.items()}
            params = _fit_params(load_runs(results.space.take(rows), columns, results.store), shapes)
            yield rows, ({name: column[places] for name, column in hparams.items()}, params)

    return Stack(predict, (one, shapes), load())


def _params_shapes(
    results: Results, plan: dict[str, Any] | None, task: Task, hparams: dict[str, Any], run: int
) -> PyTree:
    """Return the shapes of the parameters of one run: those of the task, if the store's plan describes its data."""
    if plan is None or plan["data"]["kind"] != "dataset":
        return jax.eval_shape(lambda: results.params(run))
    data = abstract_data(plan["data"])
    return jax.eval_shape(
        lambda hparams, data: task.params(init_state(task, Hparams(hparams), data)), hparams, data
    )


@lru_cache(maxsize=32)  # so that the same network is the same program
def _predict_with(apply_batch: Callable[[Params, Any], Array]) -> Predict:
    return lambda hparams, params, inputs: apply_batch(params, inputs)


def _fit_params(params: Params, shapes: PyTree) -> Params:
    """Check stacked parameters against the shapes of one network's; return them in its structure."""
    expected, given = name_leaves(shapes), name_leaves(params)
    if sorted(expected) != sorted(given):
        raise InputError(
            f"params must have the leaves {', '.join(expected)} of the network, got {', '.join(given) or 'none'}"
        )
    leading = np.shape(given[next(iter(expected))])[:1]
    for name, shape in expected.items():
        if np.shape(given[name]) != (*leading, *shape.shape) or leading in ((), (0,)):
            raise InputError(
                f"params {name} of stacked networks must have the shape "
                f"(networks, {', '.join(map(str, shape.shape))}) with the same number of networks in each leaf, got "
                f"{np.shape(given[name])}; for one network, use jax.tree.map(lambda leaf: leaf[None], params)"
            )
    return jax.tree.unflatten(jax.tree.structure(shapes), [given[name] for name in expected])
