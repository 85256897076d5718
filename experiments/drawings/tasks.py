"""The figure of `tasks.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw every run: accuracies, R2 of network against ridge, and curves through the points."""
    figure, (left, middle, right) = panels(
        "One kind of network classifies and regresses: only outputs and loss change",
        "Accuracy, a dot per seed",
        "Diabetes, a dot per split",
        "Polynomials from 20 points",
        height=2.7,
    )
    accuracies, diabetes = measured["test_accuracy"], measured["diabetes_test_r2"]
    for place, values in enumerate(accuracies.values()):
        left.plot(values, place + np.linspace(-0.15, 0.15, len(values)), "o", color="C0", alpha=0.7)
    left.set(xlabel="test accuracy", ylim=(-0.5, len(accuracies) - 0.4))
    names = [f"{name}\nmean {values.mean():.3f}" for name, values in accuracies.items()]
    left.set_yticks(range(len(accuracies)), names)
    left.locator_params(axis="x", nbins=4)
    middle.axline((0.45, 0.45), slope=1, **REFERENCE)
    middle.annotate("network better", (0.03, 0.93), xycoords="axes fraction", color="0.3")
    middle.plot(diabetes["ridge"], diabetes["network"], "o", color="C1")
    middle.set(xlabel="test R² of ridge regression", ylabel="test R² of the network")
    for place, (name, fit) in enumerate(measured["fits"].items()):
        shift = 2.5 * place
        right.plot(measured["x"], fit["outputs"].T + shift, color=f"C{place}", linewidth=0.8)
        right.plot(measured["points"], fit["targets"] + shift, "o", color="black", markersize=2)
        right.annotate(f"${name[0]}_{name[1:]}$", (1.05, 1 + shift), va="center", color=f"C{place}")
    right.set(xlabel="x", ylabel="output, each set apart", xlim=(-1.05, 1.25), yticks=[])
    return figure
