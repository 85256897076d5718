"""Chunks: when they measure, and that it does not matter where their segments are cut."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnnet as fn
from fnnet.lanes.chunk import ChunkSpec
from fnnet.sweeps import job
from fnnet.sweeps.events import Segment
from fnnet.training import evaluations


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


@given(
    step=st.integers(0, 59),
    stops=st.sets(st.integers(1, 60), min_size=1),
    eval_every=st.none() | st.integers(1, 70),
)
def test_chunk_is_measured_at_multiples_and_at_its_stops(step, stops, eval_every):
    stops = sorted(stops | {60})
    spec = ChunkSpec("0a", ["f3"], {}, {}, 0, 4, eval_every, stops, "c1")
    measured = [n for n in range(1, 61) if n in stops or (eval_every is not None and n % eval_every == 0)]
    assert [n for n in range(1, 61) if spec.is_measured(n)] == measured
    assert spec.next_measured(step) == min(n for n in measured if n > step)
    assert spec.last_measured(step + 1) == max((n for n in measured if n <= step), default=0)


@pytest.mark.slow
def test_where_segments_are_cut_changes_no_bit(monkeypatch):
    data = fn.load_dataset("iris")
    ends = []

    def note(event):
        if isinstance(event, Segment):
            ends.append(event.step)

    def sweep():
        ends.clear()
        space = fn.grid(depth=1, width=9, learning_rate=fn.logspace(0.01, 1, 5), seed=range(3))
        return fn.sweep(fn.mlp_recipe(data), space, data, num_steps=20, eval_every=7, lanes=8, on_event=note)

    whole = sweep()
    assert ends == [7, 14, 20]
    assert len(np.unique(whole["train_loss"])) == 15
    for forced, cuts in {1: [1] * 20, 3: [3, 3, 1, 3, 3, 1, 3, 3]}.items():
        with monkeypatch.context() as patch:
            patch.setattr(job, "segment_steps", lambda cost, program, forced=forced: forced)
            cut = sweep()
        assert ends == np.cumsum(cuts).tolist()
        assert list(cut) == list(whole) and "batch_loss_curve" in cut
        for name in [name for name in whole if name.endswith("_curve")]:
            np.testing.assert_array_equal(cut[name], whole[name])


@pytest.mark.parametrize("eval_every", [None, 20, 21, 1000])
def test_measuring_more_rarely_than_there_are_steps_is_measuring_at_the_end(eval_every):
    assert list(evaluations(0, 20, eval_every)) == [20]


def test_every_metric_of_a_step_is_a_curve_as_in_a_run_alone():
    task = fn.Task(
        init=lambda key, hp, data: jnp.asarray(hp["start"]),
        step=lambda key, hp, state, batch: (0.9 * state, {"loss": state**2, "size": jnp.abs(state)}),
        measure=lambda hp, state, data: {"state": state},
    )
    starts = [1.0, -3.0, 0.25]
    results = fn.sweep(lambda: task, fn.grid(start=starts), None, num_steps=7, eval_every=3)
    for row, start in enumerate(starts):
        run = fn.train(task, {"start": jnp.float32(start)}, None, num_steps=7, eval_every=3)
        for name in ("batch_size", "batch_loss", "state"):
            np.testing.assert_allclose(results[f"{name}_curve"][row], run.curves[name], rtol=1e-6)
        means = [np.mean(abs(start) * 0.9 ** np.arange(*part)) for part in ((0, 3), (3, 6), (6, 7))]
        np.testing.assert_allclose(results["batch_size_curve"][row], means, rtol=1e-5)
    assert "state" in results and "batch_size" not in results


@pytest.mark.slow
def test_bfloat16_network_sweeps_to_a_table_and_back_from_its_store(tmp_path):
    network = fn.mlp(4, [7], 3)
    low = network._replace(
        init=lambda key: jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), network.init(key))
    )
    data = fn.load_dataset("iris")
    task = fn.supervised(low, "cross_entropy", optimizer="sgd", batch_size=16)
    space = fn.grid(learning_rate=[0.1, 0.3, 0.5])

    def sweep(**options):
        return fn.sweep(lambda: task, space, data, num_steps=20, eval_every=10, **options)

    plain, kept = sweep(), sweep(store=tmp_path, save_params=True, state_every=0.0)
    for results in (plain, kept):
        assert results.table()["test_loss"].dtype == pl.Float32
        assert results["batch_loss_curve"].dtype == np.float32
    np.testing.assert_array_equal(plain["test_loss"], kept["test_loss"])
    params = kept.params()
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(jnp.bfloat16)}
    found = fn.evaluate_results(lambda: task, kept, data.test, ["accuracy", "nll"])
    np.testing.assert_array_equal(found["accuracy"], kept["test_accuracy"])
    np.testing.assert_allclose(found["nll"], kept["test_loss"], rtol=1e-5)
