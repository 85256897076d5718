"""Learning curves as labeled arrays, and the last value before a divergence."""

import itertools
import zlib

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import fnnet as fn
from fnnet.records.rows import collect

GRID = fn.grid(depth=[2, 1], learning_rate=[0.3], momentum=[0.5, 0, 0.9], seed=range(5))
MIXED = (fn.grid(optimizer="sgd") | fn.grid(optimizer="adam", beta=[0.9, 0.99])) * fn.grid(seed=range(3))


def measured(space, steps):
    """Return results whose curves tell which run and which step they are of."""
    points = np.array([[number_of(config) + step for step in steps] for config in space])
    return fn.Results(space, {}, {"step": np.tile(steps, (len(space), 1)), "test_loss": points})


def number_of(config):
    """Return a number that only this configuration has."""
    return float(zlib.crc32(repr(sorted(config.items())).encode()))


@pytest.mark.parametrize("space", [GRID, fn.grid(widths=[(3,), (5, 4)], name=["a", "b"], flag=[True, False])])
def test_a_grid_has_a_dimension_per_axis_in_any_order_of_runs(space):
    steps = [10, 20, 30, 35]
    order = np.random.default_rng(0).permutation(len(space))
    for shuffled in (space.take(order), fn.union(*(space.take([row]) for row in order))):
        curves = measured(shuffled, steps).curves("test_loss")
        assert curves.dims == (*space.axes, "step") and curves.name == "test_loss"
        assert curves.size == 4 * len(space) and curves["step"].values.tolist() == steps
        for config in space:
            np.testing.assert_array_equal(curves.sel(config), number_of(config) + np.array(steps))


@pytest.mark.parametrize(
    "space",
    [
        GRID.take(range(len(GRID) - 1)),
        GRID.take([0, 0]),
        fn.grid(depth=[1, 2], seed=[0, 1]).take([0, 1, 2, 0]),
        fn.zip_axes(depth=[1, 2], seed=[3, 4]),
        fn.grid(depth=[1, 2]) | fn.grid(seed=[3, 4]),
        fn.grid(depth=[1, 2], step=[5, 6]),
    ],
)
def test_other_runs_have_one_dimension_with_the_axes_as_coordinates(space):
    results = measured(space, [3, 6, 7])
    curves = results.curves("test_loss")
    assert curves.dims == ("run", "step")
    assert curves["run"].values.tolist() == list(range(len(space)))
    assert curves["step"].values.tolist() == [3, 6, 7]
    np.testing.assert_array_equal(curves.values, results.history["test_loss"])
    for name in space.axes.keys() - {"step"}:
        np.testing.assert_array_equal(curves[name], space.column(name))


def test_an_axis_that_no_run_has_is_left_out():
    results = measured(MIXED, [3, 6])
    curves = results.curves("test_loss")
    assert curves.dims == ("run", "step")
    adam = results.where(optimizer="adam").curves("test_loss")
    assert adam.dims == ("optimizer", "beta", "seed", "step")
    assert results.where(optimizer="sgd").curves("test_loss").sizes == {"optimizer": 1, "seed": 3, "step": 2}
    selected = curves.where(curves["beta"] == 0.99, drop=True)
    np.testing.assert_array_equal(selected, adam.sel(optimizer="adam", beta=0.99))


def test_no_runs_have_no_curves():
    results = measured(GRID, [3, 6])._take(np.zeros(0, int))
    assert results.curves("test_loss").sizes == {"run": 0, "step": 0}


def test_runs_evaluated_at_different_steps_have_gaps():
    """Three chunks: two lengths of training, and one that did not measure the loss."""
    space = fn.grid(depth=[1, 2, 3])
    points = {0: {10: 1.0, 20: 2.0, 30: 3.0}, 1: {10: 4.0, 15: 5.0}, 2: {}}
    parts = [
        pl.DataFrame(
            {
                "id": space.ids()[[run]],
                "step_curve": [list(curve) or [10]],
                **({"test_loss_curve": [list(curve.values())]} if curve else {}),
            }
        )
        for run, curve in points.items()
    ]
    results = collect(space, parts[::-1])
    np.testing.assert_array_equal(
        results.history["step"], [[10, 20, 30], [10, 15, np.nan], [10, np.nan, np.nan]]
    )
    curves = results.curves("test_loss")
    assert curves.dims == ("depth", "step") and curves["step"].values.tolist() == [10, 15, 20, 30]
    for run, curve in points.items():
        expected = [curve.get(step, np.nan) for step in (10, 15, 20, 30)]
        np.testing.assert_array_equal(curves.sel(depth=run + 1), expected)


@pytest.mark.slow
def test_curves_match_those_of_a_run_alone(trained, alone):
    curves = trained.curves("test_loss")
    assert curves.shape == (2, 3, 5, 4) and curves["step"].values.tolist() == [6, 12, 18, 20]
    for depth, rate, seed in ((0, 0.2, 4), (2, 0.05, 3), (2, 0.2, 0)):
        expected = alone(depth, learning_rate=rate, seed=seed).curves["test_loss"]
        found = curves.sel(depth=depth, learning_rate=rate, seed=seed)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(fn.InputError, match="unknown metric 'test_los'; did you mean 'test_loss'"):
        trained.curves("test_los")


@pytest.mark.slow
def test_the_last_finite_value_is_from_before_the_divergence():
    """With full batches, the loss on all examples shows until when a run was finite."""
    data = fn.load_dataset("iris")
    network = fn.mlp(4, [16] * 3, 3, "relu")

    def recipe():
        return fn.supervised(
            network, "quadratic", optimizer=lambda hp: fn.sgd(hp["learning_rate"]), batch_size=None
        )

    space = fn.grid(learning_rate=[0.1, 3.0, 30.0, 300.0, 1e4, 1e30], seed=range(2))
    results = fn.sweep(recipe, space, data, num_steps=12, eval_every=1)
    assert len(set(results.columns["diverged_at"])) > 3
    for metric in ("test_loss", "test_accuracy"):
        found = results.last_finite(metric)
        for run, losses in enumerate(results.history["train_loss"]):
            sound = list(itertools.takewhile(np.isfinite, losses))
            values = [v for v in results.history[metric][run][: len(sound)] if np.isfinite(v)]
            np.testing.assert_equal(found[run], values[-1] if values else np.nan)
    with pytest.raises(fn.InputError, match="did you mean 'test_loss'"):
        results.last_finite("tst_loss")


@pytest.mark.parametrize("eval_every", [1, 3])
def test_an_evaluation_of_diverged_parameters_is_not_the_last_finite_value(eval_every):
    task = fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, state, batch: (
            state + 1,
            {"loss": jnp.where(state >= hp["limit"], jnp.inf, 0.0)},
        ),
        measure=lambda hp, state, data: {"updates": state},
    )
    limits = [1.0, 3.0, 4.0, 6.0, 99.0]
    results = fn.sweep(lambda: task, fn.grid(limit=limits), None, num_steps=9, eval_every=eval_every)
    points = range(eval_every, 10, eval_every)
    expected = [max((step for step in points if step < limit), default=np.nan) for limit in limits]
    np.testing.assert_equal(results.last_finite("updates"), expected)
