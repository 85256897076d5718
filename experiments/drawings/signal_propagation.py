"""The figure of `signal_propagation.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import note, panels, shades


def draw(measured: dict[str, Any]) -> Figure:
    """Draw each quantity against the layer: points measured, lines predicted."""
    finding = "Signals and gradients in wide random networks are what mean-field theory says"
    titles = ("tanh: variance", "tanh: correlation", "tanh: gradients", "ReLU: $E[h^2]$")
    figure, (q, c, gradient, h2) = panels(finding, *titles, height=2.9)

    def plot(axes: Any, values: Any, theory: Any, label: str | None, color: Any) -> None:
        layers = np.arange(1, len(theory) + 1)
        axes.plot(layers, values, "o", color=color, markersize=2.5, label=label)
        axes.plot(layers, theory, color=color, linewidth=0.9)

    tanh, theory, scales = measured["tanh"], measured["theory"], measured["scales"]
    for axes, name in ((q, "q"), (c, "c"), (gradient, "relative_gradient")):
        for i, (scale, color) in enumerate(zip(scales, shades(len(scales)), strict=True)):
            plot(axes, tanh[name][i], theory[name][i], f"{scale:g}" if axes is q else None, color)
    of_relu = zip(
        measured["relu"]["h2"], (1.0, 0.5), ("C1", "C0"), ("2 / fan-in (He)", "1 / fan-in"), strict=True
    )
    for values, factor, color, label in of_relu:
        plot(h2, values, factor ** np.arange(1, len(values) + 1), None, color)
        place = len(values) // 5
        note(h2, label, (place + 1, values[place]), (8, -9), color=color)
    q.set(ylabel="variance q of z", ylim=0)
    c.set(ylabel="correlation c of two inputs")
    gradient.set(ylabel="gradient / that of the last layer", yscale="log")
    text = "theory from\nlayer 4 on,\nwhere q settles"
    gradient.annotate(text, (1, 1), xycoords="axes fraction", ha="right", va="top", fontsize=6.5, color="0.3")
    h2.set(ylabel="$E[h^2]$", yscale="log")
    for axes in (q, c, gradient, h2):
        axes.set_xlabel("layer")
    title = r"tanh: variance $\sigma_w^2$ of weights times fan-in (points: measured, lines: theory)"
    figure.legend(loc="outside lower center", ncols=5, title=title)
    return figure
