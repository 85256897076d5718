"""The data of an experiment: checked, split, and identified by a hash of its content.

A `Dataset` is a pytree whose leaves are its arrays; everything else is static. Pass it to compiled functions as an
argument: as a constant, it would take longer to compile than to train on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from fnnet.data.content import content_hash
from fnnet.data.preprocessing import Preprocessing


class Examples(NamedTuple):
    """Inputs and targets: NumPy arrays, or tracers in a compiled function.

    inputs: `[n, features]`, float32 or float64.
    targets: classes `[n]` int32, or numbers `[n, outputs]` of the dtype of the inputs.

    Example:
        >>> from fnnet import load_dataset
        >>> examples = load_dataset("iris").test
        >>> examples.inputs.shape, examples.targets.shape, examples.num_examples
        ((30, 4), (30,), 30)
    """

    inputs: Any
    targets: Any

    @property
    def num_examples(self) -> int:
        """The number of examples, n."""
        return self.inputs.shape[0]


class Origin(NamedTuple):
    """Where a data set was loaded from, so that it can be reloaded.

    source: the name of a named data set, or the absolute path of a file.
    is_file: whether `source` is a path.
    options: the arguments of `load_dataset` that differ from their defaults.
    """

    source: str
    is_file: bool
    options: tuple[tuple[str, Any], ...] = ()


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples in two or three disjoint splits; `str(data)` is a one-line summary.

    train: the examples to compute gradients on.
    test: the examples for measurements only.
    validation: the examples for choices such as the best learning rate, or None.
    name: a label, not necessarily unique.
    feature_names: one name per column of the inputs.
    class_names: one name per class; empty for regression.
    preprocessing: the encoding, filling and scaling of the columns.
    origin: where the data were loaded from; None for arrays.
    notes: what was left out, filled or guessed.

    Example:
        >>> from fnnet import load_dataset
        >>> data = load_dataset("iris")
        >>> data.num_features, data.num_outputs, data.train.inputs.shape
        (4, 3, (120, 4))
    """

    train: Examples
    test: Examples
    validation: Examples | None
    name: str = field(metadata={"static": True})
    feature_names: tuple[str, ...] = field(metadata={"static": True})
    class_names: tuple[str, ...] = field(metadata={"static": True})
    preprocessing: Preprocessing = field(default=Preprocessing(), metadata={"static": True})
    origin: Origin | None = field(default=None, metadata={"static": True})
    notes: tuple[str, ...] = field(default=(), metadata={"static": True})

    @property
    def hash(self) -> str:
        """SHA-256 of the arrays and of the names of features and classes, but not of `name`. Not cached."""
        return content_hash((self, self.feature_names, self.class_names))

    @property
    def num_features(self) -> int:
        """The size of one input."""
        return self.train.inputs.shape[-1]

    @property
    def num_outputs(self) -> int:
        """The number of classes, or of regression targets."""
        return len(self.class_names) if self.is_classification else self.train.targets.shape[-1]

    @property
    def is_classification(self) -> bool:
        """Whether targets are classes rather than numbers."""
        return bool(self.class_names)

    @property
    def summary(self) -> str:
        """One line on the contents and the notes.

        Example:
            >>> from fnnet import load_dataset
            >>> load_dataset("iris").summary
            'iris: 150 rows, 4 features, 3 classes, 120 train / 30 test, standardized'
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        sizes = {name: split.num_examples for name, split in splits.items() if split is not None}
        columns = self.preprocessing.columns
        one_hot = [column for column in columns if column.categories is not None]
        features = _count(self.num_features, "feature")
        if one_hot:
            number = sum(len(column.categories or ()) for column in one_hot)
            features += f" ({number} one-hot from {_join([column.name for column in one_hot])})"
        outputs = (
            f"{self.num_outputs} classes"
            if self.is_classification
            else "regression" + f" of {self.num_outputs} outputs" * (self.num_outputs > 1)
        )
        if self.preprocessing.targets:
            outputs += f" (target: {_join(self.preprocessing.targets)})"
        parts = [_count(sum(sizes.values()), "row"), features, outputs]
        parts.append(" / ".join(f"{size:,} {name}" for name, size in sizes.items()))
        parts.append("not standardized" if self.preprocessing.input_scaling is None else "standardized")
        return "; ".join([f"{self.name}: {', '.join(parts)}", *self.notes])

    def __str__(self) -> str:
        return self.summary

    def __repr__(self) -> str:
        return f"<Dataset {self.summary}>"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _join(names: Sequence[str], limit: int = 4) -> str:
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
