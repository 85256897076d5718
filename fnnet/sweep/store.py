"""The store: a folder that is the database of a sweep.

    plan.json              what the sweep is: its space, settings and fingerprint, with a hash of itself
    SHA256SUMS             a line for each commit, in the form that `sha256sum -c` reads
    chunks/<id>.parquet    the finished runs of one chunk, a row each
    params/<id>.arrays     their trained parameters, when asked for
    states/<id>.state      a chunk that is under way, at a border of segments
    damaged/               files that failed their hash, moved aside
    lock                   held by the one process that writes

A commit writes a temporary file, forces it to the disk, records its hash, and links it to its final name: the
link is the commit. What was linked survives a kill and a power cut, and readers see it whole or not at all.
Nothing here knows what a run is; nothing is ever pickled, and no name from a file becomes a path.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fnnet.errors import InputError

FORMAT = 2
_ID = re.compile(r"[0-9a-f]{16}")
_SUM = re.compile(rb"([0-9a-f]{64})  chunks/([0-9a-f]{16})\.parquet")


class DamagedPlan(InputError):
    """A plan that fails its hash."""


class Store(NamedTuple):
    """A folder that holds, or is to hold, a sweep. All functions of this module take one."""

    folder: Path

    @property
    def plan_path(self) -> Path:
        """Where the plan is."""
        return self.folder / "plan.json"

    @property
    def sums_path(self) -> Path:
        """Where the hashes of all commits are."""
        return self.folder / "SHA256SUMS"

    def chunk_path(self, chunk_id: str) -> Path:
        """Where a chunk's rows are, or will be."""
        return self.folder / "chunks" / f"{_checked(chunk_id)}.parquet"

    def params_path(self, chunk_id: str) -> Path:
        """Where a chunk's trained parameters are, or will be."""
        return self.folder / "params" / f"{_checked(chunk_id)}.arrays"

    def state_path(self, chunk_id: str) -> Path:
        """Where a chunk that is under way is kept."""
        return self.folder / "states" / f"{_checked(chunk_id)}.state"


def chunk_id_of(run_ids: list[str]) -> str:
    """Name a chunk after the runs in it, in their order.

    Example:
        >>> chunk_id_of(["00ff", "01ab"])
        '094d322ee99f32d3'
    """
    return hashlib.sha256(" ".join(run_ids).encode()).hexdigest()[:16]


@contextlib.contextmanager
def writing(store: Store) -> Iterator[None]:
    """Be the one writer of a store; makes the folder if there is none.

    Raises:
        InputError: when another process is writing, or the folder holds something that is no sweep.
    """
    check_folder(store)
    for name in ("chunks", "params", "states", "damaged"):
        (store.folder / name).mkdir(parents=True, exist_ok=True)
    with (store.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is writing to {store.folder}; wait for it or stop it"
            ) from None
        for leftover in store.folder.glob("**/.*.tmp"):  # of a writer that was killed
            leftover.unlink()
        yield


def check_folder(store: Store) -> None:
    """Refuse a folder that holds files but no sweep, so that nothing of another's is mixed with ours.

    Raises:
        InputError: naming the folder.
    """
    folder = store.folder
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a new folder or that of an earlier sweep")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "lock").exists():
        raise InputError(f"{folder} holds files but no sweep; name a new folder or an empty one")


def write_plan(store: Store, plan: Mapping[str, Any]) -> None:
    """Write what a sweep is, with its hash, in place of an older plan."""
    body = {"format": FORMAT, **plan}
    content = json.dumps({"sha256": _hash(_canonical(body)), "plan": body}).encode()
    _commit(store.plan_path, content, os.replace)


def read_plan(store: Store) -> dict[str, Any] | None:
    """Read what a sweep is.

    Returns:
        The plan, or None where there is none.

    Raises:
        DamagedPlan: when the file fails its hash.
        InputError: when it is of another format.
    """
    try:
        content = store.plan_path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(content)
        plan, recorded = document["plan"], document["sha256"]
        actual = _hash(_canonical(plan))
    except (ValueError, TypeError, KeyError, RecursionError):
        plan, recorded, actual = {}, None, ""
    if recorded != actual:
        raise DamagedPlan(f"{store.plan_path} is damaged; run the same sweep again to mend it")
    if plan["format"] != FORMAT:
        raise InputError(f"{store.plan_path} has format {plan['format']}, this fnnet reads {FORMAT}")
    return plan


def commit_chunk(store: Store, chunk_id: str, rows: pl.DataFrame) -> None:
    """Commit the finished runs of one chunk. The first valid commit of a chunk wins.

    Args:
        store: where.
        chunk_id: of the chunk.
        rows: a row for each run.

    Raises:
        OSError: when the disk is full or fails; then nothing is committed and nothing else is lost.
    """
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    content = buffer.getvalue()

    def link(temporary: str, path: Path) -> None:
        # Recorded first: a hash without its file is a chunk still to be done, a file without a hash is damage.
        # The leading newline closes a line that a killed writer left open.
        _append(store.sums_path, f"\n{_hash(content)}  chunks/{chunk_id}.parquet\n".encode())
        try:
            os.link(temporary, path)
        except FileExistsError:
            if read_chunk(store, chunk_id, recorded_hashes(store)) is None:
                set_aside(store, path)
                os.link(temporary, path)

    _commit(store.chunk_path(chunk_id), content, link)


def recorded_hashes(store: Store) -> dict[str, set[str]]:
    """Read which hashes were recorded for each chunk; lines that are damaged say nothing."""
    try:
        content = store.sums_path.read_bytes()
    except FileNotFoundError:
        return {}
    hashes: dict[str, set[str]] = {}
    for line in content.split(b"\n"):
        if match := _SUM.fullmatch(line):
            hashes.setdefault(match[2].decode(), set()).add(match[1].decode())
    return hashes


def read_chunk(store: Store, chunk_id: str, hashes: Mapping[str, set[str]]) -> pl.DataFrame | None:
    """Read one committed chunk.

    Returns:
        Its rows, or None where it is missing or its content has none of the recorded hashes.
    """
    try:
        content = store.chunk_path(chunk_id).read_bytes()
    except FileNotFoundError:
        return None
    return pl.read_parquet(io.BytesIO(content)) if _hash(content) in hashes.get(chunk_id, ()) else None


def read_chunks(store: Store, *, mend: bool = False) -> dict[str, pl.DataFrame]:
    """Read all committed chunks.

    Args:
        store: where.
        mend: whether to move damaged files aside, which only the writer may.

    Returns:
        Rows by chunk id, in the order of ids.
    """
    hashes = recorded_hashes(store)
    chunks = {}
    for path in sorted((store.folder / "chunks").glob("*.parquet")):
        rows = read_chunk(store, path.stem, hashes) if _ID.fullmatch(path.stem) else None
        if rows is not None:
            chunks[path.stem] = rows
        elif mend:
            set_aside(store, path)
    return chunks


def set_aside(store: Store, path: Path) -> None:
    """Move a damaged file to `damaged/`, under a name that is free."""
    for number in range(1_000_000):
        target = store.folder / "damaged" / f"{path.name}.{number}"
        if not target.exists():
            path.replace(target)
            return


def save_state(store: Store, chunk_id: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep a chunk that is under way, in place of what was kept of it before."""
    _commit(store.state_path(chunk_id), _sealed(arrays), os.replace)


def load_state(store: Store, chunk_id: str) -> dict[str, np.ndarray] | None:
    """Read a chunk that was under way; None where there is nothing, or nothing undamaged."""
    return _unsealed(store.state_path(chunk_id))


def drop_state(store: Store, chunk_id: str) -> None:
    """Forget the state of a chunk that is committed."""
    store.state_path(chunk_id).unlink(missing_ok=True)


def drop_states(store: Store) -> None:
    """Forget all states; what is left of chunks that were cut otherwise is of no use when all is done."""
    for path in (store.folder / "states").glob("*.state"):
        path.unlink(missing_ok=True)


def save_params(store: Store, chunk_id: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep a chunk's trained parameters; done before the chunk is committed, so that none lacks them."""
    _commit(store.params_path(chunk_id), _sealed(arrays), os.replace)


def load_params(store: Store, chunk_id: str) -> dict[str, np.ndarray] | None:
    """Read a chunk's trained parameters; None where there are none, or none undamaged."""
    return _unsealed(store.params_path(chunk_id))


def _commit(path: Path, content: bytes, publish: Any) -> None:
    """Write content to the disk under a temporary name and then give it its own."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        publish(temporary, path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        _write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_folder(path.parent)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:  # a disk that is nearly full takes a part and says so only the next time
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sealed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Encode arrays behind a line with the hash of what follows."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return _hash(buffer.getvalue()).encode() + b"\n" + buffer.getvalue()


def _unsealed(path: Path) -> dict[str, np.ndarray] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    recorded, _, body = content.partition(b"\n")
    if recorded != _hash(body).encode():
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _checked(chunk_id: str) -> str:
    if not _ID.fullmatch(chunk_id):
        raise InputError(f"a chunk's id is 16 hexadecimal digits, got {chunk_id!r}")
    return chunk_id


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
