"""The figure of `gradient_descent.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, note, panels
from gradient_descent import BEST, CURVATURE, START, X, Y


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the descent on the parabola, the weight against the step, and the distance against the rate."""
    figure, (parabola, slow, swinging, distance) = panels(
        "Below the rate 1/λ a weight slides to its best value, above it swings, and beyond 2/λ it diverges",
        "Rate 0.1 on the loss $(2w - 6)^2/2$",
        "Rates up to 1/λ = 0.25: no swinging",
        "Rates above 1/λ: swinging",
        "Distance from the best weight",
        rows=2,
        height=4.4,
    )
    paths = dict(zip(measured["drawn"].tolist(), measured["paths"], strict=True))

    def loss(w: Any) -> Any:
        return (X * w - Y) ** 2 / 2

    grid, path, near = np.linspace(0.8, 5.6, 200), paths[0.1][:7], np.array([4.35, 5.55])
    parabola.plot(grid, loss(grid), color="0.6")
    parabola.plot(near, loss(START) + 8 * (near - START), color="C1")
    parabola.plot(path, loss(path), "o-", color="C0")
    parabola.annotate("tangent at $w = 5$,\nslope 8", (5.3, 10.4), (3.6, 9.4), color="C1", ha="center")
    note(parabola, "$w = 4.2$", (4.2, loss(4.2)), (-34, 4), color="C0")
    parabola.set(xlabel="weight $w$", ylabel="loss", ylim=(-0.5, 13))
    for axes, rates in ((slow, [0.02, 0.1, 0.25]), (swinging, [0.4, 0.51])):
        for color, rate in zip(("C5", "C0", "C2") if axes is slow else ("C4", "C1"), rates, strict=True):
            axes.plot(paths[rate], ".-", color=color, label=f"{rate:g}")
        axes.axhline(BEST, **REFERENCE)
        axes.set(xlabel="step", ylabel="weight $w$", ylim=(-0.6, 8.6))
        axes.legend(title="learning rate", ncols=3, loc="upper right")
    shades = ("0.7", "0.4", "0")
    for num_steps, apart, shade in zip(measured["num_steps"], measured["distances"], shades, strict=True):
        clipped = np.clip(apart, 1e-16, 1e16)
        distance.plot(measured["rates"], clipped, color=shade, label=f"after {num_steps} steps")
    for place, name in ((1 / CURVATURE, "1/λ"), (2 / CURVATURE, "2/λ")):
        distance.axvline(place, **REFERENCE)
        note(distance, name, (place, 1e-15), (3, 0))
    distance.set(xlabel="learning rate", ylabel="$|w - 3|$, clipped", yscale="log")
    distance.legend(loc="upper left")
    return figure
