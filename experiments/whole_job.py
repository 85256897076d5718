"""A whole job, from the start of the process to the last byte on disk, with fnnet and without.

256 networks on handwritten digits, 4 depths x 16 learning rates x 4 seeds, 1000 steps each; measured on both
splits at the end, and written as a table. fnnet's command runs with an empty cache of compiled programs, and
again with what that left there. The others are scripts for the same job, in Flax NNX and in PyTorch.

Run `python experiments/whole_job.py`, or with `--smoke` for a few seconds' version. `pip install -e
'.[bench]'` installs PyTorch, without which its script is left out.
"""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from measuring import main, markdown_table, spread

METRIC = "test_accuracy"
SCRIPTS = {"flax_nnx": ("flax", "peers.sweep_flax_nnx"), "torch": ("torch", "peers.sweep_torch")}
"""By name, the library that a script needs, and its module."""


@dataclass(frozen=True)
class Config:
    """Settings of the measurement.

    repeats: rounds in which fnnet's jobs are timed once.
    script_repeats: of these, rounds in which the scripts are timed too.
    """

    depths: tuple[int, ...] = (1, 2, 4, 8)
    num_rates: int = 16
    num_seeds: int = 4
    num_steps: int = 1000
    repeats: int = 3
    script_repeats: int = 1


SMOKE = Config(depths=(1,), num_rates=2, num_seeds=1, num_steps=50, repeats=1)


Command = Callable[[Config, Path], list[str]]
"""Builds a job's command line, which writes `table.csv` to a folder."""


def fnnet_command(config: Config, folder: Path) -> list[str]:
    """Build the command of `make sweep`."""
    return [
        str(Path(sys.executable).with_name("fnnet")),
        *["sweep", "--dataset", "digits", "--out", str(folder), "--steps", str(config.num_steps)],
        f"depth={','.join(map(str, config.depths))}",
        f"learning_rate=log:1e-3:10:{config.num_rates}",
        f"seed=range:{config.num_seeds}",
    ]


def script_command(config: Config, folder: Path, module: str) -> list[str]:
    """Build the command of another script for the same job."""
    return [
        *[sys.executable, "-m", module, "--out", str(folder / "table.csv")],
        *["--depths", *map(str, config.depths), "--num-steps", str(config.num_steps)],
        *["--num-rates", str(config.num_rates), "--num-seeds", str(config.num_seeds)],
    ]


def time_job(command: list[str], cache: Path, folder: Path) -> tuple[float, pl.DataFrame]:
    """Run a job; return the seconds and its table."""
    environment = os.environ | {"FNNET_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)  # a cache of the user's own is never cold
    here = Path(__file__).parent
    started = time.perf_counter()
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed\n{done.stderr}")
    return seconds, pl.read_csv(folder / "table.csv")


def list_jobs(with_scripts: bool) -> dict[str, Command]:
    """List the jobs of a round; a cold start comes before the warm one that uses what it left."""
    jobs: dict[str, Command] = {"fnnet, cold": fnnet_command, "fnnet, warm": fnnet_command}
    for name, (library, module) in SCRIPTS.items():
        if with_scripts and importlib.util.find_spec(library):
            jobs[name] = functools.partial(script_command, module=module)
    return jobs


def run_round(jobs: dict[str, Command], config: Config) -> list[dict[str, Any]]:
    """Run each job once, in a new folder."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, (name, command) in enumerate(jobs.items()):
            folder = Path(temporary, str(number))
            folder.mkdir()
            seconds, table = time_job(command(config, folder), Path(temporary, "cache"), folder)
            means = table.group_by("depth", "learning_rate").agg(pl.mean(METRIC))
            rows.append({"job": name, "runs": table.height, "seconds": seconds, METRIC: means[METRIC].max()})
            print(f"{name}: {table.height} runs in {seconds:.1f} s")
    return rows


def summarize(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Summarize the rounds of each job."""
    names = dict.fromkeys(row["job"] for row in rows)
    rounds = {name: [row for row in rows if row["job"] == name] for name in names}
    return [
        each[0] | {"seconds": spread([row["seconds"] for row in each]), "repeats": len(each)}
        for each in rounds.values()
    ]


def measure(config: Config) -> dict[str, Any]:
    for library, module in SCRIPTS.values():
        if not importlib.util.find_spec(library):
            print(f"{module} is left out: {library} is not installed")
    rows: list[dict[str, Any]] = []
    for number in range(config.repeats):
        rows += run_round(list_jobs(with_scripts=number < config.script_repeats), config)
    return {"rows": summarize(rows)}


def to_markdown(report: dict[str, Any]) -> str:
    cold, rows = report["rows"][0]["seconds"]["median"], []
    for row in report["rows"]:
        seconds = row["seconds"]
        spread = f"{seconds['median']:.1f} ({seconds['min']:.1f} to {seconds['max']:.1f})"
        rows.append(
            [row["job"], row["runs"], spread, f"{seconds['median'] / cold:.2f}", f"{row[METRIC]:.3f}"]
        )
    seconds = "seconds, median (lowest to highest)"
    headings = ["job", "runs", seconds, "times fnnet, cold", "best mean test accuracy"]
    return markdown_table(headings, rows) + "\n"


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
