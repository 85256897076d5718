"""How many workers one coordinator keeps busy: what it spends on a chunk, and what that means for 10,000 workers.

Three measurements, and a model made of them:

1. The coordinator alone: 65,536 runs whose answers are there at once. What it spends on a chunk is split into sending
   (pickling the order and reading the answer), bookkeeping, the commit to a store, and waiting for the disk.
2. Workers in virtual time, up to 10,000: the clock advances by what the coordinator really spends, and by what the
   workers would.
3. Real worker processes of a core each against the same sweep in process on the same cores, in turns; and how often
   the data are read.

Run `python experiments/engine_scale.py`, or with `--smoke` for a short version that writes nothing.
"""

import contextlib
import heapq
import json
import multiprocessing
import os
import pickle
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console

import fnnet as fn
from fnnet.engines.engine import Arrays, Engine
from fnnet.sweeps import coordinator
from fnnet.sweeps.sending import send
from fnnet.sweeps.worker import Trained, Worker
from peers.report import describe_commit, describe_machine, describe_versions, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_POINTS = 10  # evaluations of a run
STEPS = 100
LANES = 16  # of a real worker
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
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


# The coordinator alone


def tiny_recipe() -> fn.Task:
    """Build a task with a single number; nothing trains it here."""
    return fn.Task(
        init=lambda key, hparams, data: jnp.float32(hparams["start"]),
        step=lambda key, hparams, w, batch: (w * hparams["factor"], {"loss": w}),
        measure=lambda hparams, w, data: {"train_loss": w, "test_loss": w, "train_accuracy": w},
    )


def answer_for(spec: Any, leaves: list[np.ndarray], worker: Worker) -> Trained:
    """Make up what a worker would return for a chunk."""
    num_runs = len(spec.run_ids)
    names = ("batch_loss", "train_loss", "test_loss", "train_accuracy")
    start = np.array(spec.traced["start"], np.float32)
    points = [
        {"step": np.full(num_runs, step, np.int32), **dict.fromkeys(names, start / np.float32(step))}
        for step in range(STEPS // NUM_POINTS, STEPS + 1, STEPS // NUM_POINTS)
    ]
    return Trained([start, np.full(num_runs, -1, np.int32), start], STEPS, points, 1.0, worker)


class Workers:
    """Workers in virtual time: the clock advances by what this thread spends, and jumps to the next answer."""

    def __init__(self, num_workers: int, chunk_seconds: float, worker: Worker, open_workspace: Any) -> None:
        """Start them.

        Args:
            num_workers: how many.
            chunk_seconds: what each chunk takes on average.
            worker: what each says that it is.
            open_workspace: what a real engine would pickle with every order.
        """
        self.now = self.sending = self.idle = 0.0
        self.order_bytes = self.answer_bytes = self.num_chunks = 0
        self.answered: list[float] = []  # when each chunk was, on the clock
        self._chunk_seconds, self._worker, self._open = chunk_seconds, worker, open_workspace
        self._free, self._random = [0.0] * num_workers, random.Random(0)  # noqa: S311
        self._training: list[tuple[float, int, Future, bytes]] = []
        self._since = time.process_time()
        self.engine = Engine(self.submit, _share_nothing, num_workers, None, lambda error: False, "virtual")

    @contextlib.contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Leave out what only this simulation does."""
        self.now += time.process_time() - self._since
        yield
        self._since = time.process_time()

    def submit(self, function: Callable, open_workspace: Any, *arguments: Any) -> Future:
        """Begin to train a chunk on the worker that is free first."""
        started = time.process_time()
        order = pickle.dumps((function, self._open, *arguments))
        self.sending += time.process_time() - started
        with self._off_the_clock():
            answer = pickle.dumps(answer_for(arguments[1], [], self._worker))
            begins = max(heapq.heappop(self._free), self.now)
            ends = begins + self._chunk_seconds * self._random.uniform(
                0.5, 1.5
            )  # or all would answer at once
            heapq.heappush(self._free, ends)
            future: Future = Future()
            self.num_chunks += 1
            heapq.heappush(self._training, (ends, self.num_chunks, future, answer))
            self.order_bytes, self.answer_bytes = len(order), len(answer)
        return future

    def wait(self, flying: Any, timeout: float, return_when: str) -> Any:
        """Jump to the next answer if there is none yet; returns all that are there, as the original does."""
        with self._off_the_clock():
            earlier = max(0.0, self._training[0][0] - self.now)
            self.now += earlier
            self.idle += earlier
        while self._training and self._training[0][0] <= self.now:
            _, _, future, answer = heapq.heappop(self._training)
            started = time.process_time()
            value = pickle.loads(answer)  # noqa: S301
            self.sending += time.process_time() - started
            future.set_result(value)
            self.answered.append(self.now)
        return wait_for_futures(flying, 0, return_when)


class Spent(NamedTuple):
    """What a sweep through virtual workers took.

    seconds: on the virtual clock.
    idle: seconds that the coordinator waited for answers.
    sending: seconds of pickling and unpickling.
    fsync: seconds in which the disk was waited for.
    chunks: trained.
    order_bytes: of an order.
    answer_bytes: of an answer.
    peak_bytes: the most memory of this process.
    rate: chunks per second in the middle half of the sweep.
    """

    seconds: float
    idle: float
    sending: float
    fsync: float
    chunks: int
    order_bytes: int
    answer_bytes: int
    peak_bytes: int
    rate: float


def through_coordinator(
    num_runs: int, lanes: int, num_workers: int, chunk_seconds: float, sync: bool | None
) -> Spent:
    """Sweep on virtual workers, in this process.

    Args:
        num_runs: of the sweep.
        lanes: runs in a chunk.
        num_workers: virtual ones.
        chunk_seconds: what each chunk takes them on average.
        sync: whether the store forces what it writes to the disk; None for no store.
    """
    space = fn.grid(
        start=np.linspace(0.5, 2, num_runs // 256).tolist(), factor=np.linspace(0.1, 0.9, 256).tolist()
    )
    fsync_seconds = [0.0]

    def fsync(descriptor: int, really: Callable[[int], None] = os.fsync) -> None:
        if sync:
            started = time.perf_counter()
            really(descriptor)
            fsync_seconds[0] += time.perf_counter() - started

    with (
        tempfile.TemporaryDirectory(dir=None if sync else MEMORY_DISK) as folder,
        mock.patch.object(os, "fsync", fsync),
    ):
        store = None if sync is None else Path(folder, "store")
        prepared = fn.prepare(
            tiny_recipe,
            space,
            None,
            num_steps=STEPS,
            eval_every=STEPS // NUM_POINTS,
            lanes=lanes,
            store=store,
            save_params=False,
        )
        crew = prepared.crew._replace(worker=prepared.crew.worker._replace(num_devices=1))
        sharing = Engine(crew.engine.submit, _share_nothing, 1, None, crew.engine.is_lost, "virtual")
        workers = Workers(num_workers, chunk_seconds, crew.worker, send(sharing, tiny_recipe, None))
        prepared = prepared._replace(crew=crew._replace(engine=workers.engine))
        with mock.patch.object(coordinator, "wait", workers.wait):
            results = fn.execute(prepared)
    assert len(results) == num_runs
    first, last = (workers.answered[workers.num_chunks * part // 4] for part in (1, 3))
    return Spent(
        workers.now,
        workers.idle,
        workers.sending,
        fsync_seconds[0],
        workers.num_chunks,
        workers.order_bytes,
        workers.answer_bytes,
        peak_bytes(),
        workers.num_chunks / 2 / max(last - first, 1e-9),
    )


def _share_nothing(arrays: Arrays) -> Callable[[], Arrays]:
    return dict


def peak_bytes() -> int:
    """Read the most memory that this process has used."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


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
        "order_bytes": alone.order_bytes,
        "answer_bytes": alone.answer_bytes,
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
    lines += [f"| {words} | {spent[f'{name}_ms']:.2f} |" for name, words in names.items()]
    lines += [
        "",
        f"{spent['chunks']:,} chunks; an order is {spent['order_bytes']:,} bytes and its answer {spent['answer_bytes']:,}. "
        f"At most {spent['peak_mb']:.0f} MB, with a store {spent['peak_mb_with_store']:.0f} MB.",
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


def draw(report: dict[str, Any]) -> "Figure":
    """Draw the model up to 10,000 workers, with the virtual ones."""
    from matplotlib.figure import Figure

    spent = report["coordinator"]
    kept = spent["sending_ms"] + spent["bookkeeping_ms"]
    stores = {
        "no store": kept,
        "a store in memory": kept + spent["commit_ms"],
        "a store on this disk": kept + spent["commit_ms"] + spent["fsync_ms"],
    }
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    axes = figure.subplots()
    workers = np.geomspace(1, 10_000, 200)
    for seconds, color in zip((5, 60, 600), ("crimson", "#4292c6", "0.45"), strict=True):
        axes.plot(workers, workers / seconds, color=color, label=f"chunks of {seconds} s")
        marks = [row for row in report["virtual"] if row["chunk_seconds"] == seconds]
        axes.plot([row["workers"] for row in marks], [row["measured"] for row in marks], "o", color=color)
    for (name, milliseconds), style in zip(stores.items(), ("-", "--", ":"), strict=True):
        axes.axhline(1000 / milliseconds, color="black", linestyle=style, linewidth=1)
        axes.text(1.1, 1000 / milliseconds * 1.08, f"the coordinator, with {name}", fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-2, 6e3)
    axes.set_xlabel("workers")
    axes.set_ylabel("chunks a second")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
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
    figure = draw(report)
    if not config.smoke:
        path = Path(__file__).parent / "results" / "engine_scale.json"
        path.write_text(json.dumps(report, indent=1) + "\n")
        path.with_suffix(".md").write_text(to_markdown(report))
        figure.savefig(path.with_suffix(".png"), dpi=150)
        print(f"wrote {path}")


if __name__ == "__main__":
    main(tyro.cli(Config))
