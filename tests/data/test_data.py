"""Data sets: named and from arrays; splits, standardization, and what is refused."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets as sklearn_datasets
from sklearn.preprocessing import StandardScaler

from fnnet.cache import cache_folder
from fnnet.data import Dataset, from_arrays, load_dataset, make_mnist1d, standardize_examples
from fnnet.data.mnist import FASHION_MNIST, MNIST, data_folder
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


# --- the object ---------------------------------------------------------------------------------------


def make(**options) -> Dataset:
    rng = np.random.default_rng(0)
    return from_arrays(rng.normal(size=(23, 5)).astype(np.float32), np.arange(23) % 3, **options)


def test_a_dataset_is_an_argument_of_compiled_functions():
    data = make(validation_fraction=0.2)
    traces = []

    @jax.jit
    def sums(data: Dataset):
        traces.append((data.num_features, data.num_outputs, data.is_classification, data.name))
        return jnp.sum(data.train.inputs), data.validation.targets.sum()

    total, labels = sums(data)
    np.testing.assert_allclose(total, data.train.inputs.sum(), rtol=1e-5)
    assert labels == data.validation.targets.sum()
    sums(make(validation_fraction=0.2))
    assert traces == [(5, 3, True, "arrays")]
    assert len(jax.tree.leaves(data)) == 6 and len(jax.tree.leaves(make())) == 4
    rebuilt = jax.tree.map(lambda leaf: leaf, data)
    assert (rebuilt.name, rebuilt.hash, rebuilt.class_names) == (data.name, data.hash, data.class_names)


def test_regression_has_outputs_instead_of_classes():
    targets = np.random.default_rng(1).normal(size=(23, 2)).astype(np.float32)
    data = from_arrays(np.ones((23, 5), np.float32), targets)
    assert (data.num_outputs, data.is_classification, data.class_names) == (2, False, ())
    assert jax.jit(lambda data: jnp.full(data.num_outputs, 1.0))(data).shape == (2,)


@pytest.mark.parametrize(
    ("inputs", "targets", "expected"),
    [
        ("float64", "float64", ("float64", "float64")),
        ("float32", "float64", ("float32", "float32")),
        ("float64", "int64", ("float64", "int32")),
        ("uint8", "uint8", ("float32", "int32")),
        ("float16", "bool", ("float32", "int32")),
        ("int64", "float32", ("float32", "float32")),
    ],
)
def test_types(inputs, targets, expected):
    x, y = np.ones((10, 2), inputs), (np.arange(10) % 2).astype(targets)
    for options in ({}, {"standardize": True}, {"test": (x.astype(np.float64), y)}):
        data = from_arrays(x, y, **options)
        for examples in (data.train, data.test):
            assert (examples.inputs.dtype.name, examples.targets.dtype.name) == expected


def test_a_dataset_owns_its_arrays():
    (x, y), test = numbered(11), (np.ones((4, 2), np.float32), np.zeros(4, np.int32))
    data = from_arrays(x, y, test=test)
    before = data.test.inputs.copy(), data.train.inputs.copy()
    test[0][:] = 7
    x[:] = 7
    np.testing.assert_array_equal(data.test.inputs, before[0])
    np.testing.assert_array_equal(data.train.inputs, before[1])
    for leaf in jax.tree.leaves(data):
        with pytest.raises(ValueError, match="read-only"):
            leaf[0] = 0


def test_hash_depends_on_content_alone():
    x, y = numbered(11)
    same = from_arrays(x, y).hash
    assert len(same) == 64
    assert from_arrays(np.asfortranarray(x), y.astype(np.uint8), name="other").hash == same
    changed = x.copy()
    changed[4, 1] += 1e-6 * abs(changed[4, 1])
    others = [
        from_arrays(changed, y),
        from_arrays(x.astype(np.float64), y),
        from_arrays(x, (y + 1) % 3),
        from_arrays(x, y, split_seed=1),
        from_arrays(x, y, validation_fraction=0.2),
        from_arrays(x, y, class_names=["a", "b", "c"]),
        from_arrays(x, y, feature_names=["a", "b"]),
    ]
    assert len({same, *(data.hash for data in others)}) == 1 + len(others)


def test_hash_depends_on_shapes_where_the_bytes_are_the_same():
    def zeros(n: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((n, 1), np.float32), np.zeros((n, num_outputs), np.float32)

    assert (
        from_arrays(*zeros(2, 2), test=zeros(2, 2)).hash != from_arrays(*zeros(3, 1), test=zeros(3, 1)).hash
    )


def test_import_is_light_and_hash_is_the_same_in_another_process():
    program = (
        "import sys, fnnet.data\n"
        "print(sorted({'sklearn', 'polars', 'matplotlib', 'pooch', 'scipy', 'requests'} & set(sys.modules)))\n"
        "print(fnnet.data.from_arrays([[i, 2.5 * i] for i in range(9)], list('zyxzyxzyx')).hash)"
    )
    env = os.environ | {"PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    here = from_arrays([[i, 2.5 * i] for i in range(9)], list("zyxzyxzyx")).hash
    assert done.stdout.splitlines() == ["[]", here]


# --- splits -------------------------------------------------------------------------------------------

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
def test_inputs_and_targets_stay_together_and_smaller_training_splits_are_parts(seed, first, second):
    (x, y), small = numbered(40, num_classes=7), min(first, second)
    options = {"test_fraction": 0.25, "validation_fraction": 0.2, "split_seed": seed}
    large = from_arrays(x, y, num_train=max(first, second), **options)
    assert large.train.num_examples == max(first, second)
    part = row_numbers(from_arrays(x, y, num_train=small, **options))
    assert part["train"] == row_numbers(large)["train"][:small]
    assert part["test"] == row_numbers(large)["test"]
    for examples in (large.train, large.validation, large.test):
        assert (examples.inputs[:, 0] % 7 == examples.targets).all()


def test_the_test_split_does_not_depend_on_the_others_and_seeds_differ():
    x, y = numbered(50)
    tests = [row_numbers(from_arrays(x, y, **o))["test"] for o in ({}, {"validation_fraction": 0.3})]
    assert tests[0] == tests[1] and len(tests[0]) == 10
    assert row_numbers(from_arrays(x, y, split_seed=1))["test"] != tests[0]
    assert row_numbers(from_arrays(x, y))["train"] != sorted(row_numbers(from_arrays(x, y))["train"])


def test_an_official_test_split_is_kept_and_training_is_shuffled():
    (x, y), test = numbered(20), numbered(6)
    data = from_arrays(x, y, test=test, test_fraction=0.9, validation_fraction=0.25, num_train=9)
    np.testing.assert_array_equal(data.test.inputs, test[0])
    np.testing.assert_array_equal(data.test.targets, test[1])
    splits = row_numbers(data)
    assert (len(splits["train"]), len(splits["validation"])) == (9, 5)
    assert len(set(splits["train"] + splits["validation"])) == 14
    assert splits["train"] != sorted(splits["train"])


# --- standardization ----------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.booleans())
def test_standardization_agrees_with_scikit_learn_fitted_on_the_training_split(seed, regression):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, [1e-3, 1, 50], (31, 3))
    y = rng.normal(-2, 7, (31, 2)) if regression else np.arange(31) % 4
    plain = from_arrays(x, y, validation_fraction=0.3)
    scaled = from_arrays(x, y, validation_fraction=0.3, standardize=True)
    oracle = StandardScaler().fit(plain.train.inputs)
    target_oracle = StandardScaler().fit(plain.train.targets) if regression else None
    for split in ("train", "validation", "test"):
        before, after = getattr(plain, split), getattr(scaled, split)
        np.testing.assert_allclose(after.inputs, oracle.transform(before.inputs), rtol=1e-9, atol=1e-9)
        expected = target_oracle.transform(before.targets) if target_oracle else before.targets
        np.testing.assert_allclose(after.targets, expected, rtol=1e-9, atol=1e-9)


@given(st.floats(-1e6, 1e6), st.floats(0.1, 1e3))
def test_standardization_learns_nothing_from_the_test_split(shift, scale):
    x, y = np.random.default_rng(3).normal(size=(17, 4)), np.arange(17) % 2
    test = x[:5] * scale + shift, y[:5]
    with_it = from_arrays(x, y, test=test, standardize=True)
    without = from_arrays(x, y, test=(x[:5], y[:5]), standardize=True)
    np.testing.assert_array_equal(with_it.train.inputs, without.train.inputs)


def test_each_example_can_be_standardized_by_itself():
    x = np.random.default_rng(5).normal(3, 7, (13, 4))
    np.testing.assert_allclose(standardize_examples(x), StandardScaler().fit_transform(x.T).T, rtol=1e-12)
    assert standardize_examples(x.astype(np.float32)).dtype == np.float32
    x[2] = 0.1  # whose deviation from its rounded mean is not exactly 0
    with pytest.raises(InputError, match=r"example 2 .* all its features are 0\.1"):
        standardize_examples(x)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_features_that_float32_cannot_tell_apart_are_standardized_exactly(dtype):
    """Unix timestamps one second apart, as inputs and as targets of a regression."""
    seconds = (1_700_000_000 + np.arange(50).reshape(-1, 1)).astype(dtype)
    data = from_arrays(seconds, seconds.astype(np.float64), standardize=True, split_seed=None)
    oracle = StandardScaler().fit(seconds[10:].astype(np.float64))
    for part in (data.train.inputs, data.train.targets):
        np.testing.assert_allclose(part, oracle.transform(seconds[10:]), rtol=1e-6, atol=1e-7)
    assert data.train.inputs.dtype == (np.float32 if dtype == np.int64 else np.float64)


def test_features_that_float32_cannot_tell_apart_are_refused_unscaled():
    seconds = 1_700_000_000 + np.arange(50).reshape(-1, 1)
    with pytest.raises(InputError, match="feature 0 has values that float32 cannot tell apart"):
        from_arrays(seconds, np.arange(50) % 2)
    from_arrays(seconds - seconds[0], np.arange(50) % 2)


def test_the_scaling_of_a_dataset_is_recorded():
    x, y = np.random.default_rng(0).normal(5, 3, (23, 4)), np.random.default_rng(1).normal(size=23)
    plain, scaled = from_arrays(x, y), from_arrays(x, y, standardize=True)
    mean, inverse_std = scaled.preprocessing.input_scaling
    np.testing.assert_allclose(mean, plain.train.inputs.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(inverse_std, 1 / plain.train.inputs.std(axis=0), rtol=1e-12)
    assert scaled.preprocessing.target_scaling.mean == pytest.approx([plain.train.targets.mean()])
    assert plain.preprocessing.input_scaling is None and hash(scaled.preprocessing) is not None


def test_constant_features_become_zero():
    x = np.random.default_rng(4).normal(size=(10, 3))
    x[:, 1] = 0.1  # whose rounded mean is not exactly 0.1
    test = x[:4].copy()
    test[:, 1] = 5.0
    data = from_arrays(x, np.arange(10) % 2, test=(test, np.arange(4) % 2), standardize=True)
    assert not data.train.inputs[:, 1].any() and not data.test.inputs[:, 1].any()
    assert data.train.inputs[:, [0, 2]].all()


@pytest.mark.parametrize(
    ("x", "test", "message"),
    [
        ([[1e308], [-1e308], [1e308]], [[0.0]], "feature 0 cannot be standardized"),
        ([[0.0], [1e-310], [0.0]], [[0.0]], "feature 0 cannot be standardized"),
        ([[0.0], [1e-5], [0.0]], [[1e308]], "column 0 has values too far"),
    ],
)
def test_standardization_refuses_to_overflow(x, test, message):
    with pytest.raises(InputError, match=message):
        from_arrays(np.array(x), [0, 1, 0], test=(np.array(test), [0]), standardize=True)


# --- what is refused ----------------------------------------------------------------------------------

X, Y = numbered(10)


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
def test_arrays_that_cannot_be_used(arguments, message):
    with pytest.raises(InputError, match=message):
        from_arrays(**({"inputs": X, "targets": Y} | arguments))


@pytest.mark.parametrize("value", ["0.2", True, None, [0.2]])
def test_fractions_are_numbers(value):
    with pytest.raises(InputError, match=r"part must be a number in \(0, 1\), got"):
        check_fraction("part", value)


@pytest.mark.parametrize("value", ["2", True, None, 2.0])
def test_counts_are_integers(value):
    with pytest.raises(InputError, match="num must be an integer of at least 2, got"):
        check_integer("num", value, minimum=2)


def test_strings_become_sorted_classes_over_both_splits():
    test = X[:3], np.array(["emu", "ant", "emu"], dtype=object)
    data = from_arrays(X, ["cat", "bee"] * 5, test=test)
    assert data.class_names == ("ant", "bee", "cat", "emu") and data.num_outputs == 4
    assert data.test.targets.tolist() == [3, 0, 3]
    assert sorted(data.train.targets.tolist()) == [1] * 5 + [2] * 5
    given_order = from_arrays(X, ["cat", "bee"] * 5, class_names=["cat", "dog", "bee"])
    assert given_order.class_names == ("cat", "dog", "bee")
    assert set(given_order.train.targets.tolist()) == {0, 2}


# --- named sources ------------------------------------------------------------------------------------

NAMED = [  # name, features, outputs, examples, standardized
    ("digits", 64, 10, 1797, False),
    ("iris", 4, 3, 150, True),
    ("wine", 13, 3, 178, True),
    ("breast_cancer", 30, 2, 569, True),
    ("diabetes", 10, 1, 442, True),
]


@pytest.mark.parametrize(("name", "num_features", "num_outputs", "num_examples", "standardized"), NAMED)
def test_named(name, num_features, num_outputs, num_examples, standardized):
    data = load_dataset(name)
    assert (data.name, data.num_features, data.num_outputs) == (name, num_features, num_outputs)
    assert data.train.num_examples + data.test.num_examples == num_examples
    assert data.test.num_examples == round(0.2 * num_examples) and data.validation is None
    assert data.is_classification == (name != "diabetes") and len(data.feature_names) == num_features
    assert data.train.inputs.dtype == np.float32
    assert np.allclose(data.train.inputs.std(axis=0), 1, atol=1e-4) == standardized
    assert load_dataset(name).hash == data.hash != load_dataset(name, split_seed=1).hash


@pytest.mark.parametrize("name", [row[0] for row in NAMED])
def test_named_hold_what_scikit_learn_holds(name):
    options = {"scaled": False} if name == "diabetes" else {}
    x, y = getattr(sklearn_datasets, f"load_{name}")(return_X_y=True, **options)
    data = load_dataset(name, standardize=False, validation_fraction=0.3)
    splits = (data.train, data.validation, data.test)
    got = np.concatenate([np.column_stack([s.inputs, s.targets]) for s in splits])
    expected = np.column_stack([x / 16 if name == "digits" else x, y]).astype(np.float32)
    np.testing.assert_array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])


def test_digits_is_the_default_and_regression_targets_are_standardized():
    assert load_dataset().hash == load_dataset("digits").hash
    assert load_dataset().train.inputs.max() == 1
    targets = load_dataset("diabetes").train.targets
    np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=1e-5)


def test_the_case_of_a_name_does_not_matter():
    assert load_dataset("Iris").hash == load_dataset("iris").hash


@pytest.mark.parametrize(
    "option", [{"target": "a"}, {"drop": ["a"]}, {"task": "regression"}, {"encode": False}]
)
def test_options_of_files_are_refused_for_names(option):
    with pytest.raises(InputError, match=f"{next(iter(option))} is for files, but iris"):
        load_dataset("iris", **option)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minst", "unknown data set 'minst'; did you mean 'mnist'"),
        ("fashion-mnist", "did you mean 'fashion_mnist'"),
        ("absent.csv", "absent.csv: no such file"),
        ("some/folder", "a data file ends in .csv, .parquet, .npz, got no suffix"),
        ("data.xlsx", "a data file ends in .* got .xlsx"),
        (Path("iris"), "a data file ends in"),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(InputError, match=message):
        load_dataset(name)


# --- MNIST-1D -----------------------------------------------------------------------------------------


def test_without_a_seed_the_order_stays():
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


def test_mnist1d_is_the_published_one():
    """The numbers come from the authors' file mnist1d_data.pkl, and their generator gives the same.

    The hash is of the signals, training before test, rounded to 6 decimals, where no value of theirs is
    nearer than 1e-12 to where rounding changes.
    """
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    signals, labels = generate()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    rounded = (np.round(signals, 6) + 0.0).astype("<f8")  # adding 0 makes -0 positive
    assert hashlib.sha256(rounded.tobytes()).hexdigest() == (
        "a3e49301cd6d81207e6115120e4b369093607da485593686028ea556b9d8928a"
    )
    assert hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest() == (
        "6feec4a017698c7fe237c8854cbd2e338c6dd5c16240f6fa79daefaaa129e169"
    )
    first = [-0.3320056673693902, -0.4719103656557236, -0.778697076293495, -1.0097408265367047]
    np.testing.assert_allclose(signals[0, :4], first, rtol=0, atol=1e-12)
    last = [0.41959106122572115, 1.1341626436833787, 0.8463298173580346, 0.3461328866646199]
    np.testing.assert_allclose(signals[4000, 36:], last, rtol=0, atol=1e-12)
    weighted = (signals * np.arange(40)).sum(), (signals * np.arange(5000)[:, None]).sum()
    np.testing.assert_allclose(weighted, [26954.090994414175, -163509.57577462238], rtol=1e-12)


def test_mnist1d_as_a_dataset():
    signals, labels = generate()
    data = make_mnist1d()
    assert (data.train.inputs.shape, data.test.inputs.shape) == ((4000, 40), (1000, 40))
    np.testing.assert_array_equal(data.test.inputs, signals[4000:].astype(np.float32))
    np.testing.assert_array_equal(data.test.targets, labels[4000:])
    expected = signals[:4000].astype(np.float32)
    got = data.train.inputs
    np.testing.assert_array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])
    assert load_dataset("mnist1d", num_train=70).hash == make_mnist1d(num_train=70).hash


def test_mnist1d_of_another_size():
    data = make_mnist1d(num_samples=160, train_fraction=0.25, seed=7, validation_fraction=0.1, num_train=30)
    assert [s.num_examples for s in (data.train, data.validation, data.test)] == [30, 4, 120]
    assert np.bincount(generate(160, 7)[1]).tolist() == [16] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 55}, "num_samples must be a multiple of 10"),
        ({"num_samples": 0}, "num_samples must be an integer of at least 10"),
        ({"train_fraction": 1.0}, "train_fraction must be a number in"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"num_samples": 10, "train_fraction": 0.01}, "inputs is empty"),
    ],
)
def test_mnist1d_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        make_mnist1d(**arguments)


# --- MNIST and Fashion-MNIST --------------------------------------------------------------------------


def own_copy(source):
    root = data_folder()
    folders = [root / name for name in source.folders] if root else []
    for folder in [*folders, cache_folder() / source.name]:
        if all(any((folder / f"{f.name}{end}").is_file() for end in ("", ".gz")) for f in source.files):
            return folder
    return None


def needs(*sources):
    missing = [source.name for source in sources if own_copy(source) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not in $FNNET_DATA or the cache")


@pytest.mark.parametrize(
    ("name", "mean", "std", "counts"),
    [
        # Means, deviations and counts as published, over the training split.
        pytest.param(
            "mnist",
            0.1307,
            0.3081,
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            marks=needs(MNIST),
        ),
        pytest.param("fashion_mnist", 0.2860, 0.3530, [6000] * 10, marks=needs(FASHION_MNIST)),
    ],
)
def test_images(name, mean, std, counts):
    data = load_dataset(name)
    assert (data.train.inputs.shape, data.test.inputs.shape) == ((60000, 784), (10000, 784))
    assert (data.num_outputs, data.name, len(data.class_names)) == (10, name, 10)
    assert np.bincount(data.train.targets).tolist() == counts
    np.testing.assert_allclose(data.train.inputs.mean(dtype=np.float64), mean, atol=5e-5)
    second_moment = np.square(data.train.inputs).mean(dtype=np.float64)
    np.testing.assert_allclose(np.sqrt(second_moment - mean**2), std, atol=1e-4)


@needs(MNIST)
def test_images_can_be_cut():
    data = load_dataset("mnist", num_train=700, validation_fraction=0.1)
    assert (data.train.num_examples, data.validation.num_examples) == (700, 6000)


@needs(MNIST, FASHION_MNIST)
def test_the_files_of_another_set_in_the_users_folder_are_passed_over(tmp_path, monkeypatch):
    cache = tmp_path / "fashion_mnist"
    cache.symlink_to(own_copy(FASHION_MNIST).absolute())
    expected = load_dataset("fashion_mnist", num_train=9).hash
    monkeypatch.setenv("FNNET_DATA", str(own_copy(MNIST)))
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path))
    assert load_dataset("fashion_mnist", num_train=9).hash == expected
