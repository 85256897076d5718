"""The figure of `early_training_width.py`."""

from typing import Any

from matplotlib.figure import Figure

import fnnet as fn
from drawing import panels, readable
from early_training_width import PUBLISHED


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the constants against width, with what was published."""
    figure, (axes,) = panels(
        "In wider ReLU networks the loss rises from a smaller c on",
        "",
        height=3.2,
    )
    fn.studies.early_training.draw_constants(axes, measured["widths"], measured["constants"], PUBLISHED)
    axes.set_ylabel("c = learning rate × initial sharpness")
    handles, labels = axes.get_legend_handles_labels()
    title = (
        f"{measured['depth']} hidden layers, {readable(measured['dataset'])}; lines: means, "
        "filled: single seeds, open and dotted: published, CIFAR-10\n"
        "(the published constant of the sharpness is not measured here)"
    )
    figure.legend(handles[:-1], map(readable, labels[:-1]), loc="outside lower center", ncols=4, title=title)
    return figure
