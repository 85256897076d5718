"""Standardization of features, targets and examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from fnnet.data import from_arrays, standardize_examples
from fnnet.errors import InputError


@given(st.integers(0, 2**32), st.booleans())
def test_standardization_matches_scikit_learn(seed, regression):
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
def test_standardization_ignores_the_test_split(shift, scale):
    x, y = np.random.default_rng(3).normal(size=(17, 4)), np.arange(17) % 2
    test = x[:5] * scale + shift, y[:5]
    with_it = from_arrays(x, y, test=test, standardize=True)
    without = from_arrays(x, y, test=(x[:5], y[:5]), standardize=True)
    np.testing.assert_array_equal(with_it.train.inputs, without.train.inputs)


def test_standardize_examples_matches_scikit_learn():
    x = np.random.default_rng(5).normal(3, 7, (13, 4))
    np.testing.assert_allclose(standardize_examples(x), StandardScaler().fit_transform(x.T).T, rtol=1e-12)
    assert standardize_examples(x.astype(np.float32)).dtype == np.float32
    x[2] = 0.1  # whose deviation from its rounded mean is not exactly 0
    with pytest.raises(InputError, match=r"example 2 .* all its features are 0\.1"):
        standardize_examples(x)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_timestamps_are_standardized_in_float64(dtype):
    """Unix timestamps one second apart, as inputs and as targets of a regression."""
    seconds = (1_700_000_000 + np.arange(50).reshape(-1, 1)).astype(dtype)
    data = from_arrays(seconds, seconds.astype(np.float64), standardize=True, split_seed=None)
    oracle = StandardScaler().fit(seconds[10:].astype(np.float64))
    for part in (data.train.inputs, data.train.targets):
        np.testing.assert_allclose(part, oracle.transform(seconds[10:]), rtol=1e-6, atol=1e-7)
    assert data.train.inputs.dtype == (np.float32 if dtype == np.int64 else np.float64)


def test_unscaled_timestamps_are_refused():
    seconds = 1_700_000_000 + np.arange(50).reshape(-1, 1)
    with pytest.raises(InputError, match="feature 0 has values that float32 cannot tell apart"):
        from_arrays(seconds, np.arange(50) % 2)
    from_arrays(seconds - seconds[0], np.arange(50) % 2)


def test_scaling_is_recorded():
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
