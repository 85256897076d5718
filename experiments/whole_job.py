"""A whole job from the start of the process to the last byte on disk: what `make sweep` does, with fnnet and without.

256 networks on handwritten digits, 4 depths x 16 learning rates x 4 seeds, 1000 steps each; measured on both splits
at the end, and written as a table. fnnet's command runs with an empty cache of compiled programs, and again with
what that left there. The others are scripts for the same job, in Flax NNX and in PyTorch.

Run `python experiments/whole_job.py`, or with `--smoke` for a few seconds' version. `pip install -e '.[bench]'`
installs PyTorch, without which its script is left out.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import tyro
from rich.console import Console

from peers.report import describe_commit, describe_machine, describe_versions, spread

METRIC = "test_accuracy"
SCRIPTS = {"flax_nnx": ("flax", "peers.sweep_flax_nnx"), "torch": ("torch", "peers.sweep_torch")}
"""By name, the library that a script needs, and its module."""


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    repeats: rounds in which fnnet's jobs are timed once.
    script_repeats: of these, rounds in which the scripts are timed too.
    smoke: two runs of 50 steps; writes nothing.
    """

    depths: tuple[int, ...] = (1, 2, 4, 8)
    num_rates: int = 16
    num_seeds: int = 4
    num_steps: int = 1000
    repeats: int = 3
    script_repeats: int = 1
    smoke: bool = False


Command = Callable[[Config, Path], list[str]]
"""Gives a job's command line; its table will be `table.csv` in the folder."""


def fnnet_command(config: Config, folder: Path) -> list[str]:
    """Give the command of `make sweep`."""
    return [
        str(Path(sys.executable).with_name("fnnet")),
        *["sweep", "--dataset", "digits", "--out", str(folder), "--steps", str(config.num_steps)],
        f"depth={','.join(map(str, config.depths))}",
        f"learning_rate=log:1e-3:10:{config.num_rates}",
        f"seed=range:{config.num_seeds}",
    ]


def script_command(config: Config, folder: Path, module: str) -> list[str]:
    """Give the command of another script for the same job."""
    return [
        *[sys.executable, "-m", module, "--out", str(folder / "table.csv")],
        *["--depths", *map(str, config.depths), "--num-steps", str(config.num_steps)],
        *["--num-rates", str(config.num_rates), "--num-seeds", str(config.num_seeds)],
    ]


def time_job(command: list[str], cache: Path, folder: Path) -> tuple[float, pl.DataFrame]:
    """Run a job; returns the seconds and its table."""
    environment = os.environ | {"FNNET_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)  # a cache of the user's own is never cold
    here = Path(__file__).parent
    started = time.perf_counter()
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)  # noqa: S603
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


def run_round(jobs: dict[str, Command], config: Config) -> list[dict]:
    """Run each job once, in a new folder."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, (name, command) in enumerate(jobs.items()):
            folder = Path(temporary, str(number))
            folder.mkdir()
            seconds, table = time_job(command(config, folder), Path(temporary, "cache"), folder)
            means = table.group_by("depth", "learning_rate").agg(pl.mean(METRIC))
            rows.append({"job": name, "runs": table.height, "seconds": seconds, METRIC: means[METRIC].max()})
            Console().print(f"{name}: {table.height} runs in {seconds:.1f} s")
    return rows


def sum_up(rows: list[dict]) -> list[dict]:
    """Sum up the rounds of each job."""
    names = dict.fromkeys(row["job"] for row in rows)
    rounds = {name: [row for row in rows if row["job"] == name] for name in names}
    return [
        each[0] | {"seconds": spread([row["seconds"] for row in each]), "repeats": len(each)}
        for each in rounds.values()
    ]


def to_markdown(report: dict) -> str:
    """Tabulate the jobs."""
    cold = report["rows"][0]["seconds"]["median"]
    lines = [
        "| job | runs | seconds, median (lowest to highest) | times fnnet, cold | best mean test accuracy |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in report["rows"]:
        seconds = row["seconds"]
        cells = [
            row["job"],
            str(row["runs"]),
            f"{seconds['median']:.1f} ({seconds['min']:.1f} to {seconds['max']:.1f})",
            f"{seconds['median'] / cold:.2f}",
            f"{row[METRIC]:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(config: Config) -> None:
    if config.smoke:
        config = replace(config, depths=(1,), num_rates=2, num_seeds=1, num_steps=50, repeats=1)
    for library, module in SCRIPTS.values():
        if not importlib.util.find_spec(library):
            print(f"{module} is left out: {library} is not installed")
    about = {"machine": describe_machine(), "versions": describe_versions(), "commit": describe_commit()}
    rows: list[dict] = []
    for number in range(config.repeats):
        rows += run_round(list_jobs(with_scripts=number < config.script_repeats), config)
    report = about | {"rows": sum_up(rows)}
    print(to_markdown(report))
    if not config.smoke:
        path = Path(__file__).parent / "results" / "whole_job.json"
        path.write_text(json.dumps(report, indent=1) + "\n")
        path.with_suffix(".md").write_text(to_markdown(report))
        print(f"wrote {path}")


if __name__ == "__main__":
    main(tyro.cli(Config))
