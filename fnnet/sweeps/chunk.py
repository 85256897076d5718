"""Chunks: runs that train together, from their first step to a table of rows.

A chunk trains in segments, stretches of steps between two returns to the host, where progress is shown,
measurements are fetched and the state is saved. Results do not depend, bit for bit, on where segments are cut.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import polars as pl
from jax.sharding import Mesh

from fnnet.lanes.program import Program, lanes_sharding
from fnnet.leaves import name_leaves
from fnnet.records.sealed import Sealed
from fnnet.records.store import Store
from fnnet.sweeps.interrupt import Interrupt
from fnnet.sweeps.plan import Plan
from fnnet.training import Progress


class Settings(NamedTuple):
    """What all runs of a sweep share.

    num_steps: updates in each run.
    eval_every: evaluate every this many steps and at the end; None to evaluate only at the end.
    lanes: runs that train together on one device; None to choose for each group.
    state_every: seconds after which the state is saved at the end of a segment.
    save_params: whether to keep the trained parameters.
    """

    num_steps: int
    eval_every: int | None = None
    lanes: int | None = None
    state_every: float = 60.0
    save_params: bool = False


class Chunk(NamedTuple):
    """Runs that train together.

    id: the chunk's name, a hash of its run ids.
    runs: their places in the space.
    run_ids: their ids in the store.
    data_seed: their common order of batches.
    state: the chunk whose saved state they resume from, if not their own; it holds all these runs.
    """

    id: str
    runs: np.ndarray
    run_ids: list[str]
    data_seed: Any
    state: str | None = None


Curves = dict[str, list[np.ndarray]]
"""By name, an array `[lanes]` for each evaluation."""


class Underway(NamedTuple):
    """A chunk between two segments.

    progress: of its lanes, on the devices.
    curves: what was measured so far.
    step: updates made.
    seconds: spent.
    """

    progress: Progress
    curves: Curves
    step: int
    seconds: float


class Trainer(NamedTuple):
    """Trains the chunks of a group.

    segment: steps between two returns to the host, at most.
    fingerprint: what the bits of the runs depend on besides their configurations.
    state_fingerprint: the same but for the number of devices, since a state resumes on any number.
    interrupted: whether a signal asks to stop.
    advanced: called after each segment with the work done in this chunk, in steps summed over runs.
    """

    program: Program
    segment: int
    plan: Plan
    settings: Settings
    data: Any
    folder: Store | None
    fingerprint: str
    state_fingerprint: str
    interrupted: Interrupt
    advanced: Callable[[float], None]

    def train(self, chunk: Chunk, lanes: int) -> pl.DataFrame:
        """Train one chunk from its start, or from its saved state; returns its rows."""
        hparams = lane_hparams(self.plan, chunk.runs, lanes, self.program.mesh)
        underway = self.resume(chunk, hparams) or self.begin(hparams)
        underway = self.advance(chunk, hparams, underway, self.settings.num_steps)
        if self.folder is not None and self.settings.save_params:
            self.save_params(chunk, underway.progress)
        return rows(self.plan, chunk, underway)

    def begin(self, hparams: Any) -> Underway:
        """Initialize all lanes."""
        started = time.perf_counter()
        progress = jax.block_until_ready(self.program.begin(hparams, self.data))
        return Underway(progress, {}, 0, time.perf_counter() - started)

    def advance(self, chunk: Chunk, hparams: Any, underway: Underway, stop: int) -> Underway:
        """Train to the step `stop`; evaluate there and at every evaluation before it."""
        saved, begun = time.perf_counter(), underway.step
        for point in evaluations(underway.step, stop, self.settings.eval_every):
            while underway.step < point:
                underway = self._segment(chunk, hparams, underway, point)
                self.advanced(len(chunk.runs) * (underway.step - begun))
                if underway.step == point:
                    underway = self._measure(hparams, underway)
                if underway.step < stop:
                    is_time = time.perf_counter() - saved >= self.settings.state_every
                    if self.folder is not None and (is_time or self.interrupted.is_set):
                        self.save(chunk, underway)
                        saved = time.perf_counter()
                    self.interrupted.check()
        return underway

    def _segment(self, chunk: Chunk, hparams: Any, underway: Underway, point: int) -> Underway:
        started = time.perf_counter()
        length, program = min(point - underway.step, self.segment), self.program
        first_step = np.int32(underway.step)
        batches = program.draw(chunk.data_seed, self.data, first_step, program.max_steps)
        progress = program.steps(hparams, underway.progress, batches, self.data, first_step, np.int32(length))
        jax.block_until_ready(progress)
        seconds = underway.seconds + time.perf_counter() - started
        return Underway(progress, underway.curves, underway.step + length, seconds)

    def _measure(self, hparams: Any, underway: Underway) -> Underway:
        """Add an evaluation to the curves."""
        started = time.perf_counter()
        progress, curves, step, seconds = underway
        measured = jax.device_get(self.program.measure(hparams, progress, self.data))
        totals = jax.device_get(progress.totals)
        last_step = curves["step"][-1][0] if curves else 0
        point = {
            "step": np.full_like(totals["loss"], step, np.int32),
            **{f"batch_{name}": total / total.dtype.type(step - last_step) for name, total in totals.items()},
            **measured,
        }
        curves = {name: [*curves.get(name, []), np.asarray(values)] for name, values in point.items()}
        zeros = jax.device_put(jax.tree.map(np.zeros_like, totals), lanes_sharding(self.program.mesh))
        seconds += time.perf_counter() - started
        return Underway(progress._replace(totals=zeros), curves, step, seconds)

    def save(self, chunk: Chunk, underway: Underway) -> None:
        """Save the state of the chunk's runs in place of an earlier one.

        A state only saves time, so training continues where it cannot be written.
        """
        assert self.folder is not None
        num_runs = len(chunk.run_ids)
        leaves = jax.device_get(jax.tree.leaves(underway.progress))
        arrays = {f"progress/{i}": leaf[:num_runs] for i, leaf in enumerate(leaves)}
        arrays |= {
            f"curve/{name}": np.stack(points)[:, :num_runs] for name, points in underway.curves.items()
        }
        about = {
            "fingerprint": self.state_fingerprint,
            "runs": chunk.run_ids,
            "step": underway.step,
            "seconds": underway.seconds,
        }
        try:
            self.folder.save_state(chunk.id, Sealed(about, arrays))
        except OSError as error:
            warnings.warn(
                f"cannot save a chunk that is training in {error.filename}: {error.strerror}; the sweep goes on",
                stacklevel=2,
            )

    def resume(self, chunk: Chunk, hparams: Any) -> Underway | None:
        """Load the saved state of the chunk; None where there is none under the same fingerprint.

        Its runs are spread over the current number of lanes.
        """
        state = self.folder.load_state(chunk.state or chunk.id) if self.folder is not None else None
        if state is None or state.about.get("fingerprint") != self.state_fingerprint:
            return None
        shapes = jax.eval_shape(self.program.begin, hparams, self.data)
        try:
            place = {run_id: place for place, run_id in enumerate(state.about["runs"])}
            places = [place[run_id] for run_id in chunk.run_ids]
            places += places[:1] * (len(shapes.diverged_at) - len(places))
            leaves = [
                _fitted(state.arrays[f"progress/{i}"][places], shape)
                for i, shape in enumerate(jax.tree.leaves(shapes))
            ]
            curves = {
                name.removeprefix("curve/"): list(points[:, places])
                for name, points in state.arrays.items()
                if name.startswith("curve/")
            }
            step, seconds = int(state.about["step"]), float(state.about["seconds"])
        except (KeyError, IndexError, TypeError, ValueError):
            return None  # a valid hash, but not in the form that `save` writes
        progress = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
        return Underway(jax.device_put(progress, lanes_sharding(self.program.mesh)), curves, step, seconds)

    def save_params(self, chunk: Chunk, progress: Progress) -> None:
        """Save the trained parameters of the chunk's runs."""
        assert self.folder is not None
        params = name_leaves(jax.device_get(params_of(progress.state)))
        arrays = {name: leaf[: len(chunk.run_ids)] for name, leaf in params.items()}
        about = {"fingerprint": self.fingerprint, "runs": chunk.run_ids}
        self.folder.save_params(chunk.id, Sealed(about, arrays))


def params_of(state: Any) -> Any:
    """Return the trained parameters in the state of a task: `state.params`, or all of it where there are none."""
    return getattr(state, "params", state)


def _fitted(leaf: np.ndarray, expected: Any) -> np.ndarray:
    if leaf.shape != expected.shape or leaf.dtype != expected.dtype:
        raise ValueError(f"expected {expected}")
    return leaf


def evaluations(first: int, stop: int, eval_every: int | None) -> Iterator[int]:
    """List the steps after `first` at which a run is measured: multiples of `eval_every`, and the last one.

    Example:
        >>> list(evaluations(4, 10, 4)), list(evaluations(0, 10, None))
        ([8, 10], [10])
    """
    every = eval_every or stop
    yield from range((first // every + 1) * every, stop, every)
    if first < stop:
        yield stop


def rows(plan: Plan, chunk: Chunk, underway: Underway) -> pl.DataFrame:
    """Build the table of a finished chunk, one row per run."""
    num_runs = len(chunk.runs)
    space = plan.space.take(chunk.runs)
    axes = {name: space.table_column(name) for name in space.axes}
    table: dict[str, Any] = {"id": chunk.run_ids} | axes
    curves = {name: np.stack(points, axis=1)[:num_runs] for name, points in underway.curves.items()}
    for name, curve in curves.items():
        if name in plan.metrics:
            table[name] = curve[:, -1]
    diverged_at = np.asarray(underway.progress.diverged_at)[:num_runs]
    table["diverged"] = diverged_at >= 0
    table["diverged_at"] = diverged_at
    table["seconds"] = np.full(num_runs, underway.seconds / num_runs)
    for name, curve in curves.items():
        table[f"{name}_curve"] = pl.Series(curve.tolist(), dtype=pl.List(_dtype(curve)))
    return pl.DataFrame(table)


def lane_hparams(plan: Plan, runs: np.ndarray, lanes: int, mesh: Mesh) -> dict[str, Any]:
    """Put the hyper-parameters of some runs of one group on the devices, for `lanes` lanes in all.

    Fewer runs are padded with copies of the first: another number of lanes would be another program.
    """
    columns = plan.hparams(np.concatenate([runs, np.repeat(runs[:1], lanes - len(runs))]))
    columns.pop("data_seed", None)  # shared by all lanes
    columns = columns or {"": np.zeros(lanes)}  # something has to be as long as there are lanes
    return jax.device_put({name: narrow(column) for name, column in columns.items()}, lanes_sharding(mesh))


def narrow(column: Any) -> Any:
    """Cast numbers to the dtype that JAX computes with: float32 or int32, or 64 bits where x64 is on."""
    return column.astype(jax.dtypes.canonicalize_dtype(column.dtype))


def _dtype(array: np.ndarray) -> Any:
    """Return the polars dtype of an array."""
    return pl.Series(array.ravel()[:0]).dtype
