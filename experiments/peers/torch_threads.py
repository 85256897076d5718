"""PyTorch's training loop, one run after the other, every core a thread."""

from collections.abc import Callable

import torch
from torch import nn

from peers import torch_network
from peers.system import CORES, System
from peers.work import Work


def prepare(work: Work) -> Callable[[], list[nn.Sequential]]:
    torch.set_num_threads(CORES)
    tensors = torch_network.to_tensors(work)
    return lambda: [torch_network.train_run(tensors, run) for run in range(len(work.learning_rates))]


SYSTEM = System(prepare, torch_network.weights)
