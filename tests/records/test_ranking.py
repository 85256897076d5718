"""The order of runs and configurations, and the significance of the best."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fnnet as fn
from fnnet.records.ranking import rank
from fnnet.records.store import Store


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_best_is_compared_with_the_runner_up(results, metric):
    best = results.best(metric)
    assert best.config == {"depth": 1, "learning_rate": 0.3}
    assert best.gap == pytest.approx(0.15)
    second, first = results["test_accuracy"].reshape(3, 3)[:2]
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert best.p_value == pytest.approx(expected) and best.beyond_noise == (expected < 0.05)
    mean, low, high, num_runs = best.interval
    assert low < mean < high and num_runs == 3 and best.num_diverged == 0


def test_nan_is_never_the_best():
    values = np.array([np.nan, 3.0, 2.0])
    assert rank(values, higher_is_better=False).tolist() == [2, 1, 0]
    assert rank(values, higher_is_better=True).tolist() == [1, 2, 0]
    columns = {"loss": np.array([np.nan]), "diverged": np.array([True])}
    with pytest.raises(fn.InputError, match="all runs diverged"):
        fn.Results(fn.grid(seed=[0]), columns).best("loss")


def test_given_direction_overrides_that_of_the_metric(results):
    worst = results.best("test_accuracy", higher_is_better=False)
    assert worst.config == {"depth": 1, "learning_rate": 0.9} and worst.gap == pytest.approx(0.7)
    values = np.array([3.0, np.nan, 7.0, 5.0])
    assert rank(values, higher_is_better=True).tolist() == [2, 3, 0, 1]
    assert rank(values, higher_is_better=False).tolist() == [0, 3, 2, 1]
    message = r"metric to rank by 'diverged'.*higher_is_better=True or False ranks by any column"
    for ask in (results.best, lambda metric: results.top(metric, 1)):
        with pytest.raises(fn.InputError, match=message):
            ask("diverged")


def test_direction_of_an_own_metric_is_kept_in_the_store(tmp_path):
    data = fn.load_dataset("iris")
    metrics = {
        "hits": fn.metrics.Metric(lambda outputs, targets: jnp.sum(outputs), higher_is_better=True),
        "misses": lambda outputs, targets: jnp.sum(outputs),
    }

    def recipe():
        network = fn.mlp(4, [], 3)
        return fn.supervised(
            network, "cross_entropy", optimizer=fn.sgd(0.1), batch_size=None, metrics=metrics
        )

    results = fn.sweep(recipe, fn.grid(seed=range(5)), data, num_steps=1, store=tmp_path)
    for each in (results, fn.open_results(tmp_path), fn.open_results(tmp_path).where(seed=range(5))):
        for metric, last in (("test_hits", -1), ("train_misses", 0)):
            values = each.table()[metric].sort()
            assert each.top(metric, 1).table()[metric][0] == values[last]
            assert each.best(metric, over=()).interval.mean == values[last]
    store = Store(tmp_path)
    plan = store.read_plan()
    assert plan.pop("higher_is_better") == {"hits": True, "misses": False}
    store.write_plan(plan)  # as an earlier version wrote it
    assert fn.open_results(tmp_path).best("test_loss").interval.num_runs == 5
    with pytest.raises(fn.InputError, match="rank by 'test_hits'"):
        fn.open_results(tmp_path).best("test_hits")


def test_infinite_runner_up_has_no_p_value():
    values = np.array([2.0, 2.0, np.inf, np.inf])
    results = fn.Results(fn.grid(depth=[1, 2], seed=[0, 1]), {"loss": values, "diverged": values > 9})
    best = results.best("loss")
    assert best.config == {"depth": 1} and best.gap == np.inf and np.isnan(best.p_value)


def test_constant_configuration_is_compared_without_a_warning():
    values = np.array([0.5, 0.5, 0.5, 0.4, 0.42, 0.41])
    space = fn.grid(depth=[1, 2], seed=range(3))
    best = fn.Results(space, {"test_accuracy": values, "diverged": values > 9}).best("test_accuracy")
    standard_error = np.std(values[3:], ddof=1) / np.sqrt(3)  # of the other: all of the degrees of freedom
    assert best.p_value == pytest.approx(2 * stats.t.sf((0.5 - 0.41) / standard_error, df=2))


def test_unknown_names_are_refused(results):
    with pytest.raises(fn.InputError, match="did you mean 'test_accuracy'"):
        results.best("test_acuracy")
    for over in ("seeds", ["depth", "learning_rat"]):
        with pytest.raises(fn.InputError, match=r"unknown axis '.*'; did you mean '(seed|learning_rate)'"):
            results.best("test_accuracy", over=over)


def test_sweep_without_seeds_is_ranked(results):
    assert results.where(seed=0).best("test_accuracy").config == {"depth": 1, "learning_rate": 0.3}
    columns = {"loss": np.array([2.0, 1.0]), "diverged": np.zeros(2, bool)}
    assert fn.Results(fn.grid(depth=[1, 2]), columns).best("loss").config == {"depth": 2}


def test_counts_and_booleans_are_ranked_from_either_end():
    space = fn.grid(n=range(5))
    columns = {
        "count": np.array([0, 5, 3, 5, 2], np.uint32),
        "diverged": np.array([False, True, False, True, False]),
        "large": np.array([2**63 - 2, 2**63 - 1, -(2**63), 0, 1]),
        "id": np.array(list("abcde")),
    }
    results = fn.Results(space, columns)

    def order(metric, higher_is_better):
        return [run["n"] for run in results.top(metric, 5, higher_is_better=higher_is_better).space]

    assert order("count", True) == [1, 3, 2, 4, 0] and order("count", False) == [0, 4, 2, 1, 3]
    assert order("diverged", True) == [1, 3, 0, 2, 4] and order("diverged", False) == [0, 2, 4, 1, 3]
    assert order("large", True) == [1, 0, 4, 3, 2]
    for ask in (results.best, lambda metric, **options: results.top(metric, 1, **options)):
        with pytest.raises(fn.InputError, match="column 'id' holds no numbers"):
            ask("id", higher_is_better=True)
