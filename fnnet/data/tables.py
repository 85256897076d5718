"""Build data sets from files: assign roles to columns, encode them, and note what was done."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fnnet.data.arrays import exact_dtype, flatten, own_dtype, to_feature_names, to_inputs
from fnnet.data.assemble import assemble, name_splits, pair_splits
from fnnet.data.columns import assign_roles
from fnnet.data.dataset import Dataset, Examples
from fnnet.data.files import ARRAYS, check_file, read_table
from fnnet.data.npz import read_npz
from fnnet.data.preprocessing import (
    Column,
    Preprocessing,
    encode_table,
    fill_missing,
    fit_columns,
    note_filled,
)
from fnnet.data.split import Rows, split_rows
from fnnet.data.targets import infer_targets
from fnnet.errors import InputError

if TYPE_CHECKING:
    import polars as pl


class Reading(NamedTuple):
    """How to read a file: arguments of `load_dataset`."""

    target: str | Sequence[str] | None = None
    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
    id: str | None = None
    task: str | None = None
    encode: bool = True


def load_file(path: Path, reading: Reading, *, standardize: bool, **split: Any) -> Dataset:
    """Build a data set from a file.

    Args:
        path: the file.
        reading: how to read it.
        standardize: whether to scale features and regression targets.
        split: the arguments of `split_rows`.

    Returns:
        The data set, named after the file. Encoding, filling and scaling are fitted on the training split.

    Raises:
        InputError: if the file cannot be used.
    """
    if check_file(path) not in ARRAYS:
        return _load_table(path, reading, standardize=standardize, **split)
    given = [name for name in ("target", "drop", "keep", "id") if getattr(reading, name)]
    if given:
        raise InputError(f"{given[0]} names a column, but arrays have no columns")
    return _load_arrays(path, reading, standardize=standardize, **split)


def _load_table(path: Path, reading: Reading, *, standardize: bool, **split: Any) -> Dataset:
    frame, notes = read_table(path)
    roles = assign_roles(frame, target=reading.target, drop=reading.drop, keep=reading.keep, id=reading.id)
    num_rows = frame.height
    frame = frame.drop_nulls(list(roles.targets))
    if frame.height == 0:
        raise InputError(f"has no row with a value of {', '.join(roles.targets)}")
    targets = infer_targets({" and ".join(roles.targets): _target_array(frame, roles.targets)}, reading.task)
    rows = split_rows(frame.height, **split)
    features = frame.select(roles.features)
    if not reading.encode:
        _check_encoded(features)
    columns = fit_columns(features[rows.train])
    encoded = encode_table(columns, features)
    lost = num_rows - frame.height
    return assemble(
        Examples(encoded.inputs, targets.arrays[0]),
        rows,
        Preprocessing(columns, roles.targets, roles.ignored, roles.id),
        test=None,
        dtype=np.dtype(np.float32),
        standardize=standardize,
        name=path.name,
        class_names=targets.class_names,
        notes=(
            *encoded.notes,
            *([f"{lost:,} row{'s' * (lost != 1)} without a target left out"] if lost else []),
            *roles.notes,
            *targets.notes,
            *notes,
        ),
    )


def _load_arrays(path: Path, reading: Reading, *, standardize: bool, **split: Any) -> Dataset:
    inputs, targets, test, *_ = read_npz(path)
    named_inputs, named_targets = name_splits(inputs, targets, test)
    shape = named_inputs["inputs"].shape[1:]
    flat = {
        name: to_inputs(name, flatten(array), exact_dtype(array), gaps=True)
        for name, array in named_inputs.items()
    }
    dtype = own_dtype(flat["inputs"])
    inferred = infer_targets(named_targets, reading.task)
    pairs = pair_splits(flat, inferred.arrays)
    if test is not None:
        split["test_fraction"] = 0.0
    rows = split_rows(pairs[0].num_examples, **split)
    pairs, columns, num_filled = _fill_arrays(pairs, rows, reading.encode)
    return assemble(
        pairs[0],
        rows,
        Preprocessing(columns),
        test=None if test is None else pairs[1],
        dtype=dtype,
        standardize=standardize,
        name=path.name,
        class_names=inferred.class_names,
        notes=(
            *note_filled(num_filled),
            *([f"inputs of {' x '.join(map(str, shape))} flattened"] if len(shape) > 1 else []),
            *inferred.notes,
        ),
    )


def _target_array(frame: "pl.DataFrame", names: Sequence[str]) -> np.ndarray:
    """Return one column unchanged, or several as a numeric matrix."""
    import polars as pl

    if len(names) == 1:
        column = frame[names[0]]
        if column.dtype in (pl.Categorical, pl.Enum):
            column = column.cast(pl.String)
        if column.dtype == pl.String:
            return np.array(column.to_list())
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            raise InputError(f"the target {names[0]!r} must be text or numbers, got {column.dtype}")
        return column.cast(pl.Float64).to_numpy() if column.dtype.is_decimal() else column.to_numpy()
    for name in names:
        if not frame[name].dtype.is_numeric():
            raise InputError(f"each of several targets must be numeric, got {frame[name].dtype} in {name!r}")
    return frame.select(pl.col(name).cast(pl.Float64) for name in names).to_numpy()


def _fill_arrays(
    pairs: Sequence[Examples], rows: Rows, encode: bool
) -> tuple[list[Examples], tuple[Column, ...], int]:
    """Replace each NaN by the median of its feature over the training split."""
    names = to_feature_names(None, pairs[0].inputs.shape[1])
    gaps = [np.isnan(pair.inputs) for pair in pairs]
    num_filled = sum(int(gap.sum()) for gap in gaps)
    if not num_filled:
        return list(pairs), tuple(map(Column, names)), 0
    if not encode:
        row, column = np.argwhere(next(gap for gap in gaps if gap.any()))[0].tolist()
        raise InputError(f"inputs must be finite, got nan in row {row}, column {column} (the first is 0)")
    train = pairs[0].inputs[rows.train].astype(np.float64)
    empty = np.isnan(train).all(axis=0)
    medians = np.nanmedian(np.where(empty, 0.0, train), axis=0)
    columns = tuple(Column(name, fill=fill) for name, fill in zip(names, medians.tolist(), strict=True))
    filled = [Examples(fill_missing(pair.inputs, columns), pair.targets) for pair in pairs]
    return filled, columns, num_filled


def _check_encoded(features: "pl.DataFrame") -> None:
    import polars as pl

    for column in features.get_columns():
        if column.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
            raise InputError(
                f"column {column.name!r} must be numeric without encoding, got {column.dtype}; "
                "encode it, or leave it out with drop"
            )
        if (missing := column.is_null()).any():
            raise InputError(
                f"column {column.name!r} has no value in row {missing.arg_max()}; fill it, or leave it out with drop"
            )
