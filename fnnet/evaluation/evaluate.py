"""Evaluation: metrics of many networks on many examples, on all devices.

Networks are lanes, as in training: a few of them are applied to the same block of examples together, so that their
first layers are one large product. The outputs of a few networks for all examples are kept until their metrics are
computed, so a metric need not be a mean over examples; the outputs of all networks are never held together unless
they are requested. The number of lanes may change the last digit of an output, since a CPU's matrix library may choose
another algorithm.
"""

import math
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from fnnet.blocks import map_blocks
from fnnet.data import Dataset, Examples
from fnnet.errors import InputError
from fnnet.evaluation.stacks import Predict, Stack, stack_of_group, stack_of_params
from fnnet.lanes.choice import Trial, first_guess, most_lanes, next_lanes
from fnnet.lanes.cost import peak_bytes
from fnnet.lanes.layout import find_transposed, transpose_some
from fnnet.lanes.placement import pad, place
from fnnet.lanes.program import (
    LANES,
    SHARED,
    Lanes,
    compiler_options,
    keep_compiled_programs,
    make_mesh,
    on_each_device,
    shapes_of_one,
    shared_sharding,
    use_all_cores,
)
from fnnet.memory import tree_bytes, usable_bytes, usable_host_bytes
from fnnet.metrics import ARRAY_METRICS, METRICS, Metric, MetricChoice, find_metrics
from fnnet.network import Network
from fnnet.precision import widen
from fnnet.records.results import Results
from fnnet.space.groups import cut_groups, split_axes, traced_columns
from fnnet.task import Recipe
from fnnet.types import Params, PyTree

MAX_EXAMPLES = 300  # in a block
# If they fit in memory: XLA removes a loop over a single network, and then adds in another order.
MIN_LANES = 2


def evaluate(
    network: Network, params: Params, examples: Examples, metrics: MetricChoice | None = None
) -> dict[str, Any]:
    """Evaluate many networks of one shape on the same examples.

    Args:
        network: the network of all the parameters.
        params: a pytree as `network.init` returns it, with a leading axis `[networks, ...]` in each leaf, such as
            `results.params()` or the result of `jax.vmap(network.init)`.
        examples: the examples, such as `data.test`.
        metrics: names in `METRICS` or `ARRAY_METRICS`, functions of outputs `[n, outputs]` and targets, or a dict
            from names to either; by default accuracy for classes and R2 for numbers. "outputs" returns the outputs
            themselves, `[networks, n, outputs]`.

    Returns:
        A numpy array `[networks, ...]` for each metric.

    Raises:
        InputError: when a metric is unknown or does not fit the targets, a class has no output, the parameters are
            not those of the network, or the result does not fit in memory.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("iris"), mlp(4, [8], 3)
        >>> params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 7))
        >>> found = evaluate(network, params, data.test, ["accuracy", "confusion_matrix"])
        >>> found["accuracy"].shape, found["confusion_matrix"].shape
        ((7,), (7, 3, 3))
    """
    use_all_cores(warn=False)  # one device that uses all cores by itself is almost as fast
    stack = stack_of_params(network, params)
    return _evaluate([stack], len(jax.tree.leaves(params)[0]), examples, metrics)


def evaluate_results(
    recipe: Recipe, results: Results, examples: Examples, metrics: MetricChoice | None = None
) -> dict[str, Any]:
    """Evaluate all networks of a sweep with `save_params=True`, of any shapes, on the same examples.

    Args:
        recipe: the recipe of the sweep. Its tasks must have a `predict`, as those of `supervised` do.
        results: the results of the sweep, or of some of its runs, as `where` returns them.
        examples: as in `evaluate`. Metrics use their targets even if the task has a `target` of its own.
        metrics: as in `evaluate`.

    Returns:
        A numpy array `[runs, ...]` for each metric, in the order of `results.table()`.

    Raises:
        InputError: as in `evaluate`, and when parameters were not kept or are damaged, or the recipe is not that of
            the sweep.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> recipe, space = mlp_recipe(data), grid(depth=[0, 1], learning_rate=[0.1, 0.3], seed=range(3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = sweep(recipe, space, data, num_steps=20, store=folder, save_params=True)
        ...     found = evaluate_results(recipe, results, data.test, ["accuracy", "ece"])
        >>> bool((found["accuracy"] == results["test_accuracy"]).all())
        True
    """
    if not isinstance(results, Results) or not callable(recipe):
        raise InputError(
            "evaluate_results takes a recipe, results and examples, in this order; "
            f"got {type(recipe).__name__} and {type(results).__name__}"
        )
    use_all_cores(warn=False)  # one device that uses all cores by itself is almost as fast
    if not len(results.space):
        raise InputError(
            "results must have at least one run, got none: no run is finished, or none was selected"
        )
    static_axes, traced_axes = split_axes(recipe, results.space)
    stacks = []
    for static, runs in cut_groups(results.space, static_axes, traced_axes):
        traced = traced_columns(results.space, traced_axes, runs)
        stacks.append(stack_of_group(results, recipe(**static), traced, runs))
    return _evaluate(stacks, len(results.space), examples, metrics)


def _evaluate(
    stacks: list[Stack], num_networks: int, examples: Examples, metrics: MetricChoice | None
) -> dict[str, Any]:
    keep_compiled_programs()
    examples = _check_examples(examples)
    chosen = find_metrics(metrics, examples.targets, METRICS | ARRAY_METRICS)
    found = _allocate([_metric_shapes(stack, examples, chosen) for stack in stacks], num_networks)
    mesh = make_mesh()
    placed = jax.device_put(examples, shared_sharding(mesh))
    for stack in stacks:
        program = _program(stack.predict, tuple(chosen.items()), mesh)
        for places, networks in stack.portions:
            for rows, measured in _measure(program, networks, placed, mesh):
                for array, values in zip(jax.tree.leaves(found), jax.tree.leaves(measured), strict=True):
                    array[places[rows]] = values
    return {name: found[name] for name in chosen}


def _measure(
    program: jax.stages.Wrapped, networks: PyTree, examples: Examples, mesh: Mesh
) -> Iterator[tuple[np.ndarray, PyTree]]:
    """Compute the metrics of a few networks at a time; yield their indices and their metrics."""
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
def _program(predict: Predict, metrics: tuple[tuple[str, Metric], ...], mesh: Mesh) -> jax.stages.Wrapped:
    """Build the function that computes the metrics of a few networks on each device; compiled at its first call."""

    def measure(networks: PyTree, examples: Examples) -> dict[str, Any]:
        one = shapes_of_one(networks)
        traced = jax.make_jaxpr(predict)(*one, examples.inputs)
        # Transposed, the first weights of all networks and the examples are the factors of one product.
        is_transposed = find_transposed(traced.jaxpr, *one)
        hparams, params = networks[0], transpose_some(networks[1], is_transposed)

        def all_networks(inputs: Array) -> Array:
            def one_network(hparams: Lanes, params: Params) -> Array:
                return predict(hparams, transpose_some(params, is_transposed), inputs)

            return jax.vmap(one_network, out_axes=1)(hparams, params)

        outputs = map_blocks(all_networks, examples.inputs, MAX_EXAMPLES)
        outputs = widen(jnp.moveaxis(outputs, 1, 0))
        # One network at a time: with lanes, the order of additions would depend on their number.
        return jax.lax.map(
            lambda outputs: {name: widen(metric(outputs, examples.targets)) for name, metric in metrics},
            outputs,
        )

    function = on_each_device(measure, mesh, LANES, SHARED)
    return jax.jit(function, compiler_options=compiler_options(mesh) if mesh.size > 1 else {})


def _metric_shapes(stack: Stack, examples: Examples, metrics: dict[str, Metric]) -> dict[str, Any]:
    """Return the shapes of one network's metrics, after checking them against its outputs and the targets."""
    outputs = jax.eval_shape(lambda *args: widen(stack.predict(*args)), *stack.one, examples.inputs)
    _check_targets(examples.targets, outputs.shape, metrics)
    shapes = {}
    for name, metric in metrics.items():
        try:
            shapes[name] = jax.eval_shape(lambda *args: widen(metric(*args)), outputs, examples.targets)  # noqa: B023
        except (TypeError, ValueError) as error:
            raise InputError(
                f"metric {name!r} cannot compare outputs of shape {outputs.shape} with targets "
                f"{examples.targets.dtype} {examples.targets.shape}: {error}"
            ) from error
    return shapes


def _check_targets(targets: Any, shape: tuple[int, ...], metrics: dict[str, Metric]) -> None:
    """Check that each class has an output, where a metric takes outputs as logits."""
    if len(shape) != 2 or targets.ndim != 1 or not jnp.issubdtype(targets.dtype, jnp.integer):
        return
    known = [
        metric for metric in (METRICS | ARRAY_METRICS).values() if metric is not ARRAY_METRICS["outputs"]
    ]
    if any(metric in known for metric in metrics.values()):
        for label in (int(targets.min()), int(targets.max())):
            if not 0 <= label < shape[1]:
                raise InputError(
                    f"the targets hold class {label}, but the networks have {shape[1]} outputs, for the classes "
                    f"0 to {shape[1] - 1}"
                )


def _allocate(shapes: list[dict[str, Any]], num_networks: int) -> dict[str, Any]:
    """Allocate the result, if it fits in memory."""
    for other in shapes:
        if other != shapes[0]:
            names = [name for name in other if other[name] != shapes[0][name]]
            raise InputError(f"networks differ in the shape of {', '.join(names)}; evaluate them separately")
    num_bytes = num_networks * tree_bytes(shapes[0])
    if num_bytes > (usable := usable_host_bytes()):
        raise InputError(
            f"the {', '.join(shapes[0])} of {num_networks} networks need {num_bytes:,} bytes, and "
            f"{int(usable):,} may be used (60 % of what is free); evaluate fewer metrics, networks or examples at once"
        )
    return jax.tree.map(lambda leaf: np.empty((num_networks, *leaf.shape), leaf.dtype), shapes[0])


def _check_examples(examples: Any) -> Examples:
    if isinstance(examples, Dataset):
        raise InputError("evaluate takes one split of a data set, such as data.test, got the data set")
    inputs, targets = (x if isinstance(x, jax.Array) else np.asarray(x) for x in examples)
    if not inputs.ndim or not targets.ndim or len(inputs) != len(targets) or not len(inputs):
        raise InputError(
            f"examples must have one target per input, got the shapes {inputs.shape} and {targets.shape}"
        )
    return Examples(inputs, targets)
