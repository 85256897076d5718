"""Values of reports as JSON, with large arrays in a file beside it, and as text."""

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAX_NUMBERS = 100  # of an array in JSON


def plain(value: Any) -> Any:
    """Convert a value to JSON types: objects, lists, strings and finite numbers.

    Example:
        >>> plain({"loss": np.array([0.5, np.inf]), "depths": (1, 2)})
        {'loss': [0.5, 'inf'], 'depths': [1, 2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return plain(np.asarray(value).tolist())  # arrays of numpy and JAX, and their numbers


def take_arrays(value: Any, name: str = "") -> tuple[Any, dict[str, np.ndarray]]:
    """Replace arrays of more than 100 numbers by `{"array": NAME}`; return the rest, and the arrays by name.

    Example:
        >>> rest, arrays = take_arrays({"curves": {"loss": np.zeros((3, 50))}, "steps": (1, 2)})
        >>> rest, arrays["curves.loss"].shape
        ({'curves': {'loss': {'array': 'curves.loss'}}, 'steps': (1, 2)}, (3, 50))
    """
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        taken = {key: take_arrays(item, f"{name}.{key}".lstrip(".")) for key, item in value.items()}
        arrays = {place: array for _, found in taken.values() for place, array in found.items()}
        return {key: rest for key, (rest, _) in taken.items()}, arrays
    if getattr(value, "size", 0) > MAX_NUMBERS:
        return {"array": name}, {name: np.asarray(value)}
    return value, {}


def give_arrays(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Put arrays back in their places, and convert lists of numbers to arrays.

    Example:
        >>> give_arrays({"curves": {"array": "a"}, "losses": [1, "inf"], "names": ["x"]}, {"a": np.zeros(2)})
        {'curves': array([0., 0.]), 'losses': array([ 1., inf]), 'names': ['x']}
    """
    if isinstance(value, Mapping):
        if value.keys() == {"array"}:
            return arrays[value["array"]]
        return {key: give_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        try:
            numbers = np.array(value)
            return numbers if numbers.dtype.kind in "ifb" else np.array(value, float)
        except (ValueError, TypeError):  # ragged, or no numbers
            return [give_arrays(item, arrays) for item in value]
    return value


def in_words(value: Any) -> str:
    """Format a value of a report as text: four digits, means with their interval and number of runs.

    Example:
        >>> in_words({"mean": 0.64561, "low": 0.6311, "high": 0.6601, "num_runs": 5})
        '0.6456 (0.6311 to 0.6601, n = 5)'
        >>> in_words({"width 64": 0.5, "width 256": [1, 2.0]}), in_words(None)
        ('width 64: 0.5; width 256: 1, 2', '')
        >>> in_words({"rise": 188, "converge": 190, "of": 190, "rate": 0.5})
        'rise: 188 of 190; converge: 190 of 190; rate: 0.5'
    """
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if {"mean", "low", "high", "num_runs"} <= value.keys():
            mean, low, high = (in_words(value[name]) for name in ("mean", "low", "high"))
            return f"{mean} ({low} to {high}, n = {value['num_runs']})"
        total = f" of {value['of']}" if "of" in value else ""
        items = [(name, item) for name, item in value.items() if name != "of"]
        return "; ".join(f"{name}: {in_words(item)}{total * isinstance(item, int)}" for name, item in items)
    if isinstance(value, list | tuple):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def short(bound: float) -> str:
    """Format a bound as short as possible.

    Example:
        >>> short(1e-9), short(0.95), short(2.0)
        ('1e-9', '0.95', '2')
    """
    return f"{bound:g}".replace("e-0", "e-")
