"""PyTorch's training loop in one process per core, with one thread each: the usual way to sweep."""

import functools
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

import jax
import numpy as np
import torch
from torch import nn

from peers import torch_network
from peers.system import CORES, System
from peers.work import Params, Work


def prepare(work: Work) -> Callable[[], list[Connection]]:
    # What no step sees need not be sent.
    rows, batches = np.unique(work.batches, return_inverse=True)
    work = work._replace(inputs=work.inputs[rows], targets=work.targets[rows], batches=batches)
    shares = np.array_split(np.arange(len(work.learning_rates)), CORES)
    connections = start_processes()
    for connection, runs in zip(connections, shares, strict=True):
        connection.send(take_runs(work, runs))
    for connection in connections:
        connection.recv()

    def train() -> list[Connection]:
        for connection in connections:
            connection.send("train")
        for connection in connections:
            connection.recv()
        return connections

    return train


def take_runs(work: Work, runs: np.ndarray) -> Work:
    """Keep some runs of a work."""
    params = [{name: leaf[runs] for name, leaf in layer.items()} for layer in work.params]
    return work._replace(params=params, learning_rates=work.learning_rates[runs])


@functools.cache
def start_processes() -> list[Connection]:
    """Start a process for each core; they end with this one."""
    context = multiprocessing.get_context("spawn")
    connections = []
    for _ in range(CORES):
        here, there = context.Pipe()
        context.Process(target=serve, args=(there,), daemon=True).start()
        there.close()
        connections.append(here)
    return connections


def serve(connection: Connection) -> None:
    """Take a work, or train it, or give its weights, until nobody asks any more."""
    torch.set_num_threads(1)
    tensors: torch_network.Tensors | None = None
    models: list[nn.Sequential] = []
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        if request == "train":
            assert tensors is not None
            models = [torch_network.train_run(tensors, run) for run in range(len(tensors.models))]
            connection.send(None)
        elif request == "weights":
            connection.send(torch_network.weights(models))
        else:
            tensors = torch_network.to_tensors(request)
            connection.send(None)


def weights(connections: list[Connection]) -> Params:
    for connection in connections:
        connection.send("weights")
    parts = [connection.recv() for connection in connections]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


SYSTEM = System(prepare, weights, sizes=(CORES,))
