"""The command-line options that select the data of a sweep."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import tyro

from fnnet.errors import InputError

if TYPE_CHECKING:
    from fnnet.data import Dataset


@dataclass(frozen=True)
class DataOptions:
    """The data set, and how to read and split it.

        fnnet sweep --dataset table.csv --target species learning_rate=0.1

    Args:
        dataset: a name that fnnet datasets lists, or a .csv, .parquet or .npz file.
        target: the column of a table to predict; by default the column target, or else the last one.
        drop: columns to leave out, as A,B.
        keep: columns to keep as features even if they look like row numbers or row names, as A,B.
        id: the column that identifies the rows; it is not a feature, and predict copies it.
        task: how to treat a target of integers; inferred by default.
        standardize: scale features, and regression targets, to mean 0 and standard deviation 1; the default for
            files and for iris, wine, breast_cancer and diabetes.
        no_standardize: do not scale them.
        no_encode: reject strings, booleans and missing values, which are encoded and filled by default.
        test_fraction: fraction of the examples in the test split, unless there is an official one.
        validation_fraction: fraction of the remaining examples in the validation split, which adds
            validation_accuracy.
        split_seed: seed of the shuffle before the split.
    """

    dataset: str = "digits"
    target: str | None = None
    drop: str | None = None
    keep: str | None = None
    id: str | None = None
    task: Literal["classification", "regression"] | None = None
    standardize: tyro.conf.FlagCreatePairsOff[bool] = False
    no_standardize: tyro.conf.FlagCreatePairsOff[bool] = False
    no_encode: tyro.conf.FlagCreatePairsOff[bool] = False
    test_fraction: float = 0.2
    validation_fraction: float = 0.0
    split_seed: int = 0

    def load(self) -> "Dataset":
        """Load the data set.

        Raises:
            InputError: when options contradict each other; otherwise as in `load_dataset`.

        Example:
            >>> DataOptions("iris", validation_fraction=0.25).load().validation.num_examples
            30
        """
        from fnnet.data import load_dataset
        from fnnet.data.sources import SOURCES

        if self.standardize and self.no_standardize:
            raise InputError("--standardize and --no-standardize contradict each other")
        for option in ("target", "drop", "keep", "id", "task", "no_encode"):
            if getattr(self, option) and self.dataset.lower() in SOURCES:
                flag = "--" + option.replace("_", "-")
                raise InputError(f"{flag} is for files, such as --dataset table.csv; got {self.dataset}")
        return load_dataset(
            self.dataset,
            target=self.target,
            drop=_split(self.drop),
            keep=_split(self.keep),
            id=self.id,
            task=self.task,
            encode=not self.no_encode,
            standardize=True if self.standardize else False if self.no_standardize else None,
            test_fraction=self.test_fraction,
            validation_fraction=self.validation_fraction,
            split_seed=self.split_seed,
        )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
