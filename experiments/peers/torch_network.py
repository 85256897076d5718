"""A network and its training loop in PyTorch, as its quickstart writes them."""

import copy
import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from peers.work import Params, Work


class Tensors(NamedTuple):
    """A work as PyTorch wants it.

    models: of all runs, with their initial weights.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    batches: torch.Tensor
    models: list[nn.Sequential]
    learning_rates: list[float]


def to_tensors(work: Work) -> Tensors:
    return Tensors(
        torch.tensor(work.inputs),
        torch.tensor(work.targets, dtype=torch.int64),
        torch.tensor(work.batches, dtype=torch.int64),
        [make_model(work, run) for run in range(len(work.learning_rates))],
        work.learning_rates.tolist(),
    )


def make_model(work: Work, run: int) -> nn.Sequential:
    """Build one run's network with its initial weights."""
    modules: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(work.layers):
        modules += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for linear, params in zip(model[::2], work.params, strict=True):
            linear.weight.copy_(torch.tensor(params["w"][run].T))  # PyTorch's are [fan_out, fan_in]
            linear.bias.copy_(torch.tensor(params["b"][run]))
    return model


def train_run(tensors: Tensors, run: int) -> nn.Sequential:
    """Train one run."""
    model = copy.deepcopy(tensors.models[run])
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=tensors.learning_rates[run])
    for rows in tensors.batches:
        loss = loss_fn(model(tensors.inputs[rows]), tensors.targets[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def weights(models: list[nn.Sequential]) -> Params:
    return [
        {
            "w": np.stack([model[index].weight.detach().numpy().T for model in models]),
            "b": np.stack([model[index].bias.detach().numpy() for model in models]),
        }
        for index in range(0, len(models[0]), 2)
    ]
