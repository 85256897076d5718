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
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from fnnet.errors import InputError
from fnnet.records.durable import PREFIX, append_line, drop_temporaries, make_folder, write_file
from fnnet.records.lock import locked
from fnnet.records.sealed import Sealed, seal, unseal

FORMAT = 3
MAX_LANES = 2**16  # that a plan may ask for
_ID = re.compile(r"[0-9a-f]{16}")
_SUM = re.compile(rb"([0-9a-f]{64})  chunks/([0-9a-f]{16})\.parquet")
_FOLDERS = {"chunks": ".parquet", "params": ".arrays", "states": ".state"}
_FILES = ("plan.json", "SHA256SUMS", "lock", "lock.held", "damaged", *_FOLDERS)


class DamagedPlan(InputError):
    """A plan that cannot be read or fails its hash."""


class Store(NamedTuple):
    """A folder that holds, or will hold, a sweep."""

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
        """Where the state of a chunk is while it trains."""
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
    """Acquire the write lock of a store, creating its folder if there is none.

    Raises:
        InputError: when another process is writing, or the folder holds something other than a sweep.
    """
    check_folder(store)
    make_folder(store.folder)
    with locked(store.folder):
        drop_temporaries(store.folder)
        for name in (*_FOLDERS, "damaged"):
            make_folder(store.folder / name)
            drop_temporaries(store.folder / name)
        yield


def check_folder(store: Store) -> None:
    """Refuse a folder that holds files but no sweep, so that a sweep never mixes with other files.

    A sweep is recognized by its plan or its hashes; a folder whose creation was interrupted, by holding nothing else.

    Raises:
        InputError: naming the folder.
    """
    folder = store.folder
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a new folder or that of an earlier sweep")
    if not folder.is_dir() or all(map(_is_ours, folder.iterdir())):
        return
    with contextlib.suppress(DamagedPlan):
        if read_plan(store) is not None:
            return
    if not recorded_hashes(store):
        raise InputError(f"{folder} holds files but no sweep; name a new folder or an empty one")


def _is_ours(path: Path) -> bool:
    """Check whether a store may contain this file, or this folder with everything in it."""
    suffix = _FOLDERS.get(path.name)
    if suffix is None or not path.is_dir():
        return path.name in _FILES or path.name.startswith(PREFIX)
    names = (inner.name for inner in path.iterdir())
    return all(
        name.startswith(PREFIX) or _ID.fullmatch(name.removesuffix(suffix)) is not None for name in names
    )


def write_plan(store: Store, plan: Mapping[str, Any]) -> None:
    """Write the plan of a sweep, with its hash, in place of an older one."""
    body = {"format": FORMAT, **plan}
    content = json.dumps({"sha256": _hash(_canonical(body)), "plan": body}).encode()
    _write_over(store, store.plan_path, content)


def read_plan(store: Store) -> dict[str, Any] | None:
    """Read the plan of a sweep.

    Returns:
        The plan, whose form is checked, or None where there is none.

    Raises:
        DamagedPlan: when the file cannot be read or fails its hash.
        InputError: when it has another format, or a form that `write_plan` does not write.
    """
    path = store.plan_path
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedPlan(f"{path} cannot be read: {error.strerror}") from error
    try:
        document = json.loads(content)
        plan, recorded = document["plan"], document["sha256"]
        actual = _hash(_canonical(plan))
    except (ValueError, TypeError, KeyError, RecursionError):
        plan, recorded, actual = {}, None, ""
    if recorded != actual:
        raise DamagedPlan(f"{path} is damaged; run the same sweep again to mend it")
    _check_form(path, plan)
    return plan


def _check_form(path: Path, plan: Any) -> None:
    """Refuse a plan with a valid hash but a form that `write_plan` does not write."""
    version = plan.get("format") if isinstance(plan, dict) else None
    if version != FORMAT:
        raise InputError(
            f"{path} has format {version!r:.20}, this fnnet reads {FORMAT}; name another folder to train the sweep anew"
        )
    forms = {
        "settings": dict,
        "fingerprint": dict,
        "earlier": list,
        "leaves": dict,
        "groups": list,
        "space": dict,
    }
    wrong = [name for name, form in forms.items() if not isinstance(plan.get(name), form)]
    if not wrong and not all(isinstance(each, dict) for each in plan["earlier"]):
        wrong = ["earlier"]
    if not wrong and not all(map(_is_group, plan["groups"])):
        wrong = ["groups"]
    if wrong:
        raise InputError(
            f"{path} is no plan of fnnet: {', '.join(wrong)} cannot be used; name another folder"
        )


def _is_group(group: Any) -> bool:
    forms = {"static": dict, "axes": list, "num_runs": int, "program": str, "earlier": list, "lanes": int}
    has_form = isinstance(group, dict) and all(isinstance(group.get(n), form) for n, form in forms.items())
    return has_form and 1 <= group["lanes"] <= MAX_LANES


def commit_chunk(store: Store, chunk_id: str, rows: pl.DataFrame, *, replace: bool = False) -> None:
    """Commit the finished runs of one chunk. The first valid commit of a chunk wins, unless `replace`.

    Args:
        store: where.
        chunk_id: of the chunk.
        rows: one row for each run.
        replace: whether to replace a valid commit of this chunk.

    Raises:
        OSError: when the disk is full or fails; then this chunk is not committed, and all others are intact.
    """
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    content = buffer.getvalue()

    def link(temporary: str, path: Path) -> None:
        # Recorded first: a hash without its file is a chunk still to be done, a file without a hash is damage.
        # The leading newline closes a line that a killed writer left open.
        append_line(store.sums_path, f"\n{_hash(content)}  chunks/{chunk_id}.parquet\n".encode())
        if replace:
            Path(temporary).replace(path)
            return
        try:
            os.link(temporary, path)
        except FileExistsError:
            if read_chunk(store, chunk_id, recorded_hashes(store)) is None:
                set_aside(store, path)
                os.link(temporary, path)

    write_file(store.chunk_path(chunk_id), content, link)


def recorded_hashes(store: Store, *, mend: bool = False) -> dict[str, set[str]]:
    """Read the hashes recorded for each chunk; damaged lines are ignored."""
    try:
        content = store.sums_path.read_bytes()
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ELOOP) and mend:
            set_aside(store, store.sums_path)
        elif error.errno not in (errno.ENOENT, errno.EISDIR, errno.ELOOP):
            raise  # the hashes may be intact, so no chunk may be called damaged
        return {}
    hashes: dict[str, set[str]] = {}
    for line in content.split(b"\n"):
        if match := _SUM.fullmatch(line):
            hashes.setdefault(match[2].decode(), set()).add(match[1].decode())
    return hashes


def read_chunk(store: Store, chunk_id: str, hashes: Mapping[str, set[str]]) -> pl.DataFrame | None:
    """Read one committed chunk.

    Returns:
        Its rows, or None where it is missing, matches none of its recorded hashes, or is not a table of runs.
    """
    content = _content(store.chunk_path(chunk_id))
    if content is None or _hash(content) not in hashes.get(chunk_id, ()):
        return None
    try:
        rows = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError:
        return None
    has_form = all(rows.schema.get(name) == pl.String for name in ("id", "chunk", "fingerprint"))
    return rows if has_form and rows.height else None


def read_chunks(store: Store, *, mend: bool = False) -> dict[str, pl.DataFrame]:
    """Read all committed chunks.

    Args:
        store: where.
        mend: whether to move damaged files aside; only for the holder of the write lock.

    Returns:
        Rows by chunk id, in the order of ids.
    """
    hashes = recorded_hashes(store, mend=mend)
    chunks = {}
    for path in sorted((store.folder / "chunks").glob("*.parquet")):
        rows = read_chunk(store, path.stem, hashes) if _ID.fullmatch(path.stem) else None
        if rows is not None:
            chunks[path.stem] = rows
        elif mend:
            set_aside(store, path)
    return chunks


def drop_chunk(store: Store, chunk_id: str) -> None:
    """Delete a chunk whose runs are all in other chunks."""
    for path in (store.chunk_path(chunk_id), store.params_path(chunk_id)):
        _discard(store, path)


def set_aside(store: Store, path: Path) -> None:
    """Move a damaged file to `damaged/`, under a free name."""
    for number in range(1_000_000):
        target = store.folder / "damaged" / f"{path.name}.{number}"
        if not os.path.lexists(target):
            path.replace(target)
            return


def save_state(store: Store, chunk_id: str, state: Sealed) -> None:
    """Save the state of a chunk in place of an earlier one."""
    content = seal({**state.about, "kind": "state", "chunk": chunk_id}, state.arrays)
    _write_over(store, store.state_path(chunk_id), content)


def load_state(store: Store, chunk_id: str) -> Sealed | None:
    """Load the state of a chunk; None where there is none or it is damaged."""
    content = _content(store.state_path(chunk_id))
    return None if content is None else unseal(content, kind="state", chunk=chunk_id)


def state_ids(store: Store) -> list[str]:
    """List the chunks that have a saved state."""
    stems = (path.stem for path in (store.folder / "states").glob("*.state"))
    return sorted(stem for stem in stems if _ID.fullmatch(stem))


def drop_state(store: Store, chunk_id: str) -> None:
    """Delete the state of a chunk that is committed."""
    _discard(store, store.state_path(chunk_id))


def drop_states(store: Store) -> None:
    """Delete all states: once a sweep is finished, those of chunks that were cut differently are of no use."""
    for path in (store.folder / "states").glob("*.state"):
        _discard(store, path)


def save_params(store: Store, chunk_id: str, params: Sealed) -> None:
    """Save a chunk's trained parameters; called before the chunk is committed, so that no chunk lacks them."""
    content = seal({**params.about, "kind": "params", "chunk": chunk_id}, params.arrays)
    _write_over(store, store.params_path(chunk_id), content)


def load_params(store: Store, chunk_id: str) -> Sealed | None:
    """Load a chunk's trained parameters; None where there are none or they are damaged."""
    content = _content(store.params_path(chunk_id))
    return None if content is None else unseal(content, kind="params", chunk=chunk_id)


def _content(path: Path) -> bytes | None:
    """Read a file; None where it is missing or damaged: a folder, a broken link or unreadable."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write_over(store: Store, path: Path, content: bytes) -> None:
    """Write a file in place of an older one; a folder of its name is moved aside."""
    if path.is_dir():
        set_aside(store, path)
    write_file(path, content, os.replace)


def _discard(store: Store, path: Path) -> None:
    if path.is_dir():
        set_aside(store, path)
    else:
        path.unlink(missing_ok=True)


def _checked(chunk_id: str) -> str:
    if not _ID.fullmatch(chunk_id):
        raise InputError(f"a chunk's id is 16 hexadecimal digits, got {chunk_id!r}")
    return chunk_id


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
