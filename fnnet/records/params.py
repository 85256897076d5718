"""Params: the trained parameters of the runs of a sweep, one at a time or stacked.

A store keeps the parameters of a chunk in one file, with the ids of its runs. The column "chunk" of the results names
that file, and "fingerprint" must equal the fingerprint in it.
"""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from fnnet.errors import InputError
from fnnet.leaves import nest_leaves
from fnnet.records.sealed import Sealed
from fnnet.records.store import Store
from fnnet.space.space import Space


def load_run(columns: Mapping[str, np.ndarray], store: Store | None, run: int) -> Any:
    """Load the trained parameters of the run with this index in the columns, as nested lists and dicts.

    Raises:
        InputError: when they were not kept or are damaged.
    """
    kept = _load_chunk(columns, store, run)
    (place,) = _places(kept, columns, np.array([run]))
    return nest_leaves({name: leaf[place, ...] for name, leaf in kept.arrays.items()})


def load_runs(space: Space, columns: Mapping[str, np.ndarray], store: Store | None) -> Any:
    """Load the trained parameters of all runs, as `load_run` does, stacked to `[runs, ...]` in each leaf.

    Raises:
        InputError: when parameters were not kept or are damaged, or their shapes differ between runs.
    """
    if not len(space):
        raise InputError("no run is finished, so there are no parameters")
    stacked: dict[str, np.ndarray] = {}
    for rows in _rows_by_chunk(space, columns):
        kept = _load_chunk(columns, store, int(rows[0]))
        lanes, places = kept.arrays, _places(kept, columns, rows)
        if not stacked:
            stacked = {
                name: np.empty((len(space), *leaf.shape[1:]), leaf.dtype) for name, leaf in lanes.items()
            }
        if _shapes_and_dtypes(lanes) != _shapes_and_dtypes(stacked):
            raise _different_shapes(space, columns)
        for name, leaf in lanes.items():
            stacked[name][rows] = leaf[places]
    return nest_leaves(stacked)


def holds_params(params: Sealed | None, run_ids: list[str], fingerprint: str) -> bool:
    """Return whether a file holds the parameters of exactly these runs, with the fingerprint of their rows."""
    return (
        params is not None
        and params.about.get("fingerprint") == fingerprint
        and params.about.get("runs") == run_ids
        and all(leaf.shape[:1] == (len(run_ids),) for leaf in params.arrays.values())
    )


def _load_chunk(columns: Mapping[str, np.ndarray], store: Store | None, run: int) -> Sealed:
    """Load the parameters of the chunk that contains a run."""
    if store is None or "chunk" not in columns:
        raise InputError(f"the parameters of run {run} were not kept: a sweep keeps them in its store=...")
    params = store.load_params(str(columns["chunk"][run]))
    if params is not None:
        kept = params.about.get("runs")
        if isinstance(kept, list) and holds_params(params, kept, columns["fingerprint"][run]):
            return params
    raise _missing(store, run)


def _places(kept: Sealed, columns: Mapping[str, np.ndarray], rows: np.ndarray) -> list[int]:
    """Return the indices of some runs in a file of parameters."""
    place = {run_id: place for place, run_id in enumerate(kept.about["runs"])}
    if lost := [run_id for run_id in columns["id"][rows] if run_id not in place]:
        raise InputError(f"the parameters of run {lost[0]} are not in the file of its chunk")
    return [place[run_id] for run_id in columns["id"][rows]]


def _missing(store: Store, run: int) -> InputError:
    """Build the error for missing parameters, naming the command that trains them."""
    command = (store.read_plan() or {}).get("command")
    again = "the same sweep again with save_params=True"
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        words = [word for word in command[1:] if word not in ("--no-save-params", "--save-params")]
        again = shlex.join(["fnnet", *words, "--save-params"])
    return InputError(
        f"the parameters of run {run} were not kept, or are damaged; to train it again and keep them: {again}"
    )


def _rows_by_chunk(space: Space, columns: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """List the rows of each chunk's runs, ordered by their first rows."""
    chunks = columns.get("chunk", np.full(len(space), ""))
    order = np.argsort(chunks, kind="stable")
    is_next = chunks[order[1:]] != chunks[order[:-1]]
    return sorted(np.split(order, np.flatnonzero(is_next) + 1), key=lambda rows: int(rows[0]))


def _shapes_and_dtypes(lanes: Mapping[str, np.ndarray]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    return {name: (leaf.shape[1:], leaf.dtype) for name, leaf in lanes.items()}


def _different_shapes(space: Space, columns: Mapping[str, np.ndarray]) -> InputError:
    """Build the error for parameters that cannot be stacked, naming the axes that may change shapes."""
    parts = _rows_by_chunk(space, columns)
    varied = space.varied_axes
    # One program trains a chunk, so an axis that varies within a chunk changes no shape.
    names = [name for name in varied if not any(np.ptp(space.codes[name][rows]) for rows in parts)] or varied
    example = ", ".join(f"{name}={space[0][name]!r}" for name in names if name in space[0])
    return InputError(
        f"the parameters of these runs have different shapes, which may come from {' or '.join(names)}; "
        f"keep some of the runs first, as with where({example}).params()"
    )
