"""Tasks: what one run does, as pure functions. Training, sweeps and stores depend on nothing else."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array

from fnnet.batches import Batches, all_data
from fnnet.hparams import Hparams
from fnnet.types import KeyArray, Metrics, Params, PyTree


@runtime_checkable
class InitFunction(Protocol):
    """The signature of `Task.init`."""

    def __call__(self, key: KeyArray, hparams: Hparams, data: PyTree, /) -> PyTree:
        """Build the state before the first step.

        Args:
            key: `jax.random.key(seed)`, where `seed` is the hyper-parameter, 0 by default.
            hparams: the run's hyper-parameters; inside a compiled program, traced scalars.
            data: as given to `train` or `sweep`.

        Returns:
            The state, any pytree of arrays.
        """
        ...


@runtime_checkable
class StepFunction(Protocol):
    """The signature of `Task.step`."""

    def __call__(
        self, key: KeyArray, hparams: Hparams, state: PyTree, batch: PyTree, /
    ) -> tuple[PyTree, Metrics]:
        """Make one update.

        Args:
            key: derived from `seed` and the number of the step; another one than that of `init`. A step that does not
                use it pays nothing.
            hparams: as in `init`.
            state: what `init` or the last step returned.
            batch: the batch of this step, shared by all runs with the same `data_seed` that train together.

        Returns:
            The next state, with the same shapes and dtypes; and the metrics, scalars by name. "loss" must be one of
            them: a run has diverged if it is not finite at some step. The mean of each metric since the last evaluation
            is the curve "batch_NAME".
        """
        ...


@runtime_checkable
class MeasureFunction(Protocol):
    """The signature of `Task.measure`."""

    def __call__(self, hparams: Hparams, state: PyTree, data: PyTree, /) -> Metrics:
        """Compute the metrics of tables and curves.

        Args:
            hparams: as in `init`.
            state: after some step.
            data: as in `init`.

        Returns:
            Scalars by name.
        """
        ...


@runtime_checkable
class ReactFunction(Protocol):
    """The signature of `Task.react`."""

    def __call__(self, hparams: Hparams, state: PyTree, metrics: Metrics, /) -> tuple[PyTree, Metrics]:
        """Change the state by what was measured, such as the best parameters so far or a learning rate.

        Args:
            hparams: as in `init`.
            state: that was measured.
            metrics: what `measure` returned, in at least 32 bits.

        Returns:
            The next state, with the same shapes and dtypes; and the metrics of tables and curves.
        """
        ...


@runtime_checkable
class PredictFunction(Protocol):
    """The signature of `Task.predict`."""

    def __call__(self, hparams: Hparams, params: Params, inputs: Any, /) -> Array:
        """Compute the outputs of a trained network, for evaluation and ensembles.

        Args:
            hparams: as in `init`.
            params: what `Task.params` returned, perhaps stored and loaded in between.
            inputs: `[n, ...]`.

        Returns:
            The outputs `[n, ...]`, each of which depends on its own input only.
        """
        ...


@runtime_checkable
class ParamsFunction(Protocol):
    """The signature of `Task.params`."""

    def __call__(self, state: PyTree, /) -> Params:
        """Return the part of a state that is kept, evaluated and exported, such as averaged parameters."""
        ...


def _whole_state(state: PyTree) -> Params:
    return state


def _accept(hparams: Hparams) -> None:
    del hparams


class Task(NamedTuple):
    """What one run does. Anything that can be written as these functions can be trained and swept.

    init: `(key, hparams, data) -> state`, see `InitFunction`.
    step: `(key, hparams, state, batch) -> (state, metrics)`, one update, see `StepFunction`.
    measure: `(hparams, state, data) -> metrics`, see `MeasureFunction`.
    batches: the pure functions `draw` and `select` that determine the batch of each step, see `Batches`. By default,
        the batch of every step is the whole data.
    predict: `(hparams, params, inputs [n, ...]) -> outputs [n, ...]`, see `PredictFunction`; None if the task trains no
        network.
    params: `state -> params`, what is kept, evaluated and exported; by default the whole state.
    check: raises an `InputError` for hyper-parameters that are out of range. It is called with the numbers of a run
        before tracing; the other functions get traced numbers.
    higher_is_better: the direction of metrics that `measure` returns, by name, with or without "train_",
        "validation_" or "test_"; results are ranked by it. The metrics of `fnnet.metrics` and "loss" can be left out.
    react: `(hparams, state, metrics) -> (state, metrics)`, called after each evaluation, see `ReactFunction`; None if
        evaluations change nothing.

    Example:
        Gradient descent on two weights, from a random start.

        >>> import jax
        >>> from fnnet import grid, sweep
        >>> def step(key, hparams, w, target):
        ...     loss, grad = jax.value_and_grad(lambda w: (w[0] * w[1] - target) ** 2 / 2)(w)
        ...     return w - hparams["learning_rate"] * grad, {"loss": loss}
        >>> task = Task(
        ...     init=lambda key, hparams, target: jax.random.normal(key, (2,)),
        ...     step=step,
        ...     measure=lambda hparams, w, target: {"error": abs(w[0] * w[1] - target)},
        ... )
        >>> results = sweep(lambda: task, grid(learning_rate=[0.1, 0.2], seed=range(3)), 2.0, num_steps=100)
        >>> bool((results["error"] < 1e-3).all())
        True
    """

    init: InitFunction
    step: StepFunction
    measure: MeasureFunction
    batches: Batches = all_data
    predict: PredictFunction | None = None
    params: ParamsFunction = _whole_state
    check: Callable[[Hparams], object] = _accept
    higher_is_better: Mapping[str, bool] = {}
    react: ReactFunction | None = None


Recipe = Callable[..., Task]
"""Maps the values of static axes to the task of the runs that share them."""
