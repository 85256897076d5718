"""The figure of `mnist1d.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import PUBLISHED, panels
from mnist1d import PUBLISHED_ACCURACY


def draw(measured: dict[str, Any]) -> Figure:
    """Draw a signal of each class, and the accuracy of each run."""
    found = measured["test_accuracy"]
    means = {name: f"{values.mean():.3f}" for name, values in found.items()}
    figure, (left, right) = panels(
        f"MNIST-1D: the linear model has a test accuracy of {means['linear']}, the MLP of {means['MLP']}",
        "A signal of each class, scaled",
        "Test accuracy, a dot per seed",
        height=3.2,
    )
    for digit, signal in enumerate(measured["signals"]):
        left.plot(signal / np.abs(signal).max() * 0.5 + digit, color="C0")
    left.set(xlabel="place", ylabel="class", yticks=range(10))
    for place, (name, published) in enumerate(PUBLISHED_ACCURACY.items()):
        spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(found[name]))
        label = None if place else f"{len(found[name])} seeds, spread sideways"
        right.plot(place + spread, found[name], "o", color="C0", alpha=0.6, markersize=3, label=label)
        right.plot(place + 0.33, published, **PUBLISHED, label=None if place else "published, one seed")
    right.set(xlim=(-0.5, 1.5), ylim=(0.25, 0.7), ylabel="test accuracy")
    right.set_xticks([0, 1], PUBLISHED_ACCURACY)
    right.legend(loc="upper left")
    return figure
