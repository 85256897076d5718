"""The figure of `early_training_phases.py`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import fnnet as fn
from drawing import panels, readable


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the constants against width, a panel for each depth."""
    depths, constants = measured["depths"], measured["constants"]
    low = int(sum(np.sum(constants[name] < 2) for name in ("c_loss", "c_sharp", "c_max")))
    figure, panels_ = panels(
        r"$2 \leq c_\mathrm{loss} \leq c_\mathrm{sharp} \leq c_\mathrm{max}$ for every depth and width, "
        "on average over seeds",
        *(f"{depth} hidden layer{'s' if depth > 1 else ''}" for depth in depths),
        height=3.2,
        sharey=True,
    )
    for i, axes in enumerate(panels_):
        of_depth = {name: values[i] for name, values in constants.items()}
        fn.studies.early_training.draw_constants(axes, measured["widths"], of_depth)
    panels_[0].set_ylabel("c = learning rate × initial sharpness")
    handles, labels = panels_[0].get_legend_handles_labels()
    title = (
        f"tanh on {readable(measured['dataset'])}; lines: means, marks: single seeds, of which {low} below 2"
    )
    figure.legend(handles, map(readable, labels), loc="outside lower center", ncols=4, title=title)
    return figure
