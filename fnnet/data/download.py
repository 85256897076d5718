"""Download files whose content is pinned by a hash, and verify every copy that is read.

The hash is of the decompressed content, so neither the compression nor a server that decompresses in transit matters;
`pooch.retrieve` hashes the download itself, so only its downloader is used. A file gets its final name only after it is
verified and on disk.
"""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from fnnet.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_TIMEOUT = 30  # seconds without a byte


class PinnedFile(NamedTuple):
    """The expected content of a file.

    name: the name of the file, without ".gz".
    num_bytes: the size of the decompressed content.
    sha256: the hash of the decompressed content, in hexadecimal.
    """

    name: str
    num_bytes: int
    sha256: str


def read_pinned(path: Path, pinned: PinnedFile) -> bytes:
    """Read a file of any suffix, raw or compressed with gzip, and verify it. At most the pinned size is decompressed.

    Returns:
        The decompressed content.

    Raises:
        InputError: if the content differs or cannot be read.

    Example:
        >>> pinned = PinnedFile("letters", 3, hashlib.sha256(b"abc").hexdigest())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "letters.gz")
        ...     _ = path.write_bytes(gzip.compress(b"abc"))
        ...     read_pinned(path, pinned)
        b'abc'
    """
    try:
        content = _read(path, limit=pinned.num_bytes + 1)
    except EOFError as error:
        raise InputError(f"{path}: truncated, the compressed data end early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged, cannot be decompressed ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) != pinned.num_bytes:
        got = "more" if len(content) > pinned.num_bytes else f"{len(content)}"
        raise InputError(f"{path}: expected {pinned.num_bytes} bytes of content, got {got}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != pinned.sha256:
        raise InputError(f"{path}: expected content of SHA-256 {pinned.sha256}, got {digest}")
    return content


def download(pinned: PinnedFile, urls: Sequence[str], folder: Path, *, allow_http: bool = False) -> bytes:
    """Download a file from the first mirror that serves it, and save it as `folder/<name>.gz`.

    Args:
        pinned: the expected content.
        urls: mirrors, tried in order.
        folder: where to save the file; created if needed.
        allow_http: allow mirrors without encryption.

    Returns:
        The decompressed content.

    Raises:
        InputError: if no mirror serves the expected content, with the reason for each; no file is left behind.

    Example:
        >>> pinned = PinnedFile("letters", 3, hashlib.sha256(b"abc").hexdigest())
        >>> download(pinned, ["http://example.org/letters.gz"], Path("cache"))
        Traceback (most recent call last):
        fnnet.errors.InputError: letters.gz must be downloaded over https, got http://example.org/letters.gz
    """
    for url in urls:
        if not url.startswith("https://") and not (allow_http and url.startswith("http://")):
            raise InputError(f"{pinned.name}.gz must be downloaded over https, got {url}")
    problems = []
    for url in urls:
        try:
            return _download_one(pinned, url, folder)
        except (OSError, InputError) as error:  # OSError: any failure of the connection or the disk
            problems.append(f"  {url}: {error}")
    raise InputError(f"could not download {pinned.name}.gz\n" + "\n".join(problems))


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not compressed:
            return file.read(limit)
        with gzip.GzipFile(fileobj=file) as content:
            return content.read(limit)


def _download_one(pinned: PinnedFile, url: str, folder: Path) -> bytes:
    """Download to a temporary file, verify it, and rename it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, part_name = tempfile.mkstemp(dir=folder, prefix=f"{pinned.name}.", suffix=".part")
    part = Path(part_name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Compression makes incompressible data slightly larger.
            _stream(url, file, limit=pinned.num_bytes + pinned.num_bytes // 100 + 1024)
            file.flush()
            os.fsync(file.fileno())
        content = _verify_part(part, pinned)
        part.chmod(0o644)  # temporary files are private, but a cache may be shared
        part.replace(folder / f"{pinned.name}.gz")
    finally:
        part.unlink(missing_ok=True)
    return content


def _verify_part(part: Path, pinned: PinnedFile) -> bytes:
    try:
        return read_pinned(part, pinned)
    except InputError as error:
        # The temporary file no longer exists when the message is read.
        raise InputError(str(error).removeprefix(f"{part}: ")) from error


def _stream(url: str, file: IO[bytes], limit: int) -> None:
    from pooch import HTTPDownloader
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = TextColumn("downloading {task.description}"), DownloadColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        capped = _CappedFile(file, limit, progress, progress.add_task(url, total=None))
        # A redirect could leave https; it gives an empty file, which fails verification.
        downloader = HTTPDownloader(chunk_size=1 << 16, timeout=_TIMEOUT, allow_redirects=False)
        downloader(url, capped, None)


class _CappedFile:
    """A file with a maximum size and a progress bar."""

    def __init__(self, file: IO[bytes], limit: int, progress: "Progress", task: "TaskID") -> None:
        self._file, self._left, self._progress, self._task = file, limit, progress, task

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise InputError("the server sends more bytes than expected")
        self._file.write(chunk)
        self._progress.advance(self._task, len(chunk))

    def flush(self) -> None:
        """Do nothing; the downloader calls it after every chunk."""
