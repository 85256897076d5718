"""The figure of `functional_tour.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drawing import panels


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the loss after training against the learning rate, with the slopes that gradients give."""
    rates, losses = measured["rates"], measured["losses"]
    figure, (axes,) = panels("The gradient through a whole training is the slope of its loss", "", height=3)
    axes.plot(rates, losses, color="C0", label="trained with each of 101 rates, by vmap")
    for number, (place, slope) in enumerate(zip(range(5, 101, 15), measured["slopes"], strict=True)):
        near = rates[place] * np.geomspace(0.75, 1.33, 9)
        per_e_fold = slope * rates[place]  # the axis is logarithmic
        tangent = losses[place] + per_e_fold * np.log(near / rates[place])
        label = "tangent: rate × gradient through training, by grad" if number == 0 else None
        axes.plot(near, tangent, color="C1", linewidth=2, label=label)
        axes.plot(rates[place], losses[place], "o", color="C1")
    axes.set(
        xscale="log", xlabel="learning rate", ylabel=f"training loss after {measured['num_steps']} steps"
    )
    axes.legend()
    return figure
