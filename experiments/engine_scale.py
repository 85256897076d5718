"""How many workers one coordinator keeps busy: what it spends on a chunk, and what that means for 10,000 workers.

Three measurements, and a model made of them:

1. The coordinator alone: 65,536 runs whose answers are there at once. What it spends on a chunk is split into sending
   (pickling the order and reading the answer), bookkeeping, the commit to a store, waiting for the disk, and reading the
   results at the end. Its memory is that of a process that does nothing else.
2. Workers in virtual time, up to 10,000: the clock advances by what the coordinator really spends, and by what the
   workers would.
3. Real worker processes of a core each against the same sweep in process on the same cores, in turns; and how often
   the data are read.

Run `python experiments/engine_scale.py`, or with `--smoke` for a short version that writes nothing.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn
from drawing import REFERENCE, panels, shades
from fnnet.engines.engine import Arrays, Engine
from peers.report import describe_commit, describe_machine, describe_versions, spread
from peers.virtual_workers import NUM_POINTS, Spent, through_coordinator
from reporting import save_measurement

LANES = 16  # of a real worker
TRIAL_STEPS = 1000  # from which the steps of a real chunk follow


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    num_runs: through the coordinator.
    lanes: runs in a chunk there.
    virtual: numbers of workers in virtual time, with what training a chunk takes each.
    workers: numbers of real ones, at most the cores of this machine.
    rounds: in which real workers and the process itself take turns.
    chunks: that each real worker trains in a round.
    chunk_seconds: what each of these takes, about.
    examples: of the data set whose reads are counted, of 784 numbers each.
    smoke: little of everything; writes nothing.
    """

    num_runs: int = 65_536
    lanes: int = 8
    virtual: tuple[tuple[int, float], ...] = ((10, 5), (100, 5), (1000, 5), (10_000, 5))
    workers: tuple[int, ...] = (1, 2)
    rounds: int = 3
    chunks: int = 3
    chunk_seconds: float = 5.0
    examples: int = 70_000
    smoke: bool = False


# Real workers


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


def against_local(num_workers: int, config: Config) -> list[Pair]:
    """Time a sweep in process and on workers of a core each in turns, in this process, on `num_workers` cores."""
    cores = sorted(os.sched_getaffinity(0))[:num_workers]
    os.sched_setaffinity(0, cores)
    data = fn.load_dataset("digits")
    num_runs = LANES * num_workers * config.chunks
    space = fn.grid(learning_rate=np.geomspace(0.01, 0.3, num_runs).tolist())

    def prepare(steps: int, engine: Engine | None) -> Any:
        every = steps // NUM_POINTS
        return fn.prepare(
            digits_recipe, space, data, num_steps=steps, eval_every=every, lanes=LANES, engine=engine
        )

    trial = prepare(TRIAL_STEPS, None)
    seconds = min(float(fn.execute(trial)["seconds"].sum()) for _ in range(2)) / config.chunks
    steps = NUM_POINTS * max(1, round(config.chunk_seconds / seconds * TRIAL_STEPS / NUM_POINTS))
    with spawned(num_workers) as pool:
        engine = fn.engines.executor(pool, cores=1)
        here, there = prepare(steps, None), prepare(steps, engine)
        pairs = []
        for _ in range(config.rounds + 1):
            times, seconds = [], 0.0
            for prepared in (here, there):
                started = time.perf_counter()
                seconds = float(fn.execute(prepared)["seconds"].sum())
                times.append(time.perf_counter() - started)
            pairs.append(Pair(times[0], times[1], seconds / num_workers / config.chunks))
    return pairs[1:]  # in the first one every worker compiles


def count_reads(num_workers: int, num_examples: int, num_features: int) -> list[tuple[int, int]]:
    """Train many chunks on data of some size; returns process and bytes of every time that they were read."""
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


# The model


def elsewhere(function: Callable, *arguments: Any) -> Any:
    """Call a function in a new process, whose memory and cores are its own."""
    with spawned(1) as pool:
        return pool.submit(function, *arguments).result()


def measure_coordinator(config: Config) -> dict[str, float]:
    """Split what the coordinator spends on a chunk, in milliseconds; returns also bytes and memory."""
    alone, store, disk = (
        elsewhere(through_coordinator, num_runs, config.lanes, 8, 0.0, sync)
        for num_runs, sync in (
            (config.num_runs, None),
            (config.num_runs, False),
            (config.num_runs // 8 // 256 * 256 or 256, True),
        )
    )
    thousandth = 1000 / alone.chunks
    return {
        "chunks": alone.chunks,
        "sending_ms": alone.sending * thousandth,
        "bookkeeping_ms": (alone.seconds - alone.sending) * thousandth,
        "commit_ms": (store.seconds - alone.seconds) * thousandth,
        "fsync_ms": disk.fsync / disk.chunks * 1000,
        "collecting_ms": store.collecting * thousandth,
        "order_bytes": alone.order_bytes,
        "answer_bytes": alone.answer_bytes,
        "prepared_mb": alone.prepared_bytes / 1e6,
        "peak_mb": alone.peak_bytes / 1e6,
        "peak_mb_with_store": store.peak_bytes / 1e6,
    }


def rate_of(num_workers: float, chunk_seconds: float, coordinator_seconds: float) -> float:
    """Predict the chunks per second of a sweep."""
    return min(num_workers / chunk_seconds, 1 / coordinator_seconds)


def measure_virtual(config: Config) -> list[dict[str, float]]:
    """Compare the model with virtual workers, without a store."""
    lanes, rows = 2, []
    alone: Spent = elsewhere(through_coordinator, 256 * 16 * lanes, lanes, 8, 0.0, None)
    for num_workers, seconds in config.virtual:
        num_runs = 256 * lanes * max(8, num_workers * 4 // 256)
        spent: Spent = elsewhere(through_coordinator, num_runs, lanes, num_workers, seconds, None)
        model = rate_of(num_workers, seconds, alone.seconds / alone.chunks)
        rows.append(
            {"workers": num_workers, "chunk_seconds": seconds, "measured": spent.rate, "model": model}
        )
        Console().print(
            f"{num_workers:,} workers, {seconds:g} s: {spent.rate:.4g} a second, {model:.4g} by the model"
        )
    return rows


def measure_workers(config: Config) -> list[dict[str, Any]]:
    """Compare real workers with training in process, on the same cores."""
    rows = []
    for num_workers in config.workers:
        pairs = elsewhere(against_local, num_workers, config)
        rows.append(
            {
                "workers": num_workers,
                "chunk_seconds": spread([pair.chunk for pair in pairs]),
                "to_local": spread([pair.workers / pair.local for pair in pairs]),
                "not_training": spread([1 - pair.chunk * config.chunks / pair.workers for pair in pairs]),
            }
        )
        Console().print(rows[-1])
    return rows


def to_markdown(report: dict[str, Any]) -> str:
    """Tabulate what was measured."""
    spent, reads = report["coordinator"], report["reads"]
    lines = ["| the coordinator, for each chunk | ms |", "|---|---:|"]
    names = {"sending": "pickling the order and its answer", "bookkeeping": "bookkeeping, and its rows"}
    names |= {"commit": "commit to a store in memory", "fsync": "waiting for this disk (3 files)"}
    names |= {"collecting": "reading it again, for the results at the end"}
    kept = spent["bookkeeping_ms"], spent["sending_ms"] + spent["bookkeeping_ms"] + spent["commit_ms"]
    rates = [f"{1000 / milliseconds:,.0f}" for milliseconds in kept]
    lines += [f"| {words} | {spent[f'{name}_ms']:.2f} |" for name, words in names.items()]
    lines += [
        "",
        f"{spent['chunks']:,} chunks; an order is {spent['order_bytes']:,} bytes and its answer {spent['answer_bytes']:,}. "
        f"{rates[0]} chunks a second in bookkeeping alone, {rates[1]} sent, received and committed, without waiting for the "
        f"disk. {spent['prepared_mb']:.0f} MB before the first chunk, at most {spent['peak_mb']:.0f} MB, with a store "
        f"{spent['peak_mb_with_store']:.0f} MB.",
        "",
        "| virtual workers | seconds of a chunk | chunks a second | by the model |",
        "|---:|---:|---:|---:|",
    ]
    for row in report["virtual"]:
        cells = [
            f"{row['workers']:,}",
            f"{row['chunk_seconds']:g}",
            f"{row['measured']:.4g}",
            f"{row['model']:.4g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| workers of a core | seconds of a chunk | time to in process | not training |",
        "|---:|---:|---:|---:|",
    ]
    for row in report["workers"]:
        ratio, idle = row["to_local"], row["not_training"]
        cells = [
            f"{row['workers']}",
            f"{row['chunk_seconds']['median']:.1f}",
            f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})",
            f"{idle['median']:.1%} ({idle['min']:.1%} to {idle['max']:.1%})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"{len(reads)} workers read {sum(read[1] for read in reads) / 1e6:.0f} MB, each once."]
    return "\n".join(lines) + "\n"


def draw(report: dict[str, Any]) -> Figure:
    """Draw the model up to 10,000 workers, with the virtual ones."""
    spent = report["coordinator"]
    kept = spent["sending_ms"] + spent["bookkeeping_ms"]
    stores = {
        "no store": kept,
        "a store in memory": kept + spent["commit_ms"],
        "a store on this disk": kept + spent["commit_ms"] + spent["fsync_ms"],
    }
    finding = f"One coordinator keeps up with {1000 / kept:,.0f} chunks a second, without a store"
    figure, (axes,) = panels(finding, "", height=3.6)
    workers = np.geomspace(1, 10_000, 200)
    for seconds, color in zip((5, 60, 600), shades(3), strict=True):
        axes.loglog(workers, workers / seconds, color=color, label=f"chunks of {seconds} s, by the model")
        marks = [row for row in report["virtual"] if row["chunk_seconds"] == seconds]
        places, measured = ([row[name] for row in marks] for name in ("workers", "measured"))
        axes.plot(places, measured, "o", color=color, label="virtual workers, measured" if marks else None)
    for name, milliseconds in stores.items():
        axes.axhline(1000 / milliseconds, **REFERENCE)
        axes.annotate(
            f"the coordinator at most, with {name}",
            (1, 1000 / milliseconds),
            (0, 2),
            textcoords="offset points",
        )
    axes.set(ylim=(1e-2, 6e3), xlabel="workers", ylabel="chunks a second")
    axes.legend(loc="lower right")
    return figure


def main(config: Config) -> None:
    if config.smoke:
        config = replace(
            config,
            num_runs=1024,
            virtual=((10, 5),),
            workers=(1,),
            rounds=1,
            chunks=1,
            chunk_seconds=0.1,
            examples=500,
        )
    report: dict[str, Any] = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "commit": describe_commit(),
        "coordinator": measure_coordinator(config),
        "virtual": measure_virtual(config),
        "workers": measure_workers(config),
        "reads": elsewhere(count_reads, 2, config.examples, 784),
    }
    print(to_markdown(report))
    path = save_measurement(__file__, report, draw, config.smoke)
    if not config.smoke:
        path.with_suffix(".md").write_text(to_markdown(report))


if __name__ == "__main__":
    main(tyro.cli(Config))
