"""Real worker processes: a sweep on them against the same sweep in process, and their reads of the data."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fnnet as fn
from fnnet.engines.engine import Arrays, Engine
from peers.virtual_workers import NUM_POINTS

LANES = 16  # of a worker
TRIAL_STEPS = 1000  # from which the steps of a chunk follow


@dataclass(frozen=True)
class CountedRead:
    """Arrays of an engine, with a line in a log for every time that a worker reads them.

    read: of the engine.
    log: the file.
    """

    read: Callable[[], Arrays]
    log: str

    def __call__(self) -> Arrays:
        """Read the arrays."""
        arrays = self.read()
        with Path(self.log).open("a") as file:
            file.write(f"{os.getpid()} {sum(array.nbytes for array in arrays.values())}\n")
        return arrays


def counted(engine: Engine, log: Path) -> Engine:
    """Return an engine whose reads of the data are logged."""
    return engine._replace(share=lambda arrays: CountedRead(engine.share(arrays), str(log)))


def spawned(num_workers: int) -> ProcessPoolExecutor:
    """Return a pool of new processes."""
    return ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn"))


def digits_recipe(depth: int = 2) -> fn.Task:
    """Build a small network on handwritten digits."""
    return fn.supervised(fn.mlp(64, [64] * depth, 10), "cross_entropy", optimizer="sgd", batch_size=64)


class Pair(NamedTuple):
    """A sweep in process and on workers, in one round.

    local: seconds in process.
    workers: seconds on the workers.
    chunk: seconds of training a chunk, as the workers measured them, on average.
    """

    local: float
    workers: float
    chunk: float


def against_local(num_workers: int, chunks: int, chunk_seconds: float, rounds: int) -> list[Pair]:
    """Time a sweep in turns in process and on workers of a core each, on `num_workers` cores.

    Args:
        num_workers: as many as cores.
        chunks: that each worker trains in a round.
        chunk_seconds: what each of these takes, about.
        rounds: how many are measured.
    """
    cores = sorted(os.sched_getaffinity(0))[:num_workers]
    os.sched_setaffinity(0, cores)
    data = fn.load_dataset("digits")
    num_runs = LANES * num_workers * chunks
    space = fn.grid(learning_rate=np.geomspace(0.01, 0.3, num_runs).tolist())

    def prepare(steps: int, engine: Engine | None) -> Any:
        every = steps // NUM_POINTS
        return fn.prepare(
            digits_recipe, space, data, num_steps=steps, eval_every=every, lanes=LANES, engine=engine
        )

    trial = prepare(TRIAL_STEPS, None)
    seconds = min(float(fn.execute(trial)["seconds"].sum()) for _ in range(2)) / chunks
    steps = NUM_POINTS * max(1, round(chunk_seconds / seconds * TRIAL_STEPS / NUM_POINTS))
    with spawned(num_workers) as pool:
        engine = fn.engines.executor(pool, cores=1)
        here, there = prepare(steps, None), prepare(steps, engine)
        pairs = []
        for _ in range(rounds + 1):
            times, seconds = [], 0.0
            for prepared in (here, there):
                started = time.perf_counter()
                seconds = float(fn.execute(prepared)["seconds"].sum())
                times.append(time.perf_counter() - started)
            pairs.append(Pair(times[0], times[1], seconds / num_workers / chunks))
    return pairs[1:]  # in the first one every worker compiles


def count_reads(num_workers: int, num_examples: int, num_features: int) -> list[tuple[int, int]]:
    """Train many chunks on data of some size; return process and bytes of each read of the data."""
    generator = np.random.default_rng(0)
    inputs = generator.random((num_examples, num_features), np.float32)
    data = fn.from_arrays(inputs, generator.integers(0, 10, num_examples))

    def recipe(depth: int) -> fn.Task:
        network = fn.mlp(data.num_features, [8] * depth, data.num_outputs)
        return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)

    space = fn.grid(depth=[0, 1], learning_rate=np.geomspace(0.01, 0.1, 4 * num_workers).tolist())
    with tempfile.TemporaryDirectory() as folder, spawned(num_workers) as pool:
        log = Path(folder, "reads")
        engine = counted(fn.engines.executor(pool, cores=1), log)
        fn.sweep(recipe, space, data, num_steps=2, lanes=1, engine=engine)
        lines = log.read_text().splitlines()
    return [(int(process), int(num_bytes)) for process, num_bytes in map(str.split, lines)]


def elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process, whose memory and cores are its own."""
    with spawned(1) as pool:
        return pool.submit(function, *arguments).result()
