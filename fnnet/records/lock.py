"""The lock of a store: only one process writes at a time; others are refused."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from fnnet.errors import InputError

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""Errors from file systems without locks, such as some network file systems."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Acquire the write lock of a folder.

    The system releases the lock when its holder ends, however it ends. Where the file system has no locks, a file names
    the holder; the file of a killed holder is removed if it ran on this machine.

    Raises:
        InputError: when another process holds the lock, or its file cannot be opened.
    """
    lock = FileLock(folder / "lock", fallback_to_soft=False)
    try:
        _acquire(lock, folder)
    except OSError as error:
        path = folder / "lock"
        if kind := {errno.ELOOP: "link", errno.EISDIR: "folder"}.get(error.errno or 0):
            raise InputError(f"{path} is a {kind}; remove it") from error
        if isinstance(error, PermissionError) and path.exists():
            raise InputError(
                f"{path} cannot be opened: {error.strerror}; if no process is writing there, remove it"
            ) from error
        if error.errno not in _NO_LOCKS:
            raise
        lock = SoftFileLock(folder / "lock.held")
        _acquire(lock, folder)
    try:
        yield
    finally:
        lock.release()


def find_holder(folder: Path) -> int | None:
    """Find the process that writes to a folder, without touching the lock.

    Returns:
        Its id; 0 where it runs in another container or on another machine; None if there is none, or where the system
        does not list its locks (it does on Linux).
    """
    try:
        return int((folder / "lock.held").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        pass
    try:
        found, listed = (folder / "lock").stat(), Path("/proc/locks").read_text()
    except OSError:
        return None
    file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders = [line.split() for line in listed.splitlines() if f" {file} " in line and "->" not in line]
    return max(int(words[4]), 0) if holders and (words := holders[0]) else None


def _acquire(lock: BaseFileLock, folder: Path) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        message = f"another process is writing to {folder}; wait for it or stop it"
        if isinstance(lock, SoftFileLock):
            message += f"; if there is none on any machine, remove {lock.lock_file}"
        raise InputError(message) from None
