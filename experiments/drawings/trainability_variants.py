"""The figure of `trainability_variants.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import add_key, draw_picture, panels


def draw(measured: dict[str, Any]) -> Figure:
    pictures, dimension, zoom = measured["pictures"], measured["dimension"], measured["zoom"]
    figure, axes = panels(
        "Without the nonlinearity the boundary is smooth; an offset of the weights leaves it rough",
        "Linearized network",
        f"Linearized, × {zoom}: dimension {dimension:.2f}",
        "Offset added to the input weights once",
        "Offset added at every step",
        rows=2,
        height=5.6,
    )
    for panel, picture, digits in zip(
        axes, pictures.values(), (0, round(np.log10(zoom)) + 1, 0, 0), strict=True
    ):
        image = draw_picture(panel, picture, digits)
    add_key(figure, image, axes)
    ratios, means = measured["boundary"]
    axes[0].plot(means + ratios / 2, means - ratios / 2, "k", linewidth=1)
    axes[0].annotate("black line: the largest\neigenvalue is 2 / rate", (5.8, 5.7), ha="right", va="top")
    for panel in axes[2:]:
        panel.set(
            xlabel="log10 of what is added to each input weight", ylabel="both layers: log10 of the rate"
        )
    return figure
