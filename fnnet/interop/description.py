"""Descriptions of models in files: untrusted JSON, whose form is checked before any of it is used."""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fnnet.errors import InputError, unknown_name
from fnnet.losses import LOSSES
from fnnet.names import lookup

FORMAT = 2

_DEEPEST = 10  # levels of nesting; descriptions of this format have far fewer
# Strings, closed or not, and text that is neither string nor bracket; possessive, so that no text takes long.
_NO_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^][{}"]+', re.DOTALL)

_KINDS: dict[str, type | tuple[type, ...]] = {
    "num_inputs": int,
    "widths": (list, tuple),
    "num_outputs": int,
    "activation": str,
    "use_bias": bool,
    "initializer": (str, list, tuple),
    "output_activation": str,
    "parameterization": str,
    "residual": bool,
    "stack_from": int,
}
"""The types of the arguments of `mlp` in a file, where functions are given by name."""


def read_description(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Read the description in the metadata of a file.

    Raises:
        InputError: when there is no description, or its form is wrong.
    """
    if not metadata or "fnnet" not in metadata:
        raise InputError("holds no network of fnnet: its header lacks the metadata 'fnnet'")
    text = metadata["fnnet"]
    if _depth(text) > _DEEPEST:
        raise InputError(f"its description is nested more than {_DEEPEST} levels deep")
    try:
        description = json.loads(text)
    except ValueError as error:
        raise InputError(f"its description is not JSON ({error})") from error
    return checked_description(description)


def _depth(text: str) -> int:
    """Return how deep JSON is nested, without building any of it."""
    brackets = _NO_BRACKETS.sub("", text)
    return max(itertools.accumulate((each in "[{") - (each in "]}") for each in brackets), default=0)


def checked_description(description: object) -> dict[str, Any]:
    """Check the form of a description before any of it is used; return it."""
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        older = "; it was written by an older fnnet, so export it again" if found == 1 else ""
        raise InputError(f"its description has format {found!r:.80}, but this fnnet reads {FORMAT}{older}")
    wanted = {"format": int, "network": dict, "loss": str, "class_names": list, "preprocessing": dict}
    _check_kinds("entry of the description", description, wanted, required=wanted)
    network = description["network"]
    _check_kinds("argument of mlp", network, _KINDS, required=["num_inputs", "widths", "num_outputs"])
    _check_items("widths", network["widths"], int)
    _check_items("class_names", description["class_names"], str)
    if not isinstance(network.get("initializer", ""), str):
        _check_items("initializer", network["initializer"], str)
    lookup("loss", description["loss"], LOSSES)
    num_features = _count_features(description["preprocessing"])
    if num_features != network["num_inputs"]:
        raise InputError(
            f"the network takes {network['num_inputs']} inputs, got the names of {num_features} features"
        )
    if description["class_names"] and len(description["class_names"]) != network["num_outputs"]:
        raise InputError(
            f"the network has {network['num_outputs']} outputs, got {len(description['class_names'])} class_names"
        )
    return description


PREPROCESSING: dict[str, type | tuple[type, ...]] = {
    "columns": list,
    "targets": list,
    "ignored": list,
    "id": (str, type(None)),
}
"""The types of the entries of the preprocessing in a file, where scalings are arrays."""


def _count_features(preprocessing: Mapping[str, Any]) -> int:
    """Check the form of a preprocessing; return the number of features that it makes."""
    _check_kinds("entry of the preprocessing", preprocessing, PREPROCESSING, required=PREPROCESSING)
    for name in ("targets", "ignored"):
        _check_items(name, preprocessing[name], str)
    _check_items("columns", preprocessing["columns"], dict)
    num_features = 0
    for column in preprocessing["columns"]:
        _check_kinds("entry of a column", column, _COLUMN, required=["name"])
        if not math.isfinite(column.get("fill", 0.0)):
            raise InputError(f"fill must be finite, got {column['fill']}")
        categories = column.get("categories", [""])
        _check_items("categories", [name for name in categories if name is not None], str)
        num_features += len(categories)
    return num_features


_COLUMN = {"name": str, "fill": float, "categories": list}


def _check_kinds(what: str, values: Mapping[str, Any], kinds: Mapping[str, Any], required: Any) -> None:
    for name in required:
        if name not in values:
            raise InputError(f"lacks the {what} {name!r}")
    for name, value in values.items():
        if name not in kinds:
            raise unknown_name(what, name, kinds)
        if not _is_kind(value, kinds[name]):
            raise InputError(
                f"the {what} {name!r} cannot be a {type(value).__name__} in a file; got {value!r:.80}"
            )


def _check_items(name: str, values: Sequence[Any], kind: type) -> None:
    if not all(_is_kind(value, kind) for value in values):
        raise InputError(f"{name} must be a list of {kind.__name__}, got {values!r:.80}")


def _is_kind(value: object, kind: Any) -> bool:
    """Check whether a value has a type; True is not an integer."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
