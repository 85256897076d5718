"""The engine that trains in this process, one chunk at a time, on all devices of this machine."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from fnnet.engines.engine import Engine


def local() -> Engine:
    """Return the engine that trains in this process, the default.

    Example:
        >>> engine = local()
        >>> engine.submit(max, 3, 5).result(), engine.num_workers
        (5, 1)
    """
    return Engine(
        submit=_call_now,
        share=lambda arrays: lambda: arrays,
        num_workers=1,
        cores=None,
        is_lost=lambda error: False,
        name="local",
        is_in_process=True,
    )


def _call_now(function: Callable[..., Any], *args: Any) -> Future[Any]:
    """Call a function; returns a future that is done."""
    future: Future[Any] = Future()
    try:
        future.set_result(function(*args))
    except Exception as error:
        future.set_exception(error)
    return future
