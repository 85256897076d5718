"""Verification: what a store holds, against training the same runs alone."""

import functools
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fnnet.data.content import content_hash
from fnnet.errors import InputError
from fnnet.sweep.plan import Recipe, make_plan
from fnnet.sweep.results import open_results
from fnnet.sweep.store import Store, read_plan
from fnnet.task import Task
from fnnet.train import train


def verify(
    recipe: Recipe, data: Any, store: str | os.PathLike[str], *, num_runs: int = 4, seed: int = 0
) -> dict[str, float]:
    """Train some runs of a store again, one at a time, and compare.

    A run among lanes and the same run alone add in different orders, so they are equal up to rounding, which
    training amplifies at rates near the edge of stability.

    Args:
        recipe: the one the sweep was made with.
        data: the data it was made with.
        store: the folder.
        num_runs: how many runs to draw; all, if there are fewer.
        seed: of the draw.

    Returns:
        For each metric the largest absolute difference between what is stored and what came out now. Two
        values that are not finite count as equal.

    Raises:
        InputError: when the folder holds no sweep or no finished run, or was made from other data.
    """
    results = open_results(store)
    stored = read_plan(Store(Path(store)))
    if stored is None or not len(results.space):
        raise InputError(f"{store} holds no finished run yet")
    if stored["fingerprint"]["data"] != content_hash(data):
        raise InputError(f"{store} was made from other data than those given")
    plan = make_plan(recipe, results.space, data)
    drawn = np.random.default_rng(seed).permutation(len(results.space))[:num_runs]
    differences: dict[str, float] = {}
    # A search stops runs early; the last measurement says where.
    last_steps = np.nanmax(results.history["step"], axis=1).astype(int)
    for group in plan.groups:

        @functools.partial(jax.jit, static_argnums=2)
        def alone(hparams: Any, data: Any, num_steps: int, task: Task = group.task) -> Any:
            return train(task, hparams, data, num_steps=num_steps).metrics

        for run in np.intersect1d(group.runs, drawn):
            hparams = {name: column[0] for name, column in plan.hparams(np.array([run])).items()}
            for name, value in alone(hparams, data, int(last_steps[run])).items():
                difference = _distance(float(value), float(results.columns[name][run]))
                differences[name] = max(difference, differences.get(name, 0.0))
    return differences


def _distance(one: float, other: float) -> float:
    if not np.isfinite(one) and not np.isfinite(other):
        return 0.0
    return abs(one - other)
