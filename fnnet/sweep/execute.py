"""Execution: where numbers and records meet. Every group is compiled once and runs all its runs as lanes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fnnet.sweep.plan import Group, Plan, Recipe, make_plan
from fnnet.sweep.program import compile_training, make_mesh, use_all_cores
from fnnet.sweep.results import Results
from fnnet.sweep.space import Space
from fnnet.train import Run, check_steps


def sweep(
    recipe: Recipe,
    space: Space,
    data: Any,
    *,
    num_steps: int,
    eval_every: int | None = None,
    show_progress: bool = False,
) -> Results:
    """Train every run of a space.

    Args:
        recipe: a function whose arguments are the static axes and which returns a `Task`.
        space: the runs, as `grid` makes them.
        data: what the task takes, usually a `Dataset`.
        num_steps: updates in each run.
        eval_every: measure after so many updates each; None for only after the last one.
        show_progress: whether to draw a progress bar.

    Returns:
        The results, a row for each run in the order of the space.

    Raises:
        InputError: before any work, for whatever is wrong with the arguments.

    Example:
        >>> from fnnet import grid, load_dataset, logspace, mlp_recipe
        >>> data = load_dataset("iris")
        >>> space = grid(depth=[0, 1], learning_rate=logspace(0.01, 1, 3), seed=range(2))
        >>> results = sweep(mlp_recipe(data), space, data, num_steps=50)
        >>> results.table().height
        12
    """
    check_steps(num_steps, eval_every)
    use_all_cores()
    plan = make_plan(recipe, space, data)
    mesh = make_mesh()
    data = jax.device_put(data, NamedSharding(mesh, PartitionSpec()))
    finished = []
    with Progress(*_COLUMNS, console=Console(stderr=True), disable=not show_progress) as progress:
        bar = progress.add_task("", total=len(space))
        for group in plan.groups:
            progress.update(
                bar, description=" ".join(f"{name}={value}" for name, value in group.static.items())
            )
            program = compile_training(group.task, mesh, num_steps, eval_every)
            for runs in _chunks(plan, group, LANES_PER_DEVICE * mesh.size):
                finished.append(_train_chunk(program, plan, runs, LANES_PER_DEVICE * mesh.size, data))
                progress.advance(bar, len(runs))
    return _collect(space, finished)


LANES_PER_DEVICE = 16
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _chunks(plan: Plan, group: Group, lanes: int) -> Iterator[np.ndarray]:
    """Cut a group's runs into chunks of at most `lanes` with one data_seed each."""
    data_seeds = plan.hparams(group.runs).get("data_seed", np.zeros(len(group.runs)))
    for data_seed in np.unique(data_seeds):
        runs = group.runs[data_seeds == data_seed]
        yield from np.split(runs, range(lanes, len(runs), lanes))


def _train_chunk(
    program: Callable[..., Run], plan: Plan, runs: np.ndarray, lanes: int, data: Any
) -> tuple[np.ndarray, Run, float]:
    """Train one chunk; returns its runs' places, the finished runs stacked, and seconds a run."""
    started = time.perf_counter()
    # A short chunk is padded with copies of its first run: another size would be another program.
    padded = np.concatenate([runs, np.repeat(runs[:1], lanes - len(runs))])
    hparams = {name: _narrow(column) for name, column in plan.hparams(padded).items()}
    data_seed = hparams.pop("data_seed", np.zeros(1, np.int32))[0]
    run = jax.device_get(program(hparams, data_seed, data))
    run = jax.tree.map(lambda leaf: leaf[: len(runs)], run)
    return runs, run, (time.perf_counter() - started) / len(runs)


def _narrow(column: np.ndarray) -> np.ndarray:
    """Give numbers the dtype that JAX computes with: float32 and int32, or 64 bits where these are on."""
    return column.astype(jax.dtypes.canonicalize_dtype(column.dtype))


def _collect(space: Space, finished: list[tuple[np.ndarray, Run, float]]) -> Results:
    """Put the runs of all chunks back into the order of the space; what a run did not measure is NaN."""
    columns: dict[str, np.ndarray] = {}
    curves: dict[str, np.ndarray] = {}
    for runs, run, seconds in finished:
        metrics: dict[str, Any] = {
            **run.metrics,
            "diverged": run.diverged,
            "diverged_at": run.diverged_at,
            "seconds": np.full(len(runs), seconds),
        }
        for table, values in ((columns, metrics), (curves, run.curves)):
            for name, value in values.items():
                missing = np.nan if np.issubdtype(value.dtype, np.floating) else 0
                empty = np.full((len(space), *value.shape[1:]), missing, value.dtype)
                table.setdefault(name, empty)[runs] = value
    return Results(space, columns, curves)
