"""Describe a sweep's data in its store, so that later commands need only the store."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fnnet.data.dataset import Dataset, Examples
from fnnet.data.files import SUFFIXES
from fnnet.data.preprocessing import Preprocessing
from fnnet.data.sources import SOURCES, load_dataset
from fnnet.errors import InputError, unknown_name
from fnnet.types import PyTree

Record = dict[str, Any]
"""The result of `describe_data`: dicts, lists, strings and numbers."""


def describe_data(data: PyTree) -> Record:
    """Describe the data of a sweep for the plan of its store.

    Args:
        data: a `Dataset`, or any other pytree of arrays.

    Returns:
        For a `Dataset`: its "name", "source" (the name of a data set, the absolute path of a file, or None for arrays),
        whether the source "is_file", the "options" of `load_dataset`, the shapes and dtypes of its "splits",
        "feature_names", "class_names", "preprocessing" and "summary". Otherwise the shapes and dtypes of the leaves.

    Example:
        >>> record = describe_data(load_dataset("iris", split_seed=3))
        >>> record["source"], record["options"], record["splits"]["test"]["inputs"]
        ('iris', {'split_seed': 3}, {'shape': [30, 4], 'dtype': 'float32'})
    """
    if not isinstance(data, Dataset):
        leaves = jax.tree_util.tree_leaves_with_path(data)
        return {
            "kind": "arrays",
            "leaves": {jax.tree_util.keystr(path): _describe_array(leaf) for path, leaf in leaves},
        }
    splits = {"train": data.train, "test": data.test, "validation": data.validation}
    source, is_file, options = data.origin or (None, False, ())
    return {
        "kind": "dataset",
        "name": data.name,
        "source": source,
        "is_file": is_file,
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in options},
        "splits": {
            name: {part: _describe_array(array) for part, array in split._asdict().items()}
            for name, split in splits.items()
            if split is not None
        },
        "feature_names": list(data.feature_names),
        "class_names": list(data.class_names),
        "preprocessing": data.preprocessing.to_json(),
        "summary": data.summary,
    }


def reload_data(record: Record) -> Dataset:
    """Reload the data set that `describe_data` described.

    Returns:
        The data set. The caller must compare its hash with the recorded one.

    Raises:
        InputError: if it was built from arrays in memory, the file is missing, or `load_dataset` rejects the options.

    Example:
        >>> data = load_dataset("iris", split_seed=3)
        >>> reload_data(describe_data(data)).hash == data.hash
        True
    """
    source = _dataset_entry(record, "source")
    if source is None:
        raise InputError(
            "the sweep was made from arrays in memory, which cannot be reloaded; use load_dataset with a name or a file"
        )
    options = _dataset_entry(record, "options")
    known = set(inspect.signature(load_dataset).parameters) - {"name_or_path"}
    if not isinstance(source, str) or not isinstance(options, Mapping) or set(options) - known:
        raise InputError(f"the record of the data is damaged: source {source!r:.80}, options {options!r:.80}")
    if not _dataset_entry(record, "is_file"):
        if source not in SOURCES:
            raise unknown_name("data set", source, SOURCES)
        return load_dataset(source, **options)
    path = Path(source)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise InputError(f"the sweep was made from {path}, which no longer exists; restore the file")
    return load_dataset(path, **options)


def abstract_data(record: Record) -> Dataset:
    """Build a data set of `jax.ShapeDtypeStruct`s, which suffices for a recipe that uses only sizes and names.

    Raises:
        InputError: if the record is not of a `Dataset`, or is damaged.

    Example:
        >>> abstract_data(describe_data(load_dataset("iris"))).train.inputs
        ShapeDtypeStruct(shape=(120, 4), dtype=float32)
    """
    splits = _dataset_entry(record, "splits")
    try:
        examples = {
            name: Examples(*(_abstract(split[part]) for part in Examples._fields))
            for name, split in splits.items()
        }
        return Dataset(
            train=examples["train"],
            test=examples["test"],
            validation=examples.get("validation"),
            name=record["name"],
            feature_names=tuple(record["feature_names"]),
            class_names=tuple(record["class_names"]),
            preprocessing=Preprocessing.from_json(record["preprocessing"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the record of the data is damaged ({error!r})") from error


def _describe_array(leaf: Any) -> dict[str, Any]:
    return {"shape": list(np.shape(leaf)), "dtype": str(getattr(leaf, "dtype", np.asarray(leaf).dtype))}


def _abstract(described: Mapping[str, Any]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(
        tuple(described["shape"]), jax.dtypes.canonicalize_dtype(np.dtype(described["dtype"]))
    )


def _dataset_entry(record: Record, name: str) -> Any:
    if not isinstance(record, Mapping) or record.get("kind") != "dataset" or name not in record:
        raise InputError("the sweep was not made from a Dataset, so its data cannot be reloaded")
    return record[name]
