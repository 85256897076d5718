"""The figure of `engine_scale.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, note, panels, shades


def draw(report: dict[str, Any]) -> Figure:
    """Draw the model up to 10,000 workers, with the virtual ones."""
    spent = report["coordinator"]
    kept = spent["sending_ms"] + spent["bookkeeping_ms"]
    stores = {
        "no store": kept,
        "a store in memory": kept + spent["commit_ms"],
        "a store on this disk": kept + spent["commit_ms"] + spent["fsync_ms"],
    }
    finding = f"One coordinator keeps up with {1000 / kept:,.0f} chunks a second, without a store"
    figure, (axes,) = panels(finding, "", height=3.6)
    workers = np.geomspace(1, 10_000, 200)
    for seconds, color in zip((5, 60, 600), shades(3), strict=True):
        axes.loglog(workers, workers / seconds, color=color, label=f"chunks of {seconds} s, by the model")
        marks = [row for row in report["virtual"] if row["chunk_seconds"] == seconds]
        places, measured = ([row[name] for row in marks] for name in ("workers", "measured"))
        axes.plot(places, measured, "o", color=color, label="virtual workers, measured" if marks else None)
    for name, milliseconds in stores.items():
        axes.axhline(1000 / milliseconds, **REFERENCE)
        note(axes, f"the coordinator at most, with {name}", (1, 1000 / milliseconds), color="black")
    axes.set(ylim=(1e-2, 6e3), xlabel="workers", ylabel="chunks a second")
    axes.legend(loc="lower right")
    return figure
