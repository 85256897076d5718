"""Models: a trained `mlp` with the preprocessing that applies it to raw data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from fnnet.blocks import all_outputs
from fnnet.data.arrays import flatten, to_inputs
from fnnet.data.preprocessing import (
    Preprocessing,
    encode_table,
    fill_missing,
    name_features,
    note_filled,
)
from fnnet.data.scaling import apply_scaling
from fnnet.errors import InputError, nearest_names
from fnnet.network import Network, mlp
from fnnet.types import Params

if TYPE_CHECKING:
    import polars as pl

_PROBABILITIES = {"cross_entropy": jax.nn.softmax, "binary_cross_entropy": jax.nn.sigmoid}
"""For each loss on logits, the function that turns logits into probabilities."""


class Model(NamedTuple):
    """A trained network and its preprocessing.

    arguments: the arguments of `mlp`; functions are given by name, so that they can be saved.
    params: the trained parameters.
    loss: the name of the training loss, which determines what the outputs mean.
    preprocessing: how a table becomes inputs, and outputs become values.
    class_names: one per output; empty for regression.
    """

    arguments: dict[str, Any]
    params: Params
    loss: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...] = ()

    @property
    def network(self) -> Network:
        """The network of `params`."""
        return mlp(**self.arguments)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each input."""
        return name_features(self.preprocessing.columns)


class TableInputs(NamedTuple):
    """A table as a model's inputs.

    inputs: encoded and filled, in float64, not scaled.
    ids: the column that names the rows, or None.
    notes: messages about values that were filled and columns that were ignored.
    """

    inputs: Float[np.ndarray, "n features"]
    ids: "pl.Series | None"
    notes: tuple[str, ...]


def prepare_table(model: Model, table: "pl.DataFrame", id: str | None = None) -> TableInputs:
    """Encode a table as the inputs of a model, in the same way as the training data.

    Args:
        model: the model.
        table: a table with the columns of the training data, in any order. Other columns are ignored; the notes name
            those that the training data did not have.
        id: the column that names the rows; by default that of the training data, if the table has it.

    Returns:
        The inputs; missing numbers are replaced by the medians of the training split.

    Raises:
        InputError: when a column is missing, or has another type than in training.

    Example:
        >>> import polars as pl
        >>> from fnnet.data.preprocessing import Column
        >>> columns = (Column("size", 2.0), Column("color", None, ("blue", "red")))
        >>> model = Model({}, [], "mse", Preprocessing(columns, targets=("price",)))
        >>> prepare_table(model, pl.DataFrame({"color": ["red"], "size": [None], "shape": ["round"]})).notes
        ('1 missing value filled', 'ignored: shape, which the training data did not have')
    """
    preprocessing = model.preprocessing
    names = [column.name for column in preprocessing.columns]
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(_missing_columns(missing, names, table.columns))
    if id is not None and id not in table.columns:
        nearest = nearest_names(id, table.columns)
        raise InputError(f"has no column {id!r}{f'; did you mean {nearest[0]!r}?' if nearest else ''}")
    id = id if id is not None else preprocessing.id
    known = {*names, *preprocessing.targets, *preprocessing.ignored, preprocessing.id, id, "target"}
    unknown = [name for name in table.columns if name not in known and not name.startswith("unnamed_")]
    encoded = encode_table(preprocessing.columns, table)
    notes = encoded.notes
    if unknown:
        notes = (*notes, f"ignored: {', '.join(unknown)}, which the training data did not have")
    return TableInputs(encoded.inputs, table[id] if id in table.columns else None, notes)


def prepare_array(model: Model, inputs: np.ndarray) -> TableInputs:
    """Check an array and fill its missing values (NaN), as the inputs of a model.

    Args:
        model: a model that was trained on arrays.
        inputs: `[n, features]`, or `[n, ...]` for images.

    Raises:
        InputError: when the shape or type is wrong, or a value is missing in a column that was complete in training.

    Example:
        >>> from fnnet.data.preprocessing import Column
        >>> model = Model({}, [], "mse", Preprocessing((Column("a", 2.0), Column("b", 5.0))))
        >>> prepare_array(model, np.array([[1.0, np.nan]])).inputs.tolist()
        [[1.0, 5.0]]
    """
    columns = model.preprocessing.columns
    inputs = to_inputs("inputs", flatten(inputs), np.dtype(np.float64), gaps=True)
    if inputs.shape[1] != len(columns) or any(column.categories for column in columns):
        raise InputError(
            f"inputs has {inputs.shape[1]} features, the model was trained on the columns "
            f"{', '.join(column.name for column in columns[:5])}{' ...' * (len(columns) > 5)}"
        )
    filled = fill_missing(inputs, columns)
    if np.isnan(filled).any():
        row, column = np.argwhere(np.isnan(filled))[0].tolist()
        raise InputError(f"inputs has no value in row {row}, column {column} (the first is 0)")
    return TableInputs(filled, None, note_filled(int(np.isnan(inputs).sum())))


def predict(model: Model, inputs: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n outputs"]:
    """Compute the predictions of a model.

    Args:
        model: the model.
        inputs: the inputs in the original units, not standardized; categories are one-hot.

    Returns:
        For classification, probabilities: the softmax of the outputs for the loss `cross_entropy`, the sigmoid of each
        for `binary_cross_entropy`; for any other loss the outputs themselves. For regression, values in the original
        units.

    Raises:
        InputError: when the number of features is wrong, or an output is not finite.

    Example:
        >>> from fnnet.data.preprocessing import Column
        >>> identity = [{"w": np.eye(2, dtype=np.float32), "b": np.zeros(2, np.float32)}]
        >>> two = Preprocessing((Column("a"), Column("b")))
        >>> model = Model(dict(num_inputs=2, widths=[], num_outputs=2), identity, "cross_entropy", two, ("no", "yes"))
        >>> predict(model, np.zeros((1, 2), np.float32)).tolist()
        [[0.5, 0.5]]
    """
    if inputs.ndim != 2 or inputs.shape[1] != len(model.feature_names):
        raise InputError(
            f"inputs must have the shape [examples, {len(model.feature_names)}], got {list(inputs.shape)}"
        )
    scaling, target_scaling = model.preprocessing.input_scaling, model.preprocessing.target_scaling
    dtype = jax.tree.leaves(model.params)[0].dtype
    inputs = inputs.astype(dtype) if scaling is None else apply_scaling(scaling, inputs, dtype)
    network = model.network
    run = jax.jit(lambda params, inputs: all_outputs(network, params, inputs))
    outputs = np.asarray(run(model.params, inputs))
    if model.class_names and model.loss in _PROBABILITIES:
        outputs = np.asarray(_PROBABILITIES[model.loss](outputs))
    if target_scaling is not None:
        mean, inverse_std = map(np.array, target_scaling)
        outputs = mean + np.divide(outputs, inverse_std, out=np.zeros(outputs.shape), where=inverse_std != 0)
    if not np.isfinite(outputs).all():
        row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
        raise InputError(f"the network's output for row {row} (the first is 0) is not finite")
    return outputs


def tabulate(
    model: Model, outputs: Float[np.ndarray, "n outputs"], ids: "pl.Series | None" = None
) -> "pl.DataFrame":
    """Build a table of predictions, one row per example.

    Args:
        model: the model.
        outputs: the result of `predict`.
        ids: a column that names the rows; it comes first.

    Returns:
        For classification the columns "class" (of the largest output), "probability" and one "p(NAME)" per class, or
        "output" and "output(NAME)" where outputs are not probabilities; for regression "value", or one column per
        target.

    Example:
        >>> model = Model({}, [], "cross_entropy", Preprocessing(), ("no", "yes"))
        >>> print(tabulate(model, np.array([[0.25, 0.75]])).write_csv())
        class,probability,p(no),p(yes)
        yes,0.75,0.25,0.75
        <BLANKLINE>
    """
    import polars as pl

    columns: dict[str, Any] = {}
    if model.class_names:
        kind, letter = ("probability", "p") if model.loss in _PROBABILITIES else ("output", "output")
        columns["class"] = [model.class_names[index] for index in outputs.argmax(axis=1)]
        columns[kind] = outputs.max(axis=1)
        columns |= {f"{letter}({name})": outputs[:, i] for i, name in enumerate(model.class_names)}
    else:
        names = model.preprocessing.targets
        if outputs.shape[1] == 1:
            names = ("value",)
        elif len(names) != outputs.shape[1]:
            names = tuple(f"value_{index}" for index in range(outputs.shape[1]))
        columns |= dict(zip(names, outputs.T, strict=True))
    if ids is not None:
        columns = {ids.name: ids} | {name: values for name, values in columns.items() if name != ids.name}
    return pl.DataFrame(columns)


def to_csv(table: "pl.DataFrame") -> str:
    """Convert a table to CSV that a spreadsheet does not evaluate.

    Text that would be read as a formula, such as the class `=1+2`, is prefixed with an apostrophe.

    Example:
        >>> import polars as pl
        >>> print(to_csv(pl.DataFrame({"class": ["=1+2", "-3", "-a", "a"]})))
        class
        '=1+2
        -3
        '-a
        a
        <BLANKLINE>
    """
    import polars as pl

    columns = [name for name, dtype in table.schema.items() if dtype == pl.String]
    return table.with_columns(
        pl.Series(name, [text and _escape(text) for text in table[name]], pl.String) for name in columns
    ).write_csv()


def _escape(text: str) -> str:
    """Prefix text that a spreadsheet would read as a formula; a number with a sign is not one."""
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _missing_columns(missing: Sequence[str], names: Sequence[str], columns: Sequence[str]) -> str:
    listed = ", ".join(map(repr, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    extra = [column for column in columns if column not in names]
    near = nearest_names(missing[0], extra)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, columns[:5]))}"
    return f"lacks the column{'s' * (len(missing) > 1)} {listed} of the training data; {hint}"
