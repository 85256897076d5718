"""Splits: sizes, seeds, order and official test splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnnet.data import Dataset, from_arrays, load_dataset
from fnnet.data.mnist1d import generate
from fnnet.data.split import check_fraction
from fnnet.errors import InputError, check_integer


def numbered(num_examples: int, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Examples that carry their own row number in the first of two features."""
    rows = np.arange(num_examples)
    return np.stack([rows, -rows], axis=1).astype(np.float32), rows % num_classes


def row_numbers(data: Dataset) -> dict[str, list[int]]:
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: examples.inputs[:, 0].astype(int).tolist() for name, examples in splits.items() if examples}


fractions = st.floats(0.05, 0.6)


@given(st.integers(12, 80), fractions, st.one_of(st.just(0.0), fractions), st.integers(0, 2**32))
def test_splits_partition_the_data(num_examples, test_fraction, validation_fraction, seed):
    x, y = numbered(num_examples, num_classes=2)
    try:
        data = from_arrays(
            x, y, test_fraction=test_fraction, validation_fraction=validation_fraction, split_seed=seed
        )
    except InputError as error:
        assert "leaves a split empty" in str(error)
        assert min(test_fraction, validation_fraction or 1) * num_examples < 1.5
        return
    splits = row_numbers(data)
    assert sorted(row for rows in splits.values() for row in rows) == list(range(num_examples))
    assert abs(len(splits["test"]) - test_fraction * num_examples) <= 0.5
    remaining = num_examples - len(splits["test"])
    assert abs(len(splits.get("validation", [])) - validation_fraction * remaining) <= 0.5


@given(st.integers(0, 2**32), st.integers(1, 24), st.integers(1, 24))
def test_smaller_training_splits_are_subsets(seed, first, second):
    (x, y), small = numbered(40, num_classes=7), min(first, second)
    options = {"test_fraction": 0.25, "validation_fraction": 0.2, "split_seed": seed}
    large = from_arrays(x, y, num_train=max(first, second), **options)
    assert large.train.num_examples == max(first, second)
    part = row_numbers(from_arrays(x, y, num_train=small, **options))
    assert part["train"] == row_numbers(large)["train"][:small]
    assert part["test"] == row_numbers(large)["test"]
    for examples in (large.train, large.validation, large.test):
        assert (examples.inputs[:, 0] % 7 == examples.targets).all()


def test_test_split_depends_on_its_seed_only():
    x, y = numbered(50)
    tests = [row_numbers(from_arrays(x, y, **o))["test"] for o in ({}, {"validation_fraction": 0.3})]
    assert tests[0] == tests[1] and len(tests[0]) == 10
    assert row_numbers(from_arrays(x, y, split_seed=1))["test"] != tests[0]
    assert row_numbers(from_arrays(x, y))["train"] != sorted(row_numbers(from_arrays(x, y))["train"])


def test_official_test_split_is_kept():
    (x, y), test = numbered(20), numbered(6)
    data = from_arrays(x, y, test=test, test_fraction=0.9, validation_fraction=0.25, num_train=9)
    np.testing.assert_array_equal(data.test.inputs, test[0])
    np.testing.assert_array_equal(data.test.targets, test[1])
    splits = row_numbers(data)
    assert (len(splits["train"]), len(splits["validation"])) == (9, 5)
    assert len(set(splits["train"] + splits["validation"])) == 14
    assert splits["train"] != sorted(splits["train"])


def test_no_seed_keeps_the_order():
    inputs, targets = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10) % 2
    options = {"test_fraction": 0.2, "validation_fraction": 0.25, "split_seed": None}
    data = from_arrays(inputs, targets, **options)
    for split, rows in ((data.test, slice(0, 2)), (data.validation, slice(2, 4)), (data.train, slice(4, 10))):
        np.testing.assert_array_equal(split.inputs, inputs[rows])
        np.testing.assert_array_equal(split.targets, targets[rows])
    signals, labels = generate()
    train = load_dataset("mnist1d", split_seed=None).train
    np.testing.assert_array_equal(train.inputs, signals[:4000].astype(np.float32))
    np.testing.assert_array_equal(train.targets, labels[:4000])


@pytest.mark.parametrize("value", ["0.2", True, None, [0.2]])
def test_fractions_must_be_numbers(value):
    with pytest.raises(InputError, match=r"part must be a number in \(0, 1\), got"):
        check_fraction("part", value)


@pytest.mark.parametrize("value", ["2", True, None, 2.0])
def test_counts_must_be_integers(value):
    with pytest.raises(InputError, match="num must be an integer of at least 2, got"):
        check_integer("num", value, minimum=2)
