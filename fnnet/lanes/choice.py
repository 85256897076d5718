"""Choice of lanes: how many networks one device trains or evaluates together.

More lanes share more of the work, until their parameters and gradients no longer fit in the cache. Where that happens
depends on the machine, so it is measured where the work is long.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fnnet.lanes.cost import Cost
from fnnet.memory import too_large

CACHE_BYTES = 2_000_000  # of state that stay in a core's share of the cache
MIN_LANES = 4  # even for large networks: with fewer, the first product is too narrow
MAX_LANES = 64
WORTH_PROBING = 30.0  # seconds of training; measuring other numbers of lanes takes a small part of that


def first_guess(bytes_per_run: int, num_runs: int) -> int:
    """Guess the number of lanes from the size of one run's state: a power of two from 4 to 64, or less for few runs.

    Args:
        bytes_per_run: size of one run's parameters and optimizer state.
        num_runs: runs per device; more lanes would be padding.

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
    """Find the number of lanes, a power of two, with which a group trains fastest, and return its cost.

    If training takes long, half and twice the number are measured too, as long as that is faster.

    Args:
        cost_of: compiles and measures a number of lanes; the cost's `step` is infinite if they do not fit.
        seconds: maps a cost to the training time of the whole group.
        guess: the first number to measure.
        most: the largest useful number.
        limit: usable memory in bytes.

    Raises:
        InputError: when not even one lane fits.

    Example:
        >>> def cost_of(lanes):
        ...     return Cost(lanes, 100 * lanes, 0, 0, 2 + (lanes - 16) ** 2, 0)
        >>> choose_lanes(cost_of, lambda cost: 100 * cost.step, guess=4, most=64, limit=1e6).lanes
        16
    """
    costs: dict[int, Cost] = {}
    lanes = guess
    while lanes not in costs:
        costs[lanes] = cost_of(lanes)
        trials = {lanes: Trial(cost.num_bytes, seconds(cost)) for lanes, cost in costs.items()}
        lanes = next_lanes(trials, most, limit)
    return costs[lanes]


class Trial(NamedTuple):
    """The measured cost of some number of lanes.

    num_bytes: peak memory of all devices.
    seconds: time per unit of work; infinite if the lanes do not fit in memory, NaN if not measured.
    """

    num_bytes: int
    seconds: float


def next_lanes(
    trials: Mapping[int, Trial], most: int, limit: float, *, least: int = 1, num_left: float = 1
) -> int:
    """Choose the next number of lanes: an untried one if enough work is left, otherwise the best so far.

    Args:
        trials: trials by number of lanes, in order.
        most: the largest useful number.
        limit: usable memory in bytes.
        least: the smallest useful number, if it fits.
        num_left: units of work left.

    Returns:
        A power of two. While nothing has fit in memory, it is smaller than all in `trials`; after two trials, the
        bytes per lane between them predict what fits.

    Raises:
        InputError: when one lane does not fit.

    Example:
        >>> next_lanes({4: Trial(400, 0.1)}, 64, 1e6, num_left=50), next_lanes({4: Trial(400, 0.1)}, 64, 1e6, num_left=5000)
        (4, 2)
        >>> next_lanes({4: Trial(400, 9.0), 2: Trial(200, 11.0)}, 64, 1e6, num_left=5000)
        8
    """
    fitting = [lanes for lanes, trial in trials.items() if trial.seconds != math.inf]
    if not fitting:
        return _fewer_lanes(trials, limit)
    best = fitting[0]
    for lanes in fitting[1:]:
        if trials[lanes].seconds <= 0.97 * trials[best].seconds:
            best = lanes
    if not trials[best].seconds * num_left >= WORTH_PROBING:  # or it was not measured
        return best
    beside = (lanes for lanes in (best // 2, best * 2) if least <= lanes <= most and lanes not in trials)
    return next(beside, best)


def _fewer_lanes(trials: Mapping[int, Trial], limit: float) -> int:
    smallest, *larger = sorted(trials)
    num_bytes = trials[smallest].num_bytes
    if smallest == 1:
        raise too_large(num_bytes, limit)
    lanes = smallest // 2
    if larger:
        per_lane = (trials[larger[0]].num_bytes - num_bytes) / (larger[0] - smallest)
        while lanes > 1 and num_bytes - (smallest - lanes) * per_lane > limit:
            lanes //= 2
    return lanes
