"""The figure of `digits.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from digits import ACTIVATIONS
from drawing import draw_seeds, readable, stacked, title_row


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the forward pass above, and accuracy against the rate below, by data set and depth."""
    depths, rates = measured["depths"], measured["rates"]
    finding = "All three activations read digits; sigmoid needs larger learning rates, the deeper the more"
    figure, above, below = stacked(finding, height=6.3, ratios=(1, 2.9))
    name = readable(list(measured["found"])[-1])
    layers = "h of each layer, output, probabilities"
    title_row(above, f"(a) A digit of {name} on its way through a trained tanh network: {layers}")
    _draw_forward(above, measured)
    panels = below.subplots(len(measured["found"]), len(depths), sharex=True, sharey=True, squeeze=False)
    letters = iter("bcdefgh")
    for row, (name, found) in zip(panels, measured["found"].items(), strict=True):
        for axes, depth, of_depth in zip(row, depths, np.moveaxis(found, 1, 0), strict=True):
            for number, (activation, runs) in enumerate(zip(ACTIVATIONS, of_depth, strict=True)):
                style: Any = {"linewidth": 2.6, "alpha": 0.5} if activation == "tanh" else {}
                style["label"] = readable(activation) if axes is panels[0, 0] else None
                draw_seeds(axes, rates, runs, f"C{number}", "os^"[number], size=2.5, **style)
            axes.set_title(f"({next(letters)}) {readable(name)}, depth {depth}", loc="left")
            axes.set(xscale="log", ylim=(-0.03, 1.03))
        row[0].set_ylabel("test accuracy")
    for axes in panels[-1]:
        axes.set_xlabel("learning rate")
    title = "marks: seeds (diverged: wrong throughout), lines: means"
    below.legend(loc="outside lower center", ncols=3, title=title)
    return figure


def _draw_forward(figure: Any, measured: dict[str, Any]) -> None:
    """Draw the input and hidden layers as images, and the outputs as bars."""
    hidden, side = measured["hidden"], round(len(measured["input"]) ** 0.5)
    ratios = [1] * (len(hidden) + 1) + [1.2, 1.2]
    first, *panels, scores, last = figure.subplots(1, len(ratios), width_ratios=ratios)
    first.imshow(measured["input"].reshape(side, side), cmap="gray_r")
    first.set_title("x", loc="left")
    for number, (axes, h) in enumerate(zip(panels, hidden, strict=True), start=1):
        image = axes.imshow(h.reshape(-1, 8), cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"h, layer {number}", loc="left")
    for axes in (first, *panels):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    style: Any = {"orientation": "horizontal", "aspect": 40, "pad": 0.02, "shrink": 0.6}
    figure.colorbar(image, ax=panels, ticks=[-1, 0, 1], **style)
    bars = ((scores, measured["outputs"], "z, output"), (last, measured["probabilities"], "probability"))
    for axes, values, title in bars:
        axes.barh(range(len(values)), values, color="0.6" if axes is scores else "C1")
        axes.set(yticks=range(len(values)), ylim=(len(values) - 0.5, -0.5))
        axes.tick_params(axis="y", labelsize=6)
        axes.set_title(title, loc="left")
