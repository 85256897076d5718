"""The figure of `trainable_depth.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import PUBLISHED, REFERENCE, note, panels
from trainable_depth import CHAOTIC, CRITICAL, PUBLISHED_MULTIPLES


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the map with frontier and theory, and beside it the frontier in units of xi_c."""
    figure, (left, right) = panels(
        r"Networks train as deep as signals reach: the frontier follows the depth scale $\xi_c$",
        "Training accuracy, best of four learning rates",
        r"Frontier / $\xi_c$, constant in the chaotic phase",
        height=3.4,
        ratios=(1.25, 1),
    )
    scales, depths, frontier = measured["scales"], measured["depths"], measured["frontier_by_scale"]
    accuracy = measured["train_accuracy_by_depth_and_scale"]
    mesh = left.pcolormesh(scales, depths, accuracy, vmin=0, vmax=1, shading="nearest", rasterized=True)
    figure.colorbar(mesh, ax=left, label="training accuracy").outline.set_visible(False)
    limits = left.get_ylim()
    left.plot(measured["fine_scales"], 6 * measured["depth_scale"], color="white", linewidth=2)
    left.annotate(r"$6\,\xi_c$", (2.2, 112), color="white")
    dots: Any = {
        "color": "white",
        "markeredgecolor": "black",
        "markersize": 5,
        "linestyle": "",
        "marker": "o",
    }
    left.plot(scales, frontier, **dots, label="frontier: accuracy 0.5")
    left.set(ylabel="depth (hidden layers)", ylim=limits)
    right.fill_between([CHAOTIC, scales[-1]], 3, 7, color="0.92", label="range claimed, 3 to 7")
    published, label = list(PUBLISHED_MULTIPLES.values()), "published reproduction, MNIST, width 300"
    right.plot(list(PUBLISHED_MULTIPLES), published, **PUBLISHED, label=label)
    xi = np.interp(scales, measured["fine_scales"], measured["depth_scale"])
    right.plot(scales, frontier / xi, **dots | {"color": "C0"})
    right.axvline(CRITICAL, **REFERENCE)
    for name, align, offset in (("order", "right", -4), ("chaos", "left", 4)):
        note(right, name, (CRITICAL, 1), (offset, 0), ha=align)
    right.set(ylabel=r"frontier / $\xi_c$", ylim=0)
    for axes in (left, right):
        axes.set(xlabel=r"variance $\sigma_w^2$ of weights")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
