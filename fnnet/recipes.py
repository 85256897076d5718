"""Ready-made recipes: functions from static axes to a task, for `sweep` and for the command line."""

from collections.abc import Callable

import numpy as np

from fnnet.data import Dataset
from fnnet.errors import InputError, check_integer
from fnnet.fitting import supervised
from fnnet.hparams import Hparams
from fnnet.layers import check_dropout
from fnnet.network import Network, mlp
from fnnet.optimizer_builders import from_hparams
from fnnet.parameterizations import Parameterization, mup
from fnnet.task import Task

USUAL_WIDTH = 64  # and that at which learning rates are tuned, in muP
MAX_DEPTH = 10_000  # the deepest networks trained so far (Xiao et al. 2018)


def mlp_recipe(data: Dataset) -> Callable[..., Task]:
    """Build the recipe of a fully connected network for a data set.

    The static axes are the arguments of the recipe: depth, width, activation, initializer, parameterization, base_width
    (of the parameterization "mup", 64 by default), use_bias, loss, batch_size ("full" for all examples), order,
    optimizer, schedule, nesterov and keep_best. The traced axes are learning_rate, seed, data_seed, dropout, max_norm,
    warmup_fraction, and the other numbers of the optimizer and the schedule, such as momentum and weight_decay of "sgd"
    (see `from_hparams`).

    Args:
        data: determines the input and output sizes and the default loss: cross-entropy for classes, else the mean
            squared error.

    Example:
        >>> from fnnet import load_dataset
        >>> recipe = mlp_recipe(load_dataset("iris"))
        >>> task = recipe(depth=1, width=8)
    """
    usual_loss = "cross_entropy" if data.is_classification else "mse"
    usual_batch_size = min(128, max(1, data.train.num_examples // 8))  # small data: 8 batches per epoch

    def recipe(
        depth: int = 2,
        width: int = USUAL_WIDTH,
        activation: str = "relu",
        initializer: str | tuple[str, ...] = "he_normal",
        parameterization: str = "standard",
        base_width: int | None = None,
        use_bias: bool = True,
        loss: str = usual_loss,
        batch_size: int | str = usual_batch_size,
        order: str = "shuffled",
        optimizer: str = "sgd",
        schedule: str = "constant",
        nesterov: bool = False,
        keep_best: str | None = None,
    ) -> Task:
        if loss == "cross_entropy" and not (data.is_classification or _are_probabilities(data.train.targets)):
            raise InputError(
                "loss 'cross_entropy' needs classes or probabilities, got targets that are other numbers; use mse"
            )
        if not 0 <= depth <= MAX_DEPTH:
            raise InputError(f"depth must be the number of hidden layers, from 0 to {MAX_DEPTH}; got {depth}")
        check_integer("width", width)
        if isinstance(batch_size, str) and batch_size != "full":
            raise InputError(f"batch_size must be a positive integer or 'full', got {batch_size!r}")
        flags = {"nesterov": True} if nesterov else {}
        scales: str | Parameterization = parameterization
        if parameterization == "mup":
            scales = mup(USUAL_WIDTH if base_width is None else base_width, optimizer=optimizer)
        elif base_width is not None:
            raise InputError(f"base_width is only read by parameterization 'mup', got {parameterization!r}")

        def network(hparams: Hparams) -> Network:
            return mlp(
                data.num_features,
                [width] * depth,
                data.num_outputs,
                activation,
                use_bias=use_bias,
                initializer=initializer,
                parameterization=scales,
                dropout=hparams.get("dropout"),
            )

        network(Hparams({}))  # refuses sizes and names

        def check(hparams: Hparams) -> None:
            check_dropout(hparams.get("dropout"))
            task.check(hparams)

        task = supervised(
            network,
            loss,
            optimizer=from_hparams(optimizer, schedule=schedule, **flags),
            batch_size=None if isinstance(batch_size, str) else batch_size,
            order=order,
            keep_best=keep_best,
        )
        return task._replace(check=check)

    return recipe


def _are_probabilities(targets: np.ndarray) -> bool:
    """Return whether each row of targets is a probability distribution."""
    return bool(np.all(targets >= 0) and np.allclose(targets.sum(axis=-1), 1, atol=1e-3))
