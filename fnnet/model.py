"""Models: a trained `mlp` together with what it takes to use it on data that come as they are measured."""

import inspect
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fnnet.data import Dataset, load_dataset
from fnnet.data.content import content_hash
from fnnet.data.scaling import Scaling, apply_scaling, fit_scaling
from fnnet.errors import InputError
from fnnet.losses import LOSSES, mean_loss
from fnnet.network import Network, mlp, stack, unstack
from fnnet.recipes import mlp_recipe
from fnnet.sweep.results import Results
from fnnet.sweep.store import read_plan
from fnnet.types import Params

if TYPE_CHECKING:
    import polars as pl

_PROBABILITIES = {"cross_entropy": jax.nn.softmax, "binary_cross_entropy": jax.nn.sigmoid}
"""How outputs become the probabilities of classes, by the loss that takes them for logits."""

_BLOCK = 1000  # examples that go through the network at once


class Model(NamedTuple):
    """A trained network and what it takes to use it.

    arguments: those of `mlp` by name, with names for functions, so that they can be written down.
    params: the trained parameters.
    loss: the name of what it was trained to make small, which says what its outputs mean.
    feature_names: one for each input.
    class_names: one for each output; empty for regression.
    input_scaling: how inputs are standardised; None if they are taken as they come.
    target_scaling: how the targets of a regression were.
    """

    arguments: dict[str, Any]
    params: Params
    loss: str
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    input_scaling: Scaling | None = None
    target_scaling: Scaling | None = None

    @property
    def network(self) -> Network:
        """The network that takes `params`."""
        return mlp(**self.arguments)


def predict(model: Model, inputs: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n outputs"]:
    """Compute what a model says of some examples.

    Args:
        model: the model.
        inputs: in the units of the data it was trained on, before standardisation.

    Returns:
        For classes, their probabilities: the softmax of the outputs after training by cross-entropy, the sigmoid
        of each after `binary_cross_entropy`. For regression, values in the unit of the data. The outputs
        of a network that was trained to hit one-hot classes by a squared loss come as they are.

    Raises:
        InputError: when the inputs have another number of features, or an output is not finite.

    Example:
        >>> identity = [{"w": np.eye(2, dtype=np.float32), "b": np.zeros(2, np.float32)}]
        >>> model = Model(dict(num_inputs=2, widths=[], num_outputs=2), identity, "cross_entropy", ("a", "b"), ("no", "yes"))
        >>> predict(model, np.zeros((1, 2), np.float32)).tolist()
        [[0.5, 0.5]]
    """
    if inputs.ndim != 2 or inputs.shape[1] != len(model.feature_names):
        raise InputError(
            f"inputs must have the shape [examples, {len(model.feature_names)}], got {list(inputs.shape)}"
        )
    if model.input_scaling is not None:
        inputs = apply_scaling(model.input_scaling, inputs)
    outputs = np.asarray(_outputs(model, inputs))
    if model.class_names and model.loss in _PROBABILITIES:
        outputs = np.asarray(_PROBABILITIES[model.loss](outputs))
    if model.target_scaling is not None:
        mean, inverse_std = map(np.array, model.target_scaling)
        outputs = mean + np.divide(outputs, inverse_std, out=np.zeros(outputs.shape), where=inverse_std != 0)
    if not np.isfinite(outputs).all():
        row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
        raise InputError(f"the network's output for row {row} (the first is 0) is not finite")
    return outputs


def tabulate(model: Model, outputs: Float[np.ndarray, "n outputs"]) -> "pl.DataFrame":
    """Write what `predict` gave as a table with a row for each example.

    Args:
        model: the model.
        outputs: of `predict`.

    Returns:
        For classes the columns "class", of the largest output, and "probability" (or "output" where it is none);
        for regression "value", or "value_0", "value_1" and so on.

    Example:
        >>> model = Model({}, [], "cross_entropy", ("a",), ("no", "yes"))
        >>> tabulate(model, np.array([[0.25, 0.75]])).rows()
        [('yes', 0.75)]
    """
    import polars as pl

    if not model.class_names:
        num_outputs = outputs.shape[1]
        names = ["value"] if num_outputs == 1 else [f"value_{index}" for index in range(num_outputs)]
        return pl.DataFrame(dict(zip(names, outputs.T, strict=True)))
    names = ["class", "probability" if model.loss in _PROBABILITIES else "output"]
    classes = [model.class_names[index] for index in outputs.argmax(axis=1)]
    return pl.DataFrame(dict(zip(names, (classes, outputs.max(axis=1)), strict=True)))


def trained_model(results: Results, run: int, dataset: str) -> Model:
    """Put together the model of one run of a sweep with `mlp_recipe`, such as `fnnet sweep` makes.

    Args:
        results: of a store that kept the parameters.
        run: its place in the space.
        dataset: what the sweep was made with, as `load_dataset` takes it.

    Returns:
        The model, which was found to have the loss on the test split that the sweep recorded.

    Raises:
        InputError: when the run diverged, its parameters were not kept, or the sweep was made from other data or with
            another recipe.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = grid(depth=[0, 1], width=8, learning_rate=0.3)
        ...     results = sweep(mlp_recipe(data), space, data, num_steps=100, store=folder, save_params=True)
        ...     model = trained_model(results, 1, "iris")
        >>> model.arguments["widths"], model.class_names
        ([8], ('setosa', 'versicolor', 'virginica'))
        >>> predict(model, np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)).argmax(axis=1).tolist()
        [0]
    """
    data, unscaled = load_dataset(dataset), load_dataset(dataset, standardize=False)
    plan = None if results.store is None else read_plan(results.store)
    if plan is not None and plan["fingerprint"]["data"] != content_hash(data):
        raise InputError(f"the sweep was made from other data than {dataset}")
    if results.columns["diverged"][run]:
        step = results.columns["diverged_at"][run]
        raise InputError(f"run {run} diverged at step {step}, so there is nothing to use")
    config = _recipe_arguments(results.space[run], data)
    is_standardized = data.hash != unscaled.hash
    model = Model(
        arguments={
            "num_inputs": data.num_features,
            "widths": [config["width"]] * config["depth"],
            "num_outputs": data.num_outputs,
            **{name: config[name] for name in ("activation", "initializer", "parameterization", "use_bias")},
        },
        params=results.member(run),
        loss=config["loss"],
        feature_names=data.feature_names,
        class_names=data.class_names,
        input_scaling=fit_scaling("feature", unscaled.train.inputs) if is_standardized else None,
        target_scaling=fit_scaling("target", unscaled.train.targets)
        if is_standardized and not data.is_classification
        else None,
    )
    _check_loss(model, data, float(results.columns["test_loss"][run]))
    return model


def _recipe_arguments(config: dict[str, Any], data: Dataset) -> dict[str, Any]:
    """Give the static values of a run, with the recipe's defaults."""
    signature = inspect.signature(mlp_recipe(data))
    given = {name: value for name, value in config.items() if name in signature.parameters}
    bound = signature.bind(**given)
    bound.apply_defaults()
    return bound.arguments


def _check_loss(model: Model, data: Dataset, recorded: float) -> None:
    """Refuse a network that is not the one the sweep trained, which its parameters alone need not show."""
    stack(unstack(model.params), model.network)
    outputs = _outputs(model, data.test.inputs)
    loss = float(mean_loss(LOSSES[model.loss], outputs, jnp.asarray(data.test.targets)))
    if not math.isclose(loss, recorded, rel_tol=1e-3, abs_tol=1e-5):
        raise InputError(
            f"the run's network as mlp_recipe makes it has the test_loss {loss:.6g}, the sweep recorded {recorded:.6g}; "
            "only sweeps with mlp_recipe and its defaults, such as those of fnnet sweep, can be exported"
        )


def _outputs(model: Model, inputs: Float[np.ndarray, "n features"]) -> Float[Array, "n outputs"]:
    network = model.network

    @jax.jit
    def run(params: Params, inputs: Any) -> Any:
        return jax.lax.map(lambda x: network.apply(params, x), inputs, batch_size=_BLOCK)

    return run(model.params, inputs)
