"""The table of results: its columns, its speed, and how it is shown."""

import re
import time

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import xarray

import fnnet as fn
from fnnet.records.rows import collect
from fnnet.sweeps import execution

LOADED = scipy.stats, xarray  # before a test measures the time of what uses them


def toy(measure):
    """Return a recipe of tasks whose state counts its updates."""
    return lambda: fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, state, batch: (state + 1, {"loss": 0.0 * state}),
        measure=measure,
    )


@pytest.fixture
def untrained(monkeypatch):
    monkeypatch.setattr(execution, "execute", lambda *_, **__: pytest.fail("trained"))


@pytest.mark.parametrize("name", ["seconds", "diverged", "step", "batch_loss", "id", "lane", "roc_curve"])
def test_metric_named_like_a_column_is_refused_before_training(name, untrained):
    with pytest.raises(fn.InputError, match=f"metric {name!r} .* another name"):
        fn.sweep(
            toy(lambda hp, state, data: {name: hp["a"] * state}), fn.grid(a=[1.0, 2.0]), None, num_steps=4
        )


@pytest.mark.parametrize("name", ["seconds", "rung", "steps", "warm_curve"])
def test_axis_named_like_a_column_is_refused_before_training(name, untrained):
    recipe = toy(lambda hp, state, data: {"value": hp[name]})
    with pytest.raises(fn.InputError, match=f"axis {name!r} .* another name"):
        fn.sweep(recipe, fn.grid(**{name: [1.0, 2.0]}), None, num_steps=4)


def test_axis_or_metric_may_be_called_place_or_row():
    recipe = toy(lambda hp, state, data: {"row": hp["place"] * state})
    table = fn.sweep(recipe, fn.grid(place=[5.0, 7.0]), None, num_steps=4).table()
    assert table["place"].to_list() == [5, 7] and table["row"].to_list() == [20, 28]
    assert not [name for name in table.columns if name.endswith("_right")]
    recipe = toy(lambda hp, state, data: {"place": hp["a"] * state})
    counted = fn.sweep(recipe, fn.grid(a=[1.0, 2.0]), None, num_steps=4)
    assert counted["place"].tolist() == [4, 8]


def test_65_536_runs_are_tabulated_within_two_seconds_of_cpu_time():
    space = fn.grid(a=range(4), b=fn.linspace(0, 1, 64), c=range(16), seed=range(16))
    losses = np.random.default_rng(0).normal(size=(len(space), 9))
    rows = {
        "id": space.ids(),
        "loss": losses[:, -1],
        "diverged": losses[:, 0] > 3,
        "step_curve": np.tile(np.arange(9) * 10, (len(space), 1)),
        "loss_curve": losses,
    }
    starts = range(0, len(space), 8)
    parts = [{name: column[start : start + 8] for name, column in rows.items()} for start in reversed(starts)]
    started = time.process_time()
    results = collect(space, parts)
    assert results.table().height == 65_536
    curves, means = results.curves("loss"), results.table(over="seed")
    best = results.where(a=[1, 3]).best("loss")
    assert time.process_time() - started < 2
    np.testing.assert_array_equal(curves.values, losses.reshape(4, 64, 16, 16, 9))
    expected = losses[:, -1].reshape(-1, 16).mean(axis=1)
    np.testing.assert_allclose(means["loss"], expected)
    assert best.interval.mean == pytest.approx(expected.reshape(4, -1)[[1, 3]].min())


def test_results_and_plans_are_printed_in_one_line(trained):
    assert repr(trained) == (
        "Results: 30 runs (depth: 2 x learning_rate: 3 x seed: 5); "
        "metrics: test_accuracy, test_loss, train_accuracy, train_loss"
    )
    assert repr(trained.space.take([0, 7])) == "Space: 2 runs (depth: 1, learning_rate: 2, seed: 2)"
    data, space = fn.load_dataset("iris"), fn.grid(depth=0, learning_rate=[0.1, 0.2])
    prepared = fn.prepare(fn.mlp_recipe(data), space, data, num_steps=7)
    assert re.fullmatch(
        r"Prepared: 2 runs \(depth: 1 x learning_rate: 2\), 2 to train for 7 steps in 1 program, about .* s",
        repr(prepared),
    )
    assert repr(fn.Network(lambda key: 1 / 0, lambda params, x: x)) == "Network"


def test_notebook_shows_tables(trained):
    shown = fn.Results(fn.grid(name=["<b>"]), {"test_loss": np.array([0.5])})._repr_html_()
    assert "<table" in shown and "0.5" in shown and "<b>" not in shown and "&lt;b&gt;" in shown
    assert "<td>learning_rate</td><td>3</td>" in trained.space._repr_html_()


def test_table_locates_runs_in_the_store_only_when_asked(trained):
    records = ["id", "chunk", "lane", "fingerprint"]
    assert not set(records) & set(trained.table().columns)
    assert trained.table(records=True).columns == [*trained.table().columns, *records]
