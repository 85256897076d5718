"""The figure of `growth.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, label_ticks, panels, readable


def draw(report: dict[str, Any]) -> Figure:
    """Draw a panel for each axis, with the fitted line."""
    series = report["series"]
    figure, panels_ = panels(
        "Twice the runs or steps take about twice as long; width counts squared once networks are large",
        *(
            f"{each['axis']}: slope {each['slope']:.2f}, of the last two {each['last_slope']:.2f}"
            for each in series
        ),
        rows=len(series) // 2,
        height=2.1 * (len(series) // 2) + 0.4,
    )
    for axes, each in zip(panels_, series, strict=True):
        values = np.array(each["values"], float)
        low, medians, high = (
            np.array([seconds[name] for seconds in each["seconds"]]) for name in ("min", "median", "max")
        )
        middle = np.exp(np.mean(np.log(medians))), np.exp(np.mean(np.log(values)))
        axes.plot(values, middle[0] * (values / middle[1]) ** each["slope"], **REFERENCE)
        axes.errorbar(values, medians, [medians - low, high - medians], fmt="o", color="C0")
        axes.set(xscale="log", yscale="log", xlabel=f"{each['axis']}", ylabel="seconds of a sweep")
        label_ticks(axes.xaxis, each["values"])
        rest = "\n".join(f"{readable(name)} {value}" for name, value in each["rest"].items())
        axes.annotate(rest, (0.03, 0.97), xycoords="axes fraction", va="top", color="0.3", fontsize=7)
    return figure
