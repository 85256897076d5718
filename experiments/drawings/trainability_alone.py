"""The figure of `trainability_alone.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from drawing import REFERENCE, note, panels
from trainability_alone import BOUND, SMALLEST


def draw(measured: dict[str, Any]) -> Figure:
    """Draw where sums of losses differ, and that a last digit moves the same pixels."""
    converged = measured["converged"][1].astype(bool)
    apart, moved = (np.maximum(measured[name], SMALLEST) for name in ("apart", "moved"))
    both = converged & np.isfinite(apart) & np.isfinite(moved)
    counts = [int(np.sum(values[both] > BOUND)) for values in (apart, moved)]
    figure, (left, right) = panels(
        f"Of {both.sum()} pixels that converge, {counts[0]} differ by more than $10^{{-9}}$ from training "
        f"alone, and {counts[1]} by a last digit of their rates",
        "Where a sweep and training alone differ",
        "A last digit moves the same",
        height=3.4,
        ratios=(1.2, 1),
    )
    x, y = np.log10(measured["rates"])
    points = left.scatter(x[both], y[both], c=apart[both], s=14, norm="log", vmin=SMALLEST, vmax=1)
    left.scatter(x[~both], y[~both], c="0.75", marker="x", s=8, linewidth=0.7, label="diverged")
    bar = figure.colorbar(points, ax=left, label="relative difference of the sums of losses")
    bar.set_ticks(
        [SMALLEST, 1e-12, BOUND, 1e-6, 1e-3, 1],
        labels=["0", *(f"$10^{{{n}}}$" for n in (-12, -9, -6, -3)), "1"],
    )
    left.set(
        xlabel="input layer: log10 of the rate", ylabel="output layer: log10 of the rate", ylim=(-3.3, 7.2)
    )
    left.legend(loc="upper right")
    right.plot([SMALLEST, 1], [SMALLEST, 1], color="0.8", linewidth=1)
    inside = measured["is_inside"].astype(bool)
    kinds = ((inside, "o", "all pixels around converge"), (~inside, "^", "near the boundary"))
    for shown, marker, label in kinds:
        right.plot(moved[both & shown], apart[both & shown], marker, alpha=0.6, label=label)
    right.axhline(BOUND, **REFERENCE)
    note(right, "bound claimed", (SMALLEST, BOUND))
    right.set(xlabel="difference by a last digit", ylabel="difference by the sweep")
    right.set(xscale="log", yscale="log")
    for axis in (right.xaxis, right.yaxis):
        axis.set_ticks([SMALLEST, 1e-12, 1e-8, 1e-4, 1], ["0", "$10^{-12}$", "$10^{-8}$", "$10^{-4}$", "1"])
        axis.set_minor_locator(NullLocator())
    right.legend(loc="upper left")
    return figure
