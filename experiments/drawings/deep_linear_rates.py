"""The figure of `deep_linear_rates.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, draw_interval, intervals, label_ticks, note, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw by depth the best rate and the updates it needs, with theory."""
    finding = "Deep linear networks: the best rate is inverse to depth, orthogonal weights learn fastest"
    titles = ("Best learning rate", "Updates at the best rate, until 5 % of the loss")
    figure, (rates, updates) = panels(finding, *titles, height=3.3)
    depths, max_updates = measured["depths"], measured["max_updates"]
    for number, (kind, found) in enumerate(measured["found"].items()):
        arrive = np.isfinite(found["rate"]).all(axis=1)
        for axes, name in ((rates, "rate"), (updates, "updates")):
            means = intervals(found[name][arrive])
            draw_interval(axes, depths[arrive], means, f"C{number}", label=kind if axes is rates else None)
        if arrive.any() and not arrive.all():
            text = f"{kind}: beyond {depths[arrive][-1]} none\nof {measured['num_rates']} rates arrives"
            last = (depths[arrive][-1], found["updates"][arrive][-1].mean())
            note(updates, text, last, (-8, -2), ha="right", color=f"C{number}")
    rates.plot(depths, 2 / depths, **REFERENCE, label="2 / D, beyond which the mode s = 1 is unstable")
    theory = REFERENCE | {
        "linestyle": ":",
        "color": "C0",
        "label": "theory of decoupled (Saxe et al., eq. 15)",
    }
    updates.plot(depths, measured["theory_updates"], **theory)
    updates.axhline(max_updates, color="0.8", linewidth=0.8)
    note(updates, "end of runs", (depths[0], max_updates), color="0.5")
    for axes, name in ((rates, "best learning rate"), (updates, "updates")):
        axes.set(xlabel="number of matrices D", ylabel=name, xscale="log", yscale="log")
        label_ticks(axes.xaxis, depths)
    figure.legend(loc="outside lower center", ncols=3)
    return figure
