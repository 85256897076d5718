import itertools

import numpy as np
import pytest

import fnnet as fn


def test_a_grid_is_the_product_with_the_last_axis_fastest():
    axes = {"depth": [1, 2], "activation": ["relu", "tanh", "sine"], "seed": range(2)}
    space = fn.grid(**axes)
    expected = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert list(space) == expected and len(space) == 12
    assert space.column("activation").tolist() == [config["activation"] for config in expected]


def test_one_value_is_an_axis_of_one():
    assert fn.grid(width=3, activation="relu", seed=[1, 2])[1] == {
        "width": 3,
        "activation": "relu",
        "seed": 2,
    }


def test_arrays_become_plain_numbers():
    space = fn.grid(learning_rate=np.array([0.25, 0.5], np.float32), seed=np.arange(2))
    assert space.axes == {"learning_rate": (0.25, 0.5), "seed": (0, 1)}
    assert type(space[0]["seed"]) is int


def test_tuples_are_values():
    space = fn.grid(widths=[(3,), (4, 5)], seed=range(2))
    assert space[3] == {"widths": (4, 5), "seed": 1}
    assert space.column("widths").tolist() == [(3,), (3,), (4, 5), (4, 5)]


def test_spacings():
    np.testing.assert_allclose(fn.logspace(1e-3, 10, 16), np.logspace(-3, 1, 16), rtol=1e-5)
    np.testing.assert_allclose(fn.linspace(-1, 2, 7), np.linspace(-1, 2, 7), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fn.grid(), "at least one axis"),
        (lambda: fn.grid(depth=[]), "axis 'depth' is empty"),
        (lambda: fn.grid(depth=[1, 2, 1]), "axis 'depth' holds 1 twice"),
        (lambda: fn.grid(learning_rate=[0.1, float("nan")]), "axis 'learning_rate' holds nan"),
        (lambda: fn.grid(activation=[np.tanh]), "values are numbers, strings, booleans or tuples"),
        (lambda: fn.grid(depth=None), "axis 'depth' needs a list of values"),
        (lambda: fn.logspace(0, 1, 3), "positive finite bounds, got 0 and 1"),
        (lambda: fn.linspace(0, float("inf"), 3), "finite bounds"),
        (lambda: fn.linspace(0, 1, 0), "positive integer, got 0"),
        (lambda: fn.grid(depth=[1]).column("dept"), "did you mean 'depth'"),
    ],
)
def test_impossible_spaces_are_refused(make, message):
    with pytest.raises(fn.InputError, match=message):
        make()


def test_true_and_one_are_two_values():
    assert fn.grid(flag=[True, 1]).axes["flag"] == (True, 1)
