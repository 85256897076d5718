"""Learning curves and tables as labeled arrays."""

import zlib

import numpy as np
import pytest
from scipy import stats

import fnnet as fn
from fnnet.records.rows import collect

GRID = fn.grid(depth=[2, 1], learning_rate=[0.3], momentum=[0.5, 0, 0.9], seed=range(5))
MIXED = (fn.grid(optimizer="sgd") | fn.grid(optimizer="adam", beta=[0.9, 0.99])) * fn.grid(seed=range(3))


def measured(space, steps):
    """Return results whose curves tell which run and which step they are of."""
    points = np.array([[number_of(config) + step for step in steps] for config in space])
    return fn.Results(space, {"step_curve": np.tile(steps, (len(space), 1)), "test_loss_curve": points})


def number_of(config):
    """Return a number that only this configuration has."""
    return float(zlib.crc32(repr(sorted(config.items())).encode()))


@pytest.mark.parametrize("space", [GRID, fn.grid(widths=[(3,), (5, 4)], name=["a", "b"], flag=[True, False])])
def test_grid_has_a_dimension_per_axis_in_any_order_of_runs(space):
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
    np.testing.assert_array_equal(curves.values, results["test_loss_curve"])
    for name in space.axes.keys() - {"step"}:
        np.testing.assert_array_equal(curves[name], space.column(name))


def test_axis_that_no_run_has_is_left_out():
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
        {
            "id": space.ids()[[run]],
            "step_curve": np.array([list(curve) or [10]]),
            **({"test_loss_curve": np.array([list(curve.values())])} if curve else {}),
        }
        for run, curve in points.items()
    ]
    results = collect(space, parts[::-1])
    np.testing.assert_array_equal(
        results["step_curve"], [[10, 20, 30], [10, 15, np.nan], [10, np.nan, np.nan]]
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


@pytest.mark.parametrize("space", [GRID, GRID.take(range(1, len(GRID))), fn.grid(seed=range(3))])
def test_curves_are_averaged_over_seeds(space):
    means = measured(space, [3, 6]).curves("test_loss", over="seed")
    others = [name for name in space.axes if name != "seed"]
    assert means["mean"].dims == ((*others, "step") if others else ("step",))
    for config in space:
        runs = [number_of(each) for each in space if all(each[name] == config[name] for name in others)]
        mean = means["mean"].sel({name: config[name] for name in others})
        low, high = stats.t.interval(0.95, len(runs) - 1, np.mean(runs), stats.sem(runs))
        np.testing.assert_allclose(mean, np.mean(runs) + np.array([3, 6]))
        for name, expected in (("low", low), ("high", high)):
            found = means[name].sel({axis: config[axis] for axis in others}).sel(step=6)
            np.testing.assert_allclose(found, expected + 6)


def test_averages_of_other_runs_keep_one_dimension():
    means = measured(MIXED, [3, 6]).curves("test_loss", over="seed")
    assert means["mean"].dims == ("run", "step") and means["beta"].values.tolist()[1:] == [0.9, 0.99]


def test_all_results_are_one_data_set_and_one_frame():
    space = fn.grid(depth=[1, 2], seed=range(3))
    columns = {
        "test_loss": np.arange(6.0),
        "diverged": np.arange(6) > 4,
        "id": np.array(list("abcdef")),
        "step_curve": np.tile([5, 9], (6, 1)),
        "test_loss_curve": np.arange(12.0).reshape(6, 2),
    }
    results = fn.Results(space, columns)
    found = results.to_xarray()
    assert set(found) == {"test_loss", "diverged", "test_loss_curve"}
    assert found["test_loss"].dims == ("depth", "seed") and found["test_loss"].sel(depth=2, seed=1) == 4
    assert found["test_loss_curve"].sel(depth=2, seed=1, step=9) == 9
    frame = results.to_pandas()
    assert list(frame.columns) == results.table().columns
    assert frame[frame.diverged].test_loss.tolist() == [5.0]
