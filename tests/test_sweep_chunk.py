"""Chunks: when they measure, and that it does not matter where their segments are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnnet as fn
from fnnet.sweep import prepare
from fnnet.sweep.chunk import Trainer, evaluations


@given(first=st.integers(0, 40), stop=st.integers(1, 40), eval_every=st.none() | st.integers(1, 50))
def test_evaluations_are_at_multiples_and_at_the_end(first, stop, eval_every):
    expected = []
    for step in range(1, stop + 1):
        is_multiple = eval_every is not None and step % eval_every == 0
        if step > first and (is_multiple or step == stop):
            expected.append(step)
    assert list(evaluations(first, stop, eval_every)) == expected


@given(first=st.integers(0, 40), length=st.integers(1, 40), eval_every=st.integers(1, 50))
def test_stopping_on_the_way_adds_an_evaluation_and_moves_none(first, length, eval_every):
    middle, stop = first + length, first + 2 * length
    halves = [*evaluations(first, middle, eval_every), *evaluations(middle, stop, eval_every)]
    assert halves == sorted({*evaluations(first, stop, eval_every), middle})


@pytest.mark.slow
def test_where_segments_are_cut_changes_no_bit(monkeypatch):
    data = fn.load_dataset("iris")
    lengths, segment = [], Trainer._segment

    def noting(self, chunk, hparams, underway, point):
        after = segment(self, chunk, hparams, underway, point)
        lengths.append(after.step - underway.step)
        return after

    monkeypatch.setattr(Trainer, "_segment", noting)

    def sweep():
        lengths.clear()
        space = fn.grid(depth=1, width=9, learning_rate=fn.logspace(0.01, 1, 5), seed=range(3))
        return fn.sweep(fn.mlp_recipe(data), space, data, num_steps=20, eval_every=7, lanes=8)

    whole = sweep()
    assert lengths == [7, 7, 6]
    assert len(np.unique(whole.columns["train_loss"])) == 15
    for forced, cuts in {1: [1] * 20, 3: [3, 3, 1, 3, 3, 1, 3, 3]}.items():
        with monkeypatch.context() as patch:
            patch.setattr(prepare, "segment_steps", lambda cost, program, forced=forced: forced)
            cut = sweep()
        assert lengths == cuts
        assert cut.history.keys() == whole.history.keys() and "batch_loss" in cut.history
        for name, curve in whole.history.items():
            np.testing.assert_array_equal(cut.history[name], curve)


@pytest.mark.parametrize("eval_every", [None, 20, 21, 1000])
def test_measuring_more_rarely_than_there_are_steps_is_measuring_at_the_end(eval_every):
    assert list(evaluations(0, 20, eval_every)) == [20]
