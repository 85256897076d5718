"""Tables in files: `.csv` of any common dialect, and `.parquet`. Nothing in a file is ever executed."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fnnet.errors import InputError

if TYPE_CHECKING:
    import polars as pl

TABLES = (".csv", ".parquet")
ARRAYS = (".npz",)
SUFFIXES = (*TABLES, *ARRAYS)
"""The suffixes of data files, in lower case."""

MISSING = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?")
"""The words for a missing value in a CSV file, besides an empty field."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?([eE][+-]?\d+)?$"


class Table(NamedTuple):
    """The contents of a file.

    frame: its columns; missing values are null.
    notes: readable notes on what was unusual about the file.
    """

    frame: "pl.DataFrame"
    notes: tuple[str, ...] = ()


def check_file(path: Path) -> str:
    """Return the suffix of a data file in lower case.

    Raises:
        InputError: when there is no such file, or its suffix is none of `SUFFIXES`.

    Example:
        >>> check_file(Path("absent.csv"))
        Traceback (most recent call last):
        fnnet.errors.InputError: no such file
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise InputError(f"is a folder and not a file; a data file ends in {', '.join(SUFFIXES)}")
    if suffix not in SUFFIXES:
        has = f"not in {path.suffix!r}" if path.suffix else "and this name has no suffix"
        raise InputError(f"a data file ends in {', '.join(SUFFIXES)}, {has}")
    if not path.exists():
        raise InputError("no such file")
    if not path.is_file():
        raise InputError("is not a file")
    return suffix


def read_table(path: Path) -> Table:
    """Read a table.

    In a CSV file the delimiter (comma, semicolon, tab or bar), the decimal comma and the encoding (UTF-8, UTF-16 or
    Latin-1, with or without a byte order mark) are recognized. Its first line names the columns. Empty fields, NA,
    N/A, NaN, null and ? are missing values.

    Args:
        path: of a `.csv` or `.parquet` file.

    Returns:
        The table. Columns without a name are called "unnamed_1" and so on, by their place.

    Raises:
        InputError: when there is no such file, or it is damaged; when two columns have one name; when a row is longer
            or shorter than the header.
    """
    suffix = check_file(path)
    if suffix not in _READERS:
        raise InputError(f"is no table; a table ends in {' or '.join(TABLES)}")
    try:
        table = _READERS[suffix](path)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from error
    if table.frame.height == 0:
        raise InputError("has no rows")
    return table


def _read_parquet(path: Path) -> Table:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise InputError(f"not a readable .parquet file ({_first_line(error)})") from error
    return Table(frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None)))


def _read_csv(path: Path) -> Table:
    import polars as pl

    text, notes = _decode(path.read_bytes())
    delimiter = _sniff_delimiter(text)
    names = _header(text, delimiter)
    try:
        # All rows decide about the type of a column: a word in the last one makes it a column of words.
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            separator=delimiter,
            infer_schema_length=None,
            null_values=list(MISSING),
            has_header=True,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        _check_row_lengths(text, delimiter)
        raise InputError(f"not a readable .csv file ({_first_line(error)})") from error
    if any(frame.null_count().row(0)):
        _check_row_lengths(text, delimiter)
    frame.columns = names
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # empty lines
    if delimiter != ",":
        notes += (_DELIMITERS[delimiter],)
    columns = [_tidy(column, delimiter) for column in frame.get_columns()]
    if any(
        old.dtype == pl.String and new.dtype == pl.Float64 for old, new in zip(frame, columns, strict=True)
    ):
        notes += ("decimal commas",) if delimiter != "," else ()
    return Table(pl.DataFrame(columns), notes)


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Decode text of unknown encoding."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in content[:1000]:
        # ASCII in UTF-16: every other byte is 0.
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    else:
        encodings = ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        if "\n" not in text:
            text = text.replace("\r", "\n")  # lines as on an old Macintosh
        known = {"utf-8-sig": (), "cp1252": ("encoding: Latin-1",), "latin-1": ("encoding: Latin-1",)}
        return text, known.get(encoding, ("encoding: UTF-16",))
    raise InputError("not a readable .csv file: it is not text")


def _sniff_delimiter(text: str) -> str:
    """Find the delimiter that splits most of the first rows into as many fields as the header, and into most fields."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            # A line may be cut off at the end of the sample.
            rows = list(csv.reader(io.StringIO(text[:100_000]), delimiter=delimiter))[:100]
        except csv.Error:
            return 0.0, 0
        widths = [len(row) for row in rows if row]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return round(Counter(widths)[widths[0]] / len(widths), 1), widths[0]

    return max(_DELIMITERS, key=score)


def _header(text: str, delimiter: str) -> list[str]:
    try:
        header = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    except csv.Error as error:
        raise InputError(f"line 1 is not CSV: {error}") from error
    if not header:
        raise InputError("not a readable .csv file: its first line, which names the columns, is empty")
    names = [name.strip() or f"unnamed_{place}" for place, name in enumerate(header, 1)]
    if number := next((name for name in names if _is_fraction(name)), None):
        raise InputError(f"the first line must name the columns, got the number {number}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"the first line must name the columns, and names {twice[0]!r} twice")
    return names


def _is_fraction(name: str) -> bool:
    try:
        return "." in name and float(name) is not None
    except ValueError:
        return False


def _tidy(column: "pl.Series", delimiter: str) -> "pl.Series":
    """Convert a column of strings that are all numbers; decimal commas count unless the comma is the delimiter."""
    import polars as pl

    if column.dtype != pl.String:
        return column
    words = column.str.strip_chars()
    words = words.set(words.is_in(["", *MISSING]).fill_null(False), None)
    present = words.drop_nulls()
    if present.is_empty():
        return words
    numbers = present.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0:
        return words.cast(pl.Float64)
    if delimiter != "," and present.str.contains(_DECIMAL_COMMA).all():
        return (
            words.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True).cast(pl.Float64)
        )
    return words


def _check_row_lengths(text: str, delimiter: str) -> None:
    """Find the row that made a table unreadable: polars fills short rows and does not number long ones."""
    rows = csv.reader(io.StringIO(text), strict=True, delimiter=delimiter)
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


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


_READERS: dict[str, Callable[[Path], Table]] = {".csv": _read_csv, ".parquet": _read_parquet}
