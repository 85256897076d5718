"""Systems: what is timed, and how its result is read."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from peers.work import Params, Work

CORES = len(os.sched_getaffinity(0))
LANES = (4, 8, 16, 32, 64, 128)  # runs per core worth trying if runs train together


class System(NamedTuple):
    """One way to train many networks.

    prepare: puts a work's data where they are needed and returns `train()`. This trains all runs of the work
        for all steps, from the work's initial weights each time, waits until that is done, and returns the
        trained weights in the system's own form. Whatever is compiled is compiled in its first call.
    weights: maps what `train()` returned to the layers' parameters, as `Work.params` holds them.
    sizes: numbers of runs worth trying, ascending; one number if runs train one after the other.
    """

    prepare: Callable[[Work], Callable[[], Any]]
    weights: Callable[[Any], Params]
    sizes: tuple[int, ...] = (1,)
