"""States: chunks between two segments, saved so that training resumes from them.

A state holds runs, not lanes: runs of several states can be gathered into one chunk, whatever its lanes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnet.lanes.chunk import Point
from fnnet.records.rows import Rows
from fnnet.records.sealed import Sealed
from fnnet.records.store import Store
from fnnet.space.space import Space
from fnnet.training import Progress


class ChunkState(NamedTuple):
    """A chunk between two segments.

    run_ids: its runs.
    step: updates made.
    seconds: spent so far.
    leaves: the progress of the runs, as arrays `[runs, ...]` on the host, or of all lanes on the devices; None before
        the first step.
    points: its evaluations so far.
    """

    run_ids: list[str]
    step: int
    seconds: float
    leaves: list[Any] | None
    points: list[Point]


class Saved(NamedTuple):
    """A saved state, without its arrays.

    id: the id of its chunk.
    fingerprint: all that its bits depend on but the number of devices.
    run_ids: its runs.
    step: updates made.
    """

    id: str
    fingerprint: str
    run_ids: list[str]
    step: int


def save_state(store: Store, chunk_id: str, state: ChunkState, fingerprint: str) -> None:
    """Save a state, which is on the host, in place of an earlier one of the chunk."""
    arrays = {f"progress/{i}": leaf for i, leaf in enumerate(state.leaves or ())}
    names = state.points[0] if state.points else ()
    arrays |= {f"curve/{name}": np.stack([point[name] for point in state.points]) for name in names}
    about = {"fingerprint": fingerprint, "runs": state.run_ids, "step": state.step, "seconds": state.seconds}
    store.save_state(chunk_id, Sealed(about, arrays))


def load_state(store: Store, chunk_id: str, one_run: Progress) -> ChunkState | None:
    """Load the state of a chunk; None if there is none, or it is damaged or of another form.

    Args:
        store: the store.
        chunk_id: the id of the chunk.
        one_run: the shapes of one run's progress.
    """
    sealed = store.load_state(chunk_id)
    if sealed is None:
        return None
    shapes = jax.tree.leaves(one_run)
    try:
        run_ids, arrays = list(sealed.about["runs"]), sealed.arrays
        leaves = [arrays[f"progress/{i}"] for i in range(len(shapes))]
        for leaf, shape in zip(leaves, shapes, strict=True):
            if leaf.shape != (len(run_ids), *shape.shape) or leaf.dtype != shape.dtype:
                return None
        curves = {name.removeprefix("curve/"): arrays[name] for name in arrays if name.startswith("curve/")}
        num_points = max(map(len, curves.values()), default=0)
        points = [{name: curve[i] for name, curve in curves.items()} for i in range(num_points)]
        step, seconds = int(sealed.about["step"]), float(sealed.about["seconds"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None  # a valid hash, but not in the form that `save_state` writes
    return ChunkState(run_ids, step, seconds, leaves, points)


def find_states(store: Store) -> dict[str, Saved]:
    """List the saved states by chunk."""
    found = {}
    for chunk_id in store.state_ids():
        state = store.load_state(chunk_id)
        about = {} if state is None else state.about
        fingerprint, run_ids, step = map(about.get, ("fingerprint", "runs", "step"))
        if isinstance(fingerprint, str) and isinstance(run_ids, list) and isinstance(step, int):
            found[chunk_id] = Saved(chunk_id, fingerprint, run_ids, step)
    return found


def gather(states: Sequence[ChunkState], run_ids: list[str]) -> ChunkState:
    """Gather runs from states on the host with equal numbers of steps.

    Raises:
        KeyError: when a run is in none of the states.
    """
    place = {run_id: i for i, run_id in enumerate(id_ for state in states for id_ in state.run_ids)}
    places = [place[run_id] for run_id in run_ids]

    def take(*leaves: np.ndarray) -> np.ndarray:
        return np.concatenate(leaves)[places]

    # The time of runs that are not gathered is not counted.
    wanted = set(run_ids)
    seconds = sum(
        state.seconds * len(wanted.intersection(state.run_ids)) / len(state.run_ids) for state in states
    )
    return ChunkState(
        run_ids,
        states[0].step,
        seconds,
        [take(*leaves) for leaves in zip(*(state.leaves or () for state in states), strict=True)],
        [jax.tree.map(take, *points) for points in zip(*(state.points for state in states), strict=True)],
    )


def on_host(state: ChunkState) -> ChunkState:
    """Copy the progress of a chunk's runs to the host, without padding."""
    num_runs = len(state.run_ids)
    return state._replace(leaves=[leaf[:num_runs] for leaf in jax.device_get(state.leaves or [])])


def make_rows(space: Space, metrics: Sequence[str], state: ChunkState, diverged_at: np.ndarray) -> Rows:
    """Build the rows of a finished chunk, one per run.

    Args:
        space: its runs.
        metrics: whose last values are columns; the rest are curves only.
        state: the state of the chunk.
        diverged_at: the step at which each run diverged, or -1.
    """
    curves = {name: np.array([point[name] for point in state.points]).T for name in state.points[0]}
    return {
        "id": np.array(state.run_ids, object),
        **{name: space.table_column(name) for name in space.axes},
        **{name: curve[:, -1] for name, curve in curves.items() if name in metrics},
        "diverged": diverged_at >= 0,
        "diverged_at": diverged_at,
        "seconds": np.full(len(space), state.seconds / len(space)),
        **{f"{name}_curve": curve for name, curve in curves.items()},
    }
