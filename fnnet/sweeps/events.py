"""Events: what a sweep reports while it runs, to progress bars, logs and tests."""

from typing import NamedTuple

from fnnet.lanes.chunk import ChunkSpec, Point
from fnnet.records.rows import Rows
from fnnet.space.space import Config


class Compiled(NamedTuple):
    """Some of the programs are compiled and measured.

    num_compiled: the number compiled so far.
    num_programs: the number in all.
    """

    num_compiled: int
    num_programs: int


class Planned(NamedTuple):
    """Training begins.

    num_runs: the number of runs of the sweep.
    num_done: runs that are finished already.
    work: still to do, in steps summed over runs.
    metric: what ranks the runs; None if no metric can.
    higher_is_better: the direction of the metric.
    axes: the axes that distinguish the runs.
    num_groups: the number of groups, whose runs share a program.
    num_chunks: the number of chunks to train; 0 where that is not known yet.
    step_flops: floating-point operations of one step of one run, by program.
    peak: floating-point operations per second that the devices can do; None if it was not measured.
    """

    num_runs: int
    num_done: int
    work: float
    metric: str | None
    higher_is_better: bool
    axes: list[str]
    num_groups: int
    num_chunks: int
    step_flops: dict[str, float]
    peak: float | None


class Began(NamedTuple):
    """A stage of the sweep begins: a group, or a rung of a search.

    name: the name of the stage.
    num_runs: the runs that progress counts from now on; None for those of the whole sweep.
    """

    name: str
    num_runs: int | None = None


class Segment(NamedTuple):
    """A segment of a chunk is trained.

    spec: the chunk.
    first_step: steps made before this chunk began or was resumed.
    step: steps made now.
    """

    spec: ChunkSpec
    first_step: int
    step: int


class Evaluated(NamedTuple):
    """A chunk is evaluated.

    spec: the chunk.
    step: steps made.
    point: its metrics.
    """

    spec: ChunkSpec
    step: int
    point: Point


class Committed(NamedTuple):
    """Runs are finished: trained and committed to the store, if there is one, or found there.

    rows: the rows of the runs, in columns: by name, arrays `[runs]`, and curves `[runs, evaluations]`.
    num_steps: the steps that each took since the stage before.
    chunk_id: the id of the chunk in which they trained; None for runs that were found.
    """

    rows: Rows
    num_steps: int
    chunk_id: str | None = None


class Failed(NamedTuple):
    """Runs are given up; the others continue.

    spec: their chunk: a run that ended every worker that trained it, alone, or with `on_error="continue"` any.
    reason: the last error.
    """

    spec: ChunkSpec
    reason: str


class OutOfMemory(NamedTuple):
    """A device ran out of memory; the group continues with fewer lanes.

    static: the static values of the group.
    lanes: on each device from now on.
    """

    static: Config
    lanes: int


class Interrupted(NamedTuple):
    """A signal stops the sweep; everything trained so far is saved.

    signum: the signal.
    """

    signum: int


class Finished(NamedTuple):
    """All runs are finished.

    num_runs: the number of runs of the sweep.
    """

    num_runs: int


Event = (
    Compiled
    | Planned
    | Began
    | Segment
    | Evaluated
    | Committed
    | Failed
    | OutOfMemory
    | Interrupted
    | Finished
)
