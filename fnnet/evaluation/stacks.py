"""Stacks: networks of one shape, with a leading axis over networks in each leaf of their parameters."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.leaves import name_leaves
from fnnet.memory import tree_bytes
from fnnet.network import Network
from fnnet.precision import canonicalize
from fnnet.records.members import load_members
from fnnet.records.results import Results
from fnnet.types import Params

LOADED_BYTES = 100_000_000  # of parameters that are read from a store at once, about

Apply = Callable[[Any, Params, Any], Any]
"""Maps a network's hyper-parameters, its parameters and one input to its output."""


class Stack(NamedTuple):
    """Networks of one shape.

    apply: computes the output of one network.
    one: the shapes of one network's hyper-parameters and parameters.
    portions: pairs of the networks' indices among all that are evaluated, and their hyper-parameters and parameters,
        `[portion, ...]` in each leaf.
    """

    apply: Apply
    one: tuple[dict[str, Any], Any]
    portions: Iterable[tuple[np.ndarray, tuple[dict[str, Any], Params]]]


def stack_of_params(network: Network, params: Params) -> Stack:
    """Build the stack of networks whose parameters are given; refuse parameters that do not fit the network."""
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    params = _fit_params(params, shapes)
    places = np.arange(len(jax.tree.leaves(params)[0]))
    return Stack(_without_hparams(network.apply), ({}, shapes), [(places, ({}, params))])


def stack_of_group(
    results: Results,
    network_of: Callable[[Hparams], Network],
    traced: dict[str, np.ndarray],
    runs: np.ndarray,
) -> Stack:
    """Build the stack of the networks of one group; each portion is read from the store when it is reached.

    Args:
        results: of the sweep.
        network_of: maps hyper-parameters to the network.
        traced: the traced hyper-parameters of the group's runs.
        runs: their indices in the results.

    Raises:
        InputError: when a traced axis is not numeric; and while reading, when parameters are missing or damaged.
    """
    for name, values in traced.items():
        if values.dtype.kind not in "biuf":
            raise InputError(
                f"axis {name!r} is not an argument of the recipe; pass the recipe that made the results"
            )
    hparams = {name: canonicalize(values) for name, values in traced.items()}
    one = {name: jax.ShapeDtypeStruct((), values.dtype) for name, values in hparams.items()}
    shapes = jax.eval_shape(lambda hparams: network_of(Hparams(hparams)).init(jax.random.key(0)), one)

    def apply(hparams: Any, params: Params, x: Any) -> Any:
        return network_of(Hparams(hparams)).apply(params, x)

    num_parts = math.ceil(len(runs) / max(1, LOADED_BYTES // tree_bytes(shapes)))
    wanted = ("id", "chunk", "fingerprint")
    kept = {name: column for name, column in results.columns.items() if name in wanted}
    # Runs whose parameters are in one file are read together.
    order = np.argsort(kept["chunk"][runs], kind="stable") if "chunk" in kept else np.arange(len(runs))

    def load() -> Iterator[tuple[np.ndarray, Any]]:
        for places in np.array_split(order, num_parts):
            rows = runs[places]
            columns = {name: column[rows] for name, column in kept.items()}
            params = _fit_params(load_members(results.space.take(rows), columns, results.store), shapes)
            yield rows, ({name: column[places] for name, column in hparams.items()}, params)

    return Stack(apply, (one, shapes), load())


@lru_cache(maxsize=32)  # so that the same network is the same program
def _without_hparams(apply: Callable) -> Apply:
    return lambda hparams, params, x: apply(params, x)


def _fit_params(params: Params, shapes: Any) -> Params:
    """Check stacked parameters against the shapes of one network's; return them in its structure."""
    expected, given = name_leaves(shapes), name_leaves(params)
    if sorted(expected) != sorted(given):
        raise InputError(
            f"the network's params are {', '.join(expected)}; got {', '.join(given) or 'nothing'}"
        )
    leading = np.shape(given[next(iter(expected))])[:1]
    for name, shape in expected.items():
        if np.shape(given[name]) != (*leading, *shape.shape) or leading in ((), (0,)):
            raise InputError(
                f"params {name} of stacked networks have the shape (networks, {', '.join(map(str, shape.shape))}) "
                f"with as many networks in each leaf, got {np.shape(given[name])}; one network is stacked by "
                "jax.tree.map(lambda leaf: leaf[None], params)"
            )
    return jax.tree.unflatten(jax.tree.structure(shapes), [given[name] for name in expected])
