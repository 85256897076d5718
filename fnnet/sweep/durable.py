"""Durable files: written whole or not at all, and safe from a kill and a power cut once they have their name."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX, SUFFIX = ".fnnet-", ".tmp"


def write_file(path: Path, content: bytes, publish: Callable[[str, Path], None]) -> None:
    """Write content to the disk under a temporary name and then give it its own.

    Args:
        path: where it belongs.
        content: all of it.
        publish: gives the temporary file its name; `os.replace` for one that may exist.

    Raises:
        OSError: naming the folder; then the file is as it was before.
    """
    with naming(path.parent):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=PREFIX, suffix=SUFFIX)
        try:
            try:
                _write_all(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            publish(temporary, path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


def append_line(path: Path, line: bytes) -> None:
    """Append to a file and force it to the disk."""
    with naming(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            _write_all(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, such that a power cut does not lose it."""
    with naming(folder):
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            sync_folder(made.parent)


def drop_temporaries(folder: Path) -> None:
    """Delete what a writer that was killed left in a folder."""
    for leftover in folder.glob(f"{PREFIX}*{SUFFIX}"):
        leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the file system can."""
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
    """Add a path to an OSError that names none, as those of open files do."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:  # a disk that is nearly full takes a part and says so only the next time
        view = view[os.write(descriptor, view) :]
