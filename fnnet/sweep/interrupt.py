"""Signals that stop a sweep, kept until the work can be stopped without losing any.

Ctrl-C sends SIGINT; clusters, containers and `timeout` send SIGTERM; a terminal that closes sends SIGHUP.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """What a signal raises.

    signum: the signal; a process that it ends has the exit code 128 + `signum`.
    """

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupt:
    """Whether a signal came, and which."""

    def __init__(self) -> None:
        self.signum: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether a signal came."""
        return self.signum is not None

    def check(self) -> None:
        """Raise the signal that was kept, if one was.

        Raises:
            Stopped: which is a KeyboardInterrupt.
        """
        if self.signum is not None:
            raise Stopped(self.signum)


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Keep the first signal for `check`; a second one interrupts at once."""
    interrupt = Interrupt()

    def handle(signum: int, frame: FrameType | None) -> None:
        if interrupt.is_set:
            raise Stopped(signum)
        interrupt.signum = signum

    with _handling(handle):
        yield interrupt


@contextlib.contextmanager
def raised_signals() -> Iterator[None]:
    """Let every one of the signals raise `Stopped` at once."""

    def handle(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    with _handling(handle):
        yield


def ignore_signals() -> None:
    """Ignore the signals from now on, as a process that is about to end."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


@contextlib.contextmanager
def _handling(handle: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Handle the signals for a while.

    One that is ignored, as SIGHUP is under `nohup`, stays so. Outside the main thread Python allows no handlers, and
    all works as ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {signum: signal.getsignal(signum) for signum in SIGNALS}
    changed = [signum for signum, old in previous.items() if old not in (signal.SIG_IGN, None)]
    try:
        for signum in changed:
            signal.signal(signum, handle)
        yield
    finally:
        for signum in changed:
            signal.signal(signum, previous[signum])
