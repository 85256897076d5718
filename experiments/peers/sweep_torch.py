"""The job as a PyTorch script: `python -m peers.sweep_torch --out table.csv`.

One process per core with one thread each, because networks as small as these are no faster on two.
"""

import functools
import multiprocessing
import os

import torch
import tyro
from torch import nn

from peers.digits_job import Data, Job, Run, layer_sizes, list_runs, load_data, write_table


def make_model(depth: int) -> nn.Sequential:
    """Build a network with He-normal weights; biases are zero."""
    modules: list[nn.Module] = []
    for fan_in, fan_out in layer_sizes(depth):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


@functools.cache
def load_tensors(num_steps: int) -> Data:
    """Load the data once in each process."""
    return Data(*map(torch.from_numpy, load_data(num_steps)))


def train_run(run: Run, num_steps: int) -> dict[str, object]:
    """Train and measure one run."""
    torch.manual_seed(run.seed)
    data = load_tensors(num_steps)
    model, loss_fn = make_model(run.depth), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=run.learning_rate)
    for rows in data.batches:
        loss = loss_fn(model(data.train_inputs[rows]), data.train_targets[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return run._asdict() | measure(model, data)


@torch.no_grad()
def measure(model: nn.Sequential, data: Data) -> dict[str, float]:
    """Measure loss and accuracy of both splits."""
    measured = {}
    splits = {"train": (data.train_inputs, data.train_targets), "test": (data.test_inputs, data.test_targets)}
    for split, (inputs, targets) in splits.items():
        logits = model(inputs)
        measured[f"{split}_loss"] = nn.functional.cross_entropy(logits, targets).item()
        measured[f"{split}_accuracy"] = (logits.argmax(dim=1) == targets).float().mean().item()
    return measured


def main(job: Job) -> None:
    context = multiprocessing.get_context("spawn")
    num_cores = len(os.sched_getaffinity(0))
    with context.Pool(num_cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        train = functools.partial(train_run, num_steps=job.num_steps)
        table = pool.map(train, list_runs(job), chunksize=1)
    write_table(job.out, table)


if __name__ == "__main__":
    main(tyro.cli(Job))
