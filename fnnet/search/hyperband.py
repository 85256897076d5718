"""Hyperband: several successive halvings that differ in how early they stop runs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fnnet.errors import InputError
from fnnet.records.results import Results
from fnnet.records.statistics import find_configurations
from fnnet.search.halving import climb_all, make_bracket
from fnnet.space.space import Space
from fnnet.task import Recipe
from fnnet.types import PyTree


def hyperband(
    recipe: Recipe,
    space: Space,
    data: PyTree,
    *,
    max_steps: int,
    min_steps: int,
    metric: str,
    factor: float = 4.0,
    over: str | Sequence[str] = "seed",
    higher_is_better: bool | None = None,
    seed: int = 0,
    **options: Any,
) -> Results:
    """Run several successive halvings, from one that stops runs early and often to one that stops none.

    Each configuration belongs to one of them, its bracket. Brackets that stop early get more configurations, so that
    all brackets train for about the same total number of steps. This hedges between stopping slow starters too early
    and spending steps on hopeless configurations.

    Args:
        recipe: as for `sweep`.
        space: the runs, usually drawn: `random_design(...) * grid(seed=...)`.
        data: as for `sweep`.
        max_steps: number of updates of a full run.
        min_steps: the smallest number of updates of a run.
        metric: as for `successive_halving`.
        factor: as for `successive_halving`.
        over: as for `successive_halving`.
        higher_is_better: as for `successive_halving`.
        seed: the seed of the random assignment of configurations to brackets.
        **options: as for `successive_halving`; `store` is one folder for all brackets.

    Returns:
        The results of all runs, with the columns "bracket", "rung" and "steps". `best` and `top` compare the runs
        of all brackets that were trained for `max_steps`.

    Raises:
        InputError: before any work, when an argument is invalid.

    Source: Li et al. (2018), "Hyperband: a novel bandit-based approach to hyperparameter optimization", algorithm 1.

    Example:
        >>> from fnnet import LogUniform, load_dataset, mlp_recipe, random_design
        >>> data = load_dataset("iris")
        >>> space = random_design(20, seed=0, learning_rate=LogUniform(0.001, 1))
        >>> results = hyperband(
        ...     mlp_recipe(data), space, data, max_steps=48, min_steps=3, metric="train_loss"
        ... )
        >>> results.table().group_by("bracket", maintain_order=True).len().sort("bracket").rows()
        [(0, 13), (1, 5), (2, 2)]
    """
    if not 1 <= min_steps <= max_steps:
        raise InputError(f"min_steps must be from 1 to max_steps={max_steps}, got {min_steps}")
    whole = make_bracket(space, [max_steps], metric, factor, over, higher_is_better)
    num_rungs = 1 + math.floor(math.log(max_steps / min_steps) / math.log(factor) + 1e-9)
    # A small factor rounds several rungs to the same step, and one comparison there is enough.
    ladder = sorted({round(max_steps / factor**k) for k in range(num_rungs)})
    configurations = find_configurations(space, whole.over)
    num_configs = len(configurations.configs)
    if num_configs < len(ladder):
        raise InputError(
            f"space must have at least {len(ladder)} configurations, one per bracket, got {num_configs}"
        )
    brackets = [
        whole._replace(
            runs=np.flatnonzero(np.isin(configurations.config_of_run, configs)),
            rungs=tuple(ladder[number:]),
            number=number,
        )
        for number, configs in enumerate(assign_brackets(num_configs, len(ladder), factor, seed))
    ]
    return climb_all(recipe, space, data, brackets, options)


def assign_brackets(num_configs: int, num_brackets: int, factor: float, seed: int) -> list[np.ndarray]:
    """Assign configurations to brackets at random, in proportion to the bracket sizes of Hyperband.

    Returns:
        The indices of each bracket's configurations; the bracket that halves most often comes first.

    Example:
        >>> [len(configs) for configs in assign_brackets(20, 3, 4.0, seed=0)]
        [13, 5, 2]
    """
    halvings = np.arange(num_brackets - 1, -1, -1)
    sizes = np.ceil(num_brackets / (halvings + 1) * factor**halvings)
    ends = np.round(np.cumsum(sizes) / sizes.sum() * num_configs).astype(int)
    for bracket in range(num_brackets):  # none stays empty
        ends[bracket] = np.clip(ends[bracket], bracket + 1, num_configs - (num_brackets - 1 - bracket))
    return np.split(np.random.default_rng(seed).permutation(num_configs), ends[:-1])
