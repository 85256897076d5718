"""Means over runs with their intervals, compared with scipy."""

import numpy as np
import pytest
from scipy import stats

import fnnet as fn


def test_means_and_intervals_match_scipy(results):
    means = results.over("seed").mean_ci("test_accuracy")
    for place, values in enumerate(results.columns["test_accuracy"].reshape(3, 3)):
        low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        np.testing.assert_allclose(
            [means.mean[place], means.low[place], means.high[place]], [values.mean(), low, high]
        )
        np.testing.assert_allclose(fn.mean_interval(values), [values.mean(), low, high, 3])
    assert means.num_runs.tolist() == [3, 3, 3] and means.num_diverged.tolist() == [0, 0, 2]


def test_averages_over_several_axes(results):
    mean = results.columns["test_accuracy"].mean()
    assert results.over("seed", "learning_rate").mean_ci("test_accuracy").mean == pytest.approx([mean])
    assert results.over("learning_rate").axes == ("depth", "seed")
    assert results.over("seed").configs[2] == {"depth": 1, "learning_rate": 0.9}
    assert repr(results.over("seed")) == "Configurations: 3 of depth, learning_rate from 9 runs"


def test_one_run_has_no_interval():
    results = fn.Results(fn.grid(seed=[3]), {"loss": np.array([2.0]), "diverged": np.array([False])}, {})
    means = results.over("seed").mean_ci("loss")
    assert means.mean == [2.0] and np.isnan(means.low) and np.isnan(means.high)


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(fn.InputError, match="at least one value"):
        fn.mean_interval([])
