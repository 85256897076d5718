"""Models as safetensors files: the weights, and a description from which the network is rebuilt.

To read one with numpy alone:

    with open("model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        content = file.read()
    arrays = {}
    for name in header.keys() - {"__metadata__"}:
        start, stop = header[name]["data_offsets"]
        kind = {"F32": "<f4", "F64": "<f8"}[header[name]["dtype"]]
        arrays[name] = np.frombuffer(content[start:stop], kind).reshape(header[name]["shape"])

`layers.0.w` `[fan_in, fan_out]` and `layers.0.b` are the first layer's, and `inputs.mean` and `inputs.inverse_std`
standardize the inputs. A network of two layers with relu then computes

    h = (x - arrays["inputs.mean"]) * arrays["inputs.inverse_std"]
    h = np.maximum(h @ arrays["layers.0.w"] + arrays["layers.0.b"], 0)
    y = h @ arrays["layers.1.w"] + arrays["layers.1.b"]

The header's metadata has one entry, "fnnet": JSON with the arguments of `mlp`, the loss, the names of the classes, and
the preprocessing. For each column of a table it gives the name, the number that replaces missing ones, and the
categories that are one-hot encoded (in the order of the features, null for a missing value).

Files are not trusted: names are looked up in fnnet's tables, shapes must match the description, and no array is read
before all of that has been checked.
"""

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from fnnet.data.preprocessing import Preprocessing
from fnnet.data.scaling import Scaling
from fnnet.errors import InputError, unknown_name
from fnnet.evaluation.model import Model
from fnnet.interop.description import FORMAT, PREPROCESSING, checked_description, read_description
from fnnet.network import Network, mlp
from fnnet.records.durable import write_new
from fnnet.stacked_layers import stack, unstack

SUFFIX = ".safetensors"


def save(path: str | os.PathLike[str], model: Model) -> None:
    """Write a model to a new file.

    Args:
        path: the path of the file, which must not exist; it ends in .safetensors.
        model: a model whose arguments are plain values and names, with parameters in float32 or float64.

    Raises:
        InputError: when the file exists, the folder is missing, or the model is not as described. The file is written
            completely or not at all.

    Example:
        >>> import jax, tempfile
        >>> from fnnet.data.preprocessing import Column
        >>> arguments = {"num_inputs": 3, "widths": [7], "num_outputs": 2, "activation": "tanh"}
        >>> params = mlp(**arguments).init(jax.random.key(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     preprocessing = Preprocessing(tuple(map(Column, "abc")))
        ...     save(f"{folder}/model.safetensors", Model(arguments, params, "mse", preprocessing))
        ...     model = load(f"{folder}/model.safetensors")
        >>> model.arguments == arguments, bool((model.params[0]["w"] == params[0]["w"]).all())
        (True, True)
    """
    if Path(path).suffix.lower() != SUFFIX:
        raise InputError(f"a model file must end in {SUFFIX}, got {path}")
    arrays = _arrays(model)
    preprocessing = model.preprocessing.to_json()
    description = {
        "format": FORMAT,
        "network": model.arguments,
        "loss": model.loss,
        "class_names": list(model.class_names),
        "preprocessing": {name: preprocessing[name] for name in PREPROCESSING},
    }
    checked = checked_description(description)
    _check_arrays(checked, {name: (_FORMS[array.dtype.name], array.shape) for name, array in arrays.items()})
    content = safetensors.numpy.save(arrays, {"fnnet": json.dumps(description)})
    write_new(path, content)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model.

    Args:
        path: the path of a file that `save` wrote; it is not trusted.

    Returns:
        The model. Its parameters are numpy arrays, bit for bit as saved.

    Raises:
        InputError: when there is no such file, or it is not a model. Apart from the header, reading takes no more
            memory than the size of the file.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            description = read_description(file.metadata())
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            forms = {name: (view.get_dtype(), tuple(view.get_shape())) for name, view in slices.items()}
            _check_arrays(description, forms)
            network = mlp(**description["network"])
            arrays = {name: file.get_tensor(name) for name in forms}
        return _model(description, network, arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error})") from error


_FORMS = {"float32": "F32", "float64": "F64"}
"""The dtypes of arrays in a file, by their names in numpy."""


def _arrays(model: Model) -> dict[str, np.ndarray]:
    """List all arrays of a model by their names in a file."""
    named = {
        f"layers.{index}.{name}": leaf
        for index, layer in enumerate(unstack(model.params))
        for name, leaf in layer.items()
    }
    preprocessing = model.preprocessing
    scalings = {"inputs": preprocessing.input_scaling, "targets": preprocessing.target_scaling}
    for part, scaling in scalings.items():
        if scaling is not None:
            named |= {f"{part}.{name}": np.array(values) for name, values in scaling._asdict().items()}
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in named.items()}
    for name, array in arrays.items():
        if array.dtype.name not in _FORMS:
            raise InputError(f"{name} must be float32 or float64, got {array.dtype}")
    return arrays


def _check_arrays(description: Mapping[str, Any], forms: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Check that the dtypes and shapes of arrays are those of the described network."""
    network = description["network"]
    sizes = [network["num_inputs"], *network["widths"], network["num_outputs"]]
    expected: dict[str, tuple[int, ...]] = {}
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        expected[f"layers.{index}.w"] = (fan_in, fan_out)
        if network.get("use_bias", True):
            expected[f"layers.{index}.b"] = (fan_out,)
    for part, size in (("inputs", sizes[0]), ("targets", sizes[-1])):
        names = [f"{part}.{name}" for name in Scaling._fields]
        if any(name in forms for name in names):
            expected |= dict.fromkeys(names, (size,))
    for name, shape in expected.items():
        if name not in forms:
            raise InputError(f"lacks the array {name!r}")
        if forms[name][1] != shape:
            raise InputError(f"array {name!r} must have the shape {list(shape)}, got {list(forms[name][1])}")
    for name, (dtype, _) in forms.items():
        if name not in expected:
            raise unknown_name("array", name, expected)
        if dtype not in _FORMS.values():
            raise InputError(f"array {name!r} must be F32 or F64, got {dtype}")


def _model(description: Mapping[str, Any], network: Network, arrays: Mapping[str, np.ndarray]) -> Model:
    """Build a model from its checked description and arrays."""
    layers = [
        {name: arrays[key] for name in ("w", "b") if (key := f"layers.{index}.{name}") in arrays}
        for index in range(len(description["network"]["widths"]) + 1)
    ]
    return Model(
        arguments=description["network"],
        params=stack(layers, network),
        loss=description["loss"],
        class_names=tuple(description["class_names"]),
        preprocessing=Preprocessing.from_json(
            description["preprocessing"] | {"input_scaling": None, "target_scaling": None}
        )._replace(input_scaling=_scaling("inputs", arrays), target_scaling=_scaling("targets", arrays)),
    )


def _scaling(part: str, arrays: Mapping[str, np.ndarray]) -> Scaling | None:
    if f"{part}.mean" not in arrays:
        return None
    scaling = Scaling(*(tuple(arrays[f"{part}.{name}"].tolist()) for name in Scaling._fields))
    if not all(np.isfinite(values).all() for values in scaling):
        raise InputError(f"{part}.mean and {part}.inverse_std must be finite")
    return scaling
