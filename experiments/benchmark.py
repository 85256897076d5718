"""fnnet beside what one would use instead: how fast each trains the same networks.

Five networks on MNIST, batches of 128, plain SGD. Every system trains the same runs on the same batches from
the same weights, and must end at the same losses. Each has a process of its own and the number of runs that
suits it best. All are timed in turns, with the machine's two ceilings among them, so that a slow minute is
slow for all.

Run `python experiments/benchmark.py`, with `--repeats 3 --seconds 0.1 --every 4` for three minutes, or with
`--smoke` for a few seconds' version. `pip install -e '.[bench]'` installs the libraries that fnnet does not
need itself.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fnnet as fn
from measuring import describe_machine, main, spread
from peers import CEILINGS, SYSTEMS, memory_copy, peak
from peers.report import to_markdown
from peers.system import LANES
from peers.turns import Prepared, check, load_systems, prepare_systems, time_in_turns
from peers.work import Order, save_examples, step_flops
from peers.worker import start_workers


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark.

    images: the data set, or digits if it is absent.
    networks: layers from inputs to outputs; the inputs become the data set's.
    systems: to compare fnnet with.
    repeats: rounds in which each system is timed once.
    seconds: that a timed call should take.
    every: try every so many-th of the numbers of runs that a system has.
    """

    images: str = "mnist"
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


SMOKE = Config("digits", networks=Config.networks[:1], repeats=1, seconds=0.02, every=len(LANES))


def to_rows(
    network: str, prepared: dict[str, Prepared], seconds: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
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


def measure_systems(config: Config, num_inputs: int, examples: Path) -> dict[str, Any]:
    """Time all systems on all networks."""
    rows: list[dict[str, Any]] = []
    differences: list[float] = []
    peaks: list[float] = []
    copies: list[float] = []
    wanted = {name: SYSTEMS[name] for name in SYSTEMS if name in ("fnnet", *config.systems)}
    with start_workers(wanted | CEILINGS) as workers:
        sizes = {name: found[:: config.every] for name, found in load_systems(workers)}
        ceilings = {name: workers[name] for name in CEILINGS}
        systems = {name: workers[name] for name in sizes if name not in CEILINGS}
        machine = describe_machine() | {"device": ceilings["peak"].ask("device")}
        for ceiling in ceilings.values():
            ceiling.ask("prepare", Order(examples, (1, 1), runs=1, steps=1))  # they train nothing
            ceiling.ask("train")
        for given in config.networks:
            layers = (num_inputs, *map(int, given.split("-")[1:]))
            network = "-".join(map(str, layers))
            order = Order(examples, layers, runs=1, steps=1)
            differences.append(check(systems, order))
            print(f"{network}: losses differ by at most {differences[-1]:.0e}")
            prepared = prepare_systems(systems, sizes, order, config.seconds)
            seconds = time_in_turns(systems | ceilings, config.repeats)
            rows += to_rows(network, prepared, seconds)
            peaks += list(peak.FLOPS / seconds["peak"] / 1e9)
            copies += list(memory_copy.BYTES / seconds["copy"] / 1e9)
    sums = {"peak_gflops": spread(peaks), "copy_gb_per_second": spread(copies)}
    return {"machine": machine, "largest_loss_difference": max(differences), **sums, "rows": rows}


def find_dataset(name: str) -> fn.Dataset:
    """Load the data set, or digits if it is absent."""
    try:
        return fn.load_dataset(name)
    except fn.InputError:
        print(f"digits instead of {name}, which is not here and cannot be downloaded")
        return fn.load_dataset("digits")


def measure(config: Config) -> dict[str, Any]:
    if unknown := set(config.systems) - set(SYSTEMS):
        sys.exit(f"no systems {', '.join(sorted(unknown))}; there are {', '.join(SYSTEMS)}")
    data = find_dataset(config.images)
    with tempfile.TemporaryDirectory() as temporary:
        save_examples(data.train, Path(temporary))
        return measure_systems(config, data.num_features, Path(temporary))


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
