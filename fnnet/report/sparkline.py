"""Sparklines: a curve in one line of text."""

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw values as bars scaled to their range, with a gap where a value is not finite.

    Args:
        values: the values of a curve.
        width: the largest number of characters; of more values, evenly spaced ones are drawn, with the first and last.

    Example:
        >>> sparkline([1.0, 2.0, float("nan"), 8.0]), sparkline([3.0, 3.0]), sparkline([])
        ('▁▂ █', '▁▁', '')
        >>> sparkline(range(100), width=8)
        '▁▂▃▄▅▆▇█'
    """
    count = len(values)
    if count > width:
        values = [values[round(place * (count - 1) / (width - 1))] for place in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] if math.isfinite(value) else " " for value in values)
