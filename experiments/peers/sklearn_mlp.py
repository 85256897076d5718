"""scikit-learn's `MLPClassifier`: an epoch is the rows of all the work's batches, in their order."""

import copy
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from peers.system import System
from peers.work import Params, Work


def prepare(work: Work) -> Callable[[], list[MLPClassifier]]:
    rows = work.batches.ravel()
    inputs, targets = work.inputs[rows], work.targets[rows]
    first = [make_model(work, run) for run in range(len(work.learning_rates))]

    def train() -> list[MLPClassifier]:
        return [fit(copy.deepcopy(model), inputs, targets) for model in first]

    return train


def make_model(work: Work, run: int) -> MLPClassifier:
    """Make the classifier of one run, with its initial weights."""
    model = MLPClassifier(
        hidden_layer_sizes=work.layers[1:-1],
        solver="sgd",
        alpha=0.0,
        momentum=0.0,
        learning_rate_init=float(work.learning_rates[run]),
        shuffle=False,
        warm_start=True,
        max_iter=1,
    )
    # A first fit, on an example of each class, makes all that a warm start goes on from besides the weights.
    one_of_each = np.unique(work.targets, return_index=True)[1]
    fit(model, work.inputs[one_of_each], work.targets[one_of_each])
    model.coefs_ = [layer["w"][run] for layer in work.params]
    model.intercepts_ = [layer["b"][run] for layer in work.params]
    return model.set_params(batch_size=work.batches.shape[1])


def fit(model: MLPClassifier, inputs: np.ndarray, targets: np.ndarray) -> MLPClassifier:
    """Go through the examples once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch is what was asked for
        return model.fit(inputs, targets)


def weights(models: list[MLPClassifier]) -> Params:
    return [
        {"w": np.stack(kernels), "b": np.stack(biases)}
        for kernels, biases in zip(
            zip(*(model.coefs_ for model in models), strict=True),
            zip(*(model.intercepts_ for model in models), strict=True),
            strict=True,
        )
    ]


SYSTEM = System(prepare, weights)
