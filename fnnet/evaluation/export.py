"""Export: a run of a sweep as a model."""

import inspect

from fnnet.data.record import abstract_data
from fnnet.errors import InputError
from fnnet.evaluation.model import Model
from fnnet.recipes import mlp_recipe
from fnnet.records.results import Results
from fnnet.stacked_layers import stack, unstack


def trained_model(results: Results, run: int) -> Model:
    """Build the model of one run of a sweep whose recipe is `mlp_recipe`, as in `fnnet sweep`.

    The store records how the data were encoded and scaled; the data are not loaded.

    Args:
        results: the results of a sweep with a store and `save_params=True`.
        run: index of the run.

    Raises:
        InputError: when the run diverged, its parameters were not kept, or the sweep used another recipe or data that
            are not a `Dataset`.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = grid(depth=[0, 1], width=8, learning_rate=0.3)
        ...     results = sweep(mlp_recipe(data), space, data, num_steps=100, store=folder, save_params=True)
        ...     model = trained_model(results, 1)
        >>> model.arguments["widths"], model.class_names
        ([8], ('setosa', 'versicolor', 'virginica'))
    """
    plan = None if results.store is None else results.store.read_plan()
    if plan is None:
        raise InputError(
            "the results have no store, which would record the data; pass store=... and save_params=True to sweep"
        )
    name = plan.get("recipe", {}).get("name")
    if name != _MLP_RECIPE:
        raise InputError(
            f"the sweep was made with the recipe {name}; only sweeps with fnnet's mlp_recipe, such as those of "
            "fnnet sweep, can be exported; for an mlp of another recipe, build and save a fnnet.evaluation.model.Model"
        )
    if results["diverged"][run]:
        step = results["diverged_at"][run]
        raise InputError(f"run {run} diverged at step {step}, so it cannot be exported")
    data = abstract_data(plan["data"])
    signature = inspect.signature(mlp_recipe(data))
    static = {name: value for name, value in results.space[run].items() if name in signature.parameters}
    bound = signature.bind(**static)
    bound.apply_defaults()
    config = bound.arguments
    model = Model(
        arguments={
            "num_inputs": data.num_features,
            "widths": [config["width"]] * config["depth"],
            "num_outputs": data.num_outputs,
            **{name: config[name] for name in ("activation", "initializer", "parameterization", "use_bias")},
        },
        params=results.params(run),
        loss=config["loss"],
        preprocessing=data.preprocessing,
        class_names=data.class_names,
    )
    stack(unstack(model.params), model.network)  # refuses parameters of another network
    return model


_MLP_RECIPE = "fnnet.recipes:mlp_recipe.<locals>.recipe"
"""The name of the recipe of `fnnet sweep` in a store."""
