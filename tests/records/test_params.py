"""The trained parameters of a sweep, one run at a time and stacked."""

import jax
import numpy as np
import pytest

import fnnet as fn
from fnnet.records.store import Store


def assert_close(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(lambda left, right: np.testing.assert_allclose(left, right, atol=1e-5), one, other)


@pytest.mark.slow
def test_params_are_stacked_in_the_order_of_the_table(trained, alone):
    deep = trained.where(depth=2, seed=[4, 0])
    params = deep.params()
    assert params[1]["w"].shape == (6, 64, 64) and params[2]["b"].shape == (6, 3)
    for row, config in enumerate(deep.space):
        one = jax.tree.map(lambda leaf, row=row: leaf[row], params)
        assert_close(one, alone(**config).state.params)
    shuffled = deep._take(np.array([3, 5, 0]))
    np.testing.assert_array_equal(shuffled.params()[0]["w"], params[0]["w"][[3, 5, 0]])


def test_each_file_of_params_is_read_once(trained, monkeypatch):
    read, load = [], Store.load_params

    def counting(store, chunk):
        read.append(chunk)
        return load(store, chunk)

    monkeypatch.setattr(Store, "load_params", counting)
    shallow = trained.where(depth=0)
    shallow.params()
    assert sorted(read) == sorted(set(shallow["chunk"])) and len(read) > 1


def test_params_of_different_shapes_are_refused_with_the_reason(trained):
    with pytest.raises(fn.InputError, match=r"may come from depth; .* where\(depth=0\)\.params"):
        trained.params()


def test_missing_params_are_refused(trained, tmp_path):
    space, data = fn.grid(depth=0, learning_rate=0.1, seed=range(3)), fn.load_dataset("iris")
    unsaved = fn.sweep(fn.mlp_recipe(data), space, data, store=tmp_path, num_steps=2, save_params=False)
    not_stored = fn.Results(trained.space, {name: trained[name] for name in ("id", "chunk", "fingerprint")})
    for results in (unsaved, not_stored, fn.Results(space, {})):
        for load in (results.params, lambda results=results: results.params(0)):
            with pytest.raises(fn.InputError, match="the parameters of run 0 were not kept"):
                load()
    with pytest.raises(fn.InputError, match="no run is finished"):
        trained._take(np.zeros(0, int)).params()


def test_params_of_one_run_are_those_of_its_row(trained, alone):
    expected = alone(2, learning_rate=0.1, seed=4).state.params
    row = list(trained.space).index({"depth": 2, "learning_rate": 0.1, "seed": 4})
    assert_close(trained.params(row), expected)
    assert_close(trained.where(depth=2, learning_rate=0.1, seed=4).params(0), expected)
    assert_close(trained.where(depth=2, learning_rate=0.1).params(-1), expected)
