"""The data of an experiment: checked, split, and identified by the hash of its content.

A `Dataset` is a pytree whose leaves are its arrays, so it is passed to compiled functions as an argument
(a constant of the program would be compiled into it, which takes longer than the training). Names, classes
and everything else that says what the arrays mean are static.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from fnnet.data.content import content_hash
from fnnet.data.preprocessing import Preprocessing


class Examples(NamedTuple):
    """Inputs and targets: numpy arrays, or traced ones in a compiled function.

    inputs: `[n, features]`, float32 or float64.
    targets: classes `[n]` int32, or numbers `[n, outputs]` of the dtype of the inputs.
    """

    inputs: Any
    targets: Any

    @property
    def num_examples(self) -> int:
        """The number of examples, n."""
        return self.inputs.shape[0]


class Origin(NamedTuple):
    """Where a data set was loaded from, so that the same can be loaded again.

    source: the name of a named data set, or the absolute path of a file.
    is_file: whether it is a path.
    options: the arguments of `load_dataset` that are not at their defaults, by name.
    """

    source: str
    is_file: bool
    options: tuple[tuple[str, Any], ...] = ()


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples in two or three splits that share no example.

    `str(data)` says in one line what it holds.

    train: the examples that gradients see.
    test: the examples that only measurements see.
    validation: split off the training examples for choices such as the best learning rate; None if not asked for.
    name: a label; two data sets may share it.
    feature_names: one for each column of the inputs.
    class_names: one for each class, in the order of their numbers; empty for regression.
    preprocessing: what was done to the columns of a table or an array: encoding, filling, scaling.
    origin: where it was loaded from; None for arrays.
    notes: readable notes on what was left out, filled or guessed.
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
        """SHA-256 of the content, in hexadecimal.

        All arrays, with split, shape and dtype, and the names of features and classes, but not `name`: a renamed
        file is still the same data. It is computed on each access.
        """
        return content_hash((self, self.feature_names, self.class_names))

    @property
    def num_features(self) -> int:
        """The size of one input."""
        return self.train.inputs.shape[-1]

    @property
    def num_outputs(self) -> int:
        """The number of classes, or of columns of the targets."""
        return len(self.class_names) if self.is_classification else self.train.targets.shape[-1]

    @property
    def is_classification(self) -> bool:
        """Whether targets are classes and not numbers."""
        return bool(self.class_names)

    @property
    def summary(self) -> str:
        """One line on the contents, and on what was left out, filled or guessed.

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
            features += f" ({number} one-hot from {_listed([column.name for column in one_hot])})"
        outputs = (
            f"{self.num_outputs} classes"
            if self.is_classification
            else "regression" + f" of {self.num_outputs} outputs" * (self.num_outputs > 1)
        )
        if self.preprocessing.targets:
            outputs += f" (target: {_listed(self.preprocessing.targets)})"
        parts = [_count(sum(sizes.values()), "row"), features, outputs]
        parts.append(" / ".join(f"{size:,} {name}" for name, size in sizes.items()))
        parts.append("not standardized" if self.preprocessing.input_scaling is None else "standardized")
        return "; ".join([f"{self.name}: {', '.join(parts)}", *self.notes])

    def __str__(self) -> str:
        return self.summary

    def __repr__(self) -> str:
        return f"<Dataset {self.summary}>"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
