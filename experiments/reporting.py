"""Reports of experiments: claims, with published and measured values, and whether each claim holds; and their figures.

An experiment measures, states its claims, and hands both to `publish`. Its `draw` makes a figure of what the report has
measured and of nothing else, so that `figures.py` can draw all of them again without training.
"""

import json
import math
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("fnnet", "jax", "jaxlib", "optax", "flax", "numpy", "scikit-learn")
MAX_NUMBERS = 100  # of an array in JSON; larger ones are kept in NAME.npz

Draw = Callable[[dict[str, Any]], "Figure"]
"""Makes a figure of what was measured, as `read_measured` returns it."""


class Claim(NamedTuple):
    """A claim and its verdict.

    claim: the statement, with its tolerance.
    published: the published value: a number, text, or None if the claim is the experiment's own.
    measured: the measured value: a number, a `MeanInterval` over seeds, or several of these by name.
    holds: whether the claim holds.
    """

    claim: str
    published: Any
    measured: Any
    holds: bool


def publish(
    script: str,
    about: str | None,
    config: Any,
    claims: Sequence[Claim],
    measured: Mapping[str, Any],
    draw: Draw,
) -> None:
    """Print the claims and write the report with its figure; of a smoke run, to a temporary folder.

    Args:
        config: the settings, with a field `smoke`.
        script, about, claims, measured, draw: as in `write_report`.
    """
    Console().print(table(claims))
    if config.smoke:
        with tempfile.TemporaryDirectory() as folder:
            write_report(Path(folder, Path(script).name), about, config, claims, measured, draw)
    else:
        print(f"wrote {write_report(script, about, config, claims, measured, draw)} and .png")


def write_report(
    script: str | Path,
    about: str | None,
    settings: Any,
    claims: Sequence[Claim],
    measured: Mapping[str, Any] | None = None,
    draw: Draw | None = None,
) -> Path:
    """Write an experiment's report to `results/NAME.json` next to the script, and its figure to `results/NAME.png`.

    Args:
        script: the experiment's file, `__file__`.
        about: its docstring, `__doc__`; the first line is the report's title. Without one, the file's name is.
        settings: a dataclass or a mapping.
        claims: the claims, in reading order.
        measured: all that the figure shows, and other measurements, by name. Arrays and NamedTuples become lists and
            objects, and numbers that are not finite become the strings "nan", "inf" and "-inf"; arrays of more than 100
            numbers go to `results/NAME.npz`.
        draw: makes the figure; None for none.

    Returns:
        The path of the JSON file.

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
    arrays: dict[str, np.ndarray] = {}
    report = {
        "about": (about or Path(script).stem).strip(),
        "settings": settings,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "assertions": [claim._asdict() for claim in claims],
        "measured": _take_arrays(measured or {}, "", arrays),
    }
    path.write_text(json.dumps(plain(report), indent=1, allow_nan=False) + "\n")
    path.with_suffix(".npz").unlink(missing_ok=True)
    if arrays:
        np.savez_compressed(path.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]
    if draw is not None:
        draw_report(path, draw, path.with_suffix(".png"))
    return path


def save_measurement(script: str, report: Mapping[str, Any], draw: Draw, smoke: bool = False) -> Path:
    """Write a measurement without claims to `results/NAME.json`, and its figure; a smoke one to a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        path = (Path(temporary) if smoke else Path(script).parent / "results") / f"{Path(script).stem}.json"
        path.write_text(json.dumps(plain(report), indent=1) + "\n")
        draw_report(path, draw, path.with_suffix(".png"))
    if not smoke:
        print(f"wrote {path} and .png")
    return path


def draw_report(path: Path, draw: Draw, picture: Path) -> Path:
    """Draw what a report has measured; the picture's suffix chooses its format: png, pdf or svg."""
    from fnnet.report.style import in_style

    with in_style():
        draw(read_measured(path)).savefig(picture)
    return picture


def read_measured(path: Path) -> dict[str, Any]:
    """Read what a report has measured; lists of numbers become arrays.

    Example:
        >>> import tempfile
        >>> measured = {"loss": np.array([0.5, np.inf]), "curves": np.zeros((3, 200)), "names": ["a", "b"]}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = read_measured(write_report(f"{folder}/sums.py", None, {}, [], measured))
        >>> found["loss"], found["curves"].shape, found["names"]
        (array([0.5, inf]), (3, 200), ['a', 'b'])
    """
    report = json.loads(path.read_text())
    arrays: Mapping[str, np.ndarray] = {}
    if path.with_suffix(".npz").exists():
        with np.load(path.with_suffix(".npz")) as file:
            arrays = dict(file)
    return _give_arrays(report.get("measured", report), arrays)


def table(claims: Sequence[Claim]) -> Table:
    """Build a table of claims, one row per claim.

    Example:
        >>> table([Claim("one and one is two", 2, 1 + 1, True)]).row_count
        1
    """
    rows = Table(show_lines=True)
    for heading in ("claim", "published", "measured", "holds"):
        rows.add_column(heading)
    for claim in claims:
        cells = (in_words(plain(value)) for value in (claim.published, claim.measured))
        rows.add_row(claim.claim, *cells, "yes" if claim.holds else "NO")
    return rows


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
        words = {name: in_words(item) for name, item in value.items() if name != "of"}
        return "; ".join(
            f"{name}: {text}{total * isinstance(value[name], int)}" for name, text in words.items()
        )
    if isinstance(value, list | tuple):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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


def _take_arrays(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Replace large arrays by their names, and collect them."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: _take_arrays(item, f"{name}.{key}".lstrip("."), arrays) for key, item in value.items()}
    if getattr(value, "size", 0) > MAX_NUMBERS:
        arrays[name] = np.asarray(value)
        return {"array": name}
    return value


def _give_arrays(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, Mapping):
        if value.keys() == {"array"}:
            return arrays[value["array"]]
        return {key: _give_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        try:
            numbers = np.array(value)
            return numbers if numbers.dtype.kind in "ifb" else np.array(value, float)
        except (ValueError, TypeError):  # ragged, or no numbers
            return [_give_arrays(item, arrays) for item in value]
    return value
