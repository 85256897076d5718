"""The lock of a store: one process writes, and says so to all others that would."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from fnnet.errors import InputError


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Acquire the write lock of a folder; the system drops it when its holder ends, however it ends.

    Raises:
        InputError: when another process holds it, or its file is a link.
    """
    if (folder / "lock").is_symlink():
        raise InputError(f"{folder / 'lock'} is a link; remove it")
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is writing to {folder}; wait for it or stop it") from None
        yield
    finally:
        os.close(descriptor)
