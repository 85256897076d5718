"""Columns: the names that the table and the curves of results reserve."""

from collections.abc import Collection, Iterable

from fnnet.errors import InputError

STORE_COLUMNS = ("id", "chunk", "lane", "fingerprint")
"""The columns of `RECORDS` that locate a run in its store."""

RECORDS = ("bracket", "rung", "steps", "diverged", "diverged_at", "seconds", *STORE_COLUMNS)
"""Columns about the run rather than the network, last in the table; no axis or metric may have these names."""

CURVES = ("step", "batch_loss")
"""Curves that every run has; no metric may have these names."""


def curve_names(columns: Iterable[str]) -> list[str]:
    """List the metrics that have curves, given the names of all columns.

    Example:
        >>> curve_names(["depth", "test_loss", "step_curve", "test_loss_curve"])
        ['test_loss']
    """
    names = (name.removesuffix("_curve") for name in columns if name.endswith("_curve"))
    return [name for name in names if name != "step"]


def check_names(axes: Iterable[str], metrics: Iterable[str]) -> None:
    """Check that no axis or metric has the name of another column.

    Raises:
        InputError: naming the one that has.

    Example:
        >>> check_names(["depth", "seed"], ["test_loss"])
    """
    for kind, names, taken in (
        ("axis", axes, {*RECORDS, *metrics}),
        ("metric", metrics, {*RECORDS, *CURVES}),
    ):
        for name in names:
            if name in taken:
                raise InputError(
                    f"{kind} {name!r} has the name of a column of the results; give it another name"
                )
            if name.endswith("_curve"):
                raise InputError(
                    f"{kind} {name!r} has the name of a curve of the results; give it another name, such as "
                    f"{name.removesuffix('_curve')!r}"
                )


def metric_names(columns: Iterable[str]) -> list[str]:
    """Return the names of the metrics among columns that are no axes."""
    return [name for name in columns if name not in RECORDS and not name.endswith("_curve")]


def listed_names(columns: Collection[str], records: bool = False) -> list[str]:
    """Return the columns that tables show after the axes: metrics, then records, those of the store on request."""
    last = [name for name in RECORDS if name in columns and (records or name not in STORE_COLUMNS)]
    return [*metric_names(columns), *last]
