"""Evaluation: what many networks make of many examples, measured by any metrics, on all devices.

Networks are lanes, as in training: a few of them see the same block of examples together, so that their first layers
are one large product. All outputs of these few are kept until their metrics are computed, so that a metric need not
be a mean over examples to be exact; those of all networks never exist together unless they are asked for. How many
networks go together may change the last digit of an output, since a CPU's library chooses another product.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from fnnet.blocks import map_examples
from fnnet.data import Dataset, Examples
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.lanes.choice import Trial, first_guess, most_lanes, next_lanes
from fnnet.lanes.cost import peak_bytes
from fnnet.lanes.layout import find_transposed, transpose_some
from fnnet.lanes.placement import pad, place, replicate
from fnnet.lanes.program import (
    AXIS,
    compiler_options,
    keep_compiled_programs,
    make_mesh,
    use_all_cores,
)
from fnnet.leaves import name_leaves
from fnnet.memory import tree_bytes, usable_bytes, usable_host_bytes
from fnnet.metrics import ARRAY_METRICS, METRICS, Metric, MetricChoice, find_metrics
from fnnet.metrics import outputs as plain_outputs
from fnnet.network import Network
from fnnet.precision import widen
from fnnet.records.members import load_members
from fnnet.records.results import Results
from fnnet.space.groups import cut_groups, split_axes, traced_columns
from fnnet.sweeps.chunk import narrow
from fnnet.task import Recipe
from fnnet.types import Params

MAX_EXAMPLES = 300  # that go through the networks together
MIN_LANES = (
    2  # where they fit: a loop over one network would be left out, and its sums added in another order
)
LOADED_BYTES = 100_000_000  # of parameters that are read from a store at once, about

Apply = Callable[[Any, Params, Any], Any]
"""Maps a network's hyper-parameters, its parameters and one input to its output."""


def evaluate(
    network: Network, params: Params, examples: Examples, metrics: MetricChoice | None = None
) -> dict[str, Any]:
    """Measure many networks of one shape on the same examples.

    Args:
        network: what all of them are.
        params: as `network.init` gives them, with one more axis in front of each leaf: `[networks, ...]`. So
            are `results.params()` and what `jax.vmap(network.init)` gives.
        examples: such as `data.test`.
        metrics: names in `METRICS` or `ARRAY_METRICS` or functions of outputs `[n, outputs]` and targets, or a
            dict of such by other names; by default accuracy for classes and R2 for numbers. "outputs" gives
            the outputs themselves, `[networks, n, outputs]`.

    Returns:
        By metric, a numpy array `[networks, ...]`.

    Raises:
        InputError: when a metric is unknown or does not fit the targets, the network has no output for a class among
            them, the parameters are not those of the network, or the result does not fit in memory, with the number
            of bytes.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("iris"), mlp(4, [8], 3)
        >>> params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 7))
        >>> found = evaluate(network, params, data.test, ["accuracy", "confusion_matrix"])
        >>> found["accuracy"].shape, found["confusion_matrix"].shape
        ((7,), (7, 3, 3))
    """
    use_all_cores(warn=False)  # one device that uses all cores by itself is almost as fast
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    params = _fit_params(params, shapes)
    places = np.arange(len(jax.tree.leaves(params)[0]))
    stack = _Stack(_without_hparams(network.apply), ({}, shapes), [(places, ({}, params))])
    return _evaluate([stack], len(places), examples, metrics)


def evaluate_results(
    results: Results, recipe: Recipe, examples: Examples, metrics: MetricChoice | None = None
) -> dict[str, Any]:
    """Measure all networks of a sweep with `save_params=True`, whatever their shapes, on the same examples.

    Args:
        results: of the sweep, or some of its runs, as `where` gives them.
        recipe: that of the sweep; its tasks must name their network, as those of `supervised` do.
        examples: as in `evaluate`. Metrics compare outputs with their targets, also where the task has a
            `target` of its own.
        metrics: as in `evaluate`.

    Returns:
        By metric, a numpy array `[runs, ...]` in the order of `results.table()`.

    Raises:
        InputError: as in `evaluate`, and when parameters were not kept or are damaged, or the recipe is another
            sweep's.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> recipe, space = mlp_recipe(data), grid(depth=[0, 1], learning_rate=[0.1, 0.3], seed=range(3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = sweep(recipe, space, data, num_steps=20, store=folder, save_params=True)
        ...     found = evaluate_results(results, recipe, data.test, ["accuracy", "ece"])
        >>> bool((found["accuracy"] == results.columns["test_accuracy"]).all())
        True
    """
    use_all_cores(warn=False)  # one device that uses all cores by itself is almost as fast
    if not len(results.space):
        raise InputError("no run is finished, so there is nothing to evaluate")
    static_axes, traced_axes = split_axes(recipe, results.space)
    stacks = []
    for static, runs in cut_groups(results.space, static_axes, traced_axes):
        network_of = recipe(**static).network
        if network_of is None:
            raise InputError(
                "the recipe's task names no network; give Task(..., network=lambda hparams: ...)"
            )
        numbers = traced_columns(results.space, traced_axes, runs)
        stacks.append(_stack_of_group(results, network_of, numbers, runs))
    return _evaluate(stacks, len(results.space), examples, metrics)


class _Stack(NamedTuple):
    """Networks of one shape.

    apply: what they compute.
    one: the shapes of one network's hyper-parameters and parameters.
    portions: places among all networks, and the hyper-parameters and parameters of these, `[portion, ...]`.
    """

    apply: Apply
    one: tuple[dict[str, Any], Any]
    portions: Iterable[tuple[np.ndarray, tuple[dict[str, Any], Params]]]


def _evaluate(
    stacks: list[_Stack], num_networks: int, examples: Examples, metrics: MetricChoice | None
) -> dict[str, Any]:
    keep_compiled_programs()
    examples = _check_examples(examples)
    chosen = find_metrics(metrics, examples.targets, METRICS | ARRAY_METRICS)
    found = _make_room([_measured_shapes(stack, examples, chosen) for stack in stacks], num_networks)
    mesh = make_mesh()
    placed = replicate(examples, mesh)
    for stack in stacks:
        program = _program(stack.apply, tuple(chosen.items()), mesh)
        for places, networks in stack.portions:
            for rows, measured in _measure(program, networks, placed, mesh):
                for room, values in zip(jax.tree.leaves(found), jax.tree.leaves(measured), strict=True):
                    room[places[rows]] = values
    return {name: found[name] for name in chosen}


def _measure(
    program: jax.stages.Wrapped, networks: Any, examples: Examples, mesh: Mesh
) -> Iterator[tuple[np.ndarray, Any]]:
    """Measure some networks after others; yields their places and what was measured of them."""
    num_networks = len(jax.tree.leaves(networks)[0])
    most = math.ceil(num_networks / mesh.size)
    lanes, limit = max(MIN_LANES, first_guess(tree_bytes(networks) // num_networks, most)), usable_bytes()
    trials: dict[int, Trial] = {}
    first = 0
    while first < num_networks:
        width = lanes * mesh.size
        places = np.arange(first, min(first + width, num_networks))
        rows = pad(places, width)
        some = place(jax.tree.map(lambda leaf: leaf[rows], networks), mesh)  # noqa: B023
        num_bytes = mesh.size * peak_bytes(program.lower(some, examples)) if lanes not in trials else 0
        if num_bytes > limit:
            trials[lanes] = Trial(num_bytes, math.inf)
        else:
            started = time.perf_counter()
            measured = jax.device_get(program(some, examples))
            trials[lanes] = Trial(num_bytes, (time.perf_counter() - started) / width)
            yield places, jax.tree.map(lambda leaf: leaf[: len(places)], measured)  # noqa: B023
            first += len(places)
        lanes = next_lanes(trials, most_lanes(most), limit, least=MIN_LANES, num_left=num_networks - first)


@lru_cache(maxsize=32)
def _program(apply: Apply, metrics: tuple[tuple[str, Metric], ...], mesh: Mesh) -> jax.stages.Wrapped:
    """Build the function that measures a few networks on each device; it compiles when first called."""

    def measure(networks: Any, examples: Examples) -> dict[str, Any]:
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), networks)
        traced = jax.make_jaxpr(apply)(*one, examples.inputs[0])
        # All networks multiply their first weights with the same examples, in one product if the weights lie so.
        turned = find_transposed(traced.jaxpr, *one)
        hparams, params = networks[0], transpose_some(networks[1], turned)

        def all_networks(x: Any) -> Any:
            return jax.vmap(lambda hparams, params: apply(hparams, transpose_some(params, turned), x))(
                hparams, params
            )

        outputs = map_examples(all_networks, examples.inputs, MAX_EXAMPLES)
        outputs = widen(jnp.moveaxis(outputs, 1, 0))
        # One network after the other: sums over lanes would add in an order that depends on their number.
        return jax.lax.map(
            lambda outputs: {name: widen(metric(outputs, examples.targets)) for name, metric in metrics},
            outputs,
        )

    lanes, shared = PartitionSpec(AXIS), PartitionSpec()
    on_each_device = jax.shard_map(
        measure, mesh=mesh, in_specs=(lanes, shared), out_specs=lanes, check_vma=False
    )
    return jax.jit(on_each_device, compiler_options=compiler_options(mesh) if mesh.size > 1 else {})


@lru_cache(maxsize=32)  # so that the same network is the same program
def _without_hparams(apply: Callable) -> Apply:
    return lambda hparams, params, x: apply(params, x)


def _stack_of_group(
    results: Results,
    network_of: Callable[[Hparams], Network],
    numbers: dict[str, np.ndarray],
    runs: np.ndarray,
) -> _Stack:
    """Describe the networks of one group; their parameters are read when their turn comes."""
    hparams = {name: narrow(_numbers(name, values)) for name, values in numbers.items()}
    one = {name: jax.ShapeDtypeStruct((), values.dtype) for name, values in hparams.items()}
    shapes = jax.eval_shape(lambda hparams: network_of(Hparams(hparams)).init(jax.random.key(0)), one)

    def apply(hparams: Any, params: Params, x: Any) -> Any:
        return network_of(Hparams(hparams)).apply(params, x)

    num_parts = math.ceil(len(runs) / max(1, LOADED_BYTES // tree_bytes(shapes)))
    wanted = ("id", "chunk", "fingerprint")
    kept = {name: column for name, column in results.columns.items() if name in wanted}
    # Runs whose parameters are kept in one file are read together.
    order = np.argsort(kept["chunk"][runs], kind="stable") if "chunk" in kept else np.arange(len(runs))

    def load() -> Iterator[tuple[np.ndarray, Any]]:
        for places in np.array_split(order, num_parts):
            rows = runs[places]
            columns = {name: column[rows] for name, column in kept.items()}
            params = load_members(results.space.take(rows), columns, results.store)
            yield (
                rows,
                ({name: column[places] for name, column in hparams.items()}, _fit_params(params, shapes)),
            )

    return _Stack(apply, (one, shapes), load())


def _measured_shapes(stack: _Stack, examples: Examples, metrics: dict[str, Metric]) -> dict[str, Any]:
    """Find the shapes of what is measured of one network; refuses what does not fit together."""
    apply = jax.vmap(stack.apply, in_axes=(None, None, 0))
    outputs = jax.eval_shape(lambda *arguments: widen(apply(*arguments)), *stack.one, examples.inputs)
    _check_targets(examples.targets, outputs.shape, metrics)
    shapes = {}
    for name, metric in metrics.items():
        try:
            shapes[name] = jax.eval_shape(
                lambda *arguments: widen(metric(*arguments)),  # noqa: B023
                outputs,
                examples.targets,
            )
        except (TypeError, ValueError) as error:
            raise InputError(
                f"metric {name!r} cannot compare outputs of shape {outputs.shape} with targets "
                f"{examples.targets.dtype} {examples.targets.shape}: {error}"
            ) from error
    return shapes


def _check_targets(targets: Any, shape: tuple[int, ...], metrics: dict[str, Metric]) -> None:
    """Refuse classes that networks have no output for, where a metric takes outputs for logits of classes."""
    known = [metric for metric in (METRICS | ARRAY_METRICS).values() if metric is not plain_outputs]
    if len(shape) != 2 or targets.ndim != 1 or not jnp.issubdtype(targets.dtype, jnp.integer):
        return
    if any(metric in known for metric in metrics.values()):
        for unknown in (int(targets.min()), int(targets.max())):
            if not 0 <= unknown < shape[1]:
                raise InputError(
                    f"the targets hold class {unknown}, the networks have {shape[1]} outputs, for the classes "
                    f"0 to {shape[1] - 1}"
                )


def _make_room(shapes: list[dict[str, Any]], num_networks: int) -> dict[str, Any]:
    """Allocate what is returned, if it fits."""
    for other in shapes:
        if other != shapes[0]:
            names = [name for name in other if other[name] != shapes[0][name]]
            raise InputError(f"networks differ in the shape of {', '.join(names)}; evaluate them one by one")
    num_bytes = num_networks * tree_bytes(shapes[0])
    if num_bytes > (usable := usable_host_bytes()):
        raise InputError(
            f"the {', '.join(shapes[0])} of {num_networks} networks need {num_bytes:,} bytes, and "
            f"{int(usable):,} may be used (60 % of what is free); ask for fewer metrics, networks or examples"
        )
    return jax.tree.map(lambda leaf: np.empty((num_networks, *leaf.shape), leaf.dtype), shapes[0])


def _check_examples(examples: Any) -> Examples:
    if isinstance(examples, Dataset):
        raise InputError("evaluate takes one split of a data set, such as data.test, got the data set")
    inputs, targets = (x if isinstance(x, jax.Array) else np.asarray(x) for x in examples)
    if not inputs.ndim or not targets.ndim or len(inputs) != len(targets) or not len(inputs):
        raise InputError(
            f"examples need a target for each input, got the shapes {inputs.shape}, {targets.shape}"
        )
    return Examples(inputs, targets)


def _fit_params(params: Params, shapes: Any) -> Params:
    """Check stacked parameters against one network's, and give them its structure."""
    wanted, given = name_leaves(shapes), name_leaves(params)
    if sorted(wanted) != sorted(given):
        raise InputError(f"the network's params are {', '.join(wanted)}; got {', '.join(given) or 'nothing'}")
    leading = np.shape(given[next(iter(wanted))])[:1]
    for name, shape in wanted.items():
        if np.shape(given[name]) != (*leading, *shape.shape) or leading in ((), (0,)):
            raise InputError(
                f"params {name} of stacked networks have the shape (networks, {', '.join(map(str, shape.shape))}) "
                f"with as many networks in each leaf, got {np.shape(given[name])}; one network is stacked by "
                "jax.tree.map(lambda leaf: leaf[None], params)"
            )
    return jax.tree.unflatten(jax.tree.structure(shapes), [given[name] for name in wanted])


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "biuf":
        raise InputError(f"axis {name!r} is no argument of the recipe; give the recipe that made the results")
    return values
