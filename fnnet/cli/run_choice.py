"""Which run of a sweep a command is about: the first digits of its id, its values, or the best by a metric."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from fnnet.errors import InputError
from fnnet.space.text import parse_axes

if TYPE_CHECKING:
    from fnnet.records.results import Results

Run = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="[RUN | AXIS=VALUE ...]")]]


def choose_run(results: "Results", words: Sequence[str], best: str | None = None) -> "Results":
    """Select one run.

    Args:
        results: of a sweep.
        words: values, as NAME=VALUE, or the first digits of an id; axes with a single value can be left out.
        best: a metric, by which to choose among several runs.

    Returns:
        The results of that run.

    Raises:
        InputError: when the words fit no run; or several, and there is no metric to choose by.

    Example:
        >>> import numpy as np
        >>> from fnnet import Results, grid
        >>> results = Results(grid(depth=[1, 2], seed=[0, 1]), {"loss": np.array([0.3, 0.1, 0.2, 0.4])})
        >>> choose_run(results, ["depth=2"], best="loss").space[0]
        {'depth': 2, 'seed': 0}
    """
    prefixes = [word for word in words if "=" not in word]
    axes = parse_axes([word for word in words if "=" in word])
    if not len(results):
        raise InputError("no run of this sweep is finished yet")
    some = results.where(**axes) if axes else results
    for prefix in prefixes:
        some = _with_id(some, prefix)
    if best is not None:
        return some.top(best, 1)
    if len(some) != 1:
        varied = [name for name, values in some.space.axes.items() if len(values) > 1]
        raise InputError(
            f"{len(some)} runs have these values; specify {', '.join(varied)} too, "
            "or choose the best with --best test_accuracy"
        )
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
