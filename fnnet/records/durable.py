"""Durable files: written whole or not at all, and safe from a kill or a power cut once published.

Each is first written under a temporary name, which identifies the machine and the process.
"""

import contextlib
import errno
import hashlib
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fnnet.errors import InputError

PREFIX = ".fnnet-"
_TEMPORARY = re.compile(re.escape(PREFIX) + r"([0-9a-f]{8})-([0-9]{1,9})-\w+\.tmp")
_MOST_HOURS = 24  # that a process of another machine is given to write one file


def write_file(path: Path, content: bytes, publish: Callable[[str, Path], None]) -> None:
    """Write a file to the disk under a temporary name, then publish it under its final one.

    Args:
        path: the final name.
        content: the content of the file.
        publish: moves or links the temporary file to `path`; `os.replace` if the path may exist.

    Raises:
        OSError: naming the folder; then the file at `path` is unchanged.
    """
    with naming(path.parent):
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f"{PREFIX}{_machine()}-{os.getpid()}-", suffix=".tmp"
        )
        try:
            _write_and_close(descriptor, content)
            publish(temporary, path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


def write_new(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a new file for a user, completely or not at all.

    Raises:
        InputError: when the file exists, or cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_new(f"{folder}/new.txt", b"text")
        ...     Path(f"{folder}/new.txt").read_text()
        'text'
    """
    path = Path(path)
    exists = InputError(f"{path} exists; name a new file, or remove that one first")
    if os.path.lexists(path):
        raise exists
    try:
        write_file(path, content, _link)
    except FileExistsError:
        raise exists from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _link(temporary: str, path: Path) -> None:
    """Give a temporary file its final name, with the permissions of any new file, unless the name is taken."""
    mask = os.umask(0)
    os.umask(mask)
    Path(temporary).chmod(0o666 & ~mask)
    try:
        os.link(temporary, path)
    except OSError:  # the name is taken, or the file system has no links
        path.touch(exist_ok=False)
        os.replace(temporary, path)  # noqa: PTH105


def append_line(path: Path, line: bytes) -> None:
    """Append to a file and force it to the disk."""
    with naming(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        _write_and_close(descriptor, line)
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, safe from a power cut.

    Raises:
        InputError: when there is something else of its name.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"{folder} is not a folder; remove it")
    with naming(folder):
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            sync_folder(made.parent)


def drop_temporaries(folder: Path) -> None:
    """Delete the temporary files whose writers were killed."""
    for path in folder.glob(f"{PREFIX}*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if not _is_being_written(path):
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Force the entries of a folder to the disk, where the file system supports that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add a path to an OSError that names none, such as one from an open file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _is_being_written(path: Path) -> bool:
    """Check whether the writer of a temporary file may be alive."""
    owner = _TEMPORARY.fullmatch(path.name)
    if owner is None:
        return False
    if owner[1] != _machine():
        return time.time() - path.lstat().st_mtime < 3600 * _MOST_HOURS
    try:
        os.kill(int(owner[2]), 0)  # sends nothing
    except ProcessLookupError:
        return False
    except OSError:
        return True  # a process of another user
    return True


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _write_and_close(descriptor: int, content: bytes) -> None:
    """Write to an open file, force it to the disk and close it."""
    view = memoryview(content)
    try:
        while view:  # a nearly full disk writes a part and fails only at the next call
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
