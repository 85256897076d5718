"""Selection: the runs of a sweep that match conditions, or one run, by its id, its values or a metric."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fnnet.errors import InputError
from fnnet.space.text import parse_axes, parse_conditions

if TYPE_CHECKING:
    from fnnet.records.results import Results

Run = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="[RUN | AXIS=VALUE ...]")]]


def open_finished(store: Path, where: str | None = None) -> "Results":
    """Open the results of a sweep that has finished runs.

    Args:
        store: the folder of the sweep.
        where: conditions on the runs, as in `parse_conditions`.

    Raises:
        InputError: when no run is finished, or none matches the conditions.
    """
    from fnnet.records.rows import open_results

    results = open_results(store)
    if not len(results):
        raise InputError(f"no run of {store} is finished yet")
    return results if where is None else results.where(**parse_conditions(where))


def choose_run(results: "Results", words: Sequence[str], best: str | None = None) -> "Results":
    """Select one run.

    Args:
        results: the results of a sweep.
        words: values, as NAME=VALUE, or the first digits of an id; axes with a single value can be left out.
        best: a metric; the best of the matching runs is chosen.

    Returns:
        The results of that run.

    Raises:
        InputError: when no run matches the words, or several do and `best` is None.

    Example:
        >>> import numpy as np
        >>> from fnnet import Results, grid
        >>> results = Results(grid(depth=[1, 2], seed=[0, 1]), {"loss": np.array([0.3, 0.1, 0.2, 0.4])})
        >>> choose_run(results, ["depth=2"], best="loss").space[0]
        {'depth': 2, 'seed': 0}
    """
    some = choose_runs(results, words)
    if best is not None:
        return some.top(best, 1)
    if len(some) != 1:
        varied = [name for name, values in some.space.axes.items() if len(values) > 1]
        raise InputError(
            f"{len(some)} runs have these values; specify {', '.join(varied)} too, "
            "or choose the best with --best test_accuracy"
        )
    return some


def choose_runs(results: "Results", words: Sequence[str]) -> "Results":
    """Select the runs that have the given values, or the given id; all runs if no word is given.

    Raises:
        InputError: when no run has them.
    """
    axes = parse_axes([word for word in words if "=" in word])
    some = results.where(**axes) if axes else results
    for prefix in (word for word in words if "=" not in word):
        some = _with_id(some, prefix)
    return some


def _with_id(results: "Results", prefix: str) -> "Results":
    if not re.fullmatch(r"[0-9a-f]{4,32}", prefix):
        raise InputError(
            f"a run is AXIS=VALUE ... or at least the first 4 digits of its id, as fnnet results --each-run lists "
            f"them; got {prefix!r}"
        )
    found = [run_id for run_id in results.space.ids().tolist() if run_id.startswith(prefix)]
    if not found:
        raise InputError(f"no run has an id that begins with {prefix}; fnnet results --each-run lists them")
    return results.where(id=found) if len(found) < len(results) else results
