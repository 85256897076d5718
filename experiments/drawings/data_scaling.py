"""The figure of `data_scaling.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import label_ticks, panels, readable


def draw(measured: dict[str, Any]) -> Figure:
    """Draw accuracy, and error with the powers fitted, against the number of examples."""
    sizes, found = measured["sizes"], measured["test_accuracy"]
    name = readable(measured["dataset"])
    best = max(found, key=lambda name: found[name][-1].mean())
    figure, (left, right) = panels(
        f"Every classifier gains from more examples of {name}; the {best} ends ahead",
        "Test accuracy (dots: single subsets)",
        f"Test error, powers fitted below {sizes[-1]:,}",
        height=3.6,
    )
    for number, (name, by_size) in enumerate(found.items()):
        means, color = np.array([each.mean() for each in by_size]), f"C{number}"
        left.plot(sizes, means, color=color)
        for size, each in zip(sizes, by_size, strict=True):
            left.plot(
                np.full(len(each), size * 1.05 ** (number - 2.5)), each, "o", color=color, markersize=2.5
            )
        power = measured["powers"][name]["exponent"]
        line = np.exp(power["mean"] * np.log(sizes))
        scale = np.exp(np.mean(np.log((1 - means) / line)[:-1]))
        label = f"{name}: {power['mean']:.2f} ({power['low']:.2f} to {power['high']:.2f})".replace("-", "−")
        right.plot(sizes, 1 - means, "o", color=color)
        right.plot(sizes, scale * line, color=color, linewidth=1, label=label)
    left.set(xscale="log", xlabel="training examples", ylabel="test accuracy")
    right.set(xscale="log", yscale="log", xlabel="training examples", ylabel="test error")
    label_ticks(right.yaxis, [0.1, 0.2, 0.3, 0.4, 0.6])
    runs = f"{len(found[best][-1])} run of each with all examples"
    title = f"classifier: exponent of the error (95 % interval); {runs}"
    figure.legend(loc="outside lower center", ncols=2, title=title)
    return figure
