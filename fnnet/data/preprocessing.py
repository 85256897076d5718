"""Preprocess the columns of a table: encode categories, fill missing values, scale features.

Everything is fitted on the training split only. A `Preprocessing` is hashable, converts to JSON, and is exported with a
trained model, which applies it to new tables.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from fnnet.data.scaling import Scaling
from fnnet.errors import InputError

if TYPE_CHECKING:
    import polars as pl

MOST_CATEGORIES = 50


class Column(NamedTuple):
    """A column of a table that becomes one feature, or one feature per category.

    name: the name in the header.
    fill: the replacement for missing numbers, the median of the training split; None if none may be missing.
    categories: the strings of a categorical column in the order of their features, where None, the last, is a missing
        value; None for a numeric column.
    """

    name: str
    fill: float | None = None
    categories: tuple[str | None, ...] | None = None


class Preprocessing(NamedTuple):
    """The preprocessing of the columns of a table or an array.

    columns: the columns that became features, in order.
    targets: the target columns.
    ignored: the columns left out.
    id: the column that identifies the rows, or None.
    input_scaling: the standardization of features, or None.
    target_scaling: the standardization of regression targets, or None.
    """

    columns: tuple[Column, ...] = ()
    targets: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    id: str | None = None
    input_scaling: Scaling | None = None
    target_scaling: Scaling | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert to dicts, lists, strings and numbers."""
        values = _to_lists(self)
        for column in values["columns"]:
            for name in ("fill", "categories"):
                if column[name] is None:
                    del column[name]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Build from the output of `to_json`.

        Example:
            >>> preprocessing = Preprocessing((Column("size", 1.5), Column("color", None, ("red", None))), ("kind",))
            >>> Preprocessing.from_json(preprocessing.to_json()) == preprocessing
            True
        """
        scalings = (values["input_scaling"], values["target_scaling"])
        return cls(
            tuple(Column(**_to_tuples(column)) for column in values["columns"]),
            tuple(values["targets"]),
            tuple(values["ignored"]),
            values["id"],
            *(scaling and Scaling(**_to_tuples(scaling)) for scaling in scalings),
        )


def _to_lists(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _to_lists(item) for name, item in value._asdict().items()}
    return [_to_lists(item) for item in value] if isinstance(value, tuple) else value


def _to_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


class Encoded(NamedTuple):
    """A table encoded as numbers.

    inputs: filled, but not scaled.
    num_filled: the number of missing values, numeric and categorical.
    unknown: for each column with categories absent from the training split, one of them; it is encoded as zeros.
    """

    inputs: Float[np.ndarray, "n features"]
    num_filled: int
    unknown: dict[str, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on filled values and unknown categories."""
        unknown = [
            f"{value!r} of {name} is not in the training split" for name, value in self.unknown.items()
        ]
        return (*note_filled(self.num_filled), *unknown)


def note_filled(number: int) -> tuple[str, ...]:
    """Return a note on the number of filled values, unless it is 0.

    Example:
        >>> note_filled(1), note_filled(0)
        (('1 missing value filled',), ())
    """
    return (f"{number:,} missing value{'s' * (number != 1)} filled",) if number else ()


def fit_columns(train: "pl.DataFrame") -> tuple[Column, ...]:
    """Fit the categories and medians of the training split.

    Args:
        train: its features, columns of numbers, strings or booleans.

    Raises:
        InputError: if a column has too many categories or another type.

    Example:
        >>> import polars as pl
        >>> fit_columns(pl.DataFrame({"size": [1.0, None, 4.0, 2.0], "color": ["red", "blue", None, "red"]}))
        (Column(name='size', fill=2.0, categories=None), Column(name='color', fill=None, categories=('blue', 'red', None)))
    """
    return tuple(map(_fit_column, train.get_columns()))


def encode_table(columns: Sequence[Column], table: "pl.DataFrame") -> Encoded:
    """Encode a table as numbers: one-hot encode categories and fill missing values.

    Args:
        columns: the columns fitted on the training split.
        table: any split, or a new table, with its columns in any order.

    Returns:
        The inputs in float64, with notes.

    Raises:
        InputError: if a column is missing, or a numeric column contains anything else.

    Example:
        >>> import polars as pl
        >>> columns = (Column("size", 2.0), Column("color", None, ("blue", "red")))
        >>> encode_table(columns, pl.DataFrame({"size": [1.0, None], "color": ["red", "green"]}))
        Encoded(inputs=array([[1., 0., 1.],
               [2., 0., 0.]]), num_filled=1, unknown={'color': 'green'})
    """
    inputs = np.empty((table.height, len(name_features(columns))))
    num_filled, unknown, start = 0, {}, 0
    for column, values in zip(columns, table.select(column.name for column in columns), strict=True):
        stop = start + (1 if column.categories is None else len(column.categories))
        if column.categories is None:
            numbers = to_numbers(values)
            missing = np.isnan(numbers)
            if missing.any() and column.fill is None:
                raise InputError(f"column {column.name!r} has no value {place(missing)}")
            inputs[:, start] = np.where(missing, column.fill or 0.0, numbers)
            num_filled += int(missing.sum())
        else:
            strings = to_strings(values)
            for feature, category in enumerate(column.categories, start):
                inputs[:, feature] = [string == category for string in strings]
            known = [string is None or string in column.categories for string in strings]
            if not all(known):
                unknown[column.name] = str(strings[known.index(False)])
            num_filled += values.null_count()
        start = stop
    return Encoded(inputs, num_filled, unknown)


def fill_missing(values: Float[np.ndarray, "n features"], columns: Sequence[Column]) -> np.ndarray:
    """Replace each NaN by the fill value of its column."""
    fills = np.array([np.nan if column.fill is None else column.fill for column in columns])
    return np.where(np.isnan(values), fills.astype(values.dtype), values)


def name_features(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the names of the features that columns are encoded as.

    Example:
        >>> name_features((Column("size"), Column("color", None, ("red", None))))
        ('size', 'color=red', 'color is missing')
    """
    names: list[str] = []
    for column in columns:
        if column.categories is None:
            names.append(column.name)
        else:
            names += [
                f"{column.name} is missing" if category is None else f"{column.name}={category}"
                for category in column.categories
            ]
    return tuple(names)


def is_one_hot(columns: Sequence[Column]) -> np.ndarray:
    """Return whether each feature is one-hot, and therefore not scaled."""
    counts = [1 if column.categories is None else len(column.categories) for column in columns]
    return np.repeat([column.categories is not None for column in columns], counts)


def to_numbers(column: "pl.Series") -> Float[np.ndarray, " n"]:
    """Convert a column to float64, with NaN for missing values.

    Raises:
        InputError: if a value is not a number, or infinite.

    Example:
        >>> import polars as pl
        >>> to_numbers(pl.Series([1, None]))
        array([ 1., nan])
    """
    import polars as pl

    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.String, pl.Null)):
        raise InputError(
            f"column {column.name!r} must be numeric, got {column.dtype}; leave it out with drop"
        )
    numbers = column.cast(pl.Float64, strict=False).to_numpy()
    wrong = np.isnan(numbers) & column.is_not_null().to_numpy() if column.dtype == pl.String else []
    if np.any(wrong):
        raise InputError(
            f"column {column.name!r} must be numeric, got {column[int(np.argmax(wrong))]!r} {place(wrong)}; "
            "correct it, or leave the column out with drop"
        )
    if (infinite := np.isinf(numbers)).any():
        raise InputError(
            f"column {column.name!r} must be finite, got {numbers[np.argmax(infinite)]} {place(infinite)}"
        )
    return numbers


def to_strings(column: "pl.Series") -> list[str | None]:
    """Convert a column to strings; booleans become "true" and "false"."""
    import polars as pl

    return column.cast(pl.String).to_list()


def place(rows: Sequence[bool] | np.ndarray) -> str:
    """Describe the first true row, for error messages."""
    return f"in row {int(np.argmax(rows))} (the first after the header is 0)"


def _fit_column(column: "pl.Series") -> Column:
    import polars as pl

    if column.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        numbers = to_numbers(column)
        return Column(column.name, fill=0.0 if np.isnan(numbers).all() else float(np.nanmedian(numbers)))
    strings = to_strings(column)
    categories = sorted({string for string in strings if string is not None})
    if len(categories) > MOST_CATEGORIES:
        raise InputError(
            f"column {column.name!r} must have at most {MOST_CATEGORIES} different values to be one-hot encoded, "
            f"got {len(categories)}; leave it out with drop, or group its values"
        )
    return Column(column.name, categories=(*categories, *([None] if None in strings else [])))
