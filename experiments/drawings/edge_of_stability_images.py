"""The figure of `edge_of_stability_images.py`."""

from typing import Any

from matplotlib.figure import Figure

from drawing import REFERENCE, panels, readable, shades


def draw(measured: dict[str, Any]) -> Figure:
    """Draw sharpness and loss of every run."""
    dataset = readable(measured["dataset"])
    figure, (left, right) = panels(
        f"Also on {dataset}, networks get sharper until 2 / learning rate, and train on",
        "Sharpness (dashed: 2 / learning rate)",
        "Training loss",
        height=3.1,
    )
    rates, steps = measured["rates"], measured["steps"]
    for row, (rate, color) in enumerate(zip(rates, shades(len(rates)), strict=True)):
        for seed, line in zip(range(len(measured["loss"][row])), ("-", ":"), strict=False):
            label = f"{rate:g}" if seed == 0 else None
            left.plot(
                steps, measured["relative_sharpness"][row, seed] * 2 / rate, line, color=color, label=label
            )
            right.plot(steps, measured["loss"][row, seed], line, color=color)
        left.axhline(2 / rate, **REFERENCE | {"color": color})
    left.set(xlabel="step", ylabel="sharpness", ylim=0)
    right.set(xlabel="step", ylabel="training loss", yscale="log")
    figure.legend(
        loc="outside lower center", ncols=len(rates), title="learning rate (solid: seed 0, dotted: seed 1)"
    )
    return figure
