import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spaces import CONFIGS, exact, space_of

import fnnet as fn
from fnnet.space.stored import space_from_json, space_to_json


@given(CONFIGS)
def test_json_round_trip(configs):
    space = space_of(configs)
    back = space_from_json(json.loads(json.dumps(space_to_json(space))))
    assert exact(back) == exact(space) and repr(back.axes) == repr(space.axes)
    for name, codes in space.codes.items():
        assert back.codes[name].dtype == codes.dtype == np.int32
        np.testing.assert_array_equal(back.codes[name], codes)


@pytest.mark.parametrize("num_values", [127, 128, 129, 2**15, 2**15 + 1])
def test_json_axes_of_any_length(num_values):
    space = fn.grid(x=range(num_values)) | fn.grid(y=0)
    back = space_from_json(space_to_json(space))
    np.testing.assert_array_equal(back.codes["x"], space.codes["x"])
    assert back.codes["x"][-1] == -1 and back.codes["x"].max() == num_values - 1


def test_json_of_an_empty_space():
    space = fn.grid(depth=[1, 2]).take([])
    assert space_from_json(space_to_json(space)).axes == {"depth": ()}
    assert len(space_from_json({"axes": []})) == 0


def test_json_of_a_million_runs_is_small():
    space = fn.grid(a=range(100), b=range(100), c=range(100), d=0)
    assert len(json.dumps(space_to_json(space))) < 6e6


def axis(name="depth", values=(1, 2), codes="AAE="):
    return {"name": name, "values": list(values) if isinstance(values, tuple) else values, "codes": codes}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (None, "object with a list 'axes'"),
        ([3], "name, values and codes, got 3"),
        ([{"name": "depth"}], "name, values and codes"),
        ([axis(name=3)], "name, values and codes"),
        ([axis(values=3)], "name, values and codes"),
        ([axis(codes=[0, 1])], "name, values and codes"),
        ([axis(), axis()], "axis 'depth' twice"),
        ([axis(values=(1, None))], "axis 'depth' holds None"),
        ([axis(values=(1, 1))], "axis 'depth' holds 1 twice"),
        ([axis(values=(1, {"a": 1}))], "axis 'depth' holds {'a': 1}"),
        ([axis(values=(1, float("inf")))], "axis 'depth' holds inf"),
        ([axis(values=(1, 10**400))], "does not fit 64 bits"),
        ([axis(codes="!")], "codes of axis 'depth' are damaged"),
        ([axis(codes="\u00e9")], "codes of axis 'depth' are damaged"),
        ([axis(values=tuple(range(200)), codes="AAEC")], "codes of axis 'depth' are damaged"),
        ([axis(codes="AAI=")], "from -1 to 1, got 0 to 2"),
        ([axis(codes="AP4=")], "from -1 to 1, got -2 to 0"),
        ([axis(values=())], "from -1 to -1, got 0 to 1"),
        (
            [axis(), axis(name="seed", codes="AAEA")],
            "stored axes need equally many values, got 2 for 'depth'",
        ),
    ],
)
def test_damaged_json_is_refused(axes, message):
    with pytest.raises(fn.InputError, match=message):
        space_from_json({"axes": axes})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "AAE=", "depth"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["axes", "name", "values", "codes"]), inner)
        | st.fixed_dictionaries({"name": inner, "values": st.lists(inner, max_size=3), "codes": inner})
    ),
    max_leaves=20,
)


@given(JSON | st.fixed_dictionaries({"axes": st.lists(JSON, max_size=3)}))
def test_any_json_is_a_space_or_an_input_error(stored):
    try:
        space = space_from_json(stored)
    except fn.InputError:
        return
    assert len(list(space)) == len(space.ids())


def test_deep_json_is_an_input_error():
    deep = json.loads("[" * 900 + "]" * 900)
    for stored in (deep, {"axes": deep}, {"axes": [axis(values=deep)]}, {"axes": [axis(codes=deep)]}):
        with pytest.raises(fn.InputError):
            space_from_json(stored)
