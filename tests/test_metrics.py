import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

import fnnet as fn
from fnnet import metrics
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.training import init_state

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 6))
CLASSES = RNG.integers(0, 6, 40)
PREDICTIONS, TRUTH = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 2))


def test_classification_metrics_match_scikit_learn(x64):
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


@st.composite
def classified(draw):
    """Logits and classes of few shapes, for each is compiled; a row may be broken, and classes may be missing."""
    num_examples, num_classes = draw(st.sampled_from([(1, 2), (13, 5), (60, 3)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = draw(st.sampled_from([0.1, 1.0, 10.0])) * rng.normal(size=(num_examples, num_classes))
    logits[: draw(st.integers(0, 2)), 0] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    return logits, rng.integers(0, draw(st.integers(1, num_classes)), num_examples)


def plain_confusion(logits, classes):
    matrix = np.zeros((logits.shape[1], logits.shape[1]), int)
    for row, target in zip(logits, classes, strict=True):
        if np.isfinite(row).all():
            matrix[target, row.argmax()] += 1
    return matrix


def plain_ece(logits, classes, num_bins, adaptive):
    """Calibration error as in the papers: bins of confidences, each with its accuracy and mean confidence."""
    finite = np.isfinite(logits).all(axis=1)
    with np.errstate(invalid="ignore"):
        confidence = np.where(finite, scipy.special.softmax(logits, axis=1).max(axis=1), 1)
    right = finite & (logits.argmax(axis=1) == classes)
    if adaptive:  # example i of n in order goes to bin i * num_bins // n
        order, n = np.argsort(confidence, kind="stable"), len(classes)
        members = [order[[i * num_bins // n == b for i in range(n)]] for b in range(num_bins)]
    else:
        lows = [b / num_bins for b in range(num_bins)]
        highs = [(b + 1) / num_bins for b in range(num_bins - 1)] + [1.1]
        members = [
            np.flatnonzero((confidence > low) & (confidence <= high))
            for low, high in zip(lows, highs, strict=True)
        ]
    return sum(
        len(rows) / len(classes) * abs(right[rows].mean() - confidence[rows].mean())
        for rows in members
        if len(rows)
    )


BINNED = [(15, False), (4, False), (15, True), (4, True)]


@jax.jit
def measured(outputs, targets):
    names = ("accuracy", "nll", "brier")
    found = {name: metrics.METRICS[name](outputs, targets) for name in names}
    found |= {str(bins): metrics.ece(outputs, targets, *bins) for bins in BINNED}
    arrays = (metrics.confusion_matrix, metrics.recall)
    return found, [metric(outputs, targets) for metric in arrays]


@pytest.mark.slow
@settings(max_examples=60)
@given(classified())
def test_classification_metrics_match_numpy(example):
    logits, classes = example
    num_examples, num_classes = logits.shape
    finite = np.isfinite(logits).all(axis=1)
    right = finite & (logits.argmax(axis=1) == classes)
    expected = {"accuracy": right.mean()}
    expected |= {str(bins): plain_ece(logits, classes, *bins) for bins in BINNED}
    if finite.all():
        probabilities = scipy.special.softmax(logits, axis=1)
        expected["nll"] = -np.log(probabilities[np.arange(num_examples), classes]).mean()
        expected["brier"] = ((probabilities - np.eye(num_classes)[classes]) ** 2).sum(axis=1).mean()
    with jax.enable_x64(True):
        found, (confusion, recall) = jax.device_get(measured(jnp.array(logits), jnp.array(classes)))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-12, err_msg=name)
    assert all(0 <= found[str(bins)] <= 1 + 1e-12 for bins in BINNED)
    assert confusion.tolist() == plain_confusion(logits, classes).tolist()
    of_class = [right[classes == c] for c in range(num_classes)]
    shares = [part.mean() if len(part) else np.nan for part in of_class]
    np.testing.assert_allclose(recall, shares, rtol=1e-12)


def test_metrics_per_class_match_scikit_learn(x64):
    logits, classes = jnp.array(LOGITS), jnp.where(jnp.array(CLASSES) == 4, 5, jnp.array(CLASSES))
    logits = logits.at[:, 1].set(-100.0)  # class 1 is never guessed, class 4 never there
    guesses, labels = np.argmax(logits, axis=1), range(6)
    np.testing.assert_array_equal(
        metrics.confusion_matrix(logits, classes),
        sklearn.metrics.confusion_matrix(classes, guesses, labels=labels),
    )
    figures = sklearn.metrics.precision_recall_fscore_support(
        classes, guesses, labels=labels, zero_division=np.nan
    )
    for metric, expected in zip((metrics.precision, metrics.recall, metrics.f1), figures, strict=False):
        np.testing.assert_allclose(metric(logits, classes), expected, rtol=1e-12)
    assert np.isnan(metrics.precision(logits, classes)[1]) and np.isnan(metrics.recall(logits, classes)[4])
    for chosen in (logits, logits.at[:, 4].set(-100.0)):  # class 4 is guessed, and is not
        expected = sklearn.metrics.f1_score(classes, np.argmax(chosen, axis=1), average="macro")
        np.testing.assert_allclose(metrics.macro_f1(chosen, classes), expected, rtol=1e-12)


def test_one_guess_is_accuracy_also_where_outputs_are_equal():
    logits, classes = jnp.array(LOGITS).round(0), jnp.array(CLASSES)
    assert metrics.top_k_accuracy(logits, classes, 1) == metrics.accuracy(logits, classes)
    assert metrics.top_k_accuracy(jnp.zeros((6, 6)), jnp.arange(6), 2) == jnp.float32(2 / 6)


@pytest.mark.slow
def test_calibration_is_blind_to_nothing():
    """Right and sure is calibrated, wrong and sure is not; a network that diverged is as bad as can be."""
    sure = jnp.array([[50.0, 0.0], [0.0, 50.0]])
    assert metrics.ece(sure, jnp.array([0, 1])) == 0 and metrics.ece(sure, jnp.array([1, 0])) == 1
    assert metrics.ece(jnp.full((3, 2), jnp.nan), jnp.array([0, 1, 0])) == 1


def test_regression_metrics_match_scikit_learn(x64):
    predictions, truth = jnp.array(PREDICTIONS), jnp.array(TRUTH)
    np.testing.assert_allclose(
        metrics.r2(predictions, truth), sklearn.metrics.r2_score(TRUTH, PREDICTIONS), rtol=1e-12
    )
    expected = np.sqrt(sklearn.metrics.mean_squared_error(TRUTH, PREDICTIONS))
    np.testing.assert_allclose(metrics.rmse(predictions, truth), expected, rtol=1e-12)
    expected = sklearn.metrics.mean_absolute_error(TRUTH, PREDICTIONS)
    np.testing.assert_allclose(metrics.mae(predictions, truth), expected, rtol=1e-12)
    for delta in (0.3, 1.0, 2.5):
        expected = scipy.special.huber(delta, TRUTH - PREDICTIONS).mean()
        np.testing.assert_allclose(metrics.huber(predictions, truth, delta), expected, rtol=1e-12)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_output_that_is_not_finite_is_wrong(broken):
    logits = jnp.full((4, 3), broken)
    assert metrics.accuracy(logits, jnp.zeros(4, jnp.int32)) == 0
    assert metrics.top_k_accuracy(logits, jnp.zeros(4, jnp.int32), k=3) == 0


@pytest.mark.parametrize("name", metrics.METRICS)
def test_direction_of_a_metric_is_that_in_which_predictions_get_better(name):
    if name in ("r2", "rmse", "mae", "huber"):
        targets, good = jnp.array([[1.0], [2.0], [4.0]]), jnp.array([[1.1], [2.0], [3.8]])
    else:
        targets, good = jnp.arange(6), 3 * jnp.eye(6)
    metric, bad = metrics.METRICS[name], jnp.roll(good, 1, axis=0)
    better, worse = metric(good, targets), metric(bad, targets)
    assert (better > worse) if metric.higher_is_better else (better < worse)


def test_directions_of_own_metrics():
    hits = metrics.Metric(lambda outputs, targets: jnp.sum(outputs == targets), higher_is_better=True)
    own = {
        "hits": hits,
        "gap": lambda outputs, targets: 0.0,
        "score": metrics.accuracy,
        "r2": lambda o, t: 0.0,
    }
    assert metrics.directions(own) == {"hits": True, "gap": False, "score": True, "r2": True}

    def spread(outputs, targets):
        return jnp.std(outputs)

    assert metrics.directions([metrics.macro_f1, "ece", spread, metrics.Metric(jnp.max, True)]) == {
        "macro_f1": True,
        "ece": False,
        "spread": False,
        "max": True,
    }


@pytest.mark.slow
def test_metrics_with_names_are_columns_and_arrays_are_not():
    data = fn.load_dataset("iris")
    column, matrix = jnp.zeros((2, 3)), jnp.array([0, 1])
    for name, metric in metrics.METRICS.items():
        targets = column if name in ("r2", "rmse", "mae", "huber") else matrix
        assert metric(column, targets).shape == (), name
    for name, metric in metrics.ARRAY_METRICS.items():
        assert metric(column, matrix).shape != (), name

    def columns_of(chosen):
        network, hparams = fn.mlp(4, [], 3), Hparams({})
        task = fn.supervised(network, "cross_entropy", optimizer=fn.sgd(0.1), metrics=chosen)
        state = jax.eval_shape(lambda: init_state(task, hparams, data))
        return set(jax.eval_shape(lambda state, data: task.measure(hparams, state, data), state, data))

    wanted = {"accuracy": "accuracy", "coarse": lambda outputs, targets: metrics.ece(outputs, targets, 2)}
    assert columns_of(wanted) >= {"test_accuracy", "test_coarse", "train_coarse"}
    assert columns_of(["ece"]) >= {"test_ece", "train_ece"}
    with pytest.raises(InputError, match=r"must be a number, got the shape \(3, 3\) from 'confusion_matrix'"):
        columns_of([metrics.confusion_matrix])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["acuracy"], "did you mean 'accuracy'"),
        ("accuracy", r"write \['accuracy'\]"),
        ([lambda outputs, targets: outputs], "called '<lambda>'"),
        (["ece", metrics.ece], "called 'ece'"),
        ([3], "metric must be one of"),
    ],
)
def test_metrics_that_cannot_be_named_are_refused(chosen, message):
    with pytest.raises(InputError, match=message):
        metrics.find_metrics.__wrapped__(chosen, jnp.arange(3), metrics.METRICS)


def test_invalid_arguments_of_metrics_are_refused():
    logits, classes = jnp.zeros((3, 2)), jnp.zeros(3, jnp.int32)
    with pytest.raises(InputError, match="num_bins must be a positive integer, got 0"):
        metrics.ece(logits, classes, 0)
    with pytest.raises(InputError, match="delta must be positive, got 0"):
        metrics.huber(logits, logits, 0.0)
    with pytest.raises(InputError, match="k must be a positive integer, got 0"):
        metrics.top_k_accuracy(logits, classes, 0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_metrics_of_low_precision_outputs_are_computed_in_float32(dtype):
    rng = np.random.default_rng(1)
    outputs = jnp.asarray(3 * rng.normal(size=(20_000, 2)) + np.array([0, 6]), dtype)
    wide = outputs.astype(jnp.float32)
    classes, numbers = (
        jnp.asarray(rng.integers(0, 2, 20_000)),
        jnp.asarray(rng.normal(size=(20_000, 2)), dtype),
    )
    for name, metric in (metrics.METRICS | metrics.ARRAY_METRICS).items():
        if name == "outputs":
            continue
        targets = numbers if name in ("r2", "rmse", "mae", "huber") else classes
        found, expected = metric(outputs, targets), metric(wide, targets)
        assert found.dtype == expected.dtype, name
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("unknown", [3, 7, -1])
def test_class_without_an_output_is_never_right(unknown):
    outputs, classes = jnp.eye(3), jnp.array([0, unknown, 2])
    for k in (1, 2, 3):
        assert metrics.top_k_accuracy(outputs, classes, k) == jnp.float32(2 / 3)
    assert metrics.accuracy(outputs, classes) == jnp.float32(2 / 3)
    assert jnp.isnan(metrics.nll(outputs, classes)) and jnp.isnan(metrics.brier(outputs, classes))
    # Wrong with confidence e / (e + 2), beside two that are right with it.
    confidence = np.exp(1) / (np.exp(1) + 2)
    np.testing.assert_allclose(metrics.ece(outputs, classes), abs(2 / 3 - confidence), rtol=1e-6)
    assert metrics.confusion_matrix(outputs, classes).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    np.testing.assert_array_equal(metrics.recall(outputs, classes), [1, np.nan, 1])


def test_small_integers_are_compared_with_any_number_of_outputs():
    outputs = jnp.zeros((2, 300)).at[:, 259].set(1.0)  # 259 is 3 in 8 bits
    classes = jnp.array([3, 3], jnp.uint8)
    assert metrics.accuracy(outputs, classes) == 0
    assert metrics.confusion_matrix(outputs, classes)[3, 259] == 2
    assert metrics.top_k_accuracy(outputs, classes, 1) == 0
