"""Claims of experiments: a statement, what was published, what was measured, and whether the statement holds.

Functions such as `at_least` write a bound into the statement, so that text and check cannot differ. What is
measured may be a number, an array, a `MeanInterval`, whose mean counts, or several of these by name; the
claim holds if the bound holds for all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

import fnnet as fn
from encoding import in_words, plain, short


class Claim(NamedTuple):
    """A claim and its verdict.

    claim: the statement, with its tolerance.
    published: the published value: a number, text, or None if the claim is the experiment's own.
    measured: the measured value: a number, a `MeanInterval` over seeds, or several of these by name.
    holds: whether the claim holds.
    """

    claim: str
    published: Any
    measured: Any
    holds: bool


def at_least(subject: str, bound: float, measured: Any, published: Any = None) -> Claim:
    """Claim that everything measured is at least `bound`.

    Example:
        >>> at_least("the test accuracy", 0.95, np.array([0.96, 0.97])).claim
        'the test accuracy is at least 0.95'
    """
    return _claim(f"{subject} is at least {short(bound)}", published, measured, lambda x: x >= bound)


def at_most(subject: str, bound: float, measured: Any, published: Any = None) -> Claim:
    """Claim that everything measured is at most `bound`."""
    return _claim(f"{subject} is at most {short(bound)}", published, measured, lambda x: x <= bound)


def above(subject: str, bound: float, measured: Any, published: Any = None) -> Claim:
    """Claim that everything measured is above `bound`."""
    return _claim(f"{subject} is above {short(bound)}", published, measured, lambda x: x > bound)


def below(subject: str, bound: float, measured: Any, published: Any = None) -> Claim:
    """Claim that everything measured is below `bound`."""
    return _claim(f"{subject} is below {short(bound)}", published, measured, lambda x: x < bound)


def between(subject: str, low: float, high: float, measured: Any, published: Any = None) -> Claim:
    """Claim that everything measured is between two bounds, or equals one of them."""
    statement = f"{subject} is between {short(low)} and {short(high)}"
    return _claim(statement, published, measured, lambda x: low <= x <= high)


def near(statement: str, expected: Any, measured: Any, tolerance: float, relative: bool = False) -> Claim:
    """Claim that everything measured is what is expected, within a tolerance.

    Args:
        statement: to which the tolerance is added.
        expected: the published or the theoretical value: one for all, or one for each that is measured.
        measured: as for the other claims.
        tolerance: the largest difference allowed.
        relative: whether differences are in units of the expected values.

    Example:
        >>> near("the accuracy is the published one", 0.871, 0.88, tolerance=0.015)[::3]
        ('the accuracy is the published one, within 0.015', True)
        >>> near("gradients grow by 2 per layer", 2, np.array([1.8, 2.0]), tolerance=0.05, relative=True)[::3]
        ('gradients grow by 2 per layer, within 5 %', False)
    """
    if isinstance(expected, Mapping):
        measured = {name: measured[name] for name in expected}
    target = np.array(_numbers(expected))
    differences = np.abs(np.array(_numbers(measured)) - target) / (np.abs(target) if relative else 1)
    text = f"{100 * tolerance:g} %" if relative else short(tolerance)
    return Claim(f"{statement}, within {text}", expected, measured, bool(np.all(differences <= tolerance)))


def in_every_run(claim: str, properties: Mapping[str, np.ndarray], published: Any = None) -> Claim:
    """Claim that every run has all properties; arrays say which runs have each.

    Example:
        >>> claim = in_every_run("all leap and land", {"leap": np.ones(2), "land": np.array([True, False])})
        >>> claim.measured, claim.holds
        ({'leap': 2, 'land': 1, 'of': 2}, False)
    """
    counts = {name: int(np.sum(has)) for name, has in properties.items()}
    num_runs = np.size(next(iter(properties.values())))
    return Claim(claim, published, counts | {"of": num_runs}, set(counts.values()) == {num_runs})


def table(claims: Sequence[Claim]) -> Table:
    """Build a table of claims, one row per claim.

    Example:
        >>> table([Claim("one and one is two", 2, 1 + 1, True)]).row_count
        1
    """
    rows = Table(show_lines=True)
    for heading in ("claim", "published", "measured", "holds"):
        rows.add_column(heading)
    for claim in claims:
        cells = (in_words(plain(value)) for value in (claim.published, claim.measured))
        rows.add_row(claim.claim, *cells, "yes" if claim.holds else "NO")
    return rows


def _claim(statement: str, published: Any, measured: Any, test: Callable[[float], bool]) -> Claim:
    numbers = _numbers(measured)
    return Claim(statement, published, measured, bool(numbers) and all(map(test, numbers)))


def _numbers(measured: Any) -> list[float]:
    """List all numbers measured, in order."""
    if isinstance(measured, fn.MeanInterval):
        measured = measured.mean
    if isinstance(measured, Mapping):
        measured = list(measured.values())
    if isinstance(measured, list):
        return [number for each in measured for number in _numbers(each)]
    return np.ravel(np.asarray(measured, float)).tolist()
