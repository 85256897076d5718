"""The style of fnnet's figures."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import style
from matplotlib.figure import Figure

from fnnet.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = Path(__file__).with_name("fnnet.mplstyle")


@contextmanager
def in_style() -> Iterator[None]:
    """Apply the style inside a `with` block; your own matplotlib settings are restored at its end.

    Example:
        >>> import matplotlib
        >>> with in_style():
        ...     matplotlib.rcParams["pdf.fonttype"]
        42
    """
    with style.context(["default", STYLE]):
        yield


class StyledFigure(Figure):
    """A figure that is created and saved in fnnet's style, and that notebooks display without pyplot."""

    def __init__(self, *args: Any, **options: Any) -> None:
        with in_style():
            super().__init__(*args, **options)

    def savefig(self, *args: Any, **options: Any) -> None:
        """Save the figure as matplotlib does; the file's suffix selects PNG, PDF or SVG."""
        with in_style():
            super().savefig(*args, **options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi="figure")
        return buffer.getvalue()


def figure_of(axes: "Axes") -> Figure:
    """Return the figure that holds some axes.

    Raises:
        InputError: when the axes were removed from their figure.

    Example:
        >>> figure = Figure()
        >>> figure_of(figure.subplots()) is figure
        True
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise InputError("axes must belong to a figure, got axes that were removed from theirs")
    return figure
