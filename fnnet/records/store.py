"""The store: a folder that is the database of a sweep.

    plan.json              the settings, fingerprints, groups and space of the sweep and what made it, with a hash
    SHA256SUMS             one line per commit, the hash and name of its file, in the form that `sha256sum -c` reads
    chunks/<id>.parquet    the finished runs of one chunk, one row per run: its id, axes, metrics, curves and fingerprint
    params/<id>.arrays     their trained parameters, arrays `[runs, ...]`
    states/<id>.state      the state of a chunk that is training, at the end of a segment
    attempts.jsonl         a log: which chunk was sent to a worker, which worker trained it, and what came of it
    damaged/<name>.<n>     files that failed a check
    lock                   held by the one process that writes; lock.held where the file system has no locks
    .fnnet-*.tmp           in any of these folders, a file that is being written; it names its machine and process

The id of a chunk is a hash of the ids of its runs and of how far they were trained, and that of a run is a hash of its configuration. Parameters and
states are sealed: hash, description, and arrays in one file, which says whose they are. Plans are JSON.

A chunk is committed in this order, each step forced to the disk before the next one:

1. Its parameters are written, if they are kept.
2. Its rows are written under a temporary name.
3. Their hash is added to `SHA256SUMS`.
4. The temporary file is linked to its final name. This is the commit.
5. Its state is deleted, unless its runs may go on from it: in a search, or with `keep_states=True`.

After a kill or a power cut at any time, what was committed is intact, and readers, who need no lock, see a chunk whole
or not at all. A hash without a file is a chunk that is not finished. A file that matches none of its hashes is damaged:
readers ignore it, and the next writer moves it to `damaged/` and trains its runs again. Damaged parameters count as
missing, a damaged state only costs time, and the same sweep rewrites a damaged plan. The first commit of
a chunk wins, so two writers that share no lock do no harm.

A store of format 2 is read as it is and upgraded by its next writer. This module does not know how a run is trained;
nothing is ever pickled, and no name from a file becomes a path.
"""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from fnnet.errors import InputError, UnreadableError
from fnnet.records import planfile
from fnnet.records.durable import append_line, drop_temporaries, make_folder, write_file
from fnnet.records.folder import SUFFIXES, Folder, read_file
from fnnet.records.lock import locked
from fnnet.records.parquet import decode_rows, encode_rows
from fnnet.records.sealed import Sealed, seal, unseal
from fnnet.records.upgrade import params_of_format_2

_MOST_FILES = 128  # that are in memory at the same time
_SUM = re.compile(rb"([0-9a-f]{64})  chunks/([0-9a-f]{16})\.parquet")


class Chunk(NamedTuple):
    """A committed chunk, without what was measured.

    run_ids: its runs.
    fingerprint: the fingerprint of what made them.
    """

    run_ids: list[str]
    fingerprint: str


class Store(Folder):
    """A folder that holds, or will hold, a sweep.

    folder: its path.
    """

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
            for name in SUFFIXES:
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
        if not self.holds_other_files():
            return
        with contextlib.suppress(planfile.DamagedPlan):
            if self.read_plan() is not None:
                return
        if not self.recorded_hashes():
            raise InputError(f"{folder} holds files but no sweep; name a new folder or an empty one")

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write the plan of the sweep, with its hash, in place of an older one."""
        self.replace(self.plan_path, planfile.encode_plan(plan))

    def read_plan(self) -> dict[str, Any] | None:
        """Read the plan of the sweep; None if there is none.

        Raises:
            DamagedPlan: when the file cannot be read or fails its hash.
            InputError: when it has another format.
        """
        plan = planfile.read_plan(self.plan_path)
        if plan is not None and plan.get("older_fingerprints", ()) is None:
            plan["older_fingerprints"] = sorted({chunk.fingerprint for chunk in self.read_index().values()})
        return plan

    def require_plan(self) -> dict[str, Any]:
        """Read the plan of the sweep, as `read_plan` does.

        Raises:
            InputError: also when there is none.
        """
        plan = self.read_plan()
        if plan is None:
            raise InputError(f"{self.folder} holds no sweep: it has no plan.json")
        return plan

    def commit_chunk(self, chunk_id: str, rows: pl.DataFrame, *, replace: bool = False) -> None:
        """Commit the finished runs of one chunk, one row per run. The first valid commit wins, unless `replace`.

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
        """Read the hashes recorded for each chunk; damaged lines are ignored.

        Raises:
            UnreadableError: when the system refuses to read them; they may be intact, so no chunk may be called damaged.
        """
        try:
            content = self.sums_path.read_bytes()
        except OSError as error:
            if error.errno in (errno.EISDIR, errno.ELOOP) and mend:
                self.quarantine(self.sums_path)
            elif error.errno not in (errno.ENOENT, errno.EISDIR, errno.ELOOP):
                raise UnreadableError(f"{self.sums_path} cannot be read: {error.strerror}") from error
            return {}
        hashes: dict[str, set[str]] = {}
        for line in content.split(b"\n"):
            if match := _SUM.fullmatch(line):
                hashes.setdefault(match[2].decode(), set()).add(match[1].decode())
        return hashes

    def read_index(self, *, mend: bool = False) -> dict[str, Chunk]:
        """Read which chunks are committed, sorted by id, without their measurements.

        Args:
            mend: whether to quarantine damaged files; only for the holder of the write lock.
        """
        paths = self.list_files("chunks")
        chunks = {}
        for table in self._decode_files(paths, self.recorded_hashes(mend=mend), columns=()):
            by_chunk = table.group_by("chunk", maintain_order=True).agg("id", pl.first("fingerprint"))
            chunks.update({chunk_id: Chunk(*rest) for chunk_id, *rest in by_chunk.iter_rows()})
        for path in paths:
            if mend and path.stem not in chunks:
                self.quarantine(path)
        return dict(sorted(chunks.items()))

    def read_rows(
        self, chunk_ids: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Read the rows of these committed chunks, or of all, in tables of many chunks with the same columns each.

        Args:
            chunk_ids: the chunks; None for all.
            columns: as for `decode_rows`.
        """
        paths = [path for path in self.list_files("chunks") if chunk_ids is None or path.stem in chunk_ids]
        return self._decode_files(paths, self.recorded_hashes(), columns)

    def _decode_files(
        self, paths: list[Path], hashes: Mapping[str, set[str]], columns: Sequence[str] | None
    ) -> Iterator[pl.DataFrame]:
        """Decode the files of chunks, without damaged ones."""
        for first in range(0, len(paths), _MOST_FILES):
            contents = self._read_files(paths[first : first + _MOST_FILES], hashes)
            yield from decode_rows(contents, columns)

    def _read_files(self, paths: list[Path], hashes: Mapping[str, set[str]]) -> dict[str, bytes]:
        """Read the files of chunks, by chunk id, without those that match none of their hashes."""
        read = ((path.stem, read_file(path)) for path in paths)
        return {
            chunk_id: content
            for chunk_id, content in read
            if content is not None and _hash(content) in hashes.get(chunk_id, ())
        }

    def drop_chunk(self, chunk_id: str) -> None:
        """Delete a chunk whose runs are all in other chunks."""
        for path in (self.chunk_path(chunk_id), self.params_path(chunk_id)):
            self.discard(path)

    def save_state(self, chunk_id: str, state: Sealed) -> None:
        """Save the state of a chunk in place of an earlier one."""
        content = seal({**state.about, "kind": "state", "chunk": chunk_id}, state.arrays)
        self.replace(self.state_path(chunk_id), content)

    def load_state(self, chunk_id: str) -> Sealed | None:
        """Load the state of a chunk; None if there is none or it is damaged."""
        content = read_file(self.state_path(chunk_id))
        return None if content is None else unseal(content, kind="state", chunk=chunk_id)

    def drop_state(self, chunk_id: str) -> None:
        """Delete the state of a chunk that is committed."""
        self.discard(self.state_path(chunk_id))

    def drop_states(self, finished: Set[str], kept: Set[str] = frozenset()) -> None:
        """Delete the states whose runs are all finished, in whatever chunks, and damaged ones; not those `kept`."""
        for chunk_id in set(self.state_ids()) - kept:
            state = self.load_state(chunk_id)
            runs = None if state is None else state.about.get("runs")
            if not isinstance(runs, list) or set(map(str, runs)) <= finished:
                self.drop_state(chunk_id)

    def save_params(self, chunk_id: str, params: Sealed) -> None:
        """Save a chunk's trained parameters; called before the chunk is committed, so that no chunk lacks them."""
        content = seal({**params.about, "kind": "params", "chunk": chunk_id}, params.arrays)
        self.replace(self.params_path(chunk_id), content)

    def load_params(self, chunk_id: str) -> Sealed | None:
        """Load a chunk's trained parameters; None if there are none or they are damaged."""
        content = read_file(self.params_path(chunk_id))
        if content is None:
            return None
        if (params := unseal(content, kind="params", chunk=chunk_id)) is not None:
            return params
        rows = decode_rows(self._read_files([self.chunk_path(chunk_id)], self.recorded_hashes()))
        return params_of_format_2(content, rows[0]) if rows else None

    def _upgrade(self) -> None:
        """Convert a store of format 2 in place; its plan, written last, marks that all else is converted."""
        try:
            plan = planfile.read_plan(self.plan_path)
        except InputError:  # one that cannot be read is no plan of format 2
            return
        if plan is None or plan.get("older_fingerprints", ()) is not None:
            return
        for path in self.list_files("states"):
            self.quarantine(path)
        for chunk_id in self.read_index(mend=True):
            if (params := self.load_params(chunk_id)) is not None:
                self.save_params(chunk_id, params)
        self.write_plan(self.read_plan() or plan)


def chunk_id_of(run_ids: list[str]) -> str:
    """Name a chunk after the runs in it, in their order.

    Example:
        >>> chunk_id_of(["00ff", "01ab"])
        '094d322ee99f32d3'
    """
    return hashlib.sha256(" ".join(run_ids).encode()).hexdigest()[:16]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
