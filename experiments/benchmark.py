"""fnnet beside what one would use instead: how fast each trains the same networks, of how fast the machine can.

Five networks on MNIST (on digits where that is absent), batches of 128, plain SGD. Every system trains the same
runs on the same batches from the same weights, and must end at the same losses. Each has a process of its own and
the number of runs that suits it best; then they are timed in turns, with the machine's two ceilings among them, so
that a slow minute is one for all.

Run `python experiments/benchmark.py`, with `--quick` for three minutes, or with `--smoke` for a few seconds'
version. `pip install -e '.[bench]'` installs the libraries that fnnet does not need itself.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from rich.console import Console

import fnnet as fn
from peers import CEILINGS, SYSTEMS, memory_copy, peak
from peers.report import (
    describe_commit,
    describe_machine,
    describe_versions,
    draw,
    spread,
    to_markdown,
    to_table,
)
from peers.system import CORES, LANES
from peers.work import Order, save_examples, step_flops
from peers.worker import MissingLibrary, Worker, start_workers
from reporting import draw_report

CHECKED_STEPS = 20
TOLERANCE = 1e-3  # relative, between two systems' losses after these steps
TRIAL_FLOPS = 3e9  # of one trial of a number of runs
MAX_STEPS = 4000  # of a timed call
SETTLING_SECONDS = 0.1  # before a timed call; threads of the system before spin for a while


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark.

    networks: layers from inputs to outputs; the inputs become the data set's.
    systems: to compare fnnet with.
    repeats: rounds in which each system is timed once.
    seconds: that a timed call should take.
    every: try every so many-th of the numbers of runs that a system has.
    quick: three minutes; writes to results/benchmark in the current folder.
    smoke: one little network, one round; writes nothing.
    """

    networks: tuple[str, ...] = (
        "784-16-16-10",
        "784-32-10",
        "784-128-10",
        "784-128-128-128-10",
        "784-512-512-10",
    )
    systems: tuple[str, ...] = tuple(SYSTEMS)
    repeats: int = 5
    seconds: float = 0.75
    every: int = 1
    quick: bool = False
    smoke: bool = False


class Prepared(NamedTuple):
    """One system, ready to train one network.

    order: the runs and steps that suit it.
    first: seconds of the first call, which compiles.
    """

    order: Order
    first: float


console = Console()


def load_systems(workers: dict[str, Worker]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Import each system in its process; gives names and numbers of runs of those whose libraries are there."""
    for worker in workers.values():
        worker.tell("load")
    for name, worker in workers.items():
        try:
            yield name, worker.hear()
        except MissingLibrary as library:
            console.print(f"{name} is left out: {library} is not installed")


def check(workers: dict[str, Worker], order: Order) -> float:
    """Train the same few runs with every system; returns the largest relative difference of their losses."""
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
    workers: dict[str, Worker], sizes: dict[str, tuple[int, ...]], order: Order, config: Config
) -> dict[str, Prepared]:
    """Find what suits each system, and let each compile."""
    prepared = {}
    for name, worker in workers.items():
        chosen = choose_order(worker, order, sizes[name][:: config.every], config.seconds)
        worker.ask("prepare", chosen)
        prepared[name] = Prepared(chosen, worker.ask("train"))
        console.print(f"  {name}: {chosen.runs} x {chosen.steps} steps")
    return prepared


def time_in_turns(workers: dict[str, Worker], repeats: int) -> dict[str, np.ndarray]:
    """Time every system once, then all of them again; returns the seconds `[repeats]` of each."""

    def seconds_of(worker: Worker) -> float:
        time.sleep(SETTLING_SECONDS)
        return worker.ask("train")

    rounds = [{name: seconds_of(worker) for name, worker in workers.items()} for _ in range(repeats)]
    return {name: np.array([each[name] for each in rounds]) for name in workers}


def to_rows(network: str, prepared: dict[str, Prepared], seconds: dict[str, np.ndarray]) -> list[dict]:
    """Turn seconds into a row for each system."""
    rows = []
    for name, (order, first) in prepared.items():
        run_steps = order.runs * order.steps
        flops = run_steps * step_flops(order.layers, order.batch_size)
        rows.append(
            {
                "network": network,
                "system": name,
                "runs": order.runs,
                "gflops": spread(flops / seconds[name] / 1e9),
                "fraction_of_peak": spread(flops / seconds[name] / (peak.FLOPS / seconds["peak"])),
                "runs_per_second": spread(run_steps / 1000 / seconds[name]),
                "compile_seconds": spread(np.maximum(0, first - seconds[name])),
            }
        )
    return rows


def measure(config: Config, num_inputs: int, examples: Path) -> dict:
    """Time all systems on all networks; returns the report."""
    machine, versions, commit = describe_machine(), describe_versions(), describe_commit()
    rows: list[dict] = []
    differences: list[float] = []
    peaks: list[float] = []
    copies: list[float] = []
    wanted = {name: SYSTEMS[name] for name in SYSTEMS if name in ("fnnet", *config.systems)}
    with start_workers(wanted | CEILINGS) as workers:
        sizes = dict(load_systems(workers))
        ceilings = {name: workers[name] for name in CEILINGS}
        systems = {name: workers[name] for name in sizes if name not in CEILINGS}
        machine["device"] = ceilings["peak"].ask("device")
        for ceiling in ceilings.values():
            ceiling.ask("prepare", Order(examples, (1, 1), runs=1, steps=1))  # they train nothing
            ceiling.ask("train")
        for given in config.networks:
            layers = (num_inputs, *map(int, given.split("-")[1:]))
            network = "-".join(map(str, layers))
            order = Order(examples, layers, runs=1, steps=1)
            differences.append(check(systems, order))
            console.print(f"{network}: losses differ by at most {differences[-1]:.0e}")
            prepared = prepare_systems(systems, sizes, order, config)
            seconds = time_in_turns(systems | ceilings, config.repeats)
            rows += to_rows(network, prepared, seconds)
            peaks += list(peak.FLOPS / seconds["peak"] / 1e9)
            copies += list(memory_copy.BYTES / seconds["copy"] / 1e9)
    return {
        "machine": machine,
        "versions": versions,
        "commit": commit,
        "largest_loss_difference": max(differences),
        "peak_gflops": spread(peaks),
        "copy_gb_per_second": spread(copies),
        "rows": rows,
    }


def write(report: dict, folder: Path) -> Path:
    """Write JSON, tables and chart; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(to_markdown(report))
    draw_report(path, draw, path.with_suffix(".png"))
    return path


def find_dataset(smoke: bool) -> fn.Dataset:
    """Load MNIST, or digits where it is absent."""
    if not smoke:
        try:
            return fn.load_dataset("mnist")
        except fn.InputError:
            console.print("digits instead of MNIST, which is neither here nor can be downloaded")
    return fn.load_dataset("digits")


def main(config: Config) -> None:
    if unknown := set(config.systems) - set(SYSTEMS):
        sys.exit(f"no systems {', '.join(sorted(unknown))}; there are {', '.join(SYSTEMS)}")
    if config.quick:
        config = replace(config, repeats=3, seconds=0.1, every=4)
    if config.smoke:
        config = replace(config, networks=config.networks[:1], repeats=1, seconds=0.02, every=len(LANES))
    data = find_dataset(config.smoke)
    with tempfile.TemporaryDirectory() as temporary:
        save_examples(data.train, Path(temporary))
        report = measure(config, data.num_features, Path(temporary))
        console.print(to_table(report))
        if config.smoke:
            write(report, Path(temporary))
            return
    print(write(report, Path("results", "benchmark") if config.quick else Path(__file__).parent / "results"))


if __name__ == "__main__":
    main(tyro.cli(Config))
