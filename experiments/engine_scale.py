"""How many workers one coordinator keeps busy: what it spends on a chunk, and so with 10,000 workers.

Three measurements, and a model made of them:

1. The coordinator alone: 65,536 runs whose answers are there at once. What it spends on a chunk is split into
   sending (pickling the order and reading the answer), bookkeeping, the commit to a store, waiting for the
   disk, and reading the results at the end. Its memory is that of a process that does nothing else.
2. Workers in virtual time, up to 10,000: the clock advances by what the coordinator really spends, and by
   what the workers would spend.
3. Real worker processes of a core each against the same sweep in process on the same cores, in turns; and how
   often the data are read.

Run `python experiments/engine_scale.py`, or with `--smoke` for a short version that writes nothing.
"""

from dataclasses import dataclass
from typing import Any

from measuring import main, spread
from peers.coordinator import Spent, through_coordinator
from peers.real_workers import against_local, count_reads, elsewhere
from peers.scale_report import to_markdown


@dataclass(frozen=True)
class Config:
    """Settings of the measurement.

    num_runs: through the coordinator.
    lanes: runs in a chunk there.
    virtual: numbers of workers in virtual time, with what training a chunk takes each.
    workers: numbers of real ones, at most the cores of this machine.
    rounds: in which real workers and the process itself take turns.
    chunks: that each real worker trains in a round.
    chunk_seconds: what each of these takes, about.
    examples: of the data set whose reads are counted, of 784 numbers each.
    """

    num_runs: int = 65_536
    lanes: int = 8
    virtual: tuple[tuple[int, float], ...] = ((10, 5), (100, 5), (1000, 5), (10_000, 5))
    workers: tuple[int, ...] = (1, 2)
    rounds: int = 3
    chunks: int = 3
    chunk_seconds: float = 5.0
    examples: int = 70_000


SMOKE = Config(
    num_runs=1024, virtual=((10, 5),), workers=(1,), examples=500, rounds=1, chunks=1, chunk_seconds=0.1
)


def measure_coordinator(config: Config) -> dict[str, float]:
    """Split what the coordinator spends on a chunk, in milliseconds; return bytes and memory as well."""
    fewer = config.num_runs // 8 // 256 * 256 or 256
    alone, store, disk = (
        elsewhere(through_coordinator, num_runs, config.lanes, 8, 0.0, sync)
        for num_runs, sync in ((config.num_runs, None), (config.num_runs, False), (fewer, True))
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
        names = ("workers", "chunk_seconds", "measured", "model")
        rows.append(dict(zip(names, (num_workers, seconds, spent.rate, model), strict=True)))
    return rows


def measure_workers(config: Config) -> list[dict[str, Any]]:
    """Compare real workers with training in process, on the same cores."""
    rows = []
    for num_workers in config.workers:
        settings = config.chunks, config.chunk_seconds, config.rounds
        pairs = elsewhere(against_local, num_workers, *settings)
        rows.append(
            {
                "workers": num_workers,
                "chunk_seconds": spread([pair.chunk for pair in pairs]),
                "to_local": spread([pair.workers / pair.local for pair in pairs]),
                "not_training": spread([1 - pair.chunk * config.chunks / pair.workers for pair in pairs]),
            }
        )
    return rows


def measure(config: Config) -> dict[str, Any]:
    return {
        "coordinator": measure_coordinator(config),
        "virtual": measure_virtual(config),
        "workers": measure_workers(config),
        "reads": elsewhere(count_reads, 2, config.examples, 784),
    }


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
