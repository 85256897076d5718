"""The figure of `benchmark.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import panels
from peers.report import find, names

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


def draw(report: dict[str, Any]) -> Figure:
    """Draw each system's part of the peak: a panel for each network, a row for each system."""
    rows = report["rows"]
    networks, systems = names(rows, "network"), names(rows, "system")[::-1]
    finding = f"fnnet comes nearest to the machine's peak of {report['peak_gflops']['median']:.0f} GFLOP/s"
    figure, panels_ = panels(finding, *networks, height=2.9, sharey=True)
    for axes, network in zip(panels_, networks, strict=True):
        for place, system in enumerate(systems):
            part = find(rows, network, system)["fraction_of_peak"]
            color = "C1" if system == "fnnet" else "C0"
            axes.plot([part["min"], part["max"]], [place, place], color=color, linewidth=1)
            axes.plot(part["median"], place, "o", color=color)
        axes.set(xlim=(0, 1.02), xticks=[0, 0.5, 1])
        axes.xaxis.set_major_formatter(lambda value, position: f"{value:.0%}")
        axes.grid()
    panels_[0].set_yticks(range(len(systems)), [NAMES.get(system, system) for system in systems])
    figure.supxlabel("share of the peak (dot: median, line: lowest to highest of the rounds)", fontsize=8)
    return figure
