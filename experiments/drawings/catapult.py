"""The figure of `catapult.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw loss and curvature of one seed against the step, and the curvature of all at the end against c."""
    finding = "Between 2/λ and 4/λ training leaps out of a sharp valley and ends in a flat one"
    titles = ("The loss rises if c > 2", "The curvature then falls", "Curvature at the end")
    figure, (left, middle, right) = panels(finding, *titles, height=2.8)
    steps = np.arange(measured["loss"].shape[-1])
    for row, (c, color) in enumerate(zip(measured["shown"], ("C5", "C0", "C2", "C4", "C1"), strict=True)):
        for axes, name in ((left, "loss"), (middle, "curvature")):
            trained, mapped = measured[name][:, row]
            shown = measured["loss"][1, row] < 1e11
            axes.plot(steps[shown], mapped[shown], color=color, linewidth=1)
            axes.plot(steps[shown], trained[shown], ".", color=color, label=f"{c:g}")
    left.set(yscale="log", ylim=(1e-10, 1e7), xlabel="step", ylabel="loss")
    middle.set(xlabel="step", ylabel="η × curvature λ", ylim=(0, 5))
    middle.axhline(2, **REFERENCE)
    right.plot(measured["c"], measured["at_end"], ".", color="C0", markersize=3)
    right.plot([0, 4], [0, 4], color="0.3", linewidth=1)
    right.text(3, 3.15, "as at first", rotation=45, transform_rotates_text=True, ha="center", color="0.3")
    right.axhline(2, **REFERENCE)
    right.annotate("unstable above 2", (5.35, 2.06), ha="right", color="0.3")
    right.axvspan(2, 4, color="0.92", linewidth=0)
    for place, name in ((1, "lazy"), (3, "catapult"), (4.7, "diverges")):
        right.annotate(name, (place, 4.7), ha="center")
    right.set(xlabel="c = η × initial curvature", ylabel="η × curvature λ at the end")
    right.set(xlim=(0, 5.4), ylim=(0, 5))
    title = "c (dots: training, lines: the exact map; 0.5 and 1.5 hardly move the curvature)"
    figure.legend(*left.get_legend_handles_labels(), title=title, loc="outside lower center", ncols=5)
    return figure
