"""Attempts: which worker trained which chunk of a sweep, and what came of it.

They stand in a file of their own, one JSON object per line, so that results are the same whatever trained them. It is
a log: lines may be missing after a power cut, and damaged ones are ignored.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import polars as pl


class Attempt(NamedTuple):
    """The end of an attempt to train a chunk.

    chunk: its id.
    runs: how many it has.
    worker: the host and process that trained it; empty if it was lost.
    outcome: "trained", "lost" (it is tried again), "out of memory" (with fewer lanes), or "failed" (it is given up).
    seconds: of training, compilation included.
    reason: the error, if any.
    """

    chunk: str
    runs: int
    worker: str
    outcome: str
    seconds: float
    reason: str


def append_attempt(path: Path, attempt: Attempt) -> None:
    """Add a line to the file."""
    with path.open("a") as file:
        file.write(f"\n{json.dumps(attempt._asdict())}\n")


def read_attempts(store: str | os.PathLike[str]) -> "pl.DataFrame":
    """Read the attempts to train chunks of a sweep, in the order in which they ended, one row per attempt.

    Args:
        store: the folder of the sweep. One that trained in a single process has no attempts.

    Returns:
        A table with the fields of `Attempt` as columns.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     append_attempt(Path(folder) / "attempts.jsonl", Attempt("c0", 8, "", "lost", 1.5, "killed"))
        ...     table = read_attempts(folder)
        >>> table.select("chunk", "outcome").rows()
        [('c0', 'lost')]
    """
    import polars as pl

    path, kinds = Path(store) / "attempts.jsonl", Attempt.__annotations__
    types = {name: {int: pl.Int64, float: pl.Float64}.get(kind, pl.String) for name, kind in kinds.items()}
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        try:
            stored = json.loads(line)
            found.append({name: kind(stored[name]) for name, kind in kinds.items()})
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
    return pl.DataFrame(found, schema=types)
