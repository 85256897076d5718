"""The figure of `flax_cnn.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import draw_seeds, label_ticks, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw test errors against the learning rate."""
    networks = measured["networks"]
    title = "Flax CNNs sweep like networks of fnnet, and beat MLPs of as many parameters"
    figure, (axes,) = panels(title, "", height=3)
    for number, (name, row) in enumerate(networks.items()):
        style: Any = {
            "linestyle": "--" if number == 1 else "-",
            "label": f"{name}: {row['num_parameters']:,} parameters",
        }
        draw_seeds(axes, measured["rates"], 1 - row["test_accuracy"], f"C{number}", "os^v"[number], **style)
    axes.set(xscale="log", xlabel="learning rate", ylabel="test error", yscale="log")
    label_ticks(axes.yaxis, [0.02, 0.05, 0.1, 0.2, 0.5])
    num_seeds = next(iter(networks.values()))["test_accuracy"].shape[1]
    axes.legend(title=f"marks: {num_seeds} seeds, lines: means", alignment="left")
    return figure
