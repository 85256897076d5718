"""The order of runs and configurations, and the significance of the best."""

import numpy as np
import pytest
from scipy import stats

import fnnet as fn
from fnnet.records.ranking import rank


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_the_best_is_compared_with_the_runner_up(results, metric):
    best = results.best(metric)
    assert best.config == {"depth": 1, "learning_rate": 0.3}
    assert best.gap == pytest.approx(0.15)
    second, first = results.columns["test_accuracy"].reshape(3, 3)[:2]
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert best.p_value == pytest.approx(expected) and best.beyond_noise == (expected < 0.05)
    assert best.low < best.mean < best.high and best.num_runs == 3 and best.num_diverged == 0


def test_nan_is_never_the_best():
    values = np.array([np.nan, 3.0, 2.0])
    assert rank(values, "test_loss").tolist() == [2, 1, 0]
    assert rank(values, "test_accuracy").tolist() == [1, 2, 0]
    columns = {"loss": np.array([np.nan]), "diverged": np.array([True])}
    with pytest.raises(fn.InputError, match="all runs diverged"):
        fn.Results(fn.grid(seed=[0]), columns, {}).best("loss")


def test_maximize_overrides_the_name(results):
    worst = results.best("test_accuracy", maximize=False)
    assert worst.config == {"depth": 1, "learning_rate": 0.9} and worst.gap == pytest.approx(0.7)
    accuracy = results.columns["test_accuracy"]
    assert rank(accuracy, "test_accuracy", maximize=False).tolist() == np.argsort(accuracy).tolist()
    values = np.array([3.0, np.nan, 7.0, 5.0])
    assert rank(values, "sharpness", maximize=True).tolist() == [2, 3, 0, 1]
    assert rank(values, "sharpness", maximize=False).tolist() == [0, 3, 2, 1]
    with pytest.raises(fn.InputError, match=r"metric to rank by 'seconds'.*maximize=True or maximize=False"):
        rank(values, "seconds")


def test_an_infinite_runner_up_has_no_p_value():
    values = np.array([2.0, 2.0, np.inf, np.inf])
    results = fn.Results(fn.grid(depth=[1, 2], seed=[0, 1]), {"loss": values, "diverged": values > 9}, {})
    best = results.best("loss")
    assert best.config == {"depth": 1} and best.gap == np.inf and np.isnan(best.p_value)


def test_a_constant_configuration_is_compared_without_a_warning():
    values = np.array([0.5, 0.5, 0.5, 0.4, 0.42, 0.41])
    space = fn.grid(depth=[1, 2], seed=range(3))
    best = fn.Results(space, {"test_accuracy": values, "diverged": values > 9}, {}).best("test_accuracy")
    standard_error = np.std(values[3:], ddof=1) / np.sqrt(3)  # of the other: all of the degrees of freedom
    assert best.p_value == pytest.approx(2 * stats.t.sf((0.5 - 0.41) / standard_error, df=2))


def test_unknown_names_are_refused(results):
    with pytest.raises(fn.InputError, match="did you mean 'test_accuracy'"):
        results.best("test_acuracy")
    with pytest.raises(fn.InputError, match="did you mean 'seed'"):
        results.over("seeds")
    for over in ("seeds", ["depth", "learning_rat"]):
        with pytest.raises(fn.InputError, match=r"unknown axis '.*'; did you mean '(seed|learning_rate)'"):
            results.best("test_accuracy", over=over)


def test_a_sweep_need_not_have_seeds(results):
    assert results.where(seed=0).best("test_accuracy").config == {"depth": 1, "learning_rate": 0.3}
    columns = {"loss": np.array([2.0, 1.0]), "diverged": np.zeros(2, bool)}
    assert fn.Results(fn.grid(depth=[1, 2]), columns, {}).best("loss").config == {"depth": 2}


def test_counts_and_booleans_are_ranked_from_either_end():
    space = fn.grid(n=range(5))
    columns = {
        "count": np.array([0, 5, 3, 5, 2], np.uint32),
        "diverged": np.array([False, True, False, True, False]),
        "large": np.array([2**63 - 2, 2**63 - 1, -(2**63), 0, 1]),
        "id": np.array(list("abcde")),
    }
    results = fn.Results(space, columns, {})

    def order(metric, maximize):
        return [run["n"] for run in results.top(5, metric, maximize=maximize).space]

    assert order("count", True) == [1, 3, 2, 4, 0] and order("count", False) == [0, 4, 2, 1, 3]
    assert order("diverged", True) == [1, 3, 0, 2, 4] and order("diverged", False) == [0, 2, 4, 1, 3]
    assert order("large", True) == [1, 0, 4, 3, 2]
    for ask in (results.top, lambda _, metric, maximize: results.best(metric, maximize=maximize)):
        with pytest.raises(fn.InputError, match="column 'id' holds no numbers"):
            ask(1, "id", maximize=True)
