"""Comparison: a metric of the configurations that two results share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from fnnet.errors import InputError
from fnnet.records.statistics import compare_means, find_configurations
from fnnet.space.space import Space

if TYPE_CHECKING:
    import polars as pl


def compare_columns(
    one: tuple[Space, Shaped[np.ndarray, " runs"]],
    other: tuple[Space, Shaped[np.ndarray, " others"]],
    over: str | Sequence[str],
) -> "pl.DataFrame":
    """Compare a metric of the configurations that two spaces share, as `Results.compare` does.

    Args:
        one: a space and the metric of its runs.
        other: another space and the metric of its runs.
        over: the axis or axes to average over.

    Raises:
        InputError: when they share no configuration, or only one of them varies an axis.
    """
    import polars as pl

    spaces, columns = (one[0], other[0]), (one[1].astype(float), other[1].astype(float))
    sides = [find_configurations(space, over) for space in spaces]
    shared = [name for name in sides[0].axes if name in sides[1].axes]
    for space, side in zip(spaces, sides, strict=True):
        if alone := [name for name in side.axes if name not in shared and name in space.varied_axes]:
            raise InputError(
                f"only one of the results varies {alone[0]!r}; select one of its values by where(...)"
            )
    keys = [[tuple(config.get(name) for name in shared) for config in side.configs] for side in sides]
    place_of = {key: place for place, key in enumerate(keys[1])}
    pairs = [(place, place_of[key]) for place, key in enumerate(keys[0]) if key in place_of]
    if not pairs:
        raise InputError(f"the results share no configuration of {', '.join(shared) or 'their axes'}")
    rows = []
    for places in pairs:
        runs = (
            column[side.config_of_run == place]
            for column, side, place in zip(columns, sides, places, strict=True)
        )
        first, second = runs
        rows.append((first.mean(), second.mean(), *compare_means(first, second)))
    space = spaces[0].take(sides[0].first_runs[[place for place, _ in pairs]])
    names = ("mean", "other_mean", "difference", "low", "high", "p_value")
    measured = dict(zip(names, np.array(rows).T, strict=True))
    return pl.DataFrame({name: space.table_column(name) for name in shared} | measured)
