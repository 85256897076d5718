import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import sklearn.metrics

import fnnet as fn
from fnnet import losses
from fnnet.losses import LOSSES

LOGITS = np.array([0.3, -1.2, 2.0, 0.1])
TARGET = np.array([0.1, 0.2, 0.6, 0.1])


def test_values_are_the_formulas(x64):
    logits, target = jnp.array(LOGITS), jnp.array(TARGET)
    difference = LOGITS - TARGET
    p = scipy.special.expit(LOGITS)
    expected = {
        "quadratic": 0.5 * (difference**2).sum(),
        "mse": (difference**2).mean(),
        "half_mse": (difference**2).sum() / 8,
        "cross_entropy": -(TARGET * np.log(scipy.special.softmax(LOGITS))).sum(),
        "binary_cross_entropy": -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)).sum(),
    }
    assert set(expected) == set(LOSSES)
    for name, value in expected.items():
        np.testing.assert_allclose(LOSSES[name](logits, target), value, rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_class_stands_for_its_one_hot_vector(name):
    logits = jnp.asarray(LOGITS, jnp.float32)
    by_class = LOSSES[name](logits, jnp.array(2))
    assert by_class.shape == ()
    np.testing.assert_array_equal(by_class, LOSSES[name](logits, jnp.array([0.0, 0.0, 1.0, 0.0])))


def test_cross_entropy_is_scikit_learn_s(x64):
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    ours = losses.mean_loss(losses.cross_entropy, jnp.array(logits), jnp.array(classes))
    expected = sklearn.metrics.log_loss(classes, scipy.special.softmax(logits, axis=1), labels=range(4))
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_stay_finite(name):
    logits = jnp.array([1e4, -1e4, 0.0])
    for target in (jnp.array(0), jnp.array(1), jnp.array([0.0, 0.3, 0.7])):
        value, grad = jax.value_and_grad(LOSSES[name])(logits, target)
        assert jnp.isfinite(value) and jnp.isfinite(grad).all()


def test_extreme_cross_entropies_are_exact():
    logits = jnp.array([1e4, -1e4])
    assert losses.cross_entropy(logits, jnp.array(1)) == 2e4
    assert losses.cross_entropy(logits, jnp.array(0)) == 0
    assert losses.binary_cross_entropy(logits, jnp.array([0.0, 1.0])) == 2e4


def test_label_smoothing_mixes_in_the_uniform_distribution():
    logits = jnp.asarray(LOGITS, jnp.float32)
    smoothed = losses.cross_entropy(logits, jnp.array(2), label_smoothing=0.2)
    by_hand = losses.cross_entropy(logits, jnp.array([0.05, 0.05, 0.85, 0.05]))
    np.testing.assert_allclose(smoothed, by_hand, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_targets_of_another_shape_are_refused(name):
    with pytest.raises(fn.InputError, match=r"output's shape \(3,\), got float32 \(2,\)"):
        LOSSES[name](jnp.zeros(3), jnp.zeros(2))
