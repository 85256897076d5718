import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import sklearn.metrics

from fnnet import metrics

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 6))
CLASSES = RNG.integers(0, 6, 40)
PREDICTIONS, TRUTH = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 2))


def test_classification_metrics_are_scikit_learn_s(x64):
    logits, classes = jnp.array(LOGITS), jnp.array(CLASSES)
    probabilities = scipy.special.softmax(LOGITS, axis=1)
    labels = range(6)
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(CLASSES, LOGITS.argmax(axis=1)),
        "nll": sklearn.metrics.log_loss(CLASSES, probabilities, labels=labels),
        "brier": ((probabilities - np.eye(6)[CLASSES]) ** 2).sum(axis=1).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(metrics.METRICS[name](logits, classes), value, rtol=1e-12)
    for k in (1, 2, 5):
        expected_k = sklearn.metrics.top_k_accuracy_score(CLASSES, LOGITS, k=k, labels=labels)
        np.testing.assert_allclose(metrics.top_k_accuracy(logits, classes, k), expected_k, rtol=1e-12)


def test_regression_metrics_are_scikit_learn_s(x64):
    predictions, truth = jnp.array(PREDICTIONS), jnp.array(TRUTH)
    np.testing.assert_allclose(
        metrics.r2(predictions, truth), sklearn.metrics.r2_score(TRUTH, PREDICTIONS), rtol=1e-12
    )
    expected = np.sqrt(sklearn.metrics.mean_squared_error(TRUTH, PREDICTIONS))
    np.testing.assert_allclose(metrics.rmse(predictions, truth), expected, rtol=1e-12)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_is_wrong(broken):
    logits = jnp.full((4, 3), broken)
    assert metrics.accuracy(logits, jnp.zeros(4, jnp.int32)) == 0
    assert metrics.top_k_accuracy(logits, jnp.zeros(4, jnp.int32), k=3) == 0


def test_every_metric_says_which_end_is_better():
    assert set(metrics.METRICS) <= metrics.HIGHER_IS_BETTER | metrics.LOWER_IS_BETTER
    assert not metrics.HIGHER_IS_BETTER & metrics.LOWER_IS_BETTER
