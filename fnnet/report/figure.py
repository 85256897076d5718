"""A matplotlib figure that a notebook shows by itself."""

import io

from matplotlib.figure import Figure


class InlineFigure(Figure):
    """A figure that IPython shows without pyplot, which is what teaches it to show any other."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
