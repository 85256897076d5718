"""The data of an experiment: checked, split, and known by the hash of its content.

A `Dataset` is a pytree whose leaves are its arrays, so it is passed to compiled functions as an argument
(a constant of the program would be compiled into it, which takes longer than the training). Names and classes
are static.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from fnnet.data.arrays import ArrayLike, to_feature_names, to_inputs, to_targets
from fnnet.data.content import content_hash
from fnnet.data.scaling import apply_scaling, fit_scaling
from fnnet.data.split import check_fraction, check_integer, split_rows
from fnnet.errors import InputError


class Examples(NamedTuple):
    """Inputs and what a network should give for them: numpy arrays, or traced ones in a compiled function.

    inputs: `[n, features]`, float32 or float64.
    targets: classes `[n]` int32, or numbers `[n, outputs]` of the dtype of the inputs.
    """

    inputs: Any
    targets: Any

    @property
    def num_examples(self) -> int:
        """The number of examples, n."""
        return self.inputs.shape[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples in two or three splits that share no example.

    train: the examples that gradients see.
    test: the examples that only measurements see.
    validation: cut out of the training split for choices such as the best learning rate; None if not asked for.
    name: for people; two data sets may share it.
    feature_names: one for each column of the inputs.
    class_names: one for each class, in the order of their numbers; empty for regression.
    """

    train: Examples
    test: Examples
    validation: Examples | None
    name: str = field(metadata={"static": True})
    feature_names: tuple[str, ...] = field(metadata={"static": True})
    class_names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def hash(self) -> str:
        """SHA-256 of the content, in hexadecimal.

        All arrays, with split, shape and dtype, and the names of features and classes, but not `name`: a renamed
        file is still the same data. It is computed when it is asked for.
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


def from_arrays(
    inputs: ArrayLike,
    targets: ArrayLike,
    *,
    name: str = "arrays",
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    num_train: int | None = None,
    split_seed: int | None = 0,
    standardize: bool = False,
    test: Sequence[ArrayLike] | None = None,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Make a data set from arrays: check, shuffle, split, and standardise if asked to.

    The training split is shuffled, also where `test` is given, so that its first examples are a
    fair sample of it. The test split depends on `split_seed` and `test_fraction` alone, and a smaller
    `num_train` keeps a part of what a larger one keeps.

    Args:
        inputs: `[n, features]` finite numbers. float64 is kept, other types become float32.
        targets: `[n]` classes, integers 0 to k-1 or strings; or `[n]` or `[n, outputs]` finite floats for
            regression, which take the dtype of the inputs.
        name: for people, tables and plots.
        test_fraction: part of all examples that becomes the test split, in (0, 1); unused with `test`.
        validation_fraction: part of the remaining examples that becomes the validation split, in [0, 1).
        num_train: keep only so many examples of the training split.
        split_seed: seed of the shuffling; None leaves all in the order given, the test split first where none is
            official, then that for validation.
        standardize: bring each feature, and each target of a regression, to mean 0 and standard deviation
            1 over the training split; a feature that is constant there becomes 0. Errors such as the RMSE
            are then in units of the training split's standard deviation.
        test: inputs and targets of an official test split, kept as it is; then all of `inputs` is for
            training and validation.
        feature_names: one for each feature; "feature_0", "feature_1", ... by default.
        class_names: one for each class; by default the sorted strings, or the numbers.

    Returns:
        The data set. It has its own arrays, and they are read-only.

    Raises:
        InputError: when an array has the wrong shape or type, or holds a value that cannot be used (with
            its row); when an argument is out of range; or when a split would be empty.

    Example:
        >>> data = from_arrays([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0]], list("abbab"))
        >>> data.num_features, data.class_names, data.train.num_examples, data.test.num_examples
        (2, ('a', 'b'), 4, 1)
    """
    check_fraction("test_fraction", test_fraction)
    check_fraction("validation_fraction", validation_fraction, zero=True)
    if split_seed is not None:
        check_integer("split_seed", split_seed, minimum=0)
    if test is not None and len(test) != 2:
        raise InputError(f"test must be a pair (inputs, targets), got {len(test)} things")
    given = {"": (inputs, targets)} if test is None else {"": (inputs, targets), "test_": test}
    checked = [to_inputs("inputs", inputs)]
    dtype = checked[0].dtype
    if test is not None:
        checked.append(to_inputs("test_inputs", test[0], dtype))
    if len({x.shape[1] for x in checked}) > 1:
        raise InputError(f"inputs has {checked[0].shape[1]} features, test_inputs has {checked[1].shape[1]}")
    numbers, classes = to_targets({f"{p}targets": pair[1] for p, pair in given.items()}, class_names, dtype)
    for prefix, x, y in zip(given, checked, numbers, strict=True):
        if len(x) != len(y):
            raise InputError(f"{prefix}inputs has {len(x)} examples, {prefix}targets has {len(y)}")

    rows = split_rows(
        len(checked[0]),
        test_fraction=0.0 if test is not None else test_fraction,
        validation_fraction=validation_fraction,
        num_train=num_train,
        seed=split_seed,
    )
    pool = Examples(checked[0], numbers[0])
    # Copies, also of an official test split: the caller's arrays may change later.
    splits = {
        "train": _take(pool, rows.train),
        "test": _take(pool, rows.test) if test is None else Examples(checked[1].copy(), numbers[1].copy()),
        "validation": _take(pool, rows.validation) if len(rows.validation) else None,
    }
    if standardize:
        splits = _standardize(splits, scale_targets=not classes)
    return _freeze(splits, name, to_feature_names(feature_names, checked[0].shape[1]), classes)


def _take(examples: Examples, rows: np.ndarray) -> Examples:
    return Examples(examples.inputs[rows], examples.targets[rows])


def _standardize(splits: dict[str, Examples | None], scale_targets: bool) -> dict[str, Examples | None]:
    """Standardise every split by the statistics of the training split alone."""
    train = splits["train"]
    assert train is not None
    inputs = fit_scaling("feature", train.inputs)
    targets = fit_scaling("target", train.targets) if scale_targets else None

    def scale(examples: Examples) -> Examples:
        scaled = examples.targets if targets is None else apply_scaling(targets, examples.targets)
        return Examples(apply_scaling(inputs, examples.inputs), scaled)

    return {split: examples and scale(examples) for split, examples in splits.items()}


def _freeze(
    splits: dict[str, Examples | None],
    name: str,
    feature_names: tuple[str, ...],
    class_names: tuple[str, ...],
) -> Dataset:
    """Close the arrays to changes."""
    frozen: dict[str, Examples] = {}
    for split, examples in splits.items():
        if examples is None:
            continue
        frozen[split] = Examples(*map(np.ascontiguousarray, examples))
        for array in frozen[split]:
            array.setflags(write=False)
    return Dataset(
        train=frozen["train"],
        test=frozen["test"],
        validation=frozen.get("validation"),
        name=name,
        feature_names=feature_names,
        class_names=class_names,
    )
