"""Other data for the networks of a sweep, read, encoded and scaled like the training data."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnnet.data.arrays import flatten, to_inputs
from fnnet.data.dataset import Dataset, Examples
from fnnet.data.files import ARRAYS, check_file, read_table
from fnnet.data.npz import read_npz
from fnnet.data.preprocessing import to_numbers, to_strings
from fnnet.data.record import Record, abstract_data, reload_data
from fnnet.data.scaling import apply_scaling
from fnnet.data.sources import SOURCES
from fnnet.errors import InputError, unknown_name
from fnnet.evaluation.model import Model, prepare_array, prepare_table


class OtherData(NamedTuple):
    """Examples for networks that were trained on other data.

    examples: the examples, scaled as in training.
    summary: a description of them in words.
    """

    examples: Examples
    summary: str


def load_other_data(record: Record, name_or_path: str) -> OtherData:
    """Load examples for the networks of a sweep.

    Args:
        record: what the sweep's plan says about its data, under "data".
        name_or_path: the name of a data set or the path of a file. The sweep's own data set gives the sweep's test
            split; another one its official test split, or all examples if it has none. A file has the columns of the
            training data and their target, which is the column "target" if the training data were not a table.

    Raises:
        InputError: when there is no such data set, or it does not match the sweep: it has other features, an unknown
            class, or a missing target.

    Example:
        >>> from fnnet import load_dataset
        >>> from fnnet.data.record import describe_data
        >>> load_other_data(describe_data(load_dataset("iris")), "iris").summary
        'iris: 30 examples of the test split'
    """
    trained = abstract_data(record)
    name = name_or_path.lower()
    if name == record.get("source") and not record.get("is_file"):
        examples = reload_data(record).test
        return OtherData(examples, f"{name}: {examples.num_examples:,} examples of the test split")
    if name not in SOURCES and not Path(name_or_path).suffix and not Path(name_or_path).exists():
        raise unknown_name("data set", name_or_path, SOURCES)
    try:
        if name in SOURCES:
            examples, notes = _read_named(trained, name)
        else:
            examples, notes = _read_file(trained, Path(name_or_path))
    except InputError as error:
        raise InputError(f"{name_or_path}: {error}") from error
    summary = f"{name_or_path}: {examples.num_examples:,} examples"
    return OtherData(examples, "; ".join([summary, *notes]))


def _read_named(trained: Dataset, name: str) -> tuple[Examples, Sequence[str]]:
    arrays = SOURCES[name].read()
    inputs, targets = (arrays.inputs, arrays.targets) if arrays.test is None else arrays.test
    inputs = to_inputs("inputs", flatten(inputs), np.dtype(np.float64), gaps=False)
    notes = [] if arrays.test is None else ["the official test split"]
    return _scale(trained, inputs, np.asarray(targets), is_coded=True), notes


def _read_file(trained: Dataset, path: Path) -> tuple[Examples, Sequence[str]]:
    model = Model({}, [], "", trained.preprocessing)
    if check_file(path) in ARRAYS:
        arrays = read_npz(path)
        table = prepare_array(model, arrays.inputs)
        return _scale(trained, table.inputs, np.asarray(arrays.targets)), table.notes
    frame = read_table(path).frame
    names = trained.preprocessing.targets or ("target",)
    if missing := [name for name in names if name not in frame.columns]:
        raise InputError(f"has no column {missing[0]!r}, the target of the sweep")
    columns = [frame[name] for name in names]
    for column in columns:
        if column.null_count():
            raise InputError(f"column {column.name!r} has no value in {column.null_count():,} rows")
    table = prepare_table(model, frame)
    if trained.is_classification:
        is_text = not columns[0].dtype.is_numeric()
        targets = np.array(to_strings(columns[0])) if is_text else columns[0].to_numpy()
    else:
        targets = np.stack([to_numbers(column) for column in columns], axis=1)
    return _scale(trained, table.inputs, targets), table.notes


def _scale(trained: Dataset, inputs: np.ndarray, targets: np.ndarray, is_coded: bool = False) -> Examples:
    """Scale inputs and targets as those of the training data.

    Args:
        trained: the shapes, classes and scaling of the training data.
        inputs: `[n, features]`, encoded.
        targets: `[n]` or `[n, outputs]`, in their own units.
        is_coded: whether the classes are already indices.
    """
    if inputs.shape[1] != trained.num_features:
        raise InputError(
            f"has {inputs.shape[1]} features, but the sweep was trained on {trained.num_features}"
        )
    dtype = np.dtype(trained.train.inputs.dtype)
    scaling, target_scaling = trained.preprocessing.input_scaling, trained.preprocessing.target_scaling
    inputs = inputs.astype(dtype) if scaling is None else apply_scaling(scaling, inputs, dtype)
    if trained.is_classification:
        return Examples(inputs, _classes(trained.class_names, targets, is_coded))
    targets = to_inputs("targets", targets.reshape(len(targets), -1), np.dtype(np.float64), gaps=False)
    if targets.shape[1] != trained.num_outputs:
        raise InputError(
            f"has {targets.shape[1]} targets, but the sweep was trained on {trained.num_outputs}"
        )
    scaled = (
        targets.astype(dtype) if target_scaling is None else apply_scaling(target_scaling, targets, dtype)
    )
    return Examples(inputs, scaled)


def _classes(names: Sequence[str], targets: np.ndarray, is_coded: bool) -> np.ndarray:
    """Return the index of each target among the class names of the sweep."""
    if targets.ndim != 1:
        raise InputError(f"classes must have the shape [n], got {list(targets.shape)}")
    if is_coded:
        if targets.dtype.kind not in "iu" or not 0 <= targets.min() <= targets.max() < len(names):
            raise InputError(f"targets must be classes from 0 to {len(names) - 1}, as in the sweep")
        return targets.astype(np.int32)
    codes = {name: code for code, name in enumerate(names)}
    spelled = [_spell(target) for target in targets.tolist()]
    unknown = next((name for name in spelled if name not in codes), None)
    if unknown is not None:
        raise InputError(f"class {unknown!r} is not in the training data, which has {', '.join(names[:10])}")
    return np.array([codes[name] for name in spelled], np.int32)


def _spell(target: object) -> str:
    """Spell a class as the training data do: whole numbers without a fraction."""
    return str(int(target)) if isinstance(target, float) and target.is_integer() else str(target)
