"""What all experiments share: the command line, the report of what was claimed and measured, and its figure.

An experiment is a module with a dataclass `Config` of settings, those of a smoke run, and a function
`measure(config)` that returns its claims and its measurements. It ends with

    if __name__ == "__main__":
        main(measure, SMOKE)

The module of the same name in `drawings` has a function `draw(measured)` that makes a figure of these
measurements alone, so that `figures.py` can draw it again without training.
"""

import importlib.util
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro
from rich.console import Console

from claiming import Claim, table
from encoding import give_arrays, plain, take_arrays

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("fnnet", "jax", "jaxlib", "optax", "flax", "numpy", "scikit-learn")

Findings = tuple[Sequence[Claim], Mapping[str, Any]]
"""The claims in reading order, and by name all that the figure shows and other measurements."""

Draw = Callable[[dict[str, Any]], "Figure"]
"""Makes a figure of what was measured, as `read_measured` returns it."""


def main(measure: Callable[[Any], Findings], smoke: Any) -> None:
    """Run the experiment in the module of `measure`: print its claims, write its report and its figure.

    The report goes to `results/NAME.json` next to the module, see `write_report`. With `--smoke` on the
    command line the settings default to `smoke`; then report and figure, and what the experiment keeps in
    `config.store`, go to a temporary folder. The exit code is 0 also if claims fail: a claim that fails is a
    finding, and the report says so.

    Args:
        measure: takes the settings, returns claims and measurements.
        smoke: the settings of the shortest run that still passes through all of the code.
    """
    module = sys.modules[measure.__module__]
    script, about = Path(str(module.__file__)), module.__doc__
    config, is_smoke = parse(smoke, about)
    with tempfile.TemporaryDirectory() as temporary:
        if is_smoke:
            script = Path(temporary, script.name)
            config = replace(config, store=Path(temporary)) if hasattr(config, "store") else config
        claims, measured = measure(config)
        Console().print(table(claims))
        path = write_report(script, about, config, claims, measured, find_draw(script.stem))
    if not is_smoke:
        print(f"wrote {path} and .png")


def find_draw(name: str) -> Draw | None:
    """Return the function that draws an experiment or a measurement; None if it has no figure."""
    module = f"drawings.{name}"
    return importlib.import_module(module).draw if importlib.util.find_spec(module) else None


def parse(smoke: Any, about: str | None) -> tuple[Any, bool]:
    """Read settings from the command line; return them, and whether `--smoke` made `smoke` their defaults."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--smoke"]
    is_smoke = len(arguments) < len(sys.argv) - 1
    description = f"{(about or '').partition(chr(10))[0]} With --smoke: a short run that writes nothing."
    default = smoke if is_smoke else type(smoke)()
    return tyro.cli(type(smoke), args=arguments, default=default, description=description), is_smoke


def write_report(
    script: str | Path,
    about: str | None,
    settings: Any,
    claims: Sequence[Claim],
    measured: Mapping[str, Any] | None = None,
    draw: Draw | None = None,
) -> Path:
    """Write an experiment's report to `results/NAME.json` next to the script, and its figure beside it.

    Args:
        script: the experiment's file.
        about: its docstring; the first line is the report's title. Without one, the file's name is.
        settings: a dataclass or a mapping.
        claims: the claims, in reading order.
        measured: measurements by name. Arrays and NamedTuples become lists and objects, and numbers that are
            not finite become the strings "nan", "inf" and "-inf"; arrays of more than 100 numbers go to
            `results/NAME.npz`.
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
    path = Path(script).resolve().parent / "results" / f"{Path(script).stem}.json"
    path.parent.mkdir(exist_ok=True)
    rest, arrays = take_arrays(measured or {})
    report = {
        "about": (about or path.stem).strip(),
        "settings": settings,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "assertions": [claim._asdict() for claim in claims],
        "measured": rest,
    }
    path.write_text(json.dumps(plain(report), indent=1, allow_nan=False) + "\n")
    path.with_suffix(".npz").unlink(missing_ok=True)
    if arrays:
        np.savez_compressed(path.with_suffix(".npz"), allow_pickle=False, **arrays)
    if draw is not None:
        draw_report(path, draw, path.with_suffix(".png"))
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
    return give_arrays(report.get("measured", report), arrays)
