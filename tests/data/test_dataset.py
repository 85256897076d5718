"""The `Dataset` object: pytree, dtypes, ownership and hash."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnnet.data import Dataset, from_arrays


def arrays() -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(2).normal(size=(11, 2)).astype(np.float32), np.arange(11) % 3


def make(**options) -> Dataset:
    rng = np.random.default_rng(0)
    return from_arrays(rng.normal(size=(23, 5)).astype(np.float32), np.arange(23) % 3, **options)


def test_datasets_can_be_jit_arguments():
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


def test_regression_has_outputs_and_no_classes():
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
def test_dtypes(inputs, targets, expected):
    x, y = np.ones((10, 2), inputs), (np.arange(10) % 2).astype(targets)
    for options in ({}, {"standardize": True}, {"test": (x.astype(np.float64), y)}):
        data = from_arrays(x, y, **options)
        for examples in (data.train, data.test):
            assert (examples.inputs.dtype.name, examples.targets.dtype.name) == expected


def test_dataset_owns_its_arrays():
    (x, y), test = arrays(), (np.ones((4, 2), np.float32), np.zeros(4, np.int32))
    data = from_arrays(x, y, test=test)
    before = data.test.inputs.copy(), data.train.inputs.copy()
    test[0][:] = 7
    x[:] = 7
    np.testing.assert_array_equal(data.test.inputs, before[0])
    np.testing.assert_array_equal(data.train.inputs, before[1])
    for leaf in jax.tree.leaves(data):
        with pytest.raises(ValueError, match="read-only"):
            leaf[0] = 0


def test_hash_depends_on_content_only():
    x, y = arrays()
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


def test_hash_depends_on_shapes():
    def zeros(n: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((n, 1), np.float32), np.zeros((n, num_outputs), np.float32)

    assert (
        from_arrays(*zeros(2, 2), test=zeros(2, 2)).hash != from_arrays(*zeros(3, 1), test=zeros(3, 1)).hash
    )


def test_light_import_and_stable_hash_across_processes():
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
