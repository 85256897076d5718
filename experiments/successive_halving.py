"""Successive halving finds as good a configuration as the full sweep, in a fraction of its time.

Each of 5 searches draws 64 configurations of depth, learning rate and momentum, with 4 seeds each: 256 runs
on handwritten digits. The full sweep trains all of them for 1600 steps. The search compares them after 100,
400 and 1600 steps and keeps a quarter each time: 256 runs, then 64, then 16, of which the best configuration,
4 runs, is what it finds.

Run `python experiments/successive_halving.py`, or with `--smoke` for a few seconds' version. Each is timed
twice: with an empty compilation cache, and again with what the first time left there.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fnnet as fn
from measuring import main, markdown_table

METRIC = "test_accuracy"


@dataclass(frozen=True)
class Config:
    """Settings of the measurement.

    rungs: steps after which configurations are compared.
    factor: how many times fewer configurations each rung has than the one before.
    """

    dataset: str = "digits"
    num_searches: int = 5
    num_configs: int = 64
    num_seeds: int = 4
    rungs: tuple[int, ...] = (100, 400, 1600)
    factor: float = 4


SMOKE = Config(num_searches=1, num_configs=3, num_seeds=2, rungs=(5, 20))


def search_space(seed: int, config: Config) -> fn.Space:
    """Draw the configurations of one search."""
    drawn = fn.random_design(
        config.num_configs,
        seed=seed,
        depth=fn.IntUniform(1, 3),
        learning_rate=fn.LogUniform(1e-3, 1),
        momentum=fn.Uniform(0, 0.95),
    )
    return drawn * fn.grid(seed=range(config.num_seeds))


def timed(search: Callable[[], fn.Results]) -> tuple[list[float], fn.Results]:
    """Search twice, the first time with no program compiled; return the seconds of each."""
    for file in Path(os.environ["FNNET_CACHE"]).rglob("*"):
        if file.is_file():
            file.unlink()
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        results = search()
        seconds.append(time.perf_counter() - started)
    return seconds, results


def compare(seed: int, data: fn.Dataset, config: Config) -> dict[str, Any]:
    """Search once with halving and once in full."""
    space, recipe = search_space(seed, config), fn.mlp_recipe(data)
    halving_seconds, halved = timed(
        lambda: fn.successive_halving(
            recipe, space, data, rungs=config.rungs, factor=config.factor, metric=METRIC
        )
    )
    full_seconds, full = timed(lambda: fn.sweep(recipe, space, data, num_steps=config.rungs[-1]))
    found, best = (results.best(METRIC).interval for results in (halved, full))
    return {
        "search": seed,
        "found": found.mean,
        "best": best.mean,
        "low": best.low,
        "high": best.high,
        "is_inside": best.low <= found.mean <= best.high,
        "seconds": halving_seconds,
        "full_seconds": full_seconds,
    }


def measure(config: Config) -> dict[str, Any]:
    data = fn.load_dataset(config.dataset)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FNNET_CACHE"] = cache
        return {"rows": [compare(seed, data, config) for seed in range(config.num_searches)]}


def to_markdown(report: dict[str, Any]) -> str:
    rows = []
    for row in report["rows"]:
        best = f"{row['best']:.4f} ({row['low']:.4f} to {row['high']:.4f})"
        both = zip(row["seconds"], row["full_seconds"], strict=True)
        times = [f"{seconds:.1f} s = {seconds / full:.0%}" for seconds, full in both]
        rows.append([row["search"], f"{row['found']:.4f}", best, "yes" if row["is_inside"] else "no", *times])
    headings = [
        "search",
        "found",
        "best of all, 95 % interval",
        "inside",
        "time, of the full sweep's",
        "again",
    ]
    return markdown_table(headings, rows) + "\n"


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
