"""A matplotlib figure that a notebook displays."""

import io

from matplotlib.figure import Figure


class InlineFigure(Figure):
    """A figure that IPython displays without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
