"""The record of a sweep's data in its store, and reloading the data from it."""

import json

import jax
import numpy as np
import pytest

import fnnet as fn
from fnnet.data.record import abstract_data, describe_data, reload_data


def through_json(data):
    return json.loads(json.dumps(describe_data(data)))


def test_named_data_are_reloaded_with_their_options():
    data = fn.load_dataset("iris", split_seed=3, validation_fraction=0.25, standardize=False)
    record = through_json(data)
    assert record["options"] == {"split_seed": 3, "validation_fraction": 0.25, "standardize": False}
    again = reload_data(record)
    assert again.hash == data.hash != fn.load_dataset("iris").hash
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(data), strict=True):
        np.testing.assert_array_equal(one, other)


def test_file_is_reloaded_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", inputs=np.random.default_rng(0).normal(size=(23, 3)), targets=np.arange(23) % 2)
    data = fn.load_dataset("own.npz", test_fraction=0.3)
    record = through_json(data)
    assert record["source"] == str(tmp_path / "own.npz") and record["is_file"]
    monkeypatch.chdir("/")
    assert reload_data(record).hash == data.hash
    (tmp_path / "own.npz").unlink()
    with pytest.raises(fn.InputError, match=r"own\.npz, which no longer exists"):
        reload_data(record)


def test_abstract_data_have_sizes_and_names():
    data = fn.load_dataset("diabetes", validation_fraction=0.2)
    abstract = abstract_data(through_json(data))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), abstract.train) == jax.tree.map(
        lambda x: (x.shape, x.dtype), data.train
    )
    assert abstract.validation.num_examples == data.validation.num_examples
    assert (abstract.feature_names, abstract.num_outputs) == (data.feature_names, 1)
    assert abstract.preprocessing == data.preprocessing and abstract.preprocessing.target_scaling is not None


def test_arrays_cannot_be_reloaded():
    arrays = {"x": np.ones((5, 3), np.float32), "y": np.zeros(5, np.int32)}
    assert describe_data(arrays)["leaves"]["['x']"] == {"shape": [5, 3], "dtype": "float32"}
    with pytest.raises(fn.InputError, match="not made from a Dataset"):
        reload_data(through_json(arrays))
    with pytest.raises(fn.InputError, match="arrays in memory"):
        reload_data(through_json(fn.from_arrays(np.ones((10, 2)), np.arange(10) % 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "irs"}, "unknown data set 'irs'; did you mean 'iris'"),
        ({"source": 3}, "damaged"),
        ({"source": "/etc/passwd", "is_file": True}, "restore the file"),
        ({"options": {"name_or_path": "x"}}, "damaged"),
        ({"options": {"split_seed": -3}}, "split_seed must be an integer"),
        ({"kind": "other"}, "not made from a Dataset"),
    ],
)
def test_invalid_records_are_refused(change, message):
    with pytest.raises(fn.InputError, match=message):
        reload_data(through_json(fn.load_dataset("iris")) | change)


@pytest.mark.parametrize("change", [{"splits": 3}, {"splits": {}}, {"preprocessing": {}}, {"class_names": 5}])
def test_damaged_records_give_no_abstract_data(change):
    with pytest.raises(fn.InputError, match="damaged"):
        abstract_data(through_json(fn.load_dataset("iris")) | change)
