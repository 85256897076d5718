"""Means over runs with their intervals, compared with scipy."""

import numpy as np
import pytest
from scipy import stats

import fnnet as fn
from fnnet.records.statistics import MeanInterval, compare_means, find_configurations


def test_means_and_intervals_match_scipy(results):
    configurations = find_configurations(results.space, "seed")
    means = configurations.mean_interval(results["test_accuracy"])
    for place, values in enumerate(results["test_accuracy"].reshape(3, 3)):
        low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        np.testing.assert_allclose(
            [means.mean[place], means.low[place], means.high[place]], [values.mean(), low, high]
        )
        np.testing.assert_allclose(fn.mean_interval(values), [values.mean(), low, high, 3])
    rows = np.stack([results["test_accuracy"].reshape(3, 3), results["test_loss"].reshape(3, 3)])
    for found in (means, MeanInterval(*(each[0] for each in fn.mean_interval(rows)[:3]), 3)):
        np.testing.assert_allclose(found.high, rows[0].mean(axis=-1) + (rows[0].mean(axis=-1) - found.low))
        np.testing.assert_allclose(found.mean, rows[0].mean(axis=-1))
    assert means.num_runs.tolist() == [3, 3, 3]
    assert configurations.count_true(results["diverged"]).tolist() == [0, 0, 2]
    table = results.table(over="seed")
    assert table.columns == [
        *("depth", "learning_rate"),
        *("test_accuracy", "test_accuracy_low", "test_accuracy_high"),
        *("test_loss", "test_loss_low", "test_loss_high"),
        *("num_runs", "num_diverged"),
    ]
    assert table["test_accuracy_low"].to_list() == means.low.tolist()
    assert table["num_diverged"].to_list() == [0, 0, 2] and table["num_runs"].to_list() == [3, 3, 3]


def test_averages_over_several_axes(results):
    mean = results["test_accuracy"].mean()
    table = results.table(over=["seed", "learning_rate"])
    assert table["test_accuracy"].to_list() == pytest.approx([mean]) and table["depth"].to_list() == [1]
    assert find_configurations(results.space, "learning_rate").axes == ("depth", "seed")
    assert find_configurations(results.space, "seed").configs[2] == {"depth": 1, "learning_rate": 0.9}
    with pytest.raises(fn.InputError, match="did you mean 'seed'"):
        results.table(over="seeds")


def test_one_run_has_no_interval():
    results = fn.Results(fn.grid(seed=[3]), {"loss": np.array([2.0]), "diverged": np.array([False])})
    ((mean, low, high, num_runs, num_diverged),) = results.table(over="seed").rows()
    assert (mean, num_runs, num_diverged) == (2.0, 1, 0) and np.isnan([low, high]).all()
    assert np.isnan(fn.mean_interval([2.0])[1:3]).all()


def test_mean_of_no_runs_is_refused():
    with pytest.raises(fn.InputError, match="at least one value"):
        fn.mean_interval([])


@pytest.mark.parametrize("sizes", [(3, 3), (2, 7)])
def test_two_means_are_compared_as_scipy_does(sizes):
    rng = np.random.default_rng(1)
    first, second = (rng.normal(size=size, scale=size) for size in sizes)
    found, expected = compare_means(first, second), stats.ttest_ind(first, second, equal_var=False)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found[1:3] == pytest.approx(tuple(expected.confidence_interval(0.95)))
    for few in (first[:1], np.array([1.0, np.inf])):
        assert np.isnan(compare_means(few, second)[1:]).all()
