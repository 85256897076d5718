import functools
import hashlib
import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spaces import CONFIGS, exact, space_of

import fnnet as fn
from fnnet.space.designs import Uniform
from fnnet.space.grids import zip_axes
from fnnet.space.space import Space, product, union


def oracle_text(value):
    """Write equal values alike, the slow way."""
    if isinstance(value, tuple):
        return [oracle_text(item) for item in value]
    whole = isinstance(value, float) and value == math.floor(value)
    return int(value) if whole else value


def oracle_id(config):
    """Hash one configuration with Python's integers."""
    mask = 2**64 - 1

    def scrambled(word):
        word = (word + 0x9E3779B97F4A7C15) & mask
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB & mask
        return word ^ (word >> 31)

    high = low = 0
    for name, value in config.items():
        text = json.dumps([name, oracle_text(value)], separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).digest()
        high += int.from_bytes(digest[:8], "big")
        low += int.from_bytes(digest[8:16], "big")
    high = (high + scrambled(low & mask)) & mask
    low = (low + scrambled(high)) & mask
    high = (high + scrambled(low)) & mask
    return f"{high:016x}{low:016x}"


def test_grid_is_the_product_with_the_last_axis_fastest():
    axes = {"depth": [1, 2], "activation": ["relu", "tanh", "sine"], "seed": range(2)}
    space = fn.grid(**axes)
    expected = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert list(space) == expected and len(space) == 12
    assert space.column("activation").tolist() == [config["activation"] for config in expected]


def test_single_value_is_an_axis():
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
        (lambda: fn.grid(depth=[1]).present("dept"), "did you mean 'depth'"),
        (lambda: fn.grid(power=[1, 1.0]), "axis 'power' holds 1.0 twice"),
        (lambda: fn.grid(widths=[(1, True), (1.0, True)]), r"holds \(1.0, True\) twice"),
        (lambda: fn.grid(seed=[2**63]), "axis 'seed' holds an integer that does not fit 64 bits"),
        (lambda: fn.grid(x=[functools.reduce(lambda v, _: (v,), range(17), 1)]), "more than 16 deep"),
        (lambda: fn.grid(x=Uniform(0, 1)), "`random_design` draws from it"),
        (lambda: fn.grid(x=[Uniform(0, 1)]), "values are numbers"),
        (lambda: zip_axes(), "at least one axis"),
        (lambda: zip_axes(width=[1, 2], depth=[1, 2, 3]), "equally many values, got 2 for 'width', 3 for"),
        (lambda: zip_axes(width=[]), "axis 'width' is empty"),
        (lambda: union(), "at least one space"),
        (lambda: product(), "at least one space"),
        (lambda: fn.grid(depth=1) * fn.grid(depth=2), "'depth' is in two spaces"),
        (lambda: fn.grid(depth=[1, 2]).take([0, 2]), "from 0 to 1, got 0 to 2"),
        (lambda: fn.grid(depth=[1, 2]).take([-1]), "from 0 to 1, got -1 to -1"),
        (lambda: fn.grid(depth=[1, 2]).take([True, False]), "list of integers"),
        (lambda: fn.grid(depth=[1, 2]).take(1), "list of integers"),
    ],
)
def test_impossible_spaces_are_refused(make, message):
    with pytest.raises(fn.InputError, match=message):
        make()


def test_true_is_not_one():
    assert fn.grid(flag=[True, 1]).axes["flag"] == (True, 1)


def test_negative_run_numbers():
    space = fn.grid(depth=[1, 2, 3])
    assert space[-1] == {"depth": 3}
    for nothing in (space, space.take([]), Space({}, {})):
        with pytest.raises(IndexError):
            nothing[len(nothing)]


def test_tuples_of_one_length_are_values():
    assert fn.grid(widths=[(1, 2), (3, 4)]).column("widths").tolist() == [(1, 2), (3, 4)]


def test_zipped_axes_move_together():
    space = zip_axes(width=[64, 128, 64, 64], learning_rate=[0.2, 0.1, 0.2, 0.3])
    assert [tuple(config.values()) for config in space] == [(64, 0.2), (128, 0.1), (64, 0.3)]
    assert space.axes == {"width": (64, 128), "learning_rate": (0.2, 0.1, 0.3)}


def test_product_has_all_pairs_with_the_last_space_fastest():
    left, right = zip_axes(a=[1, 2], b=[3, 4]), fn.grid(c=[5, 6, 7])
    expected = [one | other for one in left for other in right]
    assert list(left * right) == list(product(left, right)) == expected
    assert list(product(left)) == list(left)
    assert list(right * fn.grid(width=9)) == [{**config, "width": 9} for config in right]


def test_union_has_every_run_once():
    space = fn.grid(a=[3, 1]) | fn.grid(a=[1, 2]) | fn.grid(a=[3])
    assert list(space) == [{"a": 3}, {"a": 1}, {"a": 2}] and space.axes == {"a": (3, 1, 2)}
    assert exact(fn.grid(a=[1, 0.5]) | fn.grid(a=[True, 1.0])) == ["{'a': 1}", "{'a': 0.5}", "{'a': True}"]


@pytest.mark.slow
@given(CONFIGS, CONFIGS)
def test_unions_are_idempotent_and_keep_configurations(one, other):
    left, right = space_of(one), space_of(other)
    both = left | right
    assert exact(both | both) == exact(both | right) == exact(both)
    assert set(both.ids()) == {oracle_id(config) for config in one + other}
    assert both.ids()[: len(left)].tolist() == left.ids().tolist()
    assert exact(left | left) == exact(left)


def test_axes_can_be_missing_from_some_runs():
    optimizers = fn.grid(optimizer="sgd") | fn.grid(optimizer="adam", beta=[0.9, 0.99], nesterov=True)
    space = optimizers * fn.grid(seed=[7, 8])
    assert space[0] == {"optimizer": "sgd", "seed": 7}
    assert space[5] == {"optimizer": "adam", "beta": 0.99, "nesterov": True, "seed": 8}
    assert space.present("beta").tolist() == [False, False, True, True, True, True]
    assert space.present("seed").all()
    np.testing.assert_array_equal(space.column("beta"), [np.nan, np.nan, 0.9, 0.9, 0.99, 0.99])
    assert space.column("nesterov").tolist() == [None, None, True, True, True, True]
    assert list(space.take([3, 0])) == [space[3], space[0]]
    assert optimizers.ids()[0] == fn.grid(optimizer="sgd").ids()[0]
    alone = optimizers.take([0])
    assert alone.axes["beta"] == () and np.isnan(alone.column("beta")).tolist() == [True]


@pytest.mark.parametrize(
    ("values", "whole", "with_missing"),
    [
        ([1, 2], "int64", "float64"),
        ([1, 0.5], "float64", "float64"),
        ([True, False], "bool", "object"),
        (["a", "bc"], "<U2", "object"),
        ([(1, 2), (3, 4)], "object", "object"),
        (["a", 1], "object", "object"),
    ],
)
def test_columns_have_the_dtype_of_their_values(values, whole, with_missing):
    space = zip_axes(x=values)
    assert space.column("x").dtype == whole and space.column("x").tolist() == values
    missing = (space | fn.grid(y=1)).column("x")
    assert missing.dtype == with_missing and missing.tolist()[:2] == values
    assert missing[2] is None or np.isnan(missing[2])


def test_take_drops_unused_values():
    space = fn.grid(depth=[1, 2, 3], seed=range(4))
    taken = space.take(np.array([9, 5, 5]))
    assert list(taken) == [space[9], space[5], space[5]]
    assert taken.axes == {"depth": (2, 3), "seed": (1,)}
    nothing = space.take([])
    assert len(nothing) == 0 and nothing.column("depth").shape == nothing.ids().shape == (0,)


@given(CONFIGS, st.randoms())
def test_ids_depend_on_configurations_only(configs, random):
    space = space_of(configs)
    ids = space.ids()
    assert ids.dtype == "U32" and ids.tolist() == [oracle_id(config) for config in space]
    shuffled = [dict(random.sample(list(config.items()), len(config))) for config in space]
    random.shuffle(shuffled)
    assert sorted(space_of(shuffled).ids()) == sorted(set(ids.tolist())) == sorted(ids.tolist())


def test_ids_are_stable():
    space = fn.grid(activation="relu", depth=2, learning_rate=[0.1, 1e-5], widths=[(3, 4.0)], bias=True)
    assert space.ids()[1] == "e792c25f725edec03456d92cebc8470e"
    command = "from fnnet.space.grids import grid; print(grid(seed=3, activation='relu').ids()[0])"
    # Another process has another hash seed.
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fn.grid(activation="relu", seed=3).ids()[0]


def test_ids_distinguish_types_but_not_whole_floats():
    ids = {repr(value): zip_axes(x=[value]).ids()[0] for value in (True, 1, 1.0, "1", "true", (1,), 0, -0.0)}
    assert ids["1"] == ids["1.0"] and ids["0"] == ids["-0.0"] and len(set(ids.values())) == 6
    assert fn.grid(a=1, b=2).ids()[0] != fn.grid(a=2, b=1).ids()[0]


def test_ids_of_a_grid_share_no_prefix():
    ids = fn.grid(a=range(30), b=range(30)).ids()
    for places in (slice(0, 7), slice(16, 23)):
        assert len({run_id[places] for run_id in ids.tolist()}) > 890


def test_space_is_filtered_by_a_function_of_its_configurations():
    space = fn.grid(depth=[1, 2, 4], width=[3, 5]) | fn.grid(optimizer="adam", depth=[2, 8])
    kept = space.filter(lambda run: run["depth"] * run.get("width", 1) < 8)
    assert list(kept) == [run for run in space if run["depth"] * run.get("width", 1) < 8]
    assert kept.axes["depth"] == (1, 2) and kept.axes["optimizer"] == ("adam",)
    assert len(space.filter(lambda run: run["depth"] > 8)) == 0
