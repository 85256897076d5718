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

COLORS = {
    "fnnet": "crimson",
    "jax_loop": "#9ecae1",
    "jax_scan": "#4292c6",
    "naive_vmap": "#08519c",
    "flax_nnx": "#bcbddc",
    "flax_nnx_partial": "#756bb1",
    "torch_threads": "#fdbe85",
    "torch_processes": "#fd8d3c",
    "torch_func": "#a63603",
    "sklearn_mlp": "#74c476",
}


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
    """Draw each system's part of the peak: a group of bars a network, whiskers from lowest to highest."""
    from matplotlib.figure import Figure

    rows = report["rows"]
    networks, systems = _names(rows, "network"), _names(rows, "system")
    figure = Figure(figsize=(3 + 1.7 * len(networks), 4.6), layout="constrained")
    axes = figure.subplots()
    width = 0.84 / len(systems)
    for index, system in enumerate(systems):
        parts = [_find(rows, network, system)["fraction_of_peak"] for network in networks]
        medians = np.array([part["median"] for part in parts])
        whiskers = np.abs(np.array([[part["min"], part["max"]] for part in parts]).T - medians)
        places = np.arange(len(networks)) + (index - (len(systems) - 1) / 2) * width
        axes.bar(
            places,
            medians,
            width,
            yerr=whiskers,
            label=system,
            color=COLORS[system],
            error_kw={"elinewidth": 0.8, "ecolor": "0.25"},
        )
    axes.axhline(1, color="0.2", linewidth=1, linestyle="--")
    peak = report["peak_gflops"]["median"]
    axes.text(len(networks) - 0.5, 1.01, f"peak, {peak:.0f} GFLOP/s", ha="right", va="bottom", fontsize=9)
    axes.set_xlim(-0.5, len(networks) - 0.5)
    axes.set_ylim(0, 1.1)
    axes.set_xticks(range(len(networks)), networks)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:.0%}")
    axes.set_ylabel("part of the machine's peak")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
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
