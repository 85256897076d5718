"""The role of each column of a table: target, feature, row identifier, or none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fnnet.data.preprocessing import to_numbers
from fnnet.errors import InputError, unknown_name

if TYPE_CHECKING:
    import polars as pl


class Roles(NamedTuple):
    """The columns of a table by role.

    targets: the columns to predict.
    features: the inputs.
    ignored: the columns left out.
    id: the column that identifies the rows, or None.
    notes: what was guessed, and which columns were left out automatically.
    """

    targets: tuple[str, ...]
    features: tuple[str, ...]
    ignored: tuple[str, ...]
    id: str | None
    notes: tuple[str, ...]


def assign_roles(
    frame: "pl.DataFrame",
    *,
    target: str | Sequence[str] | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    id: str | None = None,
) -> Roles:
    """Assign a role to each column.

    Targets and columns that only identify the rows are found as described in `load_dataset`; empty columns are left
    out as well.

    Args:
        frame: the table.
        target, drop, keep, id: as in `load_dataset`.

    Raises:
        InputError: if a column does not exist (naming the nearest ones) or has two roles, if no feature is left, or if
            a numeric column contains words.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"row": [0, 1, 2], "size": [1.5, 0.5, 3.0], "kind": ["a", "b", "a"]})
        >>> roles = assign_roles(frame)
        >>> roles.features, roles.targets
        (('size',), ('kind',))
        >>> roles.notes
        ('target: the last column', 'left out: row (counts up by one)')
    """
    chosen = () if target is None else (target,) if isinstance(target, str) else tuple(target)
    _check_names(frame.columns, chosen, drop, keep, id)
    candidates = [name for name in frame.columns if name not in drop and name != id]
    reasons = {
        name: reason
        for name in candidates
        if name not in (*keep, *chosen, "target") and (reason := _reason_to_leave_out(frame[name]))
    }
    guessed: tuple[str, ...] = ()
    if not chosen:
        chosen, guessed = _find_targets(candidates, reasons)
    features = [name for name in candidates if name not in chosen and name not in reasons]
    if not features:  # a counter, such as a time in seconds, is better than nothing
        features = [name for name in candidates if name not in chosen and reasons.get(name) == _COUNTS]
    if not features:
        raise InputError(f"has no columns besides {', '.join([*chosen, *reasons])}")
    left_out = {name: reason for name, reason in reasons.items() if name not in (*features, *chosen)}
    for name in features:
        _check_words(frame[name])
    listed = ", ".join(f"{name} ({reason})" for name, reason in left_out.items())
    return Roles(
        targets=chosen,
        features=tuple(features),
        ignored=(*drop, *left_out),
        id=id,
        notes=(*guessed, *([f"left out: {listed}"] if listed else [])),
    )


_COUNTS = "counts up by one"


def _check_names(
    columns: Sequence[str], targets: Sequence[str], drop: Sequence[str], keep: Sequence[str], id: str | None
) -> None:
    roles: dict[str, str] = {}
    named = [("target", targets), ("drop", drop), ("keep", keep), ("id", [] if id is None else [id])]
    for role, names in named:
        for name in names:
            if name not in columns:
                raise unknown_name("column", name, columns)
            if roles.setdefault(name, role) != role:
                raise InputError(f"column {name!r} cannot be both {roles[name]} and {role}")


def _find_targets(
    candidates: Sequence[str], reasons: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    outputs = tuple(name for name in candidates if name.startswith("target_"))
    if "target" in candidates and outputs:
        raise InputError(f"has the column 'target' and also {', '.join(outputs)}; choose the target")
    if "target" in candidates:
        return ("target",), ()
    if outputs:
        return outputs, ()
    usable = [name for name in candidates if name not in reasons] or candidates
    if not usable:
        raise InputError("has no column that can be the target")
    return (usable[-1],), ("target: the last column",)


def _reason_to_leave_out(column: "pl.Series") -> str | None:
    import polars as pl

    if column.name.startswith("unnamed_") or not column.name.strip():
        return "has no name"
    if column.null_count() == len(column):
        return "has no values"
    if len(column) < 3 or column.null_count():
        return None
    if column.dtype.is_integer() and (np.diff(column.to_numpy()) == 1).all():
        return _COUNTS
    if column.dtype == pl.String and column.n_unique() == len(column) and not _is_mostly_numbers(column):
        return "has a different value in every row"
    return None


def _check_words(column: "pl.Series") -> None:
    """Check a mostly numeric column for stray words, which one-hot encoding would hide."""
    import polars as pl

    if column.dtype == pl.String and _is_mostly_numbers(column):
        to_numbers(column)


def _is_mostly_numbers(column: "pl.Series") -> bool:
    import polars as pl

    return column.cast(pl.Float64, strict=False).count() > 0.5 * column.count()
