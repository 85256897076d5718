"""Arrays that `from_arrays` refuses, and classes named by strings."""

import ml_dtypes
import numpy as np
import pytest

from fnnet.data import from_arrays
from fnnet.errors import InputError

ROWS = np.arange(10)
X, Y = np.stack([ROWS, -ROWS], axis=1).astype(np.float32), ROWS % 3


def with_value(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    changed = array.astype(np.float32)
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"inputs": with_value(X, (7, 1), np.nan)},
            "inputs must be finite in float32, got nan in row 7, column 1",
        ),
        ({"inputs": with_value(X, (3, 0), -np.inf)}, "got -inf in row 3, column 0"),
        ({"targets": with_value(Y, (6,), np.nan)}, "targets must be finite .* got nan in row 6"),
        ({"inputs": X[:, 0]}, r"inputs must have the shape \[examples, features\], got \[10\]"),
        ({"inputs": X.reshape(10, 1, 2)}, r"got \[10, 1, 2\]; flatten images"),
        ({"inputs": X[:0], "targets": Y[:0]}, r"inputs is empty: its shape is \[0, 2\]"),
        ({"inputs": X[:, :0]}, r"inputs is empty: its shape is \[10, 0\]"),
        ({"targets": Y[:0]}, "targets is empty"),
        ({"inputs": [[1, 2], [3]]}, "inputs is not an array"),
        ({"inputs": [["a", "b"]] * 10}, "inputs must be real numbers, got dtype <U1"),
        ({"inputs": X.astype(ml_dtypes.bfloat16)}, r"got dtype bfloat16; .* pass x.astype\(np.float32\)"),
        ({"inputs": X * 1j}, "inputs must be real numbers, got dtype complex64"),
        ({"targets": [None] * 10}, "targets must be integers or strings .* got dtype object"),
        ({"targets": Y[:9]}, "inputs has 10 examples, targets has 9"),
        ({"targets": Y + 1}, "class 3 in row 2 .* the integers 0 to 2; renumber"),
        ({"targets": Y - 1}, "class -1 in row 0"),
        ({"targets": Y * 2}, "class 4 in row 2"),
        ({"targets": np.eye(3, dtype=int)[Y]}, r"\[examples\] for classes, got \[10, 3\]; use y.argmax"),
        (
            {"targets": np.ones((10, 1, 2))},
            r"targets must have the shape \[examples, outputs\], got \[10, 1, 2\]",
        ),
        ({"targets": Y * 0}, "two classes or more, got only '0'"),
        ({"targets": ["a"] * 10}, "two classes or more, got only 'a'"),
        ({"class_names": ["a", "b"]}, "class 2 in row 2 .* 0 to 1"),
        ({"class_names": ["a", "b", "a"]}, "class_names must be distinct .* got"),
        ({"class_names": []}, "class_names must be distinct and not empty"),
        ({"targets": list("abcabcabca"), "class_names": ["a", "b"]}, "class 'c' in row 2, not one of"),
        (
            {"targets": Y * 1.0, "class_names": ["a"]},
            "class_names is for classification, got floats in targets",
        ),
        ({"feature_names": ["a"]}, "feature_names has 1 names for 2 features"),
        ({"test_fraction": 0.0}, r"test_fraction must be a number in \(0, 1\), got 0.0"),
        ({"test_fraction": 1.0}, "test_fraction must be"),
        ({"test_fraction": float("nan")}, "test_fraction must be"),
        ({"test_fraction": 0.02}, "test_fraction=0.02 of 10 examples gives 0, which leaves a split empty"),
        ({"test_fraction": 0.99}, "test_fraction=0.99 of 10 examples gives 10, which leaves a split empty"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be a number in \[0, 1\), got 1.0"),
        ({"validation_fraction": -0.1}, "validation_fraction must be"),
        ({"validation_fraction": 0.05}, "validation_fraction=0.05 of 8 examples gives 0"),
        ({"num_train": 9}, "num_train must be at most 8, .* got 9"),
        ({"num_train": 0}, "num_train must be a positive integer, got 0"),
        ({"split_seed": -1}, "split_seed must be an integer of at least 0, got -1"),
        ({"test": (X[:4, :1], Y[:4])}, "inputs has 2 features, test_inputs has 1"),
        ({"test": (X[:4], Y[:3])}, "test_inputs has 4 examples, test_targets has 3"),
        (
            {"test": (with_value(X, (2, 0), np.inf), Y)},
            "test_inputs must be finite in float32, got inf in row 2",
        ),
        (
            {"test": (np.full((1, 2), 1e300), Y[:1])},
            "test_inputs must be finite in float32, got inf|1e\\+300",
        ),
        ({"test": (X[:4], Y[:4] * 1.0)}, "must be of one kind, got integers and numbers"),
        ({"test": (X[:4], Y[:4] - 1)}, "test_targets has the class -1 in row 0"),
        ({"test": (X, Y, X)}, r"test must be a pair \(inputs, targets\), got 3 arrays"),
    ],
)
def test_invalid_arrays(arguments, message):
    with pytest.raises(InputError, match=message):
        from_arrays(**({"inputs": X, "targets": Y} | arguments))


def test_strings_become_sorted_classes():
    test = X[:3], np.array(["emu", "ant", "emu"], dtype=object)
    data = from_arrays(X, ["cat", "bee"] * 5, test=test)
    assert data.class_names == ("ant", "bee", "cat", "emu") and data.num_outputs == 4
    assert data.test.targets.tolist() == [3, 0, 3]
    assert sorted(data.train.targets.tolist()) == [1] * 5 + [2] * 5
    given_order = from_arrays(X, ["cat", "bee"] * 5, class_names=["cat", "dog", "bee"])
    assert given_order.class_names == ("cat", "dog", "bee")
    assert set(given_order.train.targets.tolist()) == {0, 2}
