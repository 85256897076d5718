"""The figure of `critical_learning_rate.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import REFERENCE, panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw when runs above the bound overflow; errors grow by 2 × learning rate / bound − 1 per step."""
    relative, diverged_at = measured["relative_rate"], measured["diverged_at"]
    is_above = relative > 1
    counts = [
        f"{np.sum(of_side >= 0)} of {of_side.size}"
        for of_side in (diverged_at[is_above], diverged_at[~is_above])
    ]
    figure, (axes,) = panels(
        f"A quadratic loss diverges from 2/λ on: {counts[0]} runs above it, {counts[1]} below", "", height=2.9
    )
    distances = np.geomspace(relative[is_above].min() - 1, relative.max() - 1)
    steps = np.log(np.finfo(np.float32).max) / 2 / np.log1p(2 * distances)  # squares of errors overflow
    axes.loglog(distances, steps, **REFERENCE, label="theory, if the error is 1 at first")
    num_seeds = diverged_at.shape[1]
    for seed, steps in enumerate(diverged_at[is_above].T):
        aside = 1.025 ** (seed - num_seeds / 2)  # so that no dot hides another
        label = f"measured, {num_seeds} seeds side by side" if seed == 0 else None
        axes.loglog((relative[is_above] - 1) * aside, steps, "o", color="C0", markersize=3, label=label)
    axes.set(xlabel="learning rate / (2/λ) − 1", ylabel="first step whose loss is not finite")
    axes.legend()
    return figure
