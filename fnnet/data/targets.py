"""Infer whether the targets of a file are classes or numbers, and the names of the classes."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fnnet.data.arrays import check_not_empty, check_num_classes
from fnnet.errors import InputError, unknown_name

TASKS = ("classification", "regression")

MOST_CLASSES = 20
"""Whole numbers with more different values than this are classes only if each has `MANY_EXAMPLES`."""

MANY_EXAMPLES = 100


class Targets(NamedTuple):
    """Targets of one or two splits.

    arrays: for each split, classes `[n]` int32 or numbers `[n, outputs]` float64.
    class_names: one name per class; empty for regression.
    notes: what was inferred.
    """

    arrays: list[np.ndarray]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def infer_targets(splits: Mapping[str, np.ndarray], task: str | None = None) -> Targets:
    """Infer whether targets are classes or numbers, and convert them.

    The rule is that of `load_dataset`, where 1.0 is a whole number. A matrix is a regression with several outputs
    unless it is one-hot.

    Args:
        splits: the targets of all splits by name, `[n]` or `[n, outputs]`, without missing values.
        task: "classification" or "regression", to override the rule above.

    Returns:
        The targets. Classes are numbered in sorted order.

    Raises:
        InputError: if there is only one class or nearly one per example, regression targets are strings, or a number is
            infinite.

    Example:
        >>> infer_targets({"targets": np.array([7, 1, 2, 1])})
        Targets(arrays=[array([2, 0, 1, 0], dtype=int32)], class_names=('1', '2', '7'), notes=('task: classification, 3 different whole numbers',))
    """
    if task is not None and task not in TASKS:
        raise unknown_name("task", task, TASKS)
    splits = {name: _squeeze(name, y) for name, y in splits.items()}
    ndims = {y.ndim for y in splits.values()}
    kinds = {_KINDS.get(y.dtype.kind, str(y.dtype)) for y in splits.values()}
    if len(kinds) > 1 or len(ndims) > 1:
        raise InputError(f"{' and '.join(splits)} must be of one kind, got {' and '.join(sorted(kinds))}")
    kind = kinds.pop()
    if kind not in _KINDS.values():
        raise InputError(f"{' and '.join(splits)} must be numbers or strings, got {kind}")
    if ndims == {2}:
        if task != "regression" and kind == "numbers" and all(map(_is_one_hot, splits.values())):
            labels = {name: y.argmax(axis=1) for name, y in splits.items()}
            return _to_classes(labels)._replace(notes=("task: classification, one-hot targets",))
        if task == "classification":
            raise InputError("classification needs one target column, got several")
        return _to_numbers(splits, kind)
    if kind != "numbers":
        return _to_numbers(splits, kind) if task == "regression" else _to_classes(splits)
    whole = np.unique(np.concatenate([y.ravel() for y in splits.values()]), return_counts=True)
    guess, note = _guess_task(*whole)
    targets = _to_classes(splits) if (task or guess) == "classification" else _to_numbers(splits, kind)
    return targets if task else targets._replace(notes=note)


_KINDS = {"b": "booleans", "i": "numbers", "u": "numbers", "f": "numbers", "U": "strings", "T": "strings"}


def _guess_task(values: np.ndarray, counts: np.ndarray) -> tuple[str, tuple[str, ...]]:
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        return "regression", ()
    few = len(values) <= MOST_CLASSES or counts.min() >= MANY_EXAMPLES
    task = "classification" if few else "regression"
    return task, (f"task: {task}, {len(values):,} different whole numbers",)


def _squeeze(name: str, y: np.ndarray) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2):
        raise InputError(f"{name} must have the shape [examples] or [examples, outputs], got {list(y.shape)}")
    check_not_empty(name, y)
    return y


def _is_one_hot(y: np.ndarray) -> bool:
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def _to_classes(splits: Mapping[str, np.ndarray]) -> Targets:
    whole = np.concatenate(list(splits.values()))
    values, numbers = np.unique(whole, return_inverse=True)
    name = next(iter(splits))
    names = tuple(map(_name, values))
    check_num_classes(name, names)
    if len(values) > max(MOST_CLASSES, 0.5 * len(whole)):
        raise InputError(
            f"{name} has {len(values):,} different values in {len(whole):,} rows, too many for classes; "
            "choose another target, or the task regression"
        )
    sizes = np.cumsum([len(y) for y in splits.values()])[:-1]
    return Targets([part.astype(np.int32) for part in np.split(numbers.reshape(-1), sizes)], names)


def _name(value: np.generic) -> str:
    if isinstance(value, np.bool):
        return str(value).lower()
    if isinstance(value, np.floating) and value == np.round(value):
        return str(int(value))
    return str(value)


def _to_numbers(splits: Mapping[str, np.ndarray], kind: str) -> Targets:
    name = next(iter(splits))
    if kind == "strings":
        raise InputError(
            f"{name} must be numbers for a regression, got {str(next(iter(splits.values())).flat[0])!r}"
        )
    arrays = [y.reshape(len(y), -1).astype(np.float64) for y in splits.values()]
    for split, y in zip(splits, arrays, strict=True):
        if not np.isfinite(y).all():
            row = int(np.argmin(np.isfinite(y).all(axis=1)))
            raise InputError(f"{split} must be finite, got {y[row].tolist()} in row {row} (the first is 0)")
    return Targets(arrays, ())
