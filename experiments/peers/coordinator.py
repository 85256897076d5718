"""What a coordinator spends on a sweep, measured with workers in virtual time."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np

import fnnet as fn
from fnnet.sweeps import flights
from measuring import resident_bytes
from peers.virtual_workers import NUM_POINTS, STEPS, Workers, tiny_recipe

MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Spent(NamedTuple):
    """What a sweep through virtual workers took.

    seconds: on the virtual clock, until all chunks are finished.
    idle: seconds that the coordinator waited for answers.
    sending: seconds of pickling and unpickling.
    fsync: seconds in which the disk was waited for.
    collecting: seconds, after that, to collect the results.
    chunks: trained.
    order_bytes: of an order.
    answer_bytes: of an answer.
    prepared_bytes: the most memory of this process until the sweep was prepared.
    peak_bytes: until the results are collected.
    rate: chunks per second in the middle half of the sweep.
    """

    seconds: float
    idle: float
    sending: float
    fsync: float
    collecting: float
    chunks: int
    order_bytes: int
    answer_bytes: int
    prepared_bytes: int
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
        workers = Workers(num_workers, chunk_seconds)
        prepared = fn.prepare(
            tiny_recipe,
            space,
            None,
            num_steps=STEPS,
            eval_every=STEPS // NUM_POINTS,
            lanes=lanes,
            store=None if sync is None else Path(folder, "store"),
            save_params=False,
            engine=workers.engine,
        )
        prepared_bytes = resident_bytes("VmHWM")
        workers.since = time.process_time()
        with mock.patch.multiple(flights, SimpleQueue=lambda: workers, monotonic=workers.clock):
            results = fn.execute(prepared)
        collecting = time.process_time() - workers.since
    assert len(results) == num_runs
    first, last = (workers.answered[workers.num_chunks * part // 4] for part in (1, 3))
    return Spent(
        workers.now,
        workers.idle,
        workers.sending,
        fsync_seconds[0],
        collecting,
        workers.num_chunks,
        workers.order_bytes,
        workers.answer_bytes,
        prepared_bytes,
        resident_bytes("VmHWM"),
        workers.num_chunks / 2 / max(last - first, 1e-9),
    )
