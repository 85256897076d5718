"""The figure of `width_transfer.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, draw_interval, intervals, label_ticks, note, panels, shades
from width_transfer import TOO_LARGE, WAYS


def draw(measured: dict[str, Any]) -> Figure:
    """Draw losses against rates, and how large logits become in networks of all widths."""
    rates, widths, place = measured["log2_rates"], measured["widths"], measured["place"]
    figure, (*of_rates, of_logits) = panels(
        "muP: one learning rate suits all widths; in the standard parameterization it falls",
        "muP: the best rate stays",
        "Standard: it falls",
        f"Logits at the rate $2^{{{rates[place]:g}}}$",
        height=3.1,
    )
    circle: Any = {"marker": "o", "markersize": 6, "markeredgecolor": "black", "zorder": 3}
    for row, (way, color, axes) in enumerate(zip(WAYS, ("C0", "C1"), of_rates, strict=True)):
        for width, means, shade in zip(
            widths, measured[way]["mean_losses"], shades(len(widths)), strict=True
        ):
            lowest = np.nanargmin(means)
            axes.plot(rates, means, ".-", color=shade, markersize=3, label=f"{width}" if row == 0 else None)
            axes.plot(rates[lowest], means[lowest], color=shade, **circle)
        axes.axhline(TOO_LARGE, **REFERENCE)
        note(axes, "a rate is too large", (rates[0], TOO_LARGE))
        axes.axvline(rates[place], **REFERENCE | {"linestyle": ":"})
        axes.set(xlabel="log2 of the learning rate", ylabel="training loss (nats)", yscale="log")
        axes.set_ylim(0.015, 5)
        for steps, line in ((1, "d--"), (3, "o-")):
            found = intervals(measured["logits"][row, ..., steps - 1])
            style = {"marker": line[0], "linestyle": line[1:], "markersize": 3}
            draw_interval(of_logits, widths, found, color, f"{way}, step {steps}", **style)
        # In theory, logits are constant, or as the width.
        theory = measured["logits"][row, 0, :, 0].mean() * (widths / widths[0]) ** row
        of_logits.plot(widths, theory, ":", color="0.2", label="theory, step 1" if row else None)
    of_logits.set(xlabel="width w", ylabel="mean |logit|")
    of_logits.set(xscale="log", yscale="log", ylim=(0.2, 300))
    label_ticks(of_logits.xaxis, widths)
    of_logits.legend(loc="upper left")
    handles, labels = of_rates[0].get_legend_handles_labels()
    title = "width w (large: its best rate; dotted: the rate of the third panel)"
    figure.legend(handles, labels, loc="outside lower center", ncols=5, title=title)
    return figure
