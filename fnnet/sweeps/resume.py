"""Resuming: what a store already holds of a sweep, finished or under way."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from fnnet.errors import InputError
from fnnet.records.params import holds_params
from fnnet.records.planfile import DamagedPlan
from fnnet.records.store import Chunk, Store
from fnnet.sweeps.compatibility import recognize
from fnnet.sweeps.fingerprint import Description, merge
from fnnet.sweeps.plan import Plan


class Done(NamedTuple):
    """The finished chunks that a store holds of a sweep, by id.

    chunks: those that need not be trained again.
    without_params: those without the parameters that are to be kept, so their runs are trained again.
    shorter: those of fewer steps; their runs are continued.
    lengths: how many steps these are.
    """

    chunks: dict[str, Chunk]
    without_params: dict[str, Chunk]
    shorter: dict[str, Chunk]
    lengths: dict[str, int]

    @property
    def stale(self) -> dict[str, Chunk]:
        """The chunks that are deleted once their runs are in others."""
        return {**self.without_params, **self.shorter}


def stored_plan(folder: Store, *, mend: bool = False) -> Description | None:
    """Read the plan of a store; None if it is missing or damaged.

    Args:
        folder: the store.
        mend: whether to move a damaged plan aside; only for the holder of the write lock.
    """
    try:
        return folder.read_plan()
    except DamagedPlan:  # written again by the sweep, and rows carry the fingerprint they were made under
        if mend:
            folder.quarantine(folder.plan_path)
        return None


def read_done(
    folder: Store,
    plan: Plan,
    described: Description,
    stored: Description | None,
    save_params: bool,
    *,
    accept: bool,
    mend: bool = False,
) -> Done:
    """Read the finished chunks of a sweep; chunks of another sweep are left out if `accept`.

    Raises:
        InputError: when there are some and `accept` is false.
    """
    chunks = folder.read_index(mend=mend)
    groups = [group.runs for group in plan.groups]
    foreign, lengths = recognize(merge(described, stored), plan.space, groups, chunks)
    if foreign and not accept:
        raise InputError(
            f"{folder.folder} holds {sum(foreign.values()):,} of these runs from another sweep, with other steps, data "
            "or recipe, or under another fingerprint, and its plan does not say which; name another folder, or "
            "accept_fingerprint=True moves them aside and trains them again"
        )
    for chunk_id in foreign:
        del chunks[chunk_id]
        if mend:
            folder.quarantine(folder.chunk_path(chunk_id))
    shorter = {chunk_id: chunks.pop(chunk_id) for chunk_id in lengths}
    without_params = {}
    if save_params:
        for chunk_id, chunk in list(chunks.items()):
            if not holds_params(folder.load_params(chunk_id), *chunk):
                without_params[chunk_id] = chunks.pop(chunk_id)
    return Done(chunks, without_params, shorter, lengths)


def find_missing(run_ids: np.ndarray, chunks: Iterable[Chunk]) -> np.ndarray:
    """Return a mask `[runs]` of the runs that are in none of the chunks."""
    finished: set[str] = set().union(*(chunk.run_ids for chunk in chunks))
    return np.fromiter((run_id not in finished for run_id in run_ids), bool, len(run_ids))


def drop_stale(store: Store, done: Done) -> None:
    """Delete chunks without parameters, or of fewer steps, once all their runs are in other chunks."""
    if not done.stale:
        return
    finished = set().union(*(chunk.run_ids for chunk in done.chunks.values()))
    for chunk_id, chunk in done.stale.items():
        if finished.issuperset(chunk.run_ids):
            store.drop_chunk(chunk_id)
