"""The protocol of engines: where the chunks of a sweep train.

Runs are independent, so an engine only has to call functions elsewhere: it is an executor, as in Python's
`concurrent.futures`, plus a way to hand the same arrays to every worker once. The coordinator of a sweep decides what to
train, and what to do when a worker is lost.
"""

import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from typing import Any, NamedTuple

import numpy as np

from fnnet.errors import InputError

Arrays = Mapping[str, np.ndarray]


class Engine(NamedTuple):
    """Where the chunks of a sweep train.

    submit: `(function, *args) -> Future`. Function and arguments are pickled, unless the engine is in process.
    share: puts named arrays where each worker reads them once; returns a function of no arguments, which pickles and
        returns them on a worker.
    num_workers: how many functions run at the same time.
    cores: the CPU cores that JAX uses in each worker; None for all of them.
    is_lost: whether an error of a future means that its worker died, so that the function may be called again.
    name: the name of the engine, for messages.
    is_in_process: whether functions run in this process, at once, so that nothing is pickled.
    """

    submit: Callable[..., Future[Any]]
    share: Callable[[Arrays], Callable[[], Arrays]]
    num_workers: int
    cores: int | None
    is_lost: Callable[[BaseException], bool]
    name: str
    is_in_process: bool = False


class Failure(NamedTuple):
    """An exception that a function raised on a worker, in a form that always pickles.

    kind: the name of its class.
    message: the message of the exception.
    trace: its traceback, as text.
    """

    kind: str
    message: str
    trace: str


class RemoteError(RuntimeError):
    """Raised here for an exception on a worker."""


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function on a worker; returns what it returns, or a `Failure`.

    A class of exceptions may be unknown to the process that waits, and some executors break on one that cannot be
    unpickled.
    """
    try:
        return function(*args)
    except Exception as error:
        return Failure(type(error).__name__, str(error), traceback.format_exc())


def broken(error: BrokenExecutor) -> InputError:
    """Build the error for a pool that cannot train any more."""
    return InputError(
        f"{type(error).__name__}: the pool lost a worker and is broken; all that is finished is kept in the store, and "
        "the same call continues with a new pool"
    )


def result_of(future: Future[Any]) -> Any:
    """Return what a function returned.

    Raises:
        InputError: as on the worker; and when the pool of the worker is broken.
        MemoryError: as on the worker.
        RemoteError: for any other exception that the function raised, with its traceback.
        Exception: the engine's own, if the worker was lost.
    """
    try:
        value = future.result()
    except BrokenExecutor as error:
        raise broken(error) from error
    if not isinstance(value, Failure):
        return value
    classes: dict[str, type[Exception]] = {"InputError": InputError, "MemoryError": MemoryError}
    kind = classes.get(value.kind, RemoteError)
    message = value.message if value.kind in classes else f"{value.kind}: {value.message}"
    raise kind(message) from RemoteError(f"on a worker:\n{value.trace}")
