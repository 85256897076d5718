"""Safetensors files: bits kept, readable with numpy alone, and no harm from a file that is damaged or lies."""

import json
import re
import resource
import struct
import tracemalloc

import chex
import jax
import numpy as np
import pytest

import fnnet as fn
import fnnet.interop.safetensors as interop
from fnnet.data.preprocessing import Column, Preprocessing
from fnnet.data.scaling import Scaling
from fnnet.evaluation.model import Model, predict
from fnnet.interop.safetensors import load, save

PREPROCESSING = Preprocessing(
    columns=(Column("height", 1.5), Column("color", None, ("red", None))),
    targets=("kind",),
    ignored=("row",),
    id="name",
    input_scaling=Scaling((1.0, -2.0, 0.1), (0.5, 3.0, 0.0)),
)


def make_model(depth=1, use_bias=True, dtype=np.float32, **options):
    arguments = {
        "num_inputs": 3,
        "widths": [7] * depth,
        "num_outputs": 2,
        "activation": "relu",
        "use_bias": use_bias,
        **options,
    }
    params = fn.mlp(**arguments | {"initializer": "pytorch"}).init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.array(leaf, dtype), params)
    return Model(arguments, params, "cross_entropy", PREPROCESSING, ("no", "yes"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def assert_same_bits(one, other):
    chex.assert_trees_all_equal_shapes_and_dtypes(one, other)
    chex.assert_trees_all_equal(
        *(jax.tree.map(lambda leaf: leaf.view(np.uint8), tree) for tree in (one, other))
    )


def test_another_suffix_is_refused(path):
    with pytest.raises(fn.InputError, match=r"a model file must end in .safetensors, got .*b\.txt"):
        save(path.with_name("b.txt"), make_model())
    assert list(path.parent.iterdir()) == []


def test_interrupted_export_leaves_no_file_and_can_be_repeated(path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(fn.InputError, match="cannot write"):
            save(path, make_model())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.parent.iterdir()) == []
    save(path, make_model())
    load(path)


def test_file_system_without_links_is_supported(path, monkeypatch):
    def refused(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    save(path, make_model())
    load(path)
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(fn.InputError, match="exists"):
        save(path, make_model())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 13])  # of 13 equal layers, 12 are a stack
def test_round_trip_is_exact(depth, use_bias, dtype, path):
    model = make_model(depth, use_bias, dtype)
    model.params[0]["w"][0, 0] = -0.0
    model.params[0]["w"][1, 1] = np.nan
    save(path, model)
    loaded = load(path)
    assert_same_bits(loaded.params, model.params)
    assert loaded._replace(params=0) == model._replace(params=0)
    assert loaded.feature_names == ("height", "color=red", "color is missing")


def test_documented_lines_read_a_file_with_numpy_alone(path, tmp_path, monkeypatch):
    model = make_model()
    save(path, model)
    code = "\n".join(re.findall(r"^ {4}(.*)$", interop.__doc__, flags=re.MULTILINE))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    names = {"json": json, "np": np, "x": x}
    monkeypatch.chdir(tmp_path)
    exec(code, names)
    assert len(code.splitlines()) <= 12
    odds = np.exp(names["y"])
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), predict(load(path), x), rtol=1e-5)


def test_predictions_are_scaled_as_the_data_were(path):
    """A regression, against the formula in float64."""
    model = make_model(2, activation="tanh")._replace(
        loss="mse",
        class_names=(),
        preprocessing=PREPROCESSING._replace(target_scaling=Scaling((3.0, -1.0), (0.5, 0.0))),
    )
    save(path, model)
    x = np.random.default_rng(0).normal(size=(5, 3))
    h = (x - np.array(PREPROCESSING.input_scaling.mean)) * np.array(PREPROCESSING.input_scaling.inverse_std)
    for index, layer in enumerate(model.params):
        h = h @ layer["w"].astype(np.float64) + layer["b"]
        h = np.tanh(h) if index < 2 else h
    expected = np.stack([3 + 2 * h[:, 0], np.full(5, -1.0)], axis=1)  # a constant target is its mean
    np.testing.assert_allclose(predict(load(path), x.astype(np.float32)), expected, rtol=1e-5)


def test_nothing_is_overwritten(path):
    path.write_text("precious")
    with pytest.raises(fn.InputError, match="exists; name a new file"):
        save(path, make_model())
    assert path.read_text() == "precious"
    assert list(path.parent.iterdir()) == [path], "and no temporary file is left"
    with pytest.raises(fn.InputError, match=r"cannot write .*No such file or directory"):
        save(path.parent / "no" / "model.safetensors", make_model())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": {"activation": np.tanh}}, "'activation' cannot be a ufunc in a file"),
        ({"arguments": {"widths": [8]}}, r"'layers.0.w' must have the shape \[3, 8\], got \[3, 7\]"),
        ({"arguments": {"wdths": [7]}}, "did you mean 'widths'"),
        ({"preprocessing": Preprocessing((Column("a"),))}, "takes 3 inputs, got the names of 1 features"),
        ({"class_names": ("a", "b", "c")}, "has 2 outputs, got 3 class_names"),
        ({"loss": "crossentropy"}, "did you mean 'cross_entropy'"),
    ],
)
def test_inconsistent_model_is_not_saved(change, message, path):
    model = make_model()
    if "arguments" in change:
        change = {"arguments": model.arguments | change["arguments"]}
    with pytest.raises(fn.InputError, match=message):
        save(path, model._replace(**change))
    assert not path.exists()


# --- hostile files --------------------------------------------------------------------------------------


def parts(content):
    """Cut a file into its header and its arrays."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header, arrays, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + arrays


def mutate(content, rng):
    """Damage a file in one of the ways a file can lie."""
    header, arrays = parts(content)
    names = [name for name in header if name != "__metadata__"]
    name, other = rng.choice(names, 2, replace=False)
    huge = [2**31, 2**40, 2**63 - 1, 2**64 - 1, 2**64, -1][rng.integers(6)]
    match rng.integers(13):
        case 0:  # flipped bits, anywhere or in the header
            damaged = bytearray(content)
            for place in rng.integers(0, rng.choice([16, len(content) - len(arrays), len(content)]), 8):
                damaged[place] ^= 1 << rng.integers(8)
            return bytes(damaged)
        case 1:
            return content[: rng.integers(len(content))]
        case 2:
            return content + rng.bytes(rng.integers(1, 100))
        case 3:
            return joined(header, arrays, size=[0, 1, len(content), 10**8, 2**40, 2**64 - 1][rng.integers(6)])
        case 4:
            header[name]["dtype"] = str(rng.choice(["F64", "BF16", "F8_E4M3", "I64", "BOOL", "C64", "O", ""]))
        case 5:
            header[name]["shape"] = [[huge], [huge, huge], [2, huge, 0], [1] * 5000, "3", [1.5], None][
                rng.integers(7)
            ]
        case 6:
            header[name]["data_offsets"] = header[other]["data_offsets"]
        case 7:
            header[name]["data_offsets"] = [[0, huge], [huge, huge], [8, 4], [0], "00", None][rng.integers(6)]
        case 8:
            header[rng.choice(["layers.9.w", "__import__('os')", "../x", "inputs.std"])] = header.pop(name)
        case 9:
            description = json.loads(header["__metadata__"]["fnnet"])
            field = rng.choice(sorted(description))
            values = [huge, "", "os.system", [], {}, None, True, [[]], ["x"] * 3, -1, 1.5]
            description[field] = values[rng.integers(len(values))]
            header["__metadata__"]["fnnet"] = json.dumps(description)
        case 10:
            description = json.loads(header["__metadata__"]["fnnet"])
            field = rng.choice(
                sorted([*description["network"], "initializer", "stack_from", "parameterization", "x"])
            )
            values = [
                10**400,
                huge,
                "",
                "eval",
                [10**400],
                [huge] * 2,
                {},
                None,
                True,
                [7, 0],
                [7] * 999,
                1.5,
            ]
            description["network"][field] = values[rng.integers(len(values))]
            header["__metadata__"]["fnnet"] = json.dumps(description)
        case 12:
            description = json.loads(header["__metadata__"]["fnnet"])
            preprocessing = description["preprocessing"]
            columns = [[], [{}], [{"name": 3}], [{"name": "a"}] * 9, "abc", [{"name": "a", "fill": 10**400}]]
            columns += [[{"name": "a", "categories": [huge]}], [{"name": "a", "categories": "abc"}]]
            columns += [
                [{"name": "a", "fill": float("nan")}, *[{"name": "b"}] * 2],
                [{"name": "a", "x": 1}] * 3,
            ]
            changes = [
                {"columns": columns[rng.integers(len(columns))]},
                {"id": huge},
                {"targets": [huge]},
                {"x": 1},
            ]
            preprocessing |= changes[rng.integers(len(changes))]
            header["__metadata__"]["fnnet"] = json.dumps(description)
        case 11:
            texts = [
                "",
                "[" * 100_000,
                "{}",
                "null",
                "\ud800",
                '{"format": 2}',
                "9" * 5000,
                3,
                None,
                {"fnnet": 1},
            ]
            header["__metadata__"] = {"fnnet": texts[rng.integers(len(texts))]}
    return joined(header, arrays)


def test_mutated_files_are_refused_or_read_within_their_size(path):
    save(path, make_model(2))
    content = path.read_bytes()
    load(path)  # what is loaded or traced once does not count
    refused, messages = 0, set()
    for seed in range(200):
        damaged = mutate(content, np.random.default_rng(seed))
        path.write_bytes(damaged)
        tracemalloc.start()
        try:
            load(path)
        except fn.InputError as error:
            refused += 1
            assert str(path) in str(error) and len(str(error)) < 1000
            messages.add(re.sub(r"\d+", "0", str(error)))
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < len(damaged) + 500_000, (seed, peak)
    assert refused > 150 and len(messages) > 25, "mutations that are noticed, and of many kinds"


@pytest.mark.parametrize(
    ("shape", "size"), [([2**40, 7], 2**40 * 28), ([2**62, 2**62], 84), ([0, 2**62], 0), ([-3, -7], 84)]
)
def test_wrong_shape_allocates_nothing(shape, size, path):
    save(path, make_model())
    header, arrays = parts(path.read_bytes())
    description = json.loads(header["__metadata__"]["fnnet"])
    description["network"] |= {"num_inputs": shape[0], "widths": [shape[1]]}
    header["__metadata__"]["fnnet"] = json.dumps(description)
    header["layers.0.w"] |= {"shape": shape}
    path.write_bytes(joined(header, arrays))
    tracemalloc.start()
    with pytest.raises(fn.InputError, match=re.escape(str(path))):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


def test_memory_is_the_size_of_the_file(path):
    """Of an honest file of 8 MB; the arrays that are returned are all there is."""
    arguments = {"num_inputs": 3, "widths": [1400, 1400], "num_outputs": 2}
    params = jax.tree.map(np.asarray, fn.mlp(**arguments).init(jax.random.key(0)))
    save(path, Model(arguments, params, "mse", PREPROCESSING._replace(input_scaling=None)))
    tracemalloc.start()
    load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size + 500_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable safetensors file"),
        (b"PK\x03\x04" + bytes(100), "not a readable safetensors file"),
        (
            joined({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
            "lacks the metadata 'fnnet'",
        ),
        (joined({"__metadata__": {"fnnet": '{"format": 3}'}}, b""), "has format 3, but this fnnet reads 2"),
        (joined({"__metadata__": {"fnnet": '{"format": 1}'}}, b""), "an older fnnet, so export it again"),
    ],
)
def test_invalid_files_are_refused(content, message, path):
    path.write_bytes(content)
    with pytest.raises(fn.InputError, match=message):
        load(path)


def test_missing_file_is_refused(path):
    with pytest.raises(fn.InputError, match="no such file"):
        load(path)
    with pytest.raises(fn.InputError, match="no such file"):
        load(path.parent)
