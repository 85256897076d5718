"""The folder of a store: the names of its files, and what is done with damaged ones."""

import os
import re
from pathlib import Path

from fnnet.errors import InputError
from fnnet.records.durable import PREFIX, make_folder, write_file

SUFFIXES = {"chunks": ".parquet", "params": ".arrays", "states": ".state"}
"""Of the files in each folder, which are named by the ids of chunks."""
_ID = re.compile(r"[0-9a-f]{16}")
_NAMES = ("plan.json", "SHA256SUMS", "attempts.jsonl", "lock", "lock.held", "damaged", *SUFFIXES)


class Folder:
    """The folder of a store.

    folder: its path.
    plan_path: the path of the plan.
    sums_path: the path of the hashes of all commits.
    attempts_path: the path of the log of attempts.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder: Path = Path(folder)
        self.plan_path: Path = self.folder / "plan.json"
        self.sums_path: Path = self.folder / "SHA256SUMS"
        self.attempts_path: Path = self.folder / "attempts.jsonl"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    def chunk_path(self, chunk_id: str) -> Path:
        """Return the path of a chunk's rows."""
        return self._path("chunks", chunk_id)

    def params_path(self, chunk_id: str) -> Path:
        """Return the path of a chunk's trained parameters."""
        return self._path("params", chunk_id)

    def state_path(self, chunk_id: str) -> Path:
        """Return the path of a chunk's state while it trains."""
        return self._path("states", chunk_id)

    def list_files(self, kind: str) -> list[Path]:
        """List the files of "chunks", "params" or "states", in the order of their names."""
        return sorted((self.folder / kind).glob(f"*{SUFFIXES[kind]}"))

    def state_ids(self) -> list[str]:
        """List the chunks that have a saved state."""
        return [path.stem for path in self.list_files("states") if _ID.fullmatch(path.stem)]

    def holds_other_files(self) -> bool:
        """Check whether the folder holds files that no store would have."""
        return self.folder.is_dir() and not all(map(_is_ours, self.folder.iterdir()))

    def quarantine(self, path: Path) -> None:
        """Move a damaged file to `damaged/`, under a free name."""
        make_folder(self.folder / "damaged")
        for number in range(1_000_000):
            target = self.folder / "damaged" / f"{path.name}.{number}"
            if not os.path.lexists(target):
                path.replace(target)
                return

    def replace(self, path: Path, content: bytes) -> None:
        """Write a file in place of an older one; a folder of its name is quarantined."""
        if path.is_dir():
            self.quarantine(path)
        write_file(path, content, os.replace)

    def discard(self, path: Path) -> None:
        """Delete a file, if there is one; a folder of its name is quarantined."""
        if path.is_dir():
            self.quarantine(path)
        else:
            path.unlink(missing_ok=True)

    def _path(self, kind: str, chunk_id: str) -> Path:
        if not _ID.fullmatch(chunk_id):
            raise InputError(f"a chunk's id is 16 hexadecimal digits, got {chunk_id!r}")
        return self.folder / kind / f"{chunk_id}{SUFFIXES[kind]}"


def read_file(path: Path) -> bytes | None:
    """Read a file; None if it is missing or damaged: a folder, a broken link or unreadable."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _is_ours(path: Path) -> bool:
    """Check whether a store may contain this file, or this folder with everything in it."""
    suffix = SUFFIXES.get(path.name)
    if suffix is None or not path.is_dir():
        return path.name in _NAMES or path.name.startswith(PREFIX)
    names = (inner.name for inner in path.iterdir())
    return all(
        name.startswith(PREFIX) or _ID.fullmatch(name.removesuffix(suffix)) is not None for name in names
    )
