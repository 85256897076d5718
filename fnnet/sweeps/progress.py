"""Progress of a sweep: a bar on a terminal, otherwise occasional lines.

The bar moves after each segment, not only after each chunk. A file, such as the log of a cluster job, gets a line at
the start, one at the end, and one at least every 30 seconds.
"""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from fnnet.errors import InputError
from fnnet.records.ranking import is_higher_better, rank

LINE_SECONDS = 25.0  # between two lines; segments take about 2 seconds
Show = Callable[[str, float, bool], None]
"""Shows a text and the fraction done, at once if it is urgent."""


class Progress:
    """The progress of a sweep and its best run so far.

    Work is counted in steps summed over runs: 3 runs of 100 steps are 300.
    """

    def __init__(
        self,
        show: Show,
        *,
        num_runs: int = 0,
        num_done: int = 0,
        work: float = 0.0,
        metric: str | None = None,
        maximize: bool | None = None,
        axes: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ):
        """Start the clock.

        Args:
            show: displays the progress.
            num_runs: number of runs in the sweep.
            num_done: number of runs already finished.
            work: remaining work, in steps summed over runs.
            metric: metric that ranks the runs; None to show no best run.
            maximize: whether higher is better; None to infer it from the metric's name.
            axes: axes to show for the best run.
            clock: returns the time in seconds.
        """
        self._show, self._clock, self._started = show, clock, clock()
        self._num_runs, self._num_done, self._work = num_runs, num_done, work
        self._metric, self._maximize, self._axes = metric, maximize, axes
        self._done, self._underway, self._stage, self._best = 0.0, 0.0, "", ""
        self._best_value = math.nan

    def begin_stage(self, name: str, num_runs: int | None = None) -> None:
        """Begin a named stage; with `num_runs`, count only the runs of this stage."""
        self._stage = name
        if num_runs is not None:
            self._num_runs, self._num_done = num_runs, 0
        self.show()

    def advance(self, work: float) -> None:
        """Set the work done on the current chunk."""
        self._underway = work
        self.show()

    def finish(self, rows: pl.DataFrame, work: float) -> None:
        """Count a finished chunk: its runs and its work."""
        self._num_done += rows.height
        self._done, self._underway = self._done + work, 0.0
        self._find_best(rows)
        self.show()

    def show(self, is_urgent: bool = False) -> None:
        """Show the progress."""
        done = self._done + self._underway
        share = min(done / self._work, 1.0) if self._work else 1.0
        parts = [f"{self._num_done} of {self._num_runs} runs", f"{math.floor(100 * share)} %"]
        elapsed = self._clock() - self._started
        if share >= 1:
            parts.append(f"{seconds_in_words(elapsed)} in all")
        elif done:
            parts.append(f"{seconds_in_words(elapsed * (1 - share) / share)} left")
        stage = f"{self._stage}: " if self._stage else ""
        self._show(f"{stage}{', '.join(parts)}{self._best}", share, is_urgent)

    def _find_best(self, rows: pl.DataFrame) -> None:
        if self._metric is None or self._metric not in rows.columns:
            return
        values = rows[self._metric].to_numpy()
        place = int(rank(values, self._metric, self._maximize)[0])
        value, sign = float(values[place]), 1 if is_higher_better(self._metric, self._maximize) else -1
        if math.isfinite(value) and not sign * value <= sign * self._best_value:
            config = " ".join(f"{name}={_short(rows[name][place])}" for name in self._axes)
            self._best_value = value
            self._best = f"; best {self._metric} {value:.4g}" + (f" ({config})" if config else "")


@contextlib.contextmanager
def shown(is_shown: bool, stream: Any = None) -> Iterator[Show]:
    """Open a display of progress: a bar on a terminal, otherwise lines.

    Args:
        is_shown: whether to show anything.
        stream: file to write to; None for stderr.

    Yields:
        The function that updates the display.
    """
    stream = stream or sys.stderr
    if not is_shown:
        yield lambda text, share, is_urgent: None
    elif stream.isatty():
        columns = (
            BarColumn(bar_width=20, table_column=Column(min_width=20)),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        )
        with Bar(*columns, console=Console(file=stream)) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda text, share, is_urgent: bar.update(task, description=text, completed=share)
    else:
        yield lines(stream)


def lines(stream: Any, clock: Callable[[], float] = time.monotonic) -> Show:
    """Return a display that writes lines, at most one every `LINE_SECONDS` unless urgent."""
    last = -math.inf

    def show(text: str, share: float, is_urgent: bool) -> None:
        nonlocal last
        if is_urgent or clock() - last >= LINE_SECONDS:
            last = clock()
            stream.write(f"{text}\n")
            stream.flush()

    return show


@contextlib.contextmanager
def compiling(num_programs: int, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """Show that programs are compiling. Yields a function that takes the number of those done."""
    programs = f"{num_programs} program{'s' * (num_programs != 1)}"
    with shown(is_shown and num_programs > 0) as show:
        show(f"compiling {programs}", 0.0, True)
        yield lambda number: show(
            f"compiling {programs}, {number} done", number / max(num_programs, 1), False
        )


def choose_metric(metrics: Sequence[str]) -> str | None:
    """Choose the metric that ranks runs: validation before test, accuracy before loss.

    Example:
        >>> choose_metric(["test_accuracy", "test_loss", "validation_loss", "validation_accuracy"])
        'validation_accuracy'
        >>> choose_metric(["sharpness", "train_loss"]), choose_metric(["sharpness"])
        ('train_loss', None)
    """
    known = []
    for name in metrics:
        with contextlib.suppress(InputError):
            known.append((not is_higher_better(name), name))
    for split in ("validation_", "test_", "train_", ""):
        if found := sorted(each for each in known if each[1].startswith(split)):
            return found[0][1]
    return None


def seconds_in_words(number: float) -> str:
    """Format a duration.

    Example:
        >>> seconds_in_words(2.34), seconds_in_words(75), seconds_in_words(7300)
        ('2.3 s', '1 min 15 s', '2 h 1 min')
    """
    if number < 60:
        return f"{number:.1f} s"
    minutes, seconds = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
