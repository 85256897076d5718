"""Claims: what an experiment set out to show, what was published, what was measured, and whether it holds.

An experiment states its claims, whether they hold or not, and writes them with `write_report`; `page` gathers the
reports of a folder.
"""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("fnnet", "jax", "jaxlib", "optax", "flax", "numpy", "scikit-learn")


class Claim(NamedTuple):
    """One statement and its verdict.

    claim: what was to be shown, with its tolerance.
    published: what the source says: a number, words, or None where the claim is the experiment's own.
    measured: what came out: a number, a `MeanInterval` over seeds, or several of these by name.
    holds: whether the measured value is as claimed.
    """

    claim: str
    published: Any
    measured: Any
    holds: bool


def write_report(
    script: str | Path,
    about: str | None,
    settings: Any,
    claims: Sequence[Claim],
    figure: "Figure | None" = None,
    measured: Mapping[str, Any] | None = None,
) -> Path:
    """Write what an experiment found beside it: `results/NAME.json`, and `results/NAME.png` if there is a figure.

    Args:
        script: the experiment's file, `__file__`.
        about: its docstring, `__doc__`, whose first line is the report's title; without one its name is.
        settings: a dataclass or a mapping.
        claims: in the order in which they are to be read.
        figure: a picture of what was found.
        measured: what else was measured: arrays and NamedTuples become lists and objects, and numbers that are not
            finite the words "nan", "inf" and "-inf".

    Returns:
        The JSON file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     claim = Claim("one and one is two", 2, 1 + 1, 1 + 1 == 2)
        ...     path = write_report(f"{folder}/sums.py", "Sums are right.", {"terms": 2}, [claim])
        ...     path.name, json.loads(path.read_text())["assertions"][0]["holds"]
        ('sums.json', True)
    """
    folder = Path(script).resolve().parent / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{Path(script).stem}.json"
    report = {
        "about": (about or Path(script).stem).strip(),
        "settings": settings,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "assertions": [claim._asdict() for claim in claims],
        "measured": measured or {},
    }
    path.write_text(json.dumps(plain(report), indent=1, allow_nan=False) + "\n")
    if figure is not None:
        figure.savefig(path.with_suffix(".png"), dpi=150)
    return path


def in_words(value: Any) -> str:
    """Write a value of a report for reading: four digits, a mean with its interval and number of runs.

    Example:
        >>> in_words({"mean": 0.64561, "low": 0.6311, "high": 0.6601, "num_runs": 5})
        '0.6456 (0.6311 to 0.6601, n = 5)'
        >>> in_words({"width 64": 0.5, "width 256": [1, 2.0]}), in_words(None)
        ('width 64: 0.5; width 256: 1, 2', '')
    """
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if {"mean", "low", "high", "num_runs"} <= value.keys():
            mean, low, high = (in_words(value[name]) for name in ("mean", "low", "high"))
            return f"{mean} ({low} to {high}, n = {value['num_runs']})"
        return "; ".join(f"{name}: {in_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """Write a value as JSON has it: objects, lists, strings and finite numbers.

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
