"""The figure of `deep_linear.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import note, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the modes as they are learned, with theory, and how far apart the two are."""
    rates, strengths = measured["rates"], measured["strengths"]
    figure, (*of_depths, of_errors) = panels(
        "Each mode of the map is learned by itself, the stronger the sooner, and when theory says so",
        f"2 matrices, rate {rates[1]:g}",
        f"3 matrices, rate {rates[1]:g}",
        "2 matrices: errors",
        height=2.6,
    )
    times, trained, theory = (measured[name] for name in ("times", "trained", "theory"))
    for place, (axes, end) in enumerate(zip(of_depths, (12, 30), strict=True)):
        for mode, s in enumerate(strengths):
            axes.plot(
                times, theory[place, mode], color=f"C{mode}", label="lines: theory" if mode == 0 else None
            )
            label = "dots: trained" if mode == 0 else None
            axes.plot(
                times, trained[1, place, mode], "k.", markersize=3, markevery=len(times) // 15, label=label
            )
            note(axes, f"s = {s:g}", (end, s), (0, 3), ha="right", color=f"C{mode}")
        axes.set(xlabel="t = updates × rate", ylabel="strength u of a mode", xlim=(0, end), ylim=(-0.1, 3.5))
    of_depths[0].legend(loc="center right", bbox_to_anchor=(1, 0.48), handlelength=0.8)
    errors = np.abs(trained[:, 0] - theory[0]) / strengths[:, None]
    for rate, line in ((1, "-"), (0, "--")):
        for mode in range(len(strengths)):
            of_errors.plot(times, errors[rate, mode], line, color=f"C{mode}", linewidth=1)
        of_errors.plot([], [], line, color="0.4", label=f"rate {rates[rate]:g}")
    of_errors.set(xlabel="t = updates × rate", ylabel="|trained − theory| / s", yscale="log")
    of_errors.set(xlim=(0, 15), ylim=(1e-6, 0.5))
    of_errors.legend(loc="upper right")
    return figure
