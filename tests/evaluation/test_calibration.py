"""Temperature scaling: the exact minimum, and no guess changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from fnnet import metrics
from fnnet.errors import InputError
from fnnet.evaluation.calibration import apply_temperature, fit_temperature


def overconfident(rng, scale):
    """Logits that know something of the classes, and say it too loudly or too softly."""
    targets = rng.integers(0, 5, 60)
    return scale * (rng.normal(size=(60, 5)) + 1.5 * np.eye(5)[targets]), targets


@jax.jit
def fitted(logits, targets):
    temperature = fit_temperature(logits, targets)
    scaled = apply_temperature(logits, temperature)
    return temperature, metrics.nll(logits, targets), metrics.nll(scaled, targets)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.03, 1.0, 20.0]))
def test_temperature_minimizes_the_nll(seed, scale):
    logits, targets = overconfident(np.random.default_rng(seed), scale)

    def slope(inverse):  # of the NLL, along the inverse temperature
        probabilities = scipy.special.softmax(inverse * logits, axis=1)
        return np.mean((probabilities * logits).sum(axis=1) - logits[np.arange(60), targets])

    expected = 1 / scipy.optimize.brentq(slope, 1e-3, 1e3, xtol=1e-15)
    with jax.enable_x64(True):
        temperature, before, after = jax.device_get(fitted(jnp.array(logits), jnp.array(targets)))
    np.testing.assert_allclose(temperature, expected, rtol=1e-9)
    assert after <= before + 1e-12


@settings(max_examples=200)
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=5, max_size=5),
    st.sampled_from([-1, 1]),
    st.integers(-2, 2),
    st.floats(1e-3, 1e3),
)
def test_temperature_changes_no_prediction(logits, sign, steps, temperature):
    """Also where the two largest outputs are neighboring floats, which a plain division may make equal."""
    logits = sign * np.array([logits])
    first = logits[0].argmax()
    logits[0, first - 1] = logits[0, first]
    for _ in range(abs(steps)):
        logits[0, first - 1] = np.nextafter(logits[0, first - 1], np.sign(steps) * np.inf)
    with jax.enable_x64(True):
        scaled = jax.device_get(jax.jit(apply_temperature)(logits, np.float64(temperature)))
    assert scaled.argmax() == logits.argmax()


def test_accuracy_stays_and_calibration_improves(x64):
    logits, targets = map(jnp.array, overconfident(np.random.default_rng(0), 20.0))
    scaled = apply_temperature(logits, fit_temperature(logits, targets))
    assert metrics.accuracy(scaled, targets) == metrics.accuracy(logits, targets)
    assert metrics.ece(scaled, targets) < metrics.ece(logits, targets) / 2
    np.testing.assert_allclose(
        jax.nn.softmax(apply_temperature(logits, 3.0)), jax.nn.softmax(logits / 3), rtol=1e-12
    )


def test_temperature_stays_within_its_range(x64):
    sure = jnp.array([[2.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(fit_temperature(sure, jnp.array([0, 1])), 1e-3)  # all right
    np.testing.assert_allclose(fit_temperature(sure, jnp.array([1, 0])), 1e3)  # all wrong
    assert np.isnan(fit_temperature(sure.at[0, 0].set(jnp.nan), jnp.array([0, 1])))


def test_temperature_is_fitted_per_network():
    rng = np.random.default_rng(1)
    logits, targets = zip(*(overconfident(rng, scale) for scale in (0.3, 1.0, 5.0)), strict=True)
    many = jax.vmap(fit_temperature)(jnp.array(logits, jnp.float32), jnp.array(targets))
    alone = [fit_temperature(jnp.array(o, jnp.float32), t) for o, t in zip(logits, targets, strict=True)]
    np.testing.assert_allclose(many, alone, rtol=1e-3)
    assert many[0] < many[1] < many[2]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"got the shapes \(4, 3\) and \(5,\)"):
        fit_temperature.__wrapped__(jnp.zeros((4, 3)), jnp.zeros(5, jnp.int32))


def test_temperature_is_nan_for_a_class_without_output():
    outputs = jnp.array(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
    for unknown in (3, -1):
        targets = jnp.array([0, 1, 2, 0, 1, unknown])
        assert jnp.isnan(fit_temperature(outputs, targets))


def test_temperature_of_low_precision_outputs_is_computed_in_float32():
    outputs = jnp.asarray(5 * np.random.default_rng(0).normal(size=(300, 3)), jnp.bfloat16)
    targets = jnp.arange(300) % 3
    assert fit_temperature(outputs, targets) == fit_temperature(outputs.astype(jnp.float32), targets)
