"""Progress of a sweep: a bar on a terminal, otherwise occasional lines.

The bar moves after each segment, not only after each chunk. A file, such as the log of a cluster job, gets a line at
the start, one at the end, and one at least every 30 seconds.
"""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from fnnet.errors import InputError
from fnnet.records.ranking import is_higher_better, rank
from fnnet.records.rows import Rows
from fnnet.sweeps.events import Began, Committed, Compiled, Event, Finished, Planned, Segment
from fnnet.sweeps.options import Options

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
        higher_is_better: bool = False,
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
            higher_is_better: the direction of the metric.
            axes: axes to show for the best run.
            clock: returns the time in seconds.
        """
        self._show, self._clock, self._started = show, clock, clock()
        self._num_runs, self._num_done, self._work = num_runs, num_done, work
        self._metric, self._higher_is_better, self._axes = metric, higher_is_better, axes
        self._done, self._stage, self._best = 0.0, "", ""
        self._underway: dict[str, float] = {}  # by chunk
        self._best_value = math.nan

    def note(self, event: Event) -> None:
        """Take note of an event, and show how far the sweep has got."""
        if isinstance(event, Began):
            self._stage = event.name
            if event.num_runs is not None:
                self._num_runs, self._num_done = event.num_runs, 0
        elif isinstance(event, Segment):
            self._underway[event.spec.id] = len(event.spec.run_ids) * (event.step - event.first_step)
        elif isinstance(event, Committed):
            num_runs = len(event.rows["id"])
            self._num_done += num_runs
            self._done += num_runs * event.num_steps
            self._underway.pop(event.chunk_id or "", None)
            self._find_best(event.rows)
        elif isinstance(event, Finished):
            self._stage = ""
        self.show(is_urgent=isinstance(event, Finished))

    def show(self, is_urgent: bool = False) -> None:
        """Show the progress."""
        done = self._done + sum(self._underway.values())
        share = min(done / self._work, 1.0) if self._work else 1.0
        parts = [f"{self._num_done} of {self._num_runs} runs", f"{math.floor(100 * share)} %"]
        elapsed = self._clock() - self._started
        if share >= 1 and not self._underway:
            parts.append(f"{seconds_in_words(elapsed)} in all")
        elif done:
            parts.append(f"{seconds_in_words(elapsed * (1 - share) / share)} left")
        stage = f"{self._stage}: " if self._stage else ""
        self._show(f"{stage}{', '.join(parts)}{self._best}", share, is_urgent)

    def _find_best(self, rows: Rows) -> None:
        if self._metric is None or self._metric not in rows:
            return
        values = rows[self._metric]
        place = int(rank(values, self._higher_is_better)[0])
        value, sign = float(values[place]), 1 if self._higher_is_better else -1
        if math.isfinite(value) and not sign * value <= sign * self._best_value:
            config = " ".join(f"{name}={_short(rows[name][place])}" for name in self._axes)
            self._best_value = value
            self._best = f"; best {self._metric} {value:.4g}" + (f" ({config})" if config else "")


@contextlib.contextmanager
def watched(options: Options, stream: Any = None) -> Iterator[Callable[[Event], None]]:
    """Yield a function that reports events: to progress on stderr, if it is shown, and to `options.on_event`.

    Args:
        options: of the sweep.
        stream: a file to show progress in instead of stderr.
    """
    with contextlib.ExitStack() as stack:
        report = _reporter(stack, stream) if options.show_progress else None

        def emit(event: Event) -> None:
            if report is not None:
                report(event)
            if options.on_event is not None:
                options.on_event(event)

        yield emit


def _reporter(stack: contextlib.ExitStack, stream: Any) -> Callable[[Event], None]:
    """Return a function that shows events; the display opens with the first one that there is work for."""
    show: Show | None = None
    progress: Progress | None = None

    def report(event: Event) -> None:
        nonlocal show, progress
        has_work = (isinstance(event, Compiled) and event.num_programs) or (
            isinstance(event, Planned) and event.work
        )
        if show is None and has_work:
            show = stack.enter_context(shown(stream))
        if show is None:
            return
        if isinstance(event, Compiled):
            programs = f"{event.num_programs} program{'s' * (event.num_programs != 1)}"
            done = f", {event.num_compiled} done" if event.num_compiled else ""
            share = event.num_compiled / event.num_programs
            show(f"compiling {programs}{done}", share, not event.num_compiled)
        elif isinstance(event, Planned):
            progress = Progress(show, **event._asdict())
            progress.show(is_urgent=True)
        elif progress is not None:
            progress.note(event)

    return report


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


def choose_metric(metrics: Sequence[str], directions: Mapping[str, bool]) -> str | None:
    """Choose the metric that ranks runs: validation before test, accuracy before loss.

    Args:
        metrics: their names.
        directions: of the sweep's own metrics, by name.

    Example:
        >>> choose_metric(["test_accuracy", "test_loss", "validation_loss", "validation_accuracy"], {})
        'validation_accuracy'
        >>> choose_metric(["sharpness", "train_loss"], {}), choose_metric(["sharpness"], {})
        ('train_loss', None)
    """
    known = []
    for name in metrics:
        with contextlib.suppress(InputError):
            known.append((not is_higher_better(name, directions), name))
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
