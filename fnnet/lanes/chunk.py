"""Chunks: runs that train together as lanes of one program.

A chunk is data, a `ChunkSpec`. Training a segment of it is a pure function of the spec, the data and the state, so it
gives the same bits in any process with the same program. Where segments are cut changes no bit either.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from fnnet.lanes.placement import pad, place
from fnnet.lanes.program import Lanes, Program
from fnnet.precision import canonicalize
from fnnet.space.space import Config
from fnnet.training import Progress
from fnnet.types import PyTree

Point = dict[str, np.ndarray]
"""One evaluation of a chunk: an array `[runs]` for each metric."""


class ChunkSpec(NamedTuple):
    """All that a worker needs to train a chunk, besides recipe and data.

    id: the chunk's name, a hash of its run ids.
    run_ids: the runs, one lane each.
    static: the values of the static axes.
    traced: by name, the numbers of each traced axis, one per run.
    data_seed: the order of batches, which all lanes share.
    lanes: on each device; lanes without a run are padding.
    eval_every: evaluate every this many steps; None for only at the stops.
    stops: steps at which the runs are evaluated besides, increasing; training ends at the last one.
    program: the hash of the program.
    """

    id: str
    run_ids: list[str]
    static: Config
    traced: dict[str, list[float]]
    data_seed: float
    lanes: int
    eval_every: int | None
    stops: list[int]
    program: str

    def to_json(self) -> dict[str, Any]:
        """Return the spec as a JSON object; JSON writes the tuples in it as lists.

        Example:
            >>> import json
            >>> spec = ChunkSpec("0a", ["f3"], {"widths": (5, 3)}, {"seed": [7]}, 0, 4, None, [20], "c1")
            >>> ChunkSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
            True
        """
        return self._asdict()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ChunkSpec":
        """Build a spec from what `to_json` returned."""
        static = {name: _from_json(value) for name, value in stored["static"].items()}
        return cls(**{**stored, "static": static})

    def is_measured(self, step: int) -> bool:
        """Return whether the runs are evaluated after this many steps."""
        return step in self.stops or (self.eval_every is not None and step % self.eval_every == 0)

    def next_measured(self, step: int) -> int:
        """Return the first step after `step` at which the runs are evaluated.

        Example:
            >>> spec = ChunkSpec("0a", ["f3"], {}, {}, 0, 4, 4, [6, 10], "c1")
            >>> [spec.next_measured(step) for step in (0, 4, 6, 8)]
            [4, 6, 8, 10]
        """
        following = [stop for stop in self.stops if stop > step]
        if self.eval_every is not None:
            following.append((step // self.eval_every + 1) * self.eval_every)
        return min(following)

    def last_measured(self, step: int) -> int:
        """Return the last step before `step` at which the runs were evaluated; 0 if there is none."""
        earlier = [stop for stop in self.stops if stop < step]
        if self.eval_every is not None:
            earlier.append((step - 1) // self.eval_every * self.eval_every)
        return max(earlier, default=0)


def train_segment(
    program: Program, spec: ChunkSpec, data: PyTree, progress: Progress | None, first_step: int, stop: int
) -> tuple[Progress, list[Point]]:
    """Train a chunk from one step to another, and evaluate it wherever its spec says in between.

    Args:
        program: the program of the chunk's group.
        spec: the chunk.
        data: the data of the task.
        progress: the progress after `first_step` steps, of the chunk's runs on the host or of all its lanes on the
            devices, whose memory is then reused; None to initialize.
        first_step: the step at which to begin.
        stop: the step at which to end, at most the last of the spec's stops.

    Returns:
        The progress of all lanes on the devices after `stop` steps, and the evaluations in `(first_step, stop]`.
    """
    hparams = place_hparams(spec.traced, spec.lanes, program.mesh)
    if progress is None:
        current: Progress = program.begin(hparams, data)
    else:
        current = place(pad(progress, spec.lanes * program.mesh.size), program.mesh)
    points, step, data_seed = [], first_step, canonicalize(np.asarray(spec.data_seed))
    while step < stop:
        if spec.is_measured(step):
            current = _reset_totals(current, program.mesh)
        length = min(spec.next_measured(step), stop, step + program.max_steps) - step
        selections = program.draw(data_seed, data, np.int32(step), program.max_steps)
        current = program.steps(hparams, current, selections, data, np.int32(step), np.int32(length))
        step += length
        if spec.is_measured(step):
            point, current = _measure(program, spec, hparams, data, current, step)
            points += _split(point)
    return jax.block_until_ready(current), points


def _reset_totals(progress: Progress, mesh: Mesh) -> Progress:
    """Begin new sums of the steps' own metrics.

    Not right after an evaluation: when a finished run goes on to more steps, its last one may not be among them.
    """
    zeros = {name: np.zeros(total.shape, total.dtype) for name, total in progress.totals.items()}
    return progress._replace(totals=place(zeros, mesh))


def _measure(
    program: Program, spec: ChunkSpec, hparams: Lanes, data: PyTree, progress: Progress, step: int
) -> tuple[Point, Progress]:
    """Evaluate all lanes, and let the task react to that."""
    changed, measured = program.measure(hparams, progress, data)
    progress, measured = progress if changed is None else changed, jax.device_get(measured)
    totals = jax.device_get(progress.totals)
    num_steps = step - spec.last_measured(step)
    point = {
        "step": np.full_like(totals["loss"], step, np.int32),
        **{f"batch_{name}": total / total.dtype.type(num_steps) for name, total in totals.items()},
        **measured,
    }
    of_runs = {name: np.asarray(values)[: len(spec.run_ids)] for name, values in point.items()}
    return of_runs, progress


def _split(point: Point) -> list[Point]:
    """Split an evaluation that returned whole curves `[runs, n]` into those at the steps 1 to n."""
    (length,) = {values.shape[1] for values in point.values() if values.ndim == 2} or {1}
    if all(values.ndim == 1 for values in point.values()):
        return [point]
    points = []
    for index in range(length):
        one = {name: values[:, index] for name, values in point.items() if values.ndim == 2}
        for name in point.keys() - one.keys():
            is_known = index == length - 1 or not np.issubdtype(point[name].dtype, np.floating)
            one[name] = point[name] if is_known else np.full_like(point[name], np.nan)
        points.append({name: one[name] for name in point} | {"step": np.full_like(point["step"], index + 1)})
    return points


def place_hparams(columns: Mapping[str, Any], lanes: int, mesh: Mesh) -> Lanes:
    """Put the hyper-parameters of a chunk's runs, one number each, on the devices, padded to `lanes` on each."""
    arrays = {name: canonicalize(np.asarray(column)) for name, column in columns.items()}
    # Without an axis, something still has to be as long as there are lanes.
    return place(pad(arrays or {"": np.zeros(1, np.float32)}, lanes * mesh.size), mesh)


def _from_json(value: Any) -> Any:
    return tuple(_from_json(item) for item in value) if isinstance(value, list) else value
