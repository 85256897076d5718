"""Signals that stop a sweep, deferred until no work would be lost.

Ctrl-C sends SIGINT; clusters, containers and `timeout` send SIGTERM; a terminal that closes sends SIGHUP.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

WATCH_SECONDS = 1.0  # between looks for the owner of a pool
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """Raised for a signal.

    signum: the signal; a process that it stops exits with code 128 + `signum`.
    """

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupt:
    """The signal that was received, if any."""

    def __init__(self) -> None:
        self.signum: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether a signal was received."""
        return self.signum is not None

    def check(self) -> None:
        """Raise `Stopped` if a signal was received.

        Raises:
            Stopped: a KeyboardInterrupt.
        """
        if self.signum is not None:
            raise Stopped(self.signum)


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Defer the first signal to `check`; a second one raises `Stopped` at once."""
    interrupt = Interrupt()

    def handle(signum: int, frame: FrameType | None) -> None:
        if interrupt.is_set:
            raise Stopped(signum)
        interrupt.signum = signum

    with _handling(handle):
        yield interrupt


@contextlib.contextmanager
def raised_signals() -> Iterator[None]:
    """Raise `Stopped` at once when a signal is received."""

    def handle(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    with _handling(handle):
        yield


def ignore_signals() -> None:
    """Ignore the signals from now on."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def follow_parent() -> None:
    """Prepare this process to serve a pool: it leaves signals to its parent, and ends when its parent ends.

    A terminal or a cluster signals all processes at once, of which only the parent knows what to do. The processes of a
    pool train on CPUs, since they cannot share a GPU.
    """
    ignore_signals()
    os.environ["JAX_PLATFORMS"] = "cpu"
    end_with_parent()


@functools.cache  # once for a process
def end_with_parent() -> None:
    """End this process soon after the owner of its pool has ended, since pools do not notice when that is killed.

    Processes that a cluster has started are left to the cluster.
    """
    owner, starter = multiprocessing.parent_process(), os.getppid()
    if owner is None:
        return

    def watch() -> None:
        while os.getppid() == starter and _exists(owner.pid):
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _exists(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def _handling(handle: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Install a handler for the signals inside a `with` block.

    A signal that is ignored, such as SIGHUP under `nohup`, stays ignored. Outside the main thread, where Python allows
    no handlers, this does nothing.
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
