"""Costs of training a group on this machine, in bytes, FLOPs and seconds.

The compiler reports bytes, FLOPs are counted in the traced function, and seconds are measured on a few steps and
cached on disk.
"""

import contextlib
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import NamedSharding

from fnnet.cache import cache_folder
from fnnet.lanes.canary import canary
from fnnet.lanes.program import Lanes, Program, lanes_sharding, shared_sharding
from fnnet.memory import is_out_of_memory
from fnnet.types import PyTree

MEASURED_SECONDS = 0.06  # of steps in each measurement, where a program can run that many


class Cost(NamedTuple):
    """The cost of one chunk with some number of lanes per device.

    lanes: runs that train together on one device.
    num_bytes: peak memory of all devices, data included.
    begin: seconds to initialize.
    segment: seconds of overhead per segment, mostly to draw batches.
    step: seconds per step of all lanes; infinite if they do not fit in memory, NaN if not measured.
    measure: seconds per evaluation.
    """

    lanes: int
    num_bytes: int
    begin: float
    segment: float
    step: float
    measure: float


def measure_cost(
    program: Program, hparams: Lanes, data_seed: Any, data: PyTree, limit: float, is_timed: bool = True
) -> Cost:
    """Compile the program of a group and measure its cost; its seconds are infinite if it does not fit in memory.

    Args:
        program: the group's program.
        hparams: hyper-parameters of the lanes of all devices, arrays `[lanes]`.
        data_seed: seed of the order of batches.
        data: the data, on the devices.
        limit: usable memory in bytes; a program that needs more is not run.
        is_timed: whether to run the program; otherwise seconds are NaN.
    """
    num_devices = program.mesh.size
    lanes = len(jax.tree.leaves(hparams)[0]) // num_devices
    num_bytes = num_devices * device_bytes(program, hparams, data_seed, data)
    try:
        if num_bytes <= limit:
            arguments = program, hparams, data_seed, data
            seconds = _measure_seconds(*arguments) if is_timed else (math.nan,) * 4
            return Cost(lanes, num_bytes, *seconds)
    except Exception as error:  # less memory was free than `limit`
        if not is_out_of_memory(error):
            raise
    return Cost(lanes, num_bytes, math.inf, math.inf, math.inf, math.inf)


def _measure_seconds(
    program: Program, hparams: Lanes, data_seed: Any, data: PyTree
) -> tuple[float, float, float, float]:
    first = np.int32(0)
    begin, progress = _timed(program.begin, hparams, data)
    program.draw(
        data_seed, data, first, program.max_steps
    )  # the first call of a function also maps its memory
    draws, batches = _timed(program.draw, data_seed, data, first, program.max_steps)

    def steps(num_steps: int) -> float:
        nonlocal progress
        length = np.int32(num_steps)
        seconds, progress = _timed(program.steps, hparams, progress, batches, data, first, length)
        return seconds

    steps(1)
    one = many = steps(1)
    num_steps = int(np.clip(MEASURED_SECONDS / max(one, 1e-6), 1, program.max_steps))
    if num_steps > 1:
        many = min(steps(num_steps) for _ in range(2))  # other load only adds time
    step = (many - one) / (num_steps - 1) if many > one else many / num_steps
    measure, _ = _timed(program.measure, hparams, progress, data)
    return begin, draws + max(0.0, one - step), step, measure


def _timed(function: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = jax.block_until_ready(function(*args))
    return time.perf_counter() - started, result


def device_bytes(program: Program, hparams: Lanes, data_seed: Any, data: PyTree) -> int:
    """Compile a program as it runs later; return its peak memory on one device: arguments, results and temporaries."""
    step = np.int32(0)
    drawn = program.draw.lower(data_seed, data, step, program.max_steps)
    batches = _placed(drawn.out_info, shared_sharding(program.mesh))
    begun = program.begin.lower(hparams, data)
    progress = _placed(begun.out_info, lanes_sharding(program.mesh))
    steps = program.steps.lower(hparams, progress, batches, data, step, step)
    measure = program.measure.lower(hparams, progress, data)
    with ThreadPoolExecutor() as threads:  # parts of a compilation are single-threaded
        return max(threads.map(peak_bytes, (drawn, begun, steps, measure)))


def peak_bytes(lowered: jax.stages.Lowered) -> int:
    """Compile a function; return its peak memory on one device, or 0 where the compiler does not report it."""
    size = lowered.compile().memory_analysis()
    if size is None:
        return 0
    held = size.argument_size_in_bytes + size.output_size_in_bytes - size.alias_size_in_bytes
    return held + size.temp_size_in_bytes


def _placed(tree: PyTree, sharding: NamedSharding) -> PyTree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def count_flops(function: Callable[..., Any], *args: Any) -> int:
    """Count the floating-point operations of a function's matrix products, 2 m k n each, without running it.

    Elementwise operations are not counted. A loop of unknown length counts as one iteration.

    Args:
        function: the function to trace.
        *args: arrays, or shapes as for `jax.eval_shape`.

    Example:
        >>> count_flops(lambda x, w: jax.nn.relu(x @ w), np.ones((5, 3)), np.ones((3, 7)))
        210
    """
    return _jaxpr_flops(jax.make_jaxpr(function)(*args).jaxpr)


def _jaxpr_flops(jaxpr: Jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, result = (variable.aval.shape for variable in (equation.invars[0], *equation.outvars))  # type: ignore[attr-defined]
            total += 2 * math.prod(result) * math.prod(left[axis] for axis in contracted)
            continue
        inner = [_jaxpr_flops(each) for value in equation.params.values() for each in _jaxprs(value)]
        if equation.primitive.name == "scan":
            total += equation.params["length"] * sum(inner)
        elif equation.primitive.name == "cond":
            total += max(inner)
        else:
            total += sum(inner)
    return total


def _jaxprs(value: Any) -> list[Jaxpr]:
    """List the functions in a parameter of an operation."""
    if isinstance(value, ClosedJaxpr):
        return [value.jaxpr]
    if isinstance(value, Jaxpr):
        return [value]
    return [each for item in value for each in _jaxprs(item)] if isinstance(value, list | tuple) else []


class CostFile:
    """The measured costs of one group's program on this kind of machine, by number of lanes.

    program_hash: identifies what one run computes.
    num_devices: number of devices it runs on.
    max_steps: number of steps whose batches are drawn at once, which affects memory and time.
    """

    def __init__(self, program_hash: str, num_devices: int, max_steps: int):
        device = jax.local_devices()[0]
        versions = [f"{name} {version(name)}" for name in ("fnnet", "jax", "jaxlib")]
        machine = [device.device_kind, canary(), os.cpu_count(), os.environ.get("XLA_FLAGS", "")]
        key = [program_hash, num_devices, max_steps, *machine, *versions]
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
        self._path = cache_folder() / "costs" / f"{name}.json"

    def read(self) -> dict[int, Cost]:
        """Read all costs: none if the file is missing or damaged."""
        try:
            stored = json.loads(self._path.read_bytes())
            costs = [Cost(int(cost[0]), int(cost[1]), *map(float, cost[2:])) for cost in stored]
            return {cost.lanes: cost for cost in costs}
        except (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
            return {}

    def add(self, cost: Cost) -> None:
        """Add a cost; do nothing if the folder is not writable."""
        costs = self.read() | {cost.lanes: cost}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._path.parent)
            with os.fdopen(descriptor, "w") as file:
                json.dump(sorted(costs.values()), file)
            Path(temporary).replace(self._path)
