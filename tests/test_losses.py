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
def test_class_stands_for_its_one_hot_vector(name):
    logits = jnp.asarray(LOGITS, jnp.float32)
    by_class = LOSSES[name](logits, jnp.array(2))
    assert by_class.shape == ()
    np.testing.assert_array_equal(by_class, LOSSES[name](logits, jnp.array([0.0, 0.0, 1.0, 0.0])))


def test_cross_entropy_matches_scikit_learn(x64):
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    ours = losses.mean_loss(losses.cross_entropy, jnp.array(logits), jnp.array(classes))
    expected = sklearn.metrics.log_loss(classes, scipy.special.softmax(logits, axis=1), labels=range(4))
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 2), (5,)])
def test_mean_loss_is_the_mean_over_examples(name, shape):
    """Of outputs of any shape, which are flattened; a function of the user gets one example."""
    rng = np.random.default_rng(0)
    outputs, targets = (jnp.asarray(rng.uniform(0.1, 1, shape), jnp.float32) for _ in range(2))
    each = [
        LOSSES[name](output.ravel(), target.ravel()) for output, target in zip(outputs, targets, strict=True)
    ]
    np.testing.assert_allclose(losses.mean_loss(LOSSES[name], outputs, targets), np.mean(each), rtol=1e-6)
    by_user = losses.mean_loss(lambda *args: LOSSES[name](*map(jnp.ravel, args)), outputs, targets)
    np.testing.assert_allclose(by_user, np.mean(each), rtol=1e-6)


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
    with pytest.raises(fn.InputError, match=r"output's shape \(3,\), got float32 \(2,\)"):
        losses.mean_loss(LOSSES[name], jnp.zeros((5, 3)), jnp.zeros((5, 2)))


@pytest.mark.parametrize(
    ("size", "dtype"), [(4e4, jnp.float16), (3e38, jnp.float32), (3e38, jnp.bfloat16), (1.7e308, jnp.float64)]
)
def test_cross_entropy_of_logits_whose_difference_overflows(size, dtype):
    with jax.enable_x64(dtype == jnp.float64):
        logits = jnp.array([size, -size], dtype)
        assert losses.cross_entropy(logits, jnp.array(0)) == 0
        assert losses.cross_entropy(logits, jnp.array(1)) > 6e4  # 2 * size, where there is such a number
        assert not jax.grad(losses.cross_entropy)(logits, jnp.array(0)).any()


def test_loss_of_a_class_with_probability_0_is_infinite():
    logits = jnp.array([-jnp.inf, 0.0, 1.0])
    assert losses.cross_entropy(logits, jnp.array(0)) == jnp.inf
    expected = np.log(1 + np.exp(-1))
    np.testing.assert_allclose(losses.cross_entropy(logits, jnp.array(2)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("target", [3, 7, -1])
def test_loss_of_a_class_without_output_is_nan(name, target):
    for dtype in (jnp.int8, jnp.int32):
        assert jnp.isnan(LOSSES[name](jnp.zeros(3), jnp.array(target, dtype)))


def test_classes_may_be_8_bit_integers():
    output = jnp.arange(300.0)
    for dtype in (jnp.int8, jnp.uint8):
        found = losses.cross_entropy(output, jnp.array(3, dtype))
        np.testing.assert_array_equal(found, losses.cross_entropy(output, jnp.array(3)))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_mean_loss_of_low_precision_outputs_is_computed_in_float32(name, dtype):
    outputs = jnp.asarray(np.random.default_rng(0).normal(size=(5000, 4)), dtype)
    classes = jnp.arange(5000) % 4
    found = losses.mean_loss(LOSSES[name], outputs, classes)
    expected = losses.mean_loss(LOSSES[name], outputs.astype(jnp.float32), classes)
    assert found.dtype == jnp.float32 and found == expected
    grads = jax.grad(lambda outputs: losses.mean_loss(LOSSES[name], outputs, classes))(outputs)
    assert grads.dtype == dtype
