"""Read tables from `.csv` files of any common dialect and from `.parquet` files, without executing their content."""

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
"""The suffixes of data files."""

MISSING = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?")
"""The words that mark a missing value in a CSV file, besides an empty field."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?([eE][+-]?\d+)?$"


class Table(NamedTuple):
    """A table read from a file.

    frame: the columns; missing values are null.
    notes: what was unusual about the file.
    """

    frame: "pl.DataFrame"
    notes: tuple[str, ...] = ()


def check_file(path: Path) -> str:
    """Check that a path is a data file, and return its suffix in lower case.

    Raises:
        InputError: if the file does not exist or its suffix is not in `SUFFIXES`.

    Example:
        >>> check_file(Path("absent.csv"))
        Traceback (most recent call last):
        fnnet.errors.InputError: no such file
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise InputError(f"is a folder, not a file; a data file ends in {', '.join(SUFFIXES)}")
    if suffix not in SUFFIXES:
        raise InputError(f"a data file ends in {', '.join(SUFFIXES)}, got {path.suffix or 'no suffix'}")
    if not path.is_file():
        raise InputError("is not a file" if path.exists() else "no such file")
    return suffix


def read_table(path: Path) -> Table:
    """Read a table.

    The first line of a CSV file names the columns. The delimiter (comma, semicolon, tab or bar), decimal commas and the
    encoding (UTF-8, UTF-16 or Latin-1) are detected. Empty fields, NA, N/A, NaN, null and ? are missing values.

    Args:
        path: a `.csv` or `.parquet` file.

    Returns:
        The table. Columns without a name are called "unnamed_1" and so on, by position.

    Raises:
        InputError: if the file does not exist or is damaged, two columns share a name, or a row is longer or shorter
            than the header.
    """
    suffix = check_file(path)
    if suffix not in _READERS:
        raise InputError(f"a table ends in {' or '.join(TABLES)}, got {suffix}")
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
        # Infer types from all rows: a word in the last one makes its column a column of strings.
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
    tidy = pl.DataFrame([_tidy(column, delimiter) for column in frame.get_columns()])
    if delimiter != ",":
        notes += (_DELIMITERS[delimiter],)
        if any(
            old == pl.String and new == pl.Float64 for old, new in zip(frame.dtypes, tidy.dtypes, strict=True)
        ):
            notes += ("decimal commas",)
    return Table(tidy, notes)


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Decode text of unknown encoding, and note the encoding unless it is UTF-8."""
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
            text = text.replace("\r", "\n")  # line ends of the classic Mac OS
        known = {"utf-8-sig": (), "cp1252": ("encoding: Latin-1",), "latin-1": ("encoding: Latin-1",)}
        return text, known.get(encoding, ("encoding: UTF-16",))
    raise InputError("not a readable .csv file: not text")


def _sniff_delimiter(text: str) -> str:
    """Return the delimiter for which most of the first rows have as many fields as the header, and the most fields."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            # The last line of the sample may be cut off.
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
        raise InputError("not a readable .csv file: the first line must name the columns, got an empty one")
    names = [name.strip() or f"unnamed_{number}" for number, name in enumerate(header, 1)]
    if number := next((name for name in names if _is_fraction(name)), None):
        raise InputError(f"the first line must name the columns, got the number {number}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"the first line must give each column its own name, got {twice[0]!r} twice")
    return names


def _is_fraction(name: str) -> bool:
    try:
        return "." in name and float(name) is not None
    except ValueError:
        return False


def _tidy(column: "pl.Series", delimiter: str) -> "pl.Series":
    """Convert a string column to numbers if all its values are, with decimal commas if commas are not the delimiter."""
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
    """Check that all rows are as long as the header; polars fills short rows and does not report which are long."""
    rows = csv.reader(io.StringIO(text), strict=True, delimiter=delimiter)
    try:
        width = len(next(rows, []))
        for number, row in enumerate(rows):
            if len(row) != width and row:
                raise InputError(
                    f"row {number} (the first after the header is 0), which ends on line {rows.line_num}, "
                    f"has {len(row)} fields, but the header has {width}"
                )
    except csv.Error as error:
        raise InputError(f"line {rows.line_num} is not CSV: {error}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


_READERS: dict[str, Callable[[Path], Table]] = {".csv": _read_csv, ".parquet": _read_parquet}
