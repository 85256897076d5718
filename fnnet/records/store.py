"""The store: a folder that is the database of a sweep.

    plan.json              what the sweep is and what made it, with its own hash
    SHA256SUMS             one line for each commit, in the form that `sha256sum -c` reads
    chunks/<id>.parquet    the finished runs of one chunk, one row per run
    params/<id>.arrays     their trained parameters
    states/<id>.state      the state of a chunk that is training, at the end of a segment
    damaged/               files that failed a check, moved aside
    lock                   held by the one process that writes

A commit writes a temporary file, forces it to the disk, records its hash, and links it to its final name: the
link is the commit. What was linked survives a kill and a power cut, and readers see it whole or not at all.
This module does not know what a run is; nothing is ever pickled, and no name from a file becomes a path.
"""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fnnet.errors import InputError
from fnnet.records import planfile
from fnnet.records.durable import PREFIX, append_line, drop_temporaries, make_folder, write_file
from fnnet.records.lock import locked
from fnnet.records.parquet import decode_rows, encode_rows
from fnnet.records.sealed import Sealed, seal, unseal
from fnnet.records.upgrade import arrays_of_format_2

_ID = re.compile(r"[0-9a-f]{16}")
_SUM = re.compile(rb"([0-9a-f]{64})  chunks/([0-9a-f]{16})\.parquet")
_FOLDERS = {"chunks": ".parquet", "params": ".arrays", "states": ".state"}
_FILES = ("plan.json", "SHA256SUMS", "lock", "lock.held", "damaged", *_FOLDERS)


class Store:
    """A folder that holds, or will hold, a sweep.

    folder: its path.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    @property
    def plan_path(self) -> Path:
        """Path of the plan."""
        return self.folder / "plan.json"

    @property
    def sums_path(self) -> Path:
        """Path of the hashes of all commits."""
        return self.folder / "SHA256SUMS"

    def chunk_path(self, chunk_id: str) -> Path:
        """Return the path of a chunk's rows."""
        return self._path("chunks", chunk_id)

    def params_path(self, chunk_id: str) -> Path:
        """Return the path of a chunk's trained parameters."""
        return self._path("params", chunk_id)

    def state_path(self, chunk_id: str) -> Path:
        """Return the path of a chunk's state while it trains."""
        return self._path("states", chunk_id)

    def _path(self, kind: str, chunk_id: str) -> Path:
        if not _ID.fullmatch(chunk_id):
            raise InputError(f"a chunk's id is 16 hexadecimal digits, got {chunk_id!r}")
        return self.folder / kind / f"{chunk_id}{_FOLDERS[kind]}"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Acquire the write lock, creating the folder if there is none.

        Raises:
            InputError: when another process is writing, or the folder holds something other than a sweep.
        """
        self.check_folder()
        make_folder(self.folder)
        with locked(self.folder):
            drop_temporaries(self.folder)
            for name in (*_FOLDERS, "damaged"):
                make_folder(self.folder / name)
                drop_temporaries(self.folder / name)
            self._upgrade()
            yield

    def check_folder(self) -> None:
        """Refuse a folder that holds files but no sweep, so that a sweep never mixes with other files.

        A sweep is recognized by its plan or its hashes; a folder whose creation was interrupted, by holding nothing
        else.

        Raises:
            InputError: naming the folder.
        """
        folder = self.folder
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; name a new folder or that of an earlier sweep")
        if not folder.is_dir() or all(map(_is_ours, folder.iterdir())):
            return
        with contextlib.suppress(planfile.DamagedPlan):
            if self.read_plan() is not None:
                return
        if not self.recorded_hashes():
            raise InputError(f"{folder} holds files but no sweep; name a new folder or an empty one")

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write the plan of the sweep, with its hash, in place of an older one."""
        self._write_over(self.plan_path, planfile.encode_plan(plan))

    def read_plan(self) -> dict[str, Any] | None:
        """Read the plan of the sweep; None where there is none.

        Raises:
            DamagedPlan: when the file cannot be read or fails its hash.
            InputError: when it has another format.
        """
        plan = planfile.read_plan(self.plan_path)
        if plan is not None and plan.get("older_fingerprints", ()) is None:
            found = (rows["fingerprint"].to_list() for rows in self.read_index().values())
            plan["older_fingerprints"] = sorted(set().union(*found))
        return plan

    def commit_chunk(self, chunk_id: str, rows: pl.DataFrame, *, replace: bool = False) -> None:
        """Commit the finished runs of one chunk. The first valid commit of a chunk wins, unless `replace`.

        Args:
            chunk_id: of the chunk.
            rows: one row for each run.
            replace: whether to replace a valid commit of this chunk.

        Raises:
            OSError: when the disk is full or fails; then this chunk is not committed, and all others are intact.
        """
        content = encode_rows(rows)

        def link(temporary: str, path: Path) -> None:
            # Recorded first: a hash without its file is a chunk still to be done, a file without a hash is damage.
            # The leading newline closes a line that a killed writer left open.
            append_line(self.sums_path, f"\n{_hash(content)}  chunks/{chunk_id}.parquet\n".encode())
            if replace:
                Path(temporary).replace(path)
                return
            try:
                os.link(temporary, path)
            except FileExistsError:
                if not decode_rows(self._read_files([path], self.recorded_hashes())):
                    self.quarantine(path)
                    os.link(temporary, path)

        write_file(self.chunk_path(chunk_id), content, link)

    def recorded_hashes(self, *, mend: bool = False) -> dict[str, set[str]]:
        """Read the hashes recorded for each chunk; damaged lines are ignored."""
        try:
            content = self.sums_path.read_bytes()
        except OSError as error:
            if error.errno in (errno.EISDIR, errno.ELOOP) and mend:
                self.quarantine(self.sums_path)
            elif error.errno not in (errno.ENOENT, errno.EISDIR, errno.ELOOP):
                raise  # the hashes may be intact, so no chunk may be called damaged
            return {}
        hashes: dict[str, set[str]] = {}
        for line in content.split(b"\n"):
            if match := _SUM.fullmatch(line):
                hashes.setdefault(match[2].decode(), set()).add(match[1].decode())
        return hashes

    def read_index(self, *, mend: bool = False) -> dict[str, pl.DataFrame]:
        """Read which runs the committed chunks hold and under which fingerprints, without what was measured.

        Args:
            mend: whether to quarantine damaged files; only for the holder of the write lock.

        Returns:
            By chunk id, in the order of ids, a table with the columns "id", "chunk" and "fingerprint".
        """
        return self._read_chunks(mend=mend, only_index=True)

    def read_rows(self) -> list[pl.DataFrame]:
        """Read the rows of all committed chunks, in one table for all chunks with the same columns."""
        return decode_rows(self._read_files(self._chunk_files(), self.recorded_hashes()))

    def read_chunks(self, *, mend: bool = False) -> dict[str, pl.DataFrame]:
        """Read all committed chunks, as `read_index` but with all columns."""
        return self._read_chunks(mend=mend, only_index=False)

    def _read_chunks(self, *, mend: bool, only_index: bool) -> dict[str, pl.DataFrame]:
        paths = self._chunk_files()
        contents = self._read_files(paths, self.recorded_hashes(mend=mend))
        chunks = {}
        for table in decode_rows(contents, only_index=only_index):
            for part in table.partition_by("chunk", maintain_order=True):
                chunks[part["chunk"][0]] = part
        for path in paths:
            if mend and path.stem not in chunks:
                self.quarantine(path)
        return dict(sorted(chunks.items()))

    def _chunk_files(self) -> list[Path]:
        return sorted((self.folder / "chunks").glob("*.parquet"))

    def _read_files(self, paths: list[Path], hashes: Mapping[str, set[str]]) -> dict[str, bytes]:
        """Read the files of chunks, by chunk id, without those that match none of their hashes."""
        read = ((path.stem, _content(path)) for path in paths)
        return {
            chunk_id: content
            for chunk_id, content in read
            if content is not None and _hash(content) in hashes.get(chunk_id, ())
        }

    def drop_chunk(self, chunk_id: str) -> None:
        """Delete a chunk whose runs are all in other chunks."""
        for path in (self.chunk_path(chunk_id), self.params_path(chunk_id)):
            self._discard(path)

    def save_state(self, chunk_id: str, state: Sealed) -> None:
        """Save the state of a chunk in place of an earlier one."""
        content = seal({**state.about, "kind": "state", "chunk": chunk_id}, state.arrays)
        self._write_over(self.state_path(chunk_id), content)

    def load_state(self, chunk_id: str) -> Sealed | None:
        """Load the state of a chunk; None where there is none or it is damaged."""
        content = _content(self.state_path(chunk_id))
        return None if content is None else unseal(content, kind="state", chunk=chunk_id)

    def state_ids(self) -> list[str]:
        """List the chunks that have a saved state."""
        stems = (path.stem for path in (self.folder / "states").glob("*.state"))
        return sorted(stem for stem in stems if _ID.fullmatch(stem))

    def drop_state(self, chunk_id: str) -> None:
        """Delete the state of a chunk that is committed."""
        self._discard(self.state_path(chunk_id))

    def drop_states(self) -> None:
        """Delete all states: once a sweep is finished, those of chunks that were cut differently are of no use."""
        for path in (self.folder / "states").glob("*.state"):
            self._discard(path)

    def save_params(self, chunk_id: str, params: Sealed) -> None:
        """Save a chunk's trained parameters; called before the chunk is committed, so that no chunk lacks them."""
        content = seal({**params.about, "kind": "params", "chunk": chunk_id}, params.arrays)
        self._write_over(self.params_path(chunk_id), content)

    def load_params(self, chunk_id: str) -> Sealed | None:
        """Load a chunk's trained parameters; None where there are none or they are damaged."""
        content = _content(self.params_path(chunk_id))
        if content is None:
            return None
        return unseal(content, kind="params", chunk=chunk_id) or self._older_params(chunk_id, content)

    def _older_params(self, chunk_id: str, content: bytes) -> Sealed | None:
        """Decode parameters of format 2, which are those of the chunk's rows, in their order."""
        arrays, path = arrays_of_format_2(content), self.chunk_path(chunk_id)
        rows = decode_rows(self._read_files([path], self.recorded_hashes())) if arrays is not None else []
        if arrays is None or not rows:
            return None
        run_ids = rows[0]["id"].to_list()
        about = {
            "fingerprint": rows[0]["fingerprint"][0],
            "runs": run_ids,
            "kind": "params",
            "chunk": chunk_id,
        }
        return Sealed(about, {name: leaf[: len(run_ids)] for name, leaf in arrays.items() if leaf.ndim})

    def _upgrade(self) -> None:
        """Convert a store of format 2 in place; its plan, written last, marks that all else is converted."""
        with contextlib.suppress(InputError):  # one that cannot be read is no plan of format 2
            plan = planfile.read_plan(self.plan_path)
            if plan is None or plan.get("older_fingerprints", ()) is not None:
                return
            for path in (self.folder / "states").iterdir():
                self.quarantine(path)
            for chunk_id in self.read_index(mend=True):
                if (params := self.load_params(chunk_id)) is not None:
                    self.save_params(chunk_id, params)
            self.write_plan(self.read_plan() or plan)

    def quarantine(self, path: Path) -> None:
        """Move a damaged file to `damaged/`, under a free name."""
        for number in range(1_000_000):
            target = self.folder / "damaged" / f"{path.name}.{number}"
            if not os.path.lexists(target):
                path.replace(target)
                return

    def _write_over(self, path: Path, content: bytes) -> None:
        """Write a file in place of an older one; a folder of its name is quarantined."""
        if path.is_dir():
            self.quarantine(path)
        write_file(path, content, os.replace)

    def _discard(self, path: Path) -> None:
        if path.is_dir():
            self.quarantine(path)
        else:
            path.unlink(missing_ok=True)


def chunk_id_of(run_ids: list[str]) -> str:
    """Name a chunk after the runs in it, in their order.

    Example:
        >>> chunk_id_of(["00ff", "01ab"])
        '094d322ee99f32d3'
    """
    return hashlib.sha256(" ".join(run_ids).encode()).hexdigest()[:16]


def _is_ours(path: Path) -> bool:
    """Check whether a store may contain this file, or this folder with everything in it."""
    suffix = _FOLDERS.get(path.name)
    if suffix is None or not path.is_dir():
        return path.name in _FILES or path.name.startswith(PREFIX)
    names = (inner.name for inner in path.iterdir())
    return all(
        name.startswith(PREFIX) or _ID.fullmatch(name.removesuffix(suffix)) is not None for name in names
    )


def _content(path: Path) -> bytes | None:
    """Read a file; None where it is missing or damaged: a folder, a broken link or unreadable."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
