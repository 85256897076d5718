"""Displays of progress: rows under a bar on a terminal, otherwise occasional lines."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_SECONDS = 25.0  # between two lines; segments take about 2 seconds
BAR_WIDTH = 20
Show = Callable[[Sequence[str], float, bool], None]
"""Shows rows of text and the fraction done, at once if it is urgent."""


@contextlib.contextmanager
def shown(stream: Any = None) -> Iterator[Show]:
    """Open a display of progress.

    Args:
        stream: a file to write to; None for stderr.

    Yields:
        The function that updates the display.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        with Live(console=Console(file=stream), refresh_per_second=4) as live:
            yield lambda rows, share, is_urgent: live.update(_with_bar(rows, share))
    else:
        yield lines(stream)


def lines(stream: Any, clock: Callable[[], float] = time.monotonic) -> Show:
    """Return a display that writes lines, at most one every `LINE_SECONDS` unless urgent."""
    last = -math.inf

    def show(rows: Sequence[str], share: float, is_urgent: bool) -> None:
        nonlocal last
        if is_urgent or clock() - last >= LINE_SECONDS:
            last = clock()
            stream.write(f"{'; '.join(rows)}\n")
            stream.flush()

    return show


def _with_bar(rows: Sequence[str], share: float) -> Group:
    """Draw a bar before the first row."""
    first, *others = (Text(row, no_wrap=True, overflow="ellipsis") for row in rows)
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=1.0, completed=share, width=BAR_WIDTH), first)
    return Group(line, *others)
