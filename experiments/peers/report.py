"""The benchmark's report: its tables and its chart."""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from drawing import panels
from measuring import markdown_table

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
        lines += ["", f"## {title}", "", _table(report["rows"], cell)]
    return "\n".join(lines) + "\n"


def draw(report: dict[str, Any]) -> Figure:
    """Draw each system's part of the peak: a panel for each network, a row for each system."""
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


def _table(rows: list[dict], cell: Callable[[dict, dict], str]) -> str:
    """Lay out one quantity: a row for each network, a column for each system."""
    systems = _names(rows, "system")
    cells = []
    for network in _names(rows, "network"):
        fnnet = _find(rows, network, "fnnet")
        cells.append([network, *(cell(_find(rows, network, system), fnnet) for system in systems)])
    return markdown_table(["network", *systems], cells)


def _names(rows: list[dict], column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


def _find(rows: list[dict], network: str, system: str) -> dict:
    return next(row for row in rows if (row["network"], row["system"]) == (network, system))


def _speed(figure: dict[str, float]) -> str:
    return f"{figure['median']:.3g} ({figure['min']:.3g} to {figure['max']:.3g})"
