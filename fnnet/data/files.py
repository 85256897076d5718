"""A user's own data: arrays in .npz, tables in .csv and .parquet. Nothing in a file is ever executed."""

import csv
import reprlib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float

from fnnet.data.arrays import Arrays, to_inputs
from fnnet.errors import InputError, unknown_name

if TYPE_CHECKING:
    import polars as pl

Content = TypeVar("Content")


def read_file(path: Path) -> Arrays:
    """Read inputs and targets from a file.

    An `.npz` file holds the arrays `inputs` and `targets`, and may hold `test_inputs` and `test_targets`. A
    table has a column `target`, of classes (integers, strings, true and false) or of numbers with a decimal
    point; or several columns `target_...` of numbers. All its other columns are features.

    Args:
        path: of the file; the suffix says what it is.

    Returns:
        The arrays.

    Raises:
        InputError: when there is no such file; when it is damaged; when a column is missing, is not
            numeric or has gaps; when a row is longer or shorter than the header.

    Example:
        >>> read_file(Path("absent.csv"))
        Traceback (most recent call last):
        fnnet.errors.InputError: no such file
    """
    return _lookup_reader(path, _READERS)(path)


def read_features(path: Path, names: Sequence[str]) -> Float[np.ndarray, "n features"]:
    """Read the inputs of a network from a table whose columns have the features' names, in any order.

    Args:
        path: of a `.csv` or `.parquet` file; columns `target` and `target_...` are passed over.
        names: of the features.

    Returns:
        The inputs, float32, in the order of the names.

    Raises:
        InputError: when there is no such file, or it is damaged; when its columns are not the features; when a value
            is missing or no finite number.

    Example:
        >>> read_features(Path("absent.csv"), ["height"])
        Traceback (most recent call last):
        fnnet.errors.InputError: no such file
    """
    frame = _lookup_reader(path, _TABLES)(path)
    columns = [name for name in frame.columns if name != "target" and not name.startswith("target_")]
    missing = [name for name in names if name not in columns]
    if len(columns) != len(names):
        raise InputError(
            f"has {len(columns)} columns of features, expected {len(names)}: {reprlib.repr(list(names))}"
        )
    if missing:
        raise InputError(
            f"has no column {missing[0]!r}, only {reprlib.repr(columns)}; the first line must name the features"
        )
    if frame.height == 0:
        raise InputError("has no rows")
    for name in names:
        _check_complete(frame[name])
    return to_inputs("inputs", _features(frame, names))


def _read_npz(path: Path) -> Arrays:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError("holds one array without a name, not inputs and targets")
            known = ("inputs", "targets", "test_inputs", "test_targets")
            for name in archive.files:
                if name not in known:
                    raise unknown_name("array", name, known)
            arrays = {name: archive[name] for name in archive.files}
    except InputError:
        raise
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise InputError(f"not a readable .npz file ({error})") from error
        raise InputError(
            "holds an array of Python objects, which could run code when it is read; save plain numbers: "
            "numpy.savez(path, inputs=numpy.asarray(x, float), targets=numpy.asarray(y))"
        ) from error
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"not a readable .npz file ({error})") from error
    for name in ("inputs", "targets"):
        if name not in arrays:
            raise InputError(f"has no array {name!r}, only {', '.join(arrays) or 'none at all'}")
    if ("test_inputs" in arrays) != ("test_targets" in arrays):
        raise InputError("test_inputs and test_targets must come together")
    test = (arrays["test_inputs"], arrays["test_targets"]) if "test_inputs" in arrays else None
    return Arrays(arrays["inputs"], arrays["targets"], test)


def _lookup_reader(path: Path, readers: Mapping[str, Callable[[Path], Content]]) -> Callable[[Path], Content]:
    if path.suffix not in readers:
        raise InputError(f"a data file ends in {', '.join(readers)}, not in {path.suffix!r}")
    if not path.exists():
        raise InputError("no such file")
    if not path.is_file():
        raise InputError("is not a file")
    return readers[path.suffix]


def _read_csv(path: Path) -> "pl.DataFrame":
    import polars as pl

    try:
        # All rows decide about the type of a column: a word in the last one makes it a column of words.
        frame = pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        _check_row_lengths(path)
        raise InputError(f"not a readable .csv file ({_first_line(error)})") from error
    # Polars makes rows of empty lines, at the end of a file too.
    while frame.height and frame.tail(1).select(pl.all_horizontal(pl.all().is_null())).item():
        frame = frame.head(-1)
    if any(frame.null_count().row(0)):
        _check_row_lengths(path)
    return frame


def _read_parquet(path: Path) -> "pl.DataFrame":
    import polars as pl

    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"not a readable .parquet file ({_first_line(error)})") from error


def _check_row_lengths(path: Path) -> None:
    """Find the row that made a table unreadable: polars fills short rows and does not number long ones."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file, strict=True)
        try:
            width = len(next(rows, []))
            for number, row in enumerate(rows):
                if len(row) != width and row:
                    raise InputError(
                        f"row {number} (the first after the header is 0), which ends in line {rows.line_num}, "
                        f"has {len(row)} fields, the header has {width}"
                    )
        except csv.Error as error:
            raise InputError(f"line {rows.line_num} is not CSV: {error}") from error


def _from_table(frame: "pl.DataFrame") -> Arrays:
    import polars as pl

    if frame.height == 0:
        raise InputError("has no rows")
    outputs = [name for name in frame.columns if name.startswith("target_")]
    if "target" in frame.columns and outputs:
        raise InputError(f"has the column 'target' and also {', '.join(outputs)}; rename one or the others")
    if "target" not in frame.columns and not outputs:
        raise InputError(f"has no column 'target' or 'target_...', only {', '.join(frame.columns)}")
    features = [name for name in frame.columns if name != "target" and name not in outputs]
    if not features:
        raise InputError("has no columns besides the targets")
    for name in frame.columns:
        _check_complete(frame[name])
    inputs = _features(frame, features)
    if outputs:
        numbers = pl.DataFrame([_to_numbers(frame[name]) for name in outputs])
        return Arrays(inputs, numbers.to_numpy(), feature_names=features)
    return Arrays(inputs, _to_classes_or_numbers(frame["target"]), feature_names=features)


def _features(frame: "pl.DataFrame", names: Sequence[str]) -> Float[np.ndarray, "n features"]:
    import polars as pl

    inputs = pl.DataFrame([_to_numbers(frame[name]) for name in names]).to_numpy()
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, which `to_inputs` reports
        return inputs.astype(np.float32)


def _check_complete(column: "pl.Series") -> None:
    missing = column.is_null()
    if missing.any():
        raise InputError(
            f"column {column.name!r} has no value in row {missing.arg_max()} (the first after the header is 0)"
        )


def _to_numbers(column: "pl.Series") -> "pl.Series":
    import polars as pl

    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.String)):
        raise InputError(f"column {column.name!r} is not numeric but {column.dtype}")
    # Also from strings: one "nan" makes strings of a whole column, and is to be reported as what it is.
    numbers = column.cast(pl.Float64, strict=False)
    wrong = numbers.is_null().to_list()
    if any(wrong):
        row = wrong.index(True)
        raise InputError(
            f"column {column.name!r} is not numeric: {column[row]!r} in row {row} "
            "(the first after the header is 0); encode categories as numbers, or leave the column out"
        )
    return numbers


def _to_classes_or_numbers(column: "pl.Series") -> np.ndarray:
    import polars as pl

    if column.dtype == pl.String and column.cast(pl.Float64, strict=False).is_not_null().all():
        column = _to_numbers(column)
    if column.dtype.is_decimal():
        column = column.cast(pl.Float64)
    return column.to_numpy()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


_TABLES: dict[str, Callable[[Path], "pl.DataFrame"]] = {".csv": _read_csv, ".parquet": _read_parquet}

_READERS: dict[str, Callable[[Path], Arrays]] = {
    ".npz": _read_npz,
    ".csv": lambda path: _from_table(_read_csv(path)),
    ".parquet": lambda path: _from_table(_read_parquet(path)),
}
