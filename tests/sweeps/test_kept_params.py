"""Parameters in a store: when they are kept, and what is done where they are missing."""

import shutil

import numpy as np
import pytest
from weight_sweeps import DATA, SPACE, recipe, sweep, table, weights

import fnnet as fn
from fnnet.sweeps import prepare as prepares


def test_parameters_are_kept_unless_they_are_many(reference, tmp_path, monkeypatch):
    assert len(weights(reference[1])) == 6
    monkeypatch.setattr(prepares, "MAX_PARAMS_BYTES", 6 * 3 * 2 * 4 - 1)
    results = sweep(tmp_path)
    with pytest.raises(
        fn.InputError, match="to train it again and keep them: the same sweep again with save_params=True"
    ):
        results.params(0)
    np.testing.assert_array_equal(weights(sweep(tmp_path, save_params=True)), weights(reference[1]))


def test_sweep_that_kept_no_parameters_keeps_none_until_it_is_told_to(reference, tmp_path):
    kept = sweep(tmp_path, save_params=False)
    assert table(sweep(tmp_path)).equals(table(kept)) and not list((tmp_path / "params").iterdir())
    again = sweep(tmp_path, save_params=True)
    assert len(list((tmp_path / "chunks").iterdir())) == 3
    np.testing.assert_array_equal(weights(again), weights(reference[1]))


def test_parameters_are_kept_also_where_chunks_are_cut_otherwise(reference, tmp_path):
    sweep(tmp_path, lanes=3, save_params=False)
    again = sweep(tmp_path, lanes=1, save_params=True, accept_fingerprint=True)
    np.testing.assert_allclose(weights(again), weights(reference[1]), rtol=1e-6)
    assert len(list((tmp_path / "chunks").iterdir())) == 3
    np.testing.assert_array_equal(weights(fn.open_results(tmp_path)), weights(again))


@pytest.mark.parametrize(
    ("search", "options"),
    [
        (fn.sweep, {"num_steps": 3}),
        (fn.successive_halving, {"rungs": [1, 3], "metric": "train_loss"}),
        (fn.hyperband, {"max_steps": 9, "min_steps": 3, "metric": "train_loss"}),
    ],
)
def test_parameters_need_a_store(search, options):
    with pytest.raises(fn.InputError, match="save_params=True keeps parameters in a store"):
        search(recipe(), SPACE, DATA, save_params=True, **options)


def delete(one, other):
    one.unlink()


def swap(one, other):
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def cut(one, other):
    one.write_bytes(one.read_bytes()[:-1])


def of_another_sweep(one, other):
    folder = one.parents[2] / "other"
    sweep(folder, eval_every=3)
    shutil.copy(folder / "params" / one.name, one)


@pytest.mark.parametrize("damage", [delete, swap, cut, of_another_sweep])
def test_parameters_that_are_lost_or_others_are_never_given_and_trained_again(store, reference, damage):
    damage(*sorted((store.folder / "params").iterdir())[:2])
    opened = fn.open_results(store.folder)
    lost = []
    for run in range(6):
        try:
            np.testing.assert_array_equal(opened.params(run)["w"], reference[1].params(run)["w"])
        except fn.InputError as error:
            assert "the parameters of run" in str(error)
            lost.append(run)
    assert len(lost) == (4 if damage is swap else 2)
    again = sweep(store.folder)
    np.testing.assert_array_equal(weights(again), weights(reference[1]))
    assert table(again).equals(table(reference[1]))
