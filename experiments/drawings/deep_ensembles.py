"""The figure of `deep_ensembles.py`."""

from typing import Any

from matplotlib.figure import Figure

from deep_ensembles import METRICS, WAYS
from drawing import draw_interval, label_ticks, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw each metric against the number of members, with intervals."""
    figure, panels_ = panels(
        "Ensembles are more accurate and better calibrated than their members, most of it with five",
        *METRICS.values(),
        height=2.7,
    )
    styles: Any = ({"linewidth": 3, "alpha": 0.6, "marker": ""}, {"linestyle": "--"}, {})
    for axes, (metric, label) in zip(panels_, METRICS.items(), strict=True):
        for number, (way, style) in enumerate(zip(WAYS, styles, strict=True)):
            curve = measured["by_size"][way][metric]
            sizes = range(1, len(curve["mean"]) + 1)
            draw_interval(axes, sizes, curve, f"C{number}", way if axes is panels_[0] else None, **style)
        axes.set(xlabel="members", ylabel=f"test {label}")
        axes.set_xticks([1, 5, 10, 15])
    panels_[1].set_yscale("log")
    label_ticks(panels_[1].yaxis, [1, 2, 3, 4, 5])
    title = "bands: 95 % intervals; temperatures change no accuracy of the average"
    figure.legend(loc="outside lower center", ncols=3, title=title)
    return figure
