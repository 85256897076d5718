"""The figure of `feature_extraction.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import intervals, panels, readable


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the accuracy of each classifier with each kind of features, and the network's as a band."""
    figure, panels_ = panels(
        "With features made by hand the best classical classifiers are ahead of a network on pixels",
        *map(readable, measured),
        height=2.8,
        sharey=True,
    )
    best = {
        row: max(each[row] for each in first.values())
        for first in [next(iter(measured.values()))["classical"]]
        for row in first["pixels"]
    }
    rows = sorted(best, key=lambda row: best[row])
    for ax, found in zip(panels_, measured.values(), strict=True):
        network = intervals(found["network"])
        ax.axvspan(network["low"], network["high"], color="0.85", linewidth=0)
        num_seeds = len(found["network"])
        ax.axvline(
            network["mean"], color="0.2", label=f"network on pixels: mean of {num_seeds} seeds, 95 % band"
        )
        for marker, (features, accuracies) in zip("os^", found["classical"].items(), strict=True):
            ax.plot([accuracies[row] for row in rows], rows, marker, label=f"{features}, fitted once")
        ax.set(xlabel="test accuracy")
        ax.grid(axis="y")
    figure.legend(*panels_[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
