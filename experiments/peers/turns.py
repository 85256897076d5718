"""Systems in turns: what suits each, that all end at the same losses, and how long each trains."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from peers.system import CORES
from peers.work import Order, step_flops
from peers.worker import MissingLibrary, Worker

CHECKED_STEPS = 20
TOLERANCE = 1e-3  # relative, between two systems' losses after these steps
TRIAL_FLOPS = 3e9  # of one trial of a number of runs
MAX_STEPS = 4000  # of a timed call
SETTLING_SECONDS = 0.1  # before a timed call; threads of the system before spin for a while


class Prepared(NamedTuple):
    """One system, ready to train one network.

    order: the runs and steps that suit it.
    first: seconds of the first call, which compiles.
    """

    order: Order
    first: float


def load_systems(workers: dict[str, Worker]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Import each system in its process; yield names and numbers of runs of those installed."""
    for worker in workers.values():
        worker.tell("load")
    for name, worker in workers.items():
        try:
            yield name, worker.hear()
        except MissingLibrary as library:
            print(f"{name} is left out: {library} is not installed")


def check(workers: dict[str, Worker], order: Order) -> float:
    """Train the same few runs with every system; return the largest relative difference of their losses."""
    # Two runs, or as many as there are cores: every device of fnnet has the same number.
    order = order._replace(runs=max(2, CORES), steps=CHECKED_STEPS)
    for worker in workers.values():
        worker.tell("prepare", order)
    for request in ("train", "losses"):  # all at once: nothing is timed here
        for worker in workers.values():
            worker.hear()
            worker.tell(request)
    losses = {name: worker.hear() for name, worker in workers.items()}
    differences = {name: float(np.max(np.abs(each / losses["fnnet"] - 1))) for name, each in losses.items()}
    for name, difference in differences.items():
        if not difference <= TOLERANCE:  # NaN is no agreement
            raise RuntimeError(f"{name} ends at {losses[name]}, fnnet at {losses['fnnet']}")
    return max(differences.values())


def choose_order(worker: Worker, order: Order, sizes: tuple[int, ...], seconds: float) -> Order:
    """Find the number of runs that trains fastest, and the steps that then take so many seconds."""
    best, best_seconds = order, float("inf")  # of one step of one run
    for runs in sizes:
        steps = int(np.clip(TRIAL_FLOPS / (runs * step_flops(order.layers, order.batch_size)), 2, 50))
        worker.ask("prepare", order._replace(runs=runs, steps=steps))
        worker.ask("train")  # compiles
        took = min(worker.ask("train") for _ in range(2)) / (runs * steps)
        if took < best_seconds:
            best, best_seconds = order._replace(runs=runs), took
        elif took > 1.25 * best_seconds:  # larger ones have left the cache
            break
    return best._replace(steps=int(np.clip(seconds / (best.runs * best_seconds), 4, MAX_STEPS)))


def prepare_systems(
    workers: dict[str, Worker], sizes: dict[str, tuple[int, ...]], order: Order, seconds: float
) -> dict[str, Prepared]:
    """Find what suits each system for calls of so many seconds, and let each compile."""
    prepared = {}
    for name, worker in workers.items():
        chosen = choose_order(worker, order, sizes[name], seconds)
        worker.ask("prepare", chosen)
        prepared[name] = Prepared(chosen, worker.ask("train"))
        print(f"  {name}: {chosen.runs} x {chosen.steps} steps")
    return prepared


def time_in_turns(workers: dict[str, Worker], repeats: int) -> dict[str, np.ndarray]:
    """Time every system once, then all of them again; return the seconds `[repeats]` of each."""

    def seconds_of(worker: Worker) -> float:
        time.sleep(SETTLING_SECONDS)
        return worker.ask("train")

    rounds = [{name: seconds_of(worker) for name, worker in workers.items()} for _ in range(repeats)]
    return {name: np.array([each[name] for each in rounds]) for name in workers}
