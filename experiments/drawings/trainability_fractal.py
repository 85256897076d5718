"""The figure of `trainability_fractal.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, add_key, draw_picture, panels, shades


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the zooms, each with the frame of the next one, and the dimensions by zoom and by steps."""
    pictures, zooms, horizons = list(measured["pictures"].values()), measured["zooms"], measured["horizons"]
    dimensions = measured["dimensions by zoom and steps"]
    deep = dimensions[-2, -1]
    figure, (*maps, by_zoom, by_steps) = panels(
        f"The boundary of what trains is a fractal: magnified {zooms[-2]} times its dimension is {deep:.2f}",
        *(f"× {zoom}: dimension {of[-1]:.2f}" for zoom, of in zip(zooms, dimensions, strict=True)),
        f"After all {horizons[-1]} steps",
        "Stopped earlier",
        rows=2,
        height=5.6,
    )
    for axes, picture, zoom in zip(maps, pictures, zooms, strict=True):
        image = draw_picture(axes, picture, round(np.log10(zoom)) + int(zoom > 1))
    for axes, picture in zip(maps, pictures[1:], strict=False):
        left, right, bottom, top = picture["extent"]
        for color, width in (("white", 3), ("black", 1.2)):
            axes.plot(
                [left, right, right, left, left],
                [bottom, bottom, top, top, bottom],
                color=color,
                linewidth=width,
            )
    add_key(figure, image, figure.axes)
    by_zoom.semilogx(zooms, dimensions[:, -1], "o-", color="C0")
    by_zoom.axhline(1.66, **REFERENCE)
    by_zoom.annotate("paper: median over zooms", (zooms[0], 1.68), color="0.3")
    by_zoom.set(xlabel="magnification", ylabel="box-counting dimension")
    for zoom, values, color, marker in zip(zooms, dimensions, shades(len(zooms)), "os^D", strict=False):
        by_steps.semilogx(horizons, values, f"{marker}-", color=color, label=f"× {zoom}")
    by_steps.set(xlabel="steps", ylabel="box-counting dimension")
    by_steps.legend(loc="upper left", ncols=2)
    for axes in (by_zoom, by_steps):
        axes.set_ylim(0.9, 2)
    return figure
