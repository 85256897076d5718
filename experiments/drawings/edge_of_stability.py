"""The figure of `edge_of_stability.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, panels, shades


def draw(measured: dict[str, Any]) -> Figure:
    """Draw sharpness and loss of one seed and polynomial, and every run's late sharpness."""
    degrees, rates, late = measured["degrees"], measured["rates"], measured["late_sharpness"]
    figure, (left, middle, right) = panels(
        "Sharpness rises to 2 / learning rate and stays there, while the loss falls, not monotonically",
        f"Sharpness, $T_{measured['shown']}$",
        f"Loss, $T_{measured['shown']}$",
        "Late sharpness, all runs",
        height=2.9,
    )
    steps = measured["steps"]
    for row, (rate, color) in enumerate(zip(rates, shades(len(rates)), strict=True)):
        left.plot(steps, measured["sharpness"][row], color=color, label=f"{rate:g}")
        left.axhline(2 / rate, **REFERENCE | {"color": color})
        middle.plot(steps, measured["loss"][row], color=color, linewidth=0.9)
        for place, of_seeds in enumerate(late[:, row]):
            spread = place + 0.22 * (row - (len(rates) - 1) / 2) + np.linspace(-0.06, 0.06, len(of_seeds))
            right.plot(spread, of_seeds, "o", color=color, markersize=2.5)
    left.set(xlabel="step", ylabel="sharpness", ylim=0)
    middle.set(xlabel="step", ylabel="training loss", yscale="log")
    for axes in (left, middle):
        axes.set_xticks([0, steps[-1] // 2, steps[-1]])
    right.axhline(1, **REFERENCE)
    right.set_xticks(range(len(degrees)), [f"$T_{degree}$" for degree in degrees])
    right.set(ylabel="late sharpness × rate / 2", xlabel="polynomial learned")
    figure.legend(
        loc="outside lower center",
        ncols=len(rates),
        title="learning rate (dashed: 2 / learning rate; (a) and (b): seed 0)",
    )
    return figure
