"""Progress of a sweep for display: how far it is, how fast it trains, and its best configuration so far."""

import collections
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fnnet.errors import InputError
from fnnet.records.ranking import is_higher_better
from fnnet.sweeps.display import Show, shown
from fnnet.sweeps.events import Began, Committed, Compiled, Event, Failed, Finished, Planned, Segment
from fnnet.sweeps.leader import Leader
from fnnet.sweeps.options import Options

SPEED_SECONDS = 30.0  # over which the speed is averaged


class Progress:
    """The progress of a sweep and its best configuration so far.

    Work is counted in steps summed over runs: 3 runs of 100 steps are 300.
    """

    def __init__(self, show: Show, planned: Planned, clock: Callable[[], float] = time.monotonic):
        """Start the clock.

        Args:
            show: displays the progress.
            planned: what is to be done.
            clock: returns the time in seconds.
        """
        self._show, self._planned, self._clock, self._started = show, planned, clock, clock()
        self._num_runs, self._num_done = planned.num_runs, planned.num_done
        self._stage, self._num_groups, self._num_chunks, self._num_diverged = "", 0, 0, 0
        self._work = self._flops = 0.0  # of finished chunks
        self._underway: dict[str, tuple[float, float]] = {}  # and of others: work and FLOPs
        self._speeds = collections.deque([(self._started, 0.0)])  # FLOPs at times of the last seconds
        self._leader = Leader(planned.higher_is_better)
        self._is_finished = False

    def note(self, event: Event) -> None:
        """Take note of an event, and show how far the sweep has got."""
        if isinstance(event, Began):
            self._stage = event.name
            self._num_groups += 1
            if event.num_runs is not None:  # another rung, whose runs are compared again
                self._num_runs, self._num_done, self._num_diverged = event.num_runs, 0, 0
                self._leader = Leader(self._planned.higher_is_better)
        elif isinstance(event, Segment):
            work = len(event.spec.run_ids) * (event.step - event.first_step)
            self._underway[event.spec.id] = work, work * self._planned.step_flops.get(event.spec.program, 0)
        elif isinstance(event, Committed):
            self._note_committed(event)
        elif isinstance(event, Failed):
            self._underway.pop(event.spec.id, None)
        elif isinstance(event, Finished):
            self._stage, self._is_finished = "", True
        self.show(is_urgent=isinstance(event, Finished))

    def _note_committed(self, event: Committed) -> None:
        _, flops = self._underway.pop(event.chunk_id or "", (0.0, 0.0))
        num_runs = len(event.rows["id"])
        self._work, self._flops = self._work + num_runs * event.num_steps, self._flops + flops
        self._num_done += num_runs
        self._num_chunks += event.chunk_id is not None
        self._num_diverged += int(np.sum(event.rows.get("diverged", False)))
        if self._planned.metric is not None and self._planned.metric in event.rows:
            axes = [name for name in self._planned.axes if name != "seed"]
            self._leader.add(event.rows, axes, self._planned.metric)

    def show(self, is_urgent: bool = False) -> None:
        """Show the progress."""
        done = self._work + sum(work for work, _ in self._underway.values())
        share = min(done / self._planned.work, 1.0) if self._planned.work else 1.0
        elapsed = self._clock() - self._started
        parts = [f"{self._num_done} of {self._num_runs} runs", f"{math.floor(100 * share)} %"]
        if self._is_finished:
            parts.append(f"{seconds_in_words(elapsed)} in all")
        elif done:
            parts.append(f"{seconds_in_words(elapsed * (1 - share) / share)} left")
        head = f"{self._stage}: " * bool(self._stage) + ", ".join(parts)
        speed = self._describe_speed(share, elapsed)
        found = [f"{self._num_diverged} diverged"] if self._num_diverged else []
        found += [f"best {self._planned.metric} {best}"] if (best := str(self._leader)) else []
        self._show([row for row in (head, speed, "; ".join(found)) if row], share, is_urgent)

    def _describe_speed(self, share: float, elapsed: float) -> str:
        """Describe the groups and chunks, and how fast they train."""
        planned, parts = self._planned, []
        if planned.num_groups > 1 and self._stage:
            parts.append(f"group {self._num_groups} of {planned.num_groups}")
        if planned.num_chunks > 1:
            parts.append(f"{self._num_chunks} of {planned.num_chunks} chunks")
        if share and elapsed:
            parts.append(f"{share * (planned.num_runs - planned.num_done) / elapsed:.3g} runs/s")
        if flops := self._flops_per_second():
            of_peak = f" ({100 * flops / planned.peak:.0f} % of the peak)" if planned.peak else ""
            parts.append(f"{flops / 1e9:.3g} GFLOP/s{of_peak}")
        return ", ".join(parts)

    def _flops_per_second(self) -> float:
        now, flops = self._clock(), self._flops + sum(flops for _, flops in self._underway.values())
        self._speeds.append((now, flops))
        while len(self._speeds) > 2 and now - self._speeds[1][0] >= SPEED_SECONDS:
            self._speeds.popleft()
        since, before = self._speeds[0]
        return (flops - before) / (now - since) if now > since else 0.0


@contextlib.contextmanager
def watched(options: Options, stream: Any = None) -> Iterator[Callable[[Event], None]]:
    """Yield a function that reports events: to progress on stderr, if it is shown, and to `options.on_event`.

    Args:
        options: the options of the sweep.
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
            show([f"compiling {programs}{done}"], share, not event.num_compiled)
        elif isinstance(event, Planned):
            progress = Progress(show, event)
            progress.show(is_urgent=True)
        elif progress is not None:
            progress.note(event)

    return report


def choose_metric(metrics: Sequence[str], directions: Mapping[str, bool]) -> str | None:
    """Choose the metric that ranks runs: validation before test, accuracy before loss.

    Args:
        metrics: their names.
        directions: the directions of the sweep's own metrics, by name.

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
