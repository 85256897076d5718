"""MNIST-1D: the published data, other sizes, and errors."""

import hashlib

import numpy as np
import pytest

from fnnet.data import load_dataset, make_mnist1d
from fnnet.data.mnist1d import generate
from fnnet.errors import InputError


def test_mnist1d_matches_the_published_data():
    """The numbers come from the authors' file mnist1d_data.pkl, and their generator gives the same.

    The hash is of the signals, training before test, rounded to 6 decimals, where no value of theirs is
    nearer than 1e-12 to where rounding changes.
    """
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    signals, labels = generate()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    rounded = (np.round(signals, 6) + 0.0).astype("<f8")  # adding 0 makes -0 positive
    assert hashlib.sha256(rounded.tobytes()).hexdigest() == (
        "a3e49301cd6d81207e6115120e4b369093607da485593686028ea556b9d8928a"
    )
    assert hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest() == (
        "6feec4a017698c7fe237c8854cbd2e338c6dd5c16240f6fa79daefaaa129e169"
    )
    first = [-0.3320056673693902, -0.4719103656557236, -0.778697076293495, -1.0097408265367047]
    np.testing.assert_allclose(signals[0, :4], first, rtol=0, atol=1e-12)
    last = [0.41959106122572115, 1.1341626436833787, 0.8463298173580346, 0.3461328866646199]
    np.testing.assert_allclose(signals[4000, 36:], last, rtol=0, atol=1e-12)
    weighted = (signals * np.arange(40)).sum(), (signals * np.arange(5000)[:, None]).sum()
    np.testing.assert_allclose(weighted, [26954.090994414175, -163509.57577462238], rtol=1e-12)


def test_mnist1d_as_a_dataset():
    signals, labels = generate()
    data = make_mnist1d()
    assert (data.train.inputs.shape, data.test.inputs.shape) == ((4000, 40), (1000, 40))
    np.testing.assert_array_equal(data.test.inputs, signals[4000:].astype(np.float32))
    np.testing.assert_array_equal(data.test.targets, labels[4000:])
    expected = signals[:4000].astype(np.float32)
    got = data.train.inputs
    np.testing.assert_array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])
    assert load_dataset("mnist1d", num_train=70).hash == make_mnist1d(num_train=70).hash


def test_mnist1d_of_another_size():
    data = make_mnist1d(num_samples=160, train_fraction=0.25, seed=7, validation_fraction=0.1, num_train=30)
    assert [s.num_examples for s in (data.train, data.validation, data.test)] == [30, 4, 120]
    assert np.bincount(generate(160, 7)[1]).tolist() == [16] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 55}, "num_samples must be a multiple of 10"),
        ({"num_samples": 0}, "num_samples must be an integer of at least 10"),
        ({"train_fraction": 1.0}, "train_fraction must be a number in"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"num_samples": 10, "train_fraction": 0.01}, "inputs is empty"),
    ],
)
def test_invalid_mnist1d_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        make_mnist1d(**arguments)
