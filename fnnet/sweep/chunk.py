"""Chunks: runs that train together, from their first step to a table of rows.

A chunk trains in segments, stretches of steps between two returns to the host, where progress is shown,
measurements are fetched and the state is saved.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import polars as pl
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fnnet.sweep import store as stores
from fnnet.sweep.interrupt import Interrupt
from fnnet.sweep.plan import Plan
from fnnet.sweep.program import AXIS, Program
from fnnet.sweep.store import Store

MAX_SEGMENT = 1000  # steps; the longest stretch that is not interrupted, shown or saved


class Settings(NamedTuple):
    """What all runs of a sweep share.

    num_steps: updates in each run.
    eval_every: measure after so many updates each; None for only after the last one.
    lanes: runs that train together on one device; None to choose for each group.
    state_every: seconds after which a chunk under way is saved at the next border of segments.
    save_params: whether to keep the trained parameters.
    """

    num_steps: int
    eval_every: int | None = None
    lanes: int | None = None
    state_every: float = 60.0
    save_params: bool = False


class Chunk(NamedTuple):
    """Runs that train together.

    id: names the chunk after its runs.
    runs: their places in the space.
    run_ids: what they are called in the store.
    data_seed: their common order of batches.
    """

    id: str
    runs: np.ndarray
    run_ids: list[str]
    data_seed: Any


class Trainer(NamedTuple):
    """All that training a group's chunks needs."""

    program: Program
    plan: Plan
    settings: Settings
    data: Any
    mesh: Mesh
    folder: Store | None
    interrupted: Interrupt

    def hparams(self, runs: np.ndarray) -> dict[str, Any]:
        """Give the lanes' hyper-parameters."""
        columns = self.plan.hparams(runs)
        columns.pop("data_seed", None)
        return {name: narrow(column) for name, column in columns.items()}

    def bytes_per_run(self, runs: np.ndarray) -> int:
        """Measure the state of one run without making it."""
        lanes = np.repeat(runs[:1], self.mesh.size)
        state = jax.eval_shape(self.program.begin, self.hparams(lanes), self.data)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) // self.mesh.size

    def train(self, chunk: Chunk, lanes: int) -> pl.DataFrame:
        """Train one chunk from its start, or from where its saved state ends; returns its rows."""
        started = time.perf_counter()
        # A short chunk is padded with copies of its first run: another size would be another program.
        padded = np.concatenate([chunk.runs, np.repeat(chunk.runs[:1], lanes - len(chunk.runs))])
        hparams = jax.device_put(self.hparams(padded), NamedSharding(self.mesh, PartitionSpec(AXIS)))
        progress, curves, seconds, step = self._resume(chunk, hparams)
        saved = time.perf_counter()
        for first, length, is_measured in segments(self.settings.num_steps, self.settings.eval_every):
            if first < step:
                continue
            progress, loss = self.program.steps(
                hparams, progress, chunk.data_seed, self.data, np.int32(first), num_steps=length
            )
            curves.add_loss(np.asarray(loss), length)
            if is_measured:
                measured = jax.device_get(self.program.measure(hparams, progress, self.data))
                curves.add_point(first + length, measured)
            is_last = first + length == self.settings.num_steps
            is_time = time.perf_counter() - saved >= self.settings.state_every
            if self.folder is not None and not is_last and (is_time or self.interrupted.is_set):
                spent = seconds + time.perf_counter() - started
                self._save(chunk, progress, curves, spent, first + length)
                saved = time.perf_counter()
            if not is_last:
                self.interrupted.check()
        if self.folder is not None and self.settings.save_params:
            params = getattr(progress.state, "params", progress.state)
            stores.save_params(self.folder, chunk.id, pack(jax.device_get(params)))
        seconds += time.perf_counter() - started
        return self._rows(chunk, np.asarray(progress.diverged_at), curves, seconds)

    def _resume(self, chunk: Chunk, hparams: Any) -> tuple[Any, "Curves", float, int]:
        state = stores.load_state(self.folder, chunk.id) if self.folder is not None else None
        if state is None:
            return self.program.begin(hparams, self.data), Curves(), 0.0, 0
        shapes = jax.eval_shape(self.program.begin, hparams, self.data)
        leaves = [state[f"progress/{i}"] for i in range(len(jax.tree.leaves(shapes)))]
        progress = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
        progress = jax.device_put(progress, NamedSharding(self.mesh, PartitionSpec(AXIS)))
        return progress, Curves.unpacked(state), float(state["seconds"]), int(state["step"])

    def _save(self, chunk: Chunk, progress: Any, curves: "Curves", seconds: float, step: int) -> None:
        assert self.folder is not None
        leaves = jax.device_get(jax.tree.leaves(progress))
        arrays = {f"progress/{i}": leaf for i, leaf in enumerate(leaves)}
        stores.save_state(
            self.folder,
            chunk.id,
            arrays | curves.packed() | {"seconds": np.array(seconds), "step": np.array(step)},
        )

    def _rows(self, chunk: Chunk, diverged_at: np.ndarray, curves: "Curves", seconds: float) -> pl.DataFrame:
        space, num_runs = self.plan.space, len(chunk.runs)
        axes = {name: space.column(name)[chunk.runs] for name in space.axes}
        table: dict[str, Any] = {"id": chunk.run_ids} | axes
        points = curves.stacked()
        for name, curve in points.items():
            if name not in ("step", "batch_loss"):
                table[name] = curve[:num_runs, -1]
        table["diverged"] = diverged_at[:num_runs] >= 0
        table["diverged_at"] = diverged_at[:num_runs]
        table["seconds"] = np.full(num_runs, seconds / num_runs)
        for name, curve in points.items():
            table[f"{name}_curve"] = pl.Series(curve[:num_runs].tolist(), dtype=pl.List(_dtype(curve)))
        return pl.DataFrame(table)


class Curves:
    """What a chunk measured so far: by name, an array `[lanes]` for each evaluation."""

    def __init__(self) -> None:
        self._points: dict[str, list[np.ndarray]] = {}
        self._loss: Any = np.float32(0)  # never widens the dtype of what is added
        self._num_steps = 0

    def add_loss(self, mean_loss: np.ndarray, num_steps: int) -> None:
        """Count the mean loss of a segment towards the next evaluation's batch_loss."""
        self._loss = self._loss + mean_loss * np.asarray(num_steps, mean_loss.dtype)
        self._num_steps += num_steps

    def add_point(self, step: int, measured: dict[str, np.ndarray]) -> None:
        """Add an evaluation."""
        mean = self._loss / np.asarray(self._num_steps, self._loss.dtype)
        steps = np.full(mean.shape, step, np.int32)
        for name, value in {"step": steps, "batch_loss": mean, **measured}.items():
            self._points.setdefault(name, []).append(np.asarray(value))
        self._loss, self._num_steps = np.float32(0), 0

    def stacked(self) -> dict[str, np.ndarray]:
        """Give each curve as an array `[lanes, evaluations]`."""
        return {name: np.stack(points, axis=1) for name, points in self._points.items()}

    def packed(self) -> dict[str, np.ndarray]:
        """Give all there is as named arrays."""
        curves = {f"curve/{name}": curve for name, curve in self.stacked().items()}
        return curves | {"loss": np.asarray(self._loss), "loss_steps": np.array(self._num_steps)}

    @classmethod
    def unpacked(cls, arrays: dict[str, np.ndarray]) -> "Curves":
        """Rebuild what `packed` gave."""
        curves = cls()
        for name, curve in arrays.items():
            if name.startswith("curve/"):
                curves._points[name.removeprefix("curve/")] = list(curve.T)
        curves._loss, curves._num_steps = arrays["loss"], int(arrays["loss_steps"])
        return curves


def segments(num_steps: int, eval_every: int | None) -> Iterator[tuple[int, int, bool]]:
    """Cut a run's steps at evaluations, and further so that no segment is longer than `MAX_SEGMENT`.

    The cuts do not depend on the machine or on time, so a resumed run has the same ones. Segments are of one
    length where that can be, because every length is compiled.

    Returns:
        For each segment its first step, its length, and whether a measurement follows.

    Example:
        >>> list(segments(2500, None))
        [(0, 625, False), (625, 625, False), (1250, 625, False), (1875, 625, True)]
    """
    every = min(eval_every or num_steps, num_steps)
    whole = max(d for d in range(1, min(every, MAX_SEGMENT) + 1) if every % d == 0)
    length = whole if whole >= min(every, MAX_SEGMENT) // 4 else MAX_SEGMENT
    for start in range(0, num_steps, every):
        stop = min(start + every, num_steps)
        for first in range(start, stop, length):
            last = min(first + length, stop)
            yield first, last - first, last == stop


def pack(params: Any) -> dict[str, np.ndarray]:
    """Name the leaves of a pytree of dicts, lists and tuples by their paths: "0/w"."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return {"/".join(_token(key) for key in path): np.asarray(leaf) for path, leaf in leaves}


def _token(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))))


def narrow(column: Any) -> Any:
    """Give numbers the dtype that JAX computes with: float32 and int32, or 64 bits where these are on."""
    return column.astype(jax.dtypes.canonicalize_dtype(column.dtype))


def _dtype(array: np.ndarray) -> Any:
    """Name an array's dtype as polars does."""
    return pl.Series(array.ravel()[:0]).dtype
