"""Designs: spaces whose runs are sampled from distributions, randomly or quasi-randomly.

A design draws numbers in [0, 1), `[runs, axes]`, and each distribution maps them to values, so every distribution
works with every design.
"""

import hashlib
import math
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from jaxtyping import Float

from fnnet.errors import InputError, check_integer
from fnnet.space.grids import zip_axes
from fnnet.space.space import Space
from fnnet.space.values import Value, axis_values

_MAX_RUNS = 2**30  # the length of a 30-bit Sobol sequence


class Uniform(NamedTuple):
    """Uniform distribution on [low, high]; samples are rounded to 6 significant digits.

    Example:
        >>> 0 <= random_design(1, seed=0, momentum=Uniform(0, 0.9))[0]["momentum"] <= 0.9
        True
    """

    low: float
    high: float


class LogUniform(NamedTuple):
    """Log-uniform distribution on [low, high], 0 < low < high; samples are rounded to 6 significant digits.

    Example:
        >>> 0.001 <= random_design(1, seed=0, learning_rate=LogUniform(0.001, 1))[0]["learning_rate"] <= 1
        True
    """

    low: float
    high: float


class IntUniform(NamedTuple):
    """Uniform distribution on the integers from `low` to `high`, both included.

    Example:
        >>> sorted(random_design(50, seed=0, depth=IntUniform(1, 3)).axes["depth"])
        [1, 2, 3]
    """

    low: int
    high: int


class Choice(NamedTuple):
    """Uniform distribution on a list of values.

    Example:
        >>> sorted(random_design(50, seed=0, activation=Choice(["relu", "tanh"])).axes["activation"])
        ['relu', 'tanh']
    """

    values: Iterable[Value]


Distribution = Uniform | LogUniform | IntUniform | Choice


def random_design(num_runs: int, /, *, seed: int, **distributions: Distribution) -> Space:
    """Sample runs at random, each axis independently.

    With the same seed, a larger design begins with the runs of a smaller one, so a sweep can be extended. Adding an
    axis does not change the samples of the others. Duplicates are removed, so a space with few configurations may have
    fewer runs than requested.

    Args:
        num_runs: the number of samples.
        seed: the seed of the samples. For an axis named "seed", use a product: `random_design(...) * grid(seed=...)`.
        **distributions: the distribution of each axis.

    Raises:
        InputError: if `num_runs` is not positive, `seed` is negative, no distribution is given, or bounds are invalid.

    Example:
        >>> space = random_design(5, seed=0, learning_rate=LogUniform(0.001, 1), depth=IntUniform(1, 4))
        >>> len(space), sorted(space[0])
        (5, ['depth', 'learning_rate'])
    """
    _check(num_runs, seed, distributions)
    columns = []
    for name in distributions:
        # One stream per name, independent of the number of runs and of the other axes.
        words = np.frombuffer(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest(), "<u4")
        columns.append(np.random.Generator(np.random.PCG64([seed, *words.tolist()])).random(num_runs))
    return _design(distributions, np.stack(columns, axis=1))


def sobol_design(num_runs: int, /, *, seed: int, **distributions: Distribution) -> Space:
    """Sample runs from a scrambled Sobol sequence, which covers the space evenly.

    Powers of 2 give the best coverage. With the same seed and the same axes in the same order, a larger design begins
    with the runs of a smaller one, so a sweep can be extended. Duplicates are removed, as in `random_design`.

    Args:
        num_runs: the number of samples.
        seed: the seed of the scrambling. For an axis named "seed", use a product: `sobol_design(...) * grid(seed=...)`.
        **distributions: the distribution of each axis.

    Raises:
        InputError: as in `random_design`.

    Example:
        >>> space = sobol_design(4, seed=0, learning_rate=LogUniform(0.001, 1), momentum=Uniform(0, 1))
        >>> sorted(int(4 * momentum) for momentum in space.column("momentum"))
        [0, 1, 2, 3]
    """
    from scipy.stats import qmc

    _check(num_runs, seed, distributions)
    sequence = qmc.Sobol(len(distributions), scramble=True, rng=np.random.Generator(np.random.PCG64(seed)))
    # SciPy warns unless the number is a power of 2; a prefix of a longer sequence has the same points.
    points = sequence.random_base2((num_runs - 1).bit_length())[:num_runs]
    return _design(distributions, points)


def _design(distributions: dict[str, Distribution], points: Float[np.ndarray, "runs axes"]) -> Space:
    columns = zip(distributions.items(), points.T, strict=True)
    return zip_axes(**{name: _values(name, distribution, column) for (name, distribution), column in columns})


def _values(name: str, distribution: Distribution, points: Float[np.ndarray, " runs"]) -> list[Value]:
    """Map numbers in [0, 1) to values."""
    match distribution:
        case Choice(values):
            choices = axis_values(name, values)
            return [choices[index] for index in (points * len(choices)).astype(np.int64)]
        case IntUniform(low, high):
            return (low + (points * (high - low + 1)).astype(np.int64)).tolist()
        case Uniform(low, high):
            numbers = low + points * (high - low)
        case LogUniform(low, high):
            numbers = np.exp(math.log(low) + points * (math.log(high) - math.log(low)))
    # Rounding may cross a bound that has more digits.
    return [min(max(float(f"{number:.6g}"), float(low)), float(high)) for number in numbers.tolist()]


def _check(num_runs: object, seed: object, distributions: dict[str, Any]) -> None:
    if not _is_integer(num_runs) or not 1 <= num_runs <= _MAX_RUNS:
        raise InputError(f"num_runs must be an integer from 1 to {_MAX_RUNS}, got {num_runs!r}")
    check_integer("seed", seed, minimum=0)
    if not distributions:
        raise InputError("a design needs at least one axis, such as learning_rate=LogUniform(0.001, 1)")
    for name, distribution in distributions.items():
        _check_distribution(name, distribution)


def _check_distribution(name: str, distribution: object) -> None:
    if not isinstance(distribution, Distribution):
        raise InputError(
            f"axis {name!r} needs Uniform, LogUniform, IntUniform or Choice, got {distribution!r}; "
            "for fixed values, multiply the design by a grid"
        )
    if isinstance(distribution, Choice):  # its values are checked by axis_values
        return
    low, high = distribution
    if isinstance(distribution, IntUniform):
        if not (_is_integer(low) and _is_integer(high) and -(2**63) <= low < high < 2**63):
            raise InputError(f"axis {name!r} needs 64-bit integers low < high, got {distribution}")
        if high - low >= 2**53:  # more integers than float64 numbers in [0, 1) can address
            raise InputError(f"axis {name!r} needs fewer than 2**53 integers, got {distribution}")
        return
    if not (_is_finite(low) and _is_finite(high) and low < high and _is_finite(high - low)):
        raise InputError(f"axis {name!r} needs finite numbers low < high, got {distribution}")
    if isinstance(distribution, LogUniform) and low <= 0:
        raise InputError(f"axis {name!r} needs positive bounds, got {distribution}")


def _is_integer(number: object) -> TypeGuard[int]:
    return isinstance(number, int) and not isinstance(number, bool)


def _is_finite(number: object) -> bool:
    return (
        isinstance(number, float | int) and not isinstance(number, bool) and abs(number) <= sys.float_info.max
    )
