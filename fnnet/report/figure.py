"""A matplotlib figure that a notebook displays."""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fnnet.errors import InputError


class InlineFigure(Figure):
    """A figure that IPython displays without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def figure_of(axes: Axes) -> Figure:
    """Return the figure that holds some axes.

    Raises:
        InputError: when they were removed from it.

    Example:
        >>> figure = Figure()
        >>> figure_of(figure.subplots()) is figure
        True
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise InputError("axes must be those of a figure")
    return figure
