"""Lanes: how many runs of a group train together on one device.

More lanes share more of the work of a step, until a chunk's parameters and gradients leave the cache; where
that happens depends on the machine, so for long sweeps it is measured.
"""

import math
from collections.abc import Callable

from fnnet.lanes.cost import Cost
from fnnet.memory import too_large

CACHE_BYTES = 2_000_000  # of state that a core keeps near
MIN_LANES = 4  # of networks that are larger; with fewer lanes the first product is too narrow
MAX_LANES = 64
WORTH_PROBING = 30.0  # seconds of training, of which trying other numbers is a small part


def first_guess(bytes_per_run: int, num_runs: int) -> int:
    """Choose the number of lanes from the size of one run's state.

    Args:
        bytes_per_run: parameters and optimizer state of one run.
        num_runs: runs per device; more lanes would be padding.

    Returns:
        A power of two: from 4 to 64, or less where there are fewer runs.

    Example:
        >>> first_guess(53_000, 1000), first_guess(407_000, 1000), first_guess(53_000, 12), first_guess(1, 3)
        (32, 4, 16, 4)
    """
    lanes = MIN_LANES
    while lanes < MAX_LANES and 2 * lanes * bytes_per_run <= CACHE_BYTES:
        lanes *= 2
    return min(lanes, most_lanes(num_runs))


def most_lanes(num_runs: int) -> int:
    """Round up to a power of two.

    Example:
        >>> [most_lanes(n) for n in (1, 2, 3, 8, 9)]
        [1, 2, 4, 8, 16]
    """
    return 1 << max(0, num_runs - 1).bit_length()


def choose_lanes(
    cost_of: Callable[[int], Cost], seconds: Callable[[Cost], float], guess: int, most: int, limit: float
) -> Cost:
    """Find the number of lanes that trains a group fastest.

    Where the guess does not fit in memory, the bytes of two numbers of lanes tell by a straight line which one
    does. Where training takes long enough for it to pay, neighbors are tried while they are faster.

    Args:
        cost_of: compiles and measures a number of lanes; its `step` is infinite where that does not fit.
        seconds: how long the whole group takes at some cost.
        guess: where to begin.
        most: the largest number that is of use.
        limit: bytes.

    Returns:
        The cost of the best number, a power of two.

    Raises:
        InputError: when not even one lane fits.

    Example:
        >>> def cost_of(lanes):
        ...     return Cost(lanes, 100 * lanes, 0, 0, 2 + (lanes - 16) ** 2, 0)
        >>> choose_lanes(cost_of, lambda cost: 100 * cost.step, guess=4, most=64, limit=1e6).lanes
        16
    """
    first = best = _fitting(cost_of, guess, limit)
    if seconds(first) < WORTH_PROBING:
        return first
    for factor in (0.5, 2.0):
        while 1 <= (lanes := int(best.lanes * factor)) <= most:
            cost = cost_of(lanes)
            if seconds(cost) > 0.97 * seconds(best):
                break
            best = cost
        if best is not first:  # on the other side it is slower
            break
    return best


def _fitting(cost_of: Callable[[int], Cost], lanes: int, limit: float) -> Cost:
    larger = None
    while not math.isfinite((cost := cost_of(lanes)).step):
        if lanes == 1:
            raise too_large(cost.num_bytes, limit)
        lanes //= 2
        if larger is not None:
            per_lane = (larger.num_bytes - cost.num_bytes) / (larger.lanes - cost.lanes)
            while lanes > 1 and cost.num_bytes - (cost.lanes - lanes) * per_lane > limit:
                lanes //= 2
        larger = cost
    return cost
