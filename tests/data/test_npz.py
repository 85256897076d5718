"""Arrays in `.npz` files: names, official test splits, missing values, and damage."""

import importlib
import tracemalloc
import zipfile

import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from fnnet.data import from_arrays, load_dataset
from fnnet.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(3, [1, 20], (10, 2)).astype(np.float32)
Y = np.arange(10) % 3


@pytest.mark.parametrize(
    "names", [("inputs", "targets"), ("X", "y"), ("x", "y"), ("x_train", "y_train"), ("X", "target")]
)
def test_array_names(tmp_path, names):
    path = tmp_path / "mine.v2.npz"
    np.savez(path, **dict(zip(names, (X, Y), strict=True)))
    data = load_dataset(path, validation_fraction=0.25)
    assert data.name == "mine.v2.npz"
    assert data.hash == from_arrays(X, Y, validation_fraction=0.25, standardize=True).hash


@pytest.mark.parametrize(
    "names",
    [("inputs", "targets", "test_inputs", "test_targets"), ("x_train", "y_train", "x_test", "y_test")],
)
def test_official_test_split(tmp_path, names):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **dict(zip(names, (X, Y, X[:3], Y[:3]), strict=True)))
    data = load_dataset(str(path), standardize=False)
    assert data.hash == from_arrays(X, Y, test=(X[:3], Y[:3])).hash


def test_images_are_flattened(tmp_path):
    images = RNG.integers(0, 255, (12, 3, 5), dtype=np.uint8)
    labels = (np.arange(12) % 3 + 4).reshape(-1, 1)
    np.savez(tmp_path / "i.npz", x_train=images, y_train=labels, x_test=images[:5], y_test=labels[:5])
    data = load_dataset(tmp_path / "i.npz", standardize=False)
    assert data.train.inputs.shape == (12, 15) and data.class_names == ("4", "5", "6")
    np.testing.assert_array_equal(data.test.inputs, images[:5].reshape(5, 15))
    assert "inputs of 3 x 5 flattened" in data.notes


def test_missing_values_become_training_medians(tmp_path):
    x = RNG.normal(size=(30, 3))
    x[RNG.random((30, 3)) < 0.2] = np.nan
    np.savez(tmp_path / "g.npz", X=x, y=np.arange(30) % 2)
    data = load_dataset(tmp_path / "g.npz", standardize=False)
    test, train = np.split(np.random.default_rng(0).permutation(30), [6])
    oracle = SimpleImputer(strategy="median").fit(x[train])
    np.testing.assert_array_equal(data.train.inputs, oracle.transform(x[train]))
    np.testing.assert_array_equal(data.test.inputs, oracle.transform(x[test]))
    assert data.train.inputs.dtype == np.float64
    assert f"{np.isnan(x).sum()} missing values filled" in data.notes
    with pytest.raises(InputError, match="inputs must be finite, got nan in row"):
        load_dataset(tmp_path / "g.npz", encode=False)
    x[np.isnan(x)] = 0
    x[4, 1] = np.nan
    np.savez(tmp_path / "g.npz", X=x, y=np.arange(30) % 2)
    assert "1 missing value filled" in load_dataset(tmp_path / "g.npz").notes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": X}, "has no array 'targets', only inputs"),
        ({"targets": Y}, "has no array 'inputs', only targets"),
        (
            {"inputs": X, "targets": Y, "test_input": X},
            "unknown array 'test_input'; did you mean 'test_inputs'",
        ),
        (
            {"inputs": X, "targets": Y, "test_inputs": X},
            "test_inputs and test_targets must be given together",
        ),
        ({"inputs": X, "x": X, "targets": Y}, "holds 'inputs' and 'x', which both name the inputs"),
        ({"inputs": X, "targets": np.array([{}] * 10)}, "holds an array of Python objects.*numpy.savez"),
        ({"inputs": X, "targets": Y[:-1]}, "inputs has 10 examples, targets has 9"),
        ({"inputs": X, "targets": np.zeros(10, int)}, ".*two classes or more"),
        (
            {"inputs": X, "targets": Y, "x_test": X[:, :1], "y_test": Y},
            "inputs has 2 features, test_inputs has 1",
        ),
    ],
)
def test_invalid_arrays_in_npz(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"bad\.npz: {message}"):
        load_dataset(path)


def test_table_options_need_a_table(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    with pytest.raises(InputError, match="drop names a column, but arrays have no columns"):
        load_dataset(tmp_path / "a.npz", drop=["a"])


def test_damaged_npz(tmp_path):
    path = tmp_path / "bad.npz"
    good = tmp_path / "good.npz"
    np.savez(good, inputs=X, targets=Y)
    with path.open("wb") as file:
        np.save(file, X)
    single = path.read_bytes()
    for content in (b"", b"words", good.read_bytes()[:-40], single, single[:-3]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.npz: (not a readable|holds)"):
            load_dataset(path)


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (150000000000000,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, -3)}",
        "__import__('os').system('touch /tmp/never')",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3",
        "{'descr': 'nothing', 'fortran_order': False, 'shape': (3,)}",
        "(" * 900,
        "x" * 9_000,
        "'''",
        "",
    ],
)
def test_damaged_npz_headers(tmp_path, header):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inputs.npy", npy(header, bytes(12)))
        archive.writestr("targets.npy", npy(header, bytes(12)))
    with pytest.raises(InputError, match=r"bad\.npz: (not a readable|array 'inputs')") as caught:
        load_dataset(path)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def test_npz_larger_than_memory_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "large.npz"
    np.savez_compressed(path, X=np.zeros((50_000, 40), np.float32), y=np.zeros(50_000, int))
    monkeypatch.setattr(importlib.import_module("fnnet.memory"), "usable_host_bytes", lambda: 5e6)
    tracemalloc.start()
    with pytest.raises(InputError, match="holds 8,400,000 bytes of arrays, but only 5,000,000 are free"):
        load_dataset(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
