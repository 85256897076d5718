"""The figure of `fashion_mnist.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import PUBLISHED, panels, readable


def draw(measured: dict[str, Any]) -> Figure:
    """Draw a row for each classifier, the best above: measured as dots, published as open diamonds."""
    networks, classical, published = (measured[name] for name in ("networks", "classical", "published"))
    means = {name: each["mean"] for name, each in networks.items()} | classical
    rows = sorted(means, key=lambda name: means[name])
    apart = f"{measured['largest_difference']:.3f}"
    figure, (ax,) = panels(
        f"{readable(measured['dataset'])}: networks come to within {apart} of the published accuracies",
        "",
        height=3.8,
    )
    for place, name in enumerate(rows):
        color = "C0" if name in networks else "C1"
        ax.plot([published[name], means[name]], [place, place], color="0.8", linewidth=2, zorder=0)
        ax.plot(published[name], place, **PUBLISHED, markersize=6)
        ax.plot(means[name], place, "o", color=color, markersize=3.5)
        if name in networks:
            ax.plot([networks[name]["low"], networks[name]["high"]], [place, place], color=color)
    ax.plot([], [], "o-", color="C0", markersize=3.5, label="network: mean of seeds, 95 % interval")
    ax.plot([], [], "o", color="C1", markersize=3.5, label="classical classifier, fitted once")
    ax.plot([], [], **PUBLISHED, markersize=6, label="published")
    ax.set_yticks(range(len(rows)), [_row_label(name) for name in rows])
    ax.set(xlabel="test accuracy")
    ax.grid(axis="x")
    ax.legend(loc="upper left")
    return figure


def _row_label(name: str) -> str:
    activation, _, hidden = name.partition(" ")
    return f"{readable(activation)} {hidden.replace(', ', '–')}" if activation in ("relu", "tanh") else name
