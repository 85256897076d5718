"""The figure of `double_descent.py`."""

from typing import Any

from matplotlib.figure import Figure

from double_descent import PUBLISHED_LOSS, PUBLISHED_NOISY_ERROR
from drawing import PUBLISHED, draw_interval, label_ticks, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw loss and errors against the width."""
    figure, (left, right) = panels(
        "Test loss peaks where networks just fit all training examples, and falls again beyond",
        "Test loss",
        "Test error: a peak under label noise",
        height=3.1,
    )
    widths = measured["widths"]
    for color, (name, found) in zip(("C0", "C1"), measured["by_width"].items(), strict=True):
        draw_interval(left, widths, found["test_loss"], color, label=name)
        draw_interval(right, widths, found["test_error"], color)
        for axes in (left, right):
            axes.axvline(found["first_fit"], color=color, linestyle=":", linewidth=1)
    left.plot(list(PUBLISHED_LOSS), list(PUBLISHED_LOSS.values()), **PUBLISHED, label="published")
    right.plot(list(PUBLISHED_NOISY_ERROR), list(PUBLISHED_NOISY_ERROR.values()), **PUBLISHED)
    for axes, label in ((left, "test loss"), (right, "error")):
        axes.set(xscale="log", xlabel="hidden width H", ylabel=label)
        label_ticks(axes.xaxis, [4, 10, 30, 100, 300])
    title = "dotted: the first H with a training error below 0.01; bands: 95 % intervals"
    figure.legend(loc="outside lower center", ncols=3, title=title)
    return figure
