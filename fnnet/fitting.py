"""Fitting: tasks that train a network by gradient descent on a loss of its outputs."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from fnnet import best, losses
from fnnet.batches import make_batches
from fnnet.blocks import all_outputs
from fnnet.data import Dataset, Examples
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.losses import LOSSES, Loss, mean_loss
from fnnet.metrics import METRICS, MetricChoice, directions, find_metrics
from fnnet.names import lookup
from fnnet.network import Network, apply_training, batched, join_parts, trained_part
from fnnet.optimizer_builders import OptimizerChoice, make_builder
from fnnet.optimizers import Optimizer, Transformation, apply_updates, scale_updates
from fnnet.parameterizations import kind_of
from fnnet.precision import widen
from fnnet.task import StepFunction, Task
from fnnet.types import KeyArray, Metrics, OptState, Params, PyTree

Other = TypeVar("Other")
Target = Callable[[Examples], Any]


class TrainState(NamedTuple):
    """The state of a run of `supervised`: the network's parameters and the optimizer's memory.

    Example:
        >>> from fnnet import load_dataset, mlp_recipe, train
        >>> run = train(mlp_recipe(load_dataset("iris"))(depth=0), {"learning_rate": 0.1}, load_dataset("iris"), num_steps=1)
        >>> isinstance(run.state, TrainState), len(run.state.params)
        (True, 1)
    """

    params: Params
    opt_state: OptState


def supervised(
    network: Network | Callable[[Hparams], Network],
    loss: str | Loss,
    *,
    optimizer: OptimizerChoice,
    schedule: str = "constant",
    batch_size: int | None = 128,
    order: str = "shuffled",
    metrics: MetricChoice | None = None,
    max_measured: int = 10_000,
    target: Target = lambda examples: examples.targets,
    keep_best: str | None = None,
) -> Task:
    """Build the task of fitting a network to targets.

    Its hyper-parameters are `seed` (default 0) for the initial parameters, and those that `optimizer` and `network`
    read.

    Args:
        network: a network, or a function from hyper-parameters to one, for traced initial scales.
        loss: a name in `LOSSES`, or a function of the output and the target of ONE example that returns a scalar;
            the loss of a batch is the mean.
        optimizer: a name such as "sgd" or "adam" (see `OPTIMIZERS`), whose numbers are hyper-parameters; an optimizer,
            such as `sgd(0.1)` or one of optax; or a function from hyper-parameters to one (see `from_hparams`).
        schedule: how the learning rate of a named optimizer changes: "constant", "cosine", "linear" or "step",
            all after a warmup over the hyper-parameter `warmup_fraction` of the steps (see `schedules.whole_run`).
        batch_size: examples per step; None for full batches.
        order: "shuffled", "sequential" or "with_replacement" (see `make_batches`).
        metrics: names in `METRICS`, functions from the outputs `[n, outputs]` and targets of ALL examples to a
            scalar, or a dict that names either; by default accuracy for classes and R2 for numbers. Lower values of
            a plain function are better; for another direction, `Metric(function, higher_is_better=True)`.
        max_measured: evaluate the training split on its first `max_measured` examples.
        target: maps examples to the targets of the network.
        keep_best: a metric such as "validation_loss": keep the parameters of the evaluation where it was best, and add
            "best_step" and "best_validation_loss" of that evaluation to the metrics (see `fnnet.best.keep_best`). None:
            keep the parameters after the last step.

    Returns:
        The task. `measure` returns "train_loss", "test_loss", "test_accuracy" and so on, and "validation_" metrics if
        the data have that split.

    Raises:
        InputError: when a name is unknown, or the network's muP is for another kind of optimizer; and while tracing,
            when the network's output does not fit the targets, the batch is larger than the data, or the data lack the
            split of `keep_best`.

    Example:
        >>> from fnnet import mlp, load_dataset, train
        >>> data = load_dataset("iris")
        >>> task = supervised(mlp(4, [8], 3), "cross_entropy", optimizer="sgd", batch_size=16)
        >>> run = train(task, {"learning_rate": 0.3, "seed": 0}, data, num_steps=200)
        >>> bool(run.metrics["train_accuracy"] > 0.9)
        True
    """
    loss_function = lookup("loss", loss, LOSSES)
    kind = kind_of(optimizer) if isinstance(optimizer, str) else None
    optimizer = make_builder(optimizer, schedule)

    def network_of(hparams: Hparams) -> Network:
        chosen = network(hparams) if callable(network) else network
        if not isinstance(chosen, Network):
            raise InputError(
                "network must be a Network, such as fn.mlp(...), or a function from hyper-parameters to one, "
                f"got {type(chosen).__name__}"
            )
        if kind is not None and chosen.scaled_for not in (kind, None):
            raise InputError(
                f"the network's parameterization is for optimizers like {chosen.scaled_for!r}; for this one use "
                f"mup(..., optimizer={kind!r})"
            )
        return chosen

    if isinstance(network, Network):
        network_of(Hparams({}))

    def init(key: KeyArray, hparams: Hparams, data: Dataset) -> TrainState:
        chosen = network_of(hparams)
        params = chosen.init(key)
        _check_fit(chosen, params, loss_function, data, target)
        return TrainState(params, optimizer(hparams).init(trained_part(chosen, params)))

    def objective(outputs: Array, examples: Examples) -> Array:
        return mean_loss(loss_function, outputs, target(examples))

    def measure(hparams: Hparams, state: TrainState, data: Dataset) -> Metrics:
        chosen = network_of(hparams)
        measured = {}
        for split, examples in splits(data, max_measured).items():
            targets = target(examples)
            outputs = all_outputs(chosen, state.params, examples.inputs)
            measured[f"{split}_loss"] = mean_loss(loss_function, outputs, targets)
            for name, metric in find_metrics(metrics, targets, METRICS).items():
                measured[f"{split}_{name}"] = _scalar(name, metric(outputs, targets))
        return measured

    def predict(hparams: Hparams, params: Params, inputs: Array) -> Array:
        return batched(network_of(hparams))(params, inputs)

    task = Task(
        init,
        step=descend(network_of, objective, optimizer),
        measure=measure,
        batches=make_batches(batch_size, order),
        predict=predict,
        params=lambda state: state.params,
        check=optimizer,
        higher_is_better=directions(metrics),
    )
    return task if keep_best is None else best.keep_best(task, keep_best)


def autoencoder(
    network: Network | Callable[[Hparams], Network],
    loss: str | Loss = losses.mse,
    *,
    optimizer: OptimizerChoice,
    metrics: MetricChoice = ("rmse",),
    **options: Any,
) -> Task:
    """Build the task of reconstructing the input through a network with a narrow layer.

    Args:
        network: from `[features]` to `[features]`, or a function from hyper-parameters to one.
        loss: a loss of the output and the input, as in `supervised`.
        optimizer, metrics, **options: as in `supervised`.

    Example:
        >>> from fnnet import mlp, sgd, load_dataset, train
        >>> task = autoencoder(mlp(13, [2], 13, "identity"), optimizer=sgd(0.1), batch_size=32)
        >>> run = train(task, {}, load_dataset("wine"), num_steps=300)
        >>> bool(run.metrics["test_rmse"] < 0.8)
        True
    """
    return supervised(
        network,
        loss,
        optimizer=optimizer,
        metrics=metrics,
        target=lambda examples: examples.inputs,
        **options,
    )


def descend(
    network_of: Callable[[Hparams], Network],
    objective: Callable[[Array, Examples], Array],
    optimizer: Callable[[Hparams], Optimizer],
) -> StepFunction:
    """Build the `step` of a task that minimizes an objective of the outputs for a batch of examples."""

    def step(
        key: KeyArray, hparams: Hparams, state: TrainState, batch: Examples
    ) -> tuple[TrainState, Metrics]:
        network = network_of(hparams)

        def loss(trained: Params) -> tuple[Array, Params]:
            params = join_parts(network, trained, state.params)
            outputs, params = apply_training(network, params, batch.inputs, key)
            return objective(outputs, batch), params

        chosen = scale_updates(optimizer(hparams), network.update_scales)
        before = TrainState(trained_part(network, state.params), state.opt_state)
        after, value, params = descend_once(loss, chosen, before)
        return TrainState(join_parts(network, after.params, params), after.opt_state), {"loss": value}

    return step


def descend_once(
    loss: Callable[[Params], tuple[Array, Other]], optimizer: Transformation, state: TrainState
) -> tuple[TrainState, Array, Other]:
    """Make one update of parameters; returns the next state, and what `loss` returned: its value and anything else."""
    (value, other), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    return TrainState(apply_updates(state.params, updates), opt_state), value, other


def splits(data: Dataset, max_measured: int) -> dict[str, Examples]:
    """Return the splits to evaluate, with at most `max_measured` training examples."""
    train = jax.tree.map(lambda leaf: leaf[:max_measured], data.train)
    named = {"train": train, "validation": data.validation, "test": data.test}
    return {name: examples for name, examples in named.items() if examples is not None}


def _scalar(name: str, value: object) -> Array:
    if not isinstance(value, int | float | Array) or jnp.shape(value) != ():
        came = f"the shape {value.shape}" if isinstance(value, Array) else f"a {type(value).__name__}"
        raise InputError(
            f"a metric of a run must be a number, got {came} from {name!r}; use evaluate for metrics that are arrays"
        )
    return jnp.asarray(value)


def _check_fit(network: Network, params: Params, loss: Loss, data: PyTree, target: Target) -> None:
    """Check that the data have targets, and that the network's output fits them."""
    if not hasattr(data, "train"):
        raise InputError(
            f"supervised needs a Dataset, got a {type(data).__name__}; make one of arrays by "
            "fn.from_arrays(x, y, test=(x_test, y_test))"
        )
    one = jax.tree.map(lambda leaf: leaf[:1], data.train)
    outputs = jax.eval_shape(batched(network), params, one.inputs)
    if jnp.issubdtype(target(one).dtype, jnp.integer) and outputs.shape[1:] != (data.num_outputs,):
        raise InputError(f"the network has {outputs.shape[-1]} outputs, the data {data.num_outputs} classes")
    output = jax.ShapeDtypeStruct(outputs.shape[1:], outputs.dtype)
    first_target = jax.tree.map(lambda leaf: leaf[0], target(one))
    value = jax.eval_shape(lambda output, target: loss(widen(output), target), output, first_target)
    if getattr(value, "shape", None) != ():
        came = f"shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise InputError(
            f"a loss of one example must be a scalar, got {came}; it is a function of one output and one target"
        )
