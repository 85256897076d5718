"""Objectives: a task from a function to minimize, and a task from a whole training that is already one function."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from fnnet.batches import Batches, all_data
from fnnet.errors import InputError
from fnnet.fitting import TrainState, descend_once
from fnnet.hparams import Hparams
from fnnet.optimizer_builders import OptimizerChoice, make_builder
from fnnet.task import InitFunction, PredictFunction, Task
from fnnet.types import KeyArray, Metrics, Params, PyTree


@runtime_checkable
class ObjectiveFunction(Protocol):
    """The signature of the function that `objective_task` minimizes."""

    def __call__(
        self, key: KeyArray, params: Params, batch: PyTree, hparams: Hparams, /
    ) -> tuple[Array, Metrics]:
        """Compute the loss of a batch.

        Args:
            key: the key of the step, for noise or dropout.
            params: to differentiate.
            batch: the batch of the step.
            hparams: the hyper-parameters of the run.

        Returns:
            The loss, a scalar; and other metrics of the step, scalars by name, which may be empty. Their means since
            the last evaluation are the curves "batch_NAME".
        """
        ...


def objective_task(
    init: InitFunction,
    objective: ObjectiveFunction,
    *,
    optimizer: OptimizerChoice,
    schedule: str = "constant",
    measure: Callable[[Hparams, Params, PyTree], Metrics],
    batches: Batches = all_data,
    predict: PredictFunction | None = None,
    higher_is_better: Mapping[str, bool] = {},
) -> Task:
    """Build the task of minimizing an objective by gradient descent.

    Use it for what `supervised` cannot express, such as losses of several networks or of a whole batch, penalties and
    noise; write a `Task` where an update is more than a gradient step.

    Args:
        init: maps `(key, hparams, data)` to the initial parameters.
        objective: maps `(key, params, batch, hparams)` to the loss and a dict of other metrics.
        optimizer, schedule: as in `supervised`.
        measure: maps `(hparams, params, data)` to the metrics of tables and curves.
        batches: such as `make_batches(32)` for a `Dataset`; by default each step sees the whole data.
        predict: maps `(hparams, params, inputs)` to outputs, for evaluation; None if there is no network.
        higher_is_better: as in `Task`.

    Returns:
        The task; its state is a `TrainState`.

    Example:
        A linear fit whose inputs are blurred by noise, which shrinks the slope to 1 / (1 + noise^2).

        >>> from fnnet import train
        >>> x = jnp.linspace(-jnp.sqrt(3), jnp.sqrt(3), 1001)
        >>> def objective(key, w, x, hparams):
        ...     noisy = x + hparams["noise"] * jax.random.normal(key, x.shape)
        ...     return jnp.mean((w * noisy - x) ** 2), {"slope": w}
        >>> task = objective_task(
        ...     lambda key, hparams, x: jnp.zeros(()),
        ...     objective,
        ...     optimizer="sgd",
        ...     measure=lambda hparams, w, x: {"slope": w},
        ... )
        >>> run = train(task, {"noise": 1.0, "learning_rate": 0.05}, x, num_steps=400, eval_every=200)
        >>> round(float(run.curves["batch_slope"][1]), 1)
        0.5
    """
    builder = make_builder(optimizer, schedule)

    def begin(key: KeyArray, hparams: Hparams, data: PyTree) -> TrainState:
        params = init(key, hparams, data)
        return TrainState(params, builder(hparams).init(params))

    def step(key: KeyArray, hparams: Hparams, state: TrainState, batch: PyTree) -> tuple[TrainState, Metrics]:
        def loss(params: Params) -> tuple[Array, Metrics]:
            return objective(key, params, batch, hparams)

        state, value, metrics = descend_once(loss, builder(hparams), state)
        return state, {**metrics, "loss": value}

    return Task(
        begin,
        step,
        measure=lambda hparams, state, data: measure(hparams, state.params, data),
        batches=batches,
        predict=predict,
        params=lambda state: state.params,
        check=builder,
        higher_is_better=higher_is_better,
    )


class _Returned(NamedTuple):
    """The state of a `function_task`: the bits of the key, and what the function returned."""

    key: Array
    found: Metrics


def function_task(
    train: Callable[[KeyArray, Hparams, PyTree], Mapping[str, PyTree]],
    *,
    higher_is_better: Mapping[str, bool] = {},
) -> Task:
    """Build the task of a whole training that is already one pure function, in the style of PureJaxRL.

    Sweep it with `num_steps=1`. Any number of runs trains as lanes of one program, chunk by chunk, and what is finished
    is stored and resumed. No run is timed in advance, so `lanes` is up to 64 unless you set it.

    Args:
        train: maps `(key, hparams, data)` to a dict of numbers and curves `[n]`, with the same `n` for all curves;
            `key` is `jax.random.key(seed)`. It must be possible to trace it under `jax.jit` and `jax.vmap`.
        higher_is_better: the direction of what it returns, by name.

    Returns:
        The task. The curves become the learning curves of the results, at the steps 1 to n, and their last values
        columns of the table. A run has diverged if one of these numbers is not finite.

    Raises:
        InputError: while tracing, when `train` returns something else; and before, when it is to make several steps.

    Example:
        >>> from fnnet import grid, sweep
        >>> def train(key, hparams, data):
        ...     start = jax.random.uniform(key)
        ...     _, curve = jax.lax.scan(lambda x, _: (x * hparams["decay"], x), start, length=4)
        ...     return {"start": start, "size": curve}
        >>> results = sweep(lambda: function_task(train), grid(decay=[0.5, 1.0], seed=range(2)), None, num_steps=1)
        >>> results["size_curve"].shape, bool((results["size"][:2] == results["start"][:2] / 8).all())
        ((4, 4), True)
    """

    def shapes(key: KeyArray, hparams: Hparams, data: PyTree) -> Mapping[str, PyTree]:
        found = jax.eval_shape(
            lambda: {name: jnp.asarray(each) for name, each in train(key, hparams, data).items()}
        )
        if not found:
            raise InputError("a training must return numbers and curves by name, got none")
        lengths = sorted({each.shape[0] for each in found.values() if each.ndim == 1})
        wrong = [name for name, each in found.items() if each.ndim > 1]
        if wrong or len(lengths) > 1:
            came = (
                f"the shape {found[wrong[0]].shape} from {wrong[0]!r}" if wrong else f"the lengths {lengths}"
            )
            raise InputError(f"a training must return numbers, and curves of one length; got {came}")
        return found

    def init(key: KeyArray, hparams: Hparams, data: PyTree) -> _Returned:
        found = shapes(key, hparams, data)
        zeros = {name: jnp.zeros(each.shape, each.dtype) for name, each in found.items()}
        return _Returned(jax.random.key_data(key), zeros)

    def step(key: KeyArray, hparams: Hparams, state: _Returned, data: PyTree) -> tuple[_Returned, Metrics]:
        found = train(jax.random.wrap_key_data(state.key), hparams, data)
        found = {name: jnp.asarray(each) for name, each in found.items()}
        last = [each if each.ndim == 0 else each[-1] for each in found.values()]
        is_finite = jnp.all(jnp.stack([jnp.isfinite(each) for each in last]))
        # The key is used up: what remains of it would make every seed look used.
        return _Returned(jnp.zeros_like(state.key), found), {"loss": jnp.where(is_finite, 0.0, jnp.nan)}

    def check(hparams: Hparams) -> None:
        length = hparams.peek("num_steps", 1)
        if isinstance(length, int | np.integer) and length != 1:
            raise InputError(
                f"the whole training of a function_task is one step: num_steps must be 1, got {length}"
            )

    return Task(
        init,
        step,
        measure=lambda hparams, state, data: state.found,
        params=lambda state: {},
        check=check,
        higher_is_better=higher_is_better,
    )
