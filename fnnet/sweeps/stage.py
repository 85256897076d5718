"""Stages: a plain sweep has one; a search has several, each with the runs that the previous one promoted."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fnnet.records.store import chunk_id_of


class Stage(NamedTuple):
    """Runs to be trained up to the same step.

    runs: their places in the space.
    stops: the ends of the stages so far; this one trains from the last but one to the last.
    rung: the place of this stage in a search, the column "rung" of its rows; None in a plain sweep.
    bracket: the search of which this is a stage, the column "bracket"; None for the only one.
    """

    runs: np.ndarray
    stops: Sequence[int]
    rung: int | None = None
    bracket: int | None = None

    @property
    def first_step(self) -> int:
        """The step from which this stage trains."""
        return self.stops[-2] if len(self.stops) > 1 else 0

    @property
    def names(self) -> list[str]:
        """What distinguishes its chunks from those of other stages with the same runs."""
        return [f"step {self.stops[-1]}"] if self.rung is None else [f"rung {self.rung}"]

    def has_chunk(self, chunk_id: str, run_ids: Iterable[str]) -> bool:
        """Return whether a finished chunk was trained in this stage, which its name says."""
        return self.rung is None or chunk_id == chunk_id_of([*run_ids, *self.names])
