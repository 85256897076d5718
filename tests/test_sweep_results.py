import numpy as np
import pytest
from scipy import stats

import fnnet as fn
from fnnet.sweep.results import rank

VALUES = np.array([0.8, 0.9, 0.7, 0.95, 0.97, 0.93, 0.2, 0.1, 0.0])


@pytest.fixture
def results():
    space = fn.grid(depth=[1], learning_rate=[0.1, 0.3, 0.9], seed=range(3))
    return fn.Results(
        space, {"test_accuracy": VALUES, "test_loss": -VALUES, "diverged": VALUES < 0.15}, curves={}
    )


def test_means_and_intervals_are_scipy_s(results):
    means = results.over("seed").mean_ci("test_accuracy")
    for place, values in enumerate(VALUES.reshape(3, 3)):
        low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        np.testing.assert_allclose(
            [means.mean[place], means.low[place], means.high[place]], [values.mean(), low, high]
        )
    assert means.num_runs.tolist() == [3, 3, 3] and means.num_diverged.tolist() == [0, 0, 2]


def test_over_several_axes(results):
    assert results.over("seed", "learning_rate").mean_ci("test_accuracy").mean == pytest.approx(
        [VALUES.mean()]
    )
    assert results.over("learning_rate").axes == ("depth", "seed")
    assert results.over("seed").configs[2] == {"depth": 1, "learning_rate": 0.9}


def test_one_run_has_no_interval():
    results = fn.Results(fn.grid(seed=[3]), {"loss": np.array([2.0]), "diverged": np.array([False])}, {})
    means = results.over("seed").mean_ci("loss")
    assert means.mean == [2.0] and np.isnan(means.low) and np.isnan(means.high)


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_best_names_the_runner_up_s_distance(results, metric):
    best = results.best(metric)
    assert best.config == {"depth": 1, "learning_rate": 0.3}
    assert best.gap == pytest.approx(0.15)
    expected = stats.ttest_ind(VALUES[3:6], VALUES[:3], equal_var=False).pvalue
    assert best.p_value == pytest.approx(expected) and best.beyond_noise == (expected < 0.05)
    assert best.low < best.mean < best.high and best.num_runs == 3 and best.num_diverged == 0


def test_nan_is_never_the_best():
    values = np.array([np.nan, 3.0, 2.0])
    assert rank(values, "test_loss").tolist() == [2, 1, 0]
    assert rank(values, "test_accuracy").tolist() == [1, 2, 0]
    with pytest.raises(fn.InputError, match="all runs diverged"):
        fn.Results(fn.grid(seed=[0]), {"loss": np.array([np.nan]), "diverged": np.array([True])}, {}).best(
            "loss"
        )


def test_unknown_names_are_refused(results):
    with pytest.raises(fn.InputError, match="did you mean 'test_accuracy'"):
        results.best("test_acuracy")
    with pytest.raises(fn.InputError, match="did you mean 'seed'"):
        results.over("seeds")
    with pytest.raises(fn.InputError, match="metric to rank by 'seconds'"):
        rank(np.zeros(2), "seconds")
