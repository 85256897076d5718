"""The benchmark's report: where it was made, its tables and its chart."""

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("fnnet", "jax", "jaxlib", "flax", "optax", "torch", "scikit-learn", "numpy")

NAMES = {
    "fnnet": "fnnet",
    "jax_loop": "loop over a jitted JAX step",
    "jax_scan": "one jitted scan per run",
    "naive_vmap": "vmap of a whole training",
    "flax_nnx": "Flax NNX loop",
    "flax_nnx_partial": "Flax NNX loop, cached",
    "torch_threads": "PyTorch, 1 process",
    "torch_processes": "PyTorch, a process per core",
    "torch_func": "torch.func",
    "sklearn_mlp": "scikit-learn",
}
"""How systems are called in figures."""


def spread(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Sum up one figure of several rounds, to four digits."""
    sums = {"median": np.median(values), "min": np.min(values), "max": np.max(values)}
    return {name: float(f"{value:.4g}") for name, value in sums.items()}


def describe_machine() -> dict[str, Any]:
    """Say what the numbers were measured on."""
    cpus = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
    return {
        "cpu": cpus[0] if cpus else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def describe_versions() -> dict[str, str]:
    """List the versions of Python and of every library that is installed."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def describe_commit() -> str:
    """Name the commit that was measured, with "-dirty" where files differ from it other than results."""
    folder = Path(__file__).parents[1]

    def git(*args: str) -> str:
        command = ["git", *args]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
        return done.stdout

    try:
        return git("rev-parse", "HEAD").strip() + (
            "-dirty" if git("status", "--porcelain", ".", "../fnnet", ":!results") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def to_markdown(report: dict[str, Any]) -> str:
    """Write the tables: speed, share of the peak, ratio to fnnet, and compilation."""
    machine = report["machine"]
    peak, copied = report["peak_gflops"], report["copy_gb_per_second"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    tables = {
        "GFLOP/s, median (lowest to highest)": lambda row, fnnet: _speed(row["gflops"]),
        "Part of the peak of the same round": lambda row, fnnet: f"{row['fraction_of_peak']['median']:.0%}",
        "Speed-up of fnnet over": lambda row, fnnet: (
            f"{fnnet['gflops']['median'] / row['gflops']['median']:.2f}"
        ),
        "Runs that train together": lambda row, fnnet: str(row["runs"]),
        "Seconds that the first call takes longer": lambda row, fnnet: (
            f"{row['compile_seconds']['median']:.2f}"
        ),
    }
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['platform']}; {versions}; "
        f"commit {report['commit']}.",
        "",
        f"Peak, a product of 2048 x 2048 float32 matrices: {_speed(peak)} GFLOP/s. "
        f"Copy of 512 MB, read and written: {_speed(copied)} GB/s. "
        f"After the same steps all losses agree to {report['largest_loss_difference']:.0e}.",
    ]
    for title, cell in tables.items():
        lines += ["", f"## {title}", "", *_table(report["rows"], cell)]
    return "\n".join(lines) + "\n"


def to_table(report: dict[str, Any]) -> Table:
    """Tabulate speeds for the terminal, a row a system."""
    rows = report["rows"]
    table = Table(title="GFLOP/s, and part of the peak")
    table.add_column("system", no_wrap=True)
    for network in _names(rows, "network"):
        table.add_column(network, justify="right", overflow="fold")
    for system in _names(rows, "system"):
        found = [_find(rows, network, system) for network in _names(rows, "network")]
        cells = [f"{row['gflops']['median']:.3g}, {row['fraction_of_peak']['median']:.0%}" for row in found]
        table.add_row(system, *cells)
    return table


def draw(report: dict[str, Any]) -> "Figure":
    """Draw each system's part of the peak: a panel for each network, a row for each system."""
    from drawing import panels

    rows = report["rows"]
    networks, systems = _names(rows, "network"), _names(rows, "system")[::-1]
    finding = f"fnnet comes nearest to the machine's peak of {report['peak_gflops']['median']:.0f} GFLOP/s"
    figure, panels_ = panels(finding, *networks, height=2.9, sharey=True)
    for axes, network in zip(panels_, networks, strict=True):
        for place, system in enumerate(systems):
            part = _find(rows, network, system)["fraction_of_peak"]
            color = "C1" if system == "fnnet" else "C0"
            axes.plot([part["min"], part["max"]], [place, place], color=color, linewidth=1)
            axes.plot(part["median"], place, "o", color=color)
        axes.set(xlim=(0, 1.02), xticks=[0, 0.5, 1])
        axes.xaxis.set_major_formatter(lambda value, position: f"{value:.0%}")
        axes.grid()
    panels_[0].set_yticks(range(len(systems)), [NAMES.get(system, system) for system in systems])
    figure.supxlabel("share of the peak (dot: median, line: lowest to highest of the rounds)", fontsize=8)
    return figure


def _table(rows: list[dict], cell: Callable[[dict, dict], str]) -> list[str]:
    """Lay out one figure: a row a network, a column a system."""
    systems = _names(rows, "system")
    lines = [f"| network | {' | '.join(systems)} |", f"|---|{'---:|' * len(systems)}"]
    for network in _names(rows, "network"):
        fnnet = _find(rows, network, "fnnet")
        cells = [cell(_find(rows, network, system), fnnet) for system in systems]
        lines.append(f"| {network} | {' | '.join(cells)} |")
    return lines


def _names(rows: list[dict], column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


def _find(rows: list[dict], network: str, system: str) -> dict:
    return next(row for row in rows if (row["network"], row["system"]) == (network, system))


def _speed(figure: dict[str, float]) -> str:
    return f"{figure['median']:.3g} ({figure['min']:.3g} to {figure['max']:.3g})"
