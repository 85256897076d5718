"""Attempts: which worker trained which chunk of a sweep, and what came of it.

They have a file of their own, one JSON object per line, so that results are the same whatever trained them. It is a
log: lines may be missing after a power cut, and damaged ones are ignored. Two kinds of lines end no attempt: the sweep
begins or continues, and a chunk is sent to a worker, for the first time or again after it was lost.
"""

import collections
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import polars as pl


SENT = "sent"


class Attempt(NamedTuple):
    """The end of an attempt to train a chunk.

    chunk: its id.
    runs: how many it has.
    worker: the host and process that trained it; empty if it was lost.
    outcome: "trained", "lost" (it is tried again), "out of memory" (with fewer lanes), "failed" (it is given up), "late"
        (another worker was faster, with the same bits), or "differed" (from what another worker answered).
    seconds: of training, compilation included.
    reason: the error, if any.
    """

    chunk: str
    runs: int
    worker: str
    outcome: str
    seconds: float
    reason: str


BEGAN = Attempt("", 0, "", "began", 0.0, "")


def append_attempts(path: Path, *attempts: Attempt) -> None:
    """Add lines to the file."""
    with path.open("a") as file:
        file.write("".join(f"\n{json.dumps(attempt._asdict())}\n" for attempt in attempts))


def copy_attempts(source: Path, target: Path) -> None:
    """Append the ends of attempts in one file to another, without those that it already has."""
    there = collections.Counter(_read_ends(target))
    missing = []
    for attempt in _read_ends(source):
        there[attempt] -= 1
        if there[attempt] < 0:
            missing.append(attempt)
    if missing:
        append_attempts(target, *missing)


def read_attempts(store: str | os.PathLike[str]) -> "pl.DataFrame":
    """Read the attempts to train chunks of a sweep, in the order in which they ended, one row per attempt.

    Args:
        store: the folder of the sweep.

    Returns:
        A table with the fields of `Attempt` as columns.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     append_attempts(Path(folder) / "attempts.jsonl", Attempt("c0", 8, "", "lost", 1.5, "killed"))
        ...     table = read_attempts(folder)
        >>> table.select("chunk", "outcome").rows()
        [('c0', 'lost')]
    """
    import polars as pl

    types = {
        name: {int: pl.Int64, float: pl.Float64}.get(kind, pl.String)
        for name, kind in Attempt.__annotations__.items()
    }
    return pl.DataFrame(_read_ends(Path(store) / "attempts.jsonl"), schema=types, orient="row")


def read_last_attempts(path: Path) -> list[Attempt]:
    """Read the last line of each chunk since the sweep last began or continued.

    Its outcome is `SENT` where a worker has the chunk.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "attempts.jsonl"
        ...     append_attempts(path, Attempt("c0", 8, "", SENT, 0.0, ""), BEGAN)  # and then the process was killed
        ...     append_attempts(path, Attempt("c1", 8, "", SENT, 0.0, ""), Attempt("c2", 4, "", SENT, 0.0, ""))
        ...     append_attempts(path, Attempt("c1", 8, "", "failed", 1.5, "ValueError: shapes"))
        ...     last = read_last_attempts(path)
        >>> [(attempt.chunk, attempt.outcome) for attempt in last]
        [('c1', 'failed'), ('c2', 'sent')]
    """
    last: dict[str, Attempt] = {}
    for attempt in _read(path):
        if attempt == BEGAN:
            last.clear()
        else:
            last[attempt.chunk] = attempt
    return list(last.values())


def _read_ends(path: Path) -> list[Attempt]:
    return [attempt for attempt in _read(path) if attempt != BEGAN and attempt.outcome != SENT]


def _read(path: Path) -> list[Attempt]:
    """Read the lines of a file; none if there is none."""
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        try:
            stored = json.loads(line)
            found.append(Attempt(*(kind(stored[name]) for name, kind in Attempt.__annotations__.items())))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
    return found
