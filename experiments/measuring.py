"""What measurements of a machine share: their reports say where they were made, and have tables, not claims.

A measurement is a module with a dataclass `Config`, a function `measure(config)` that returns numbers by
name, and a function `to_markdown(report)` that tabulates them; some have a figure in `drawings`, as
experiments do.
"""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encoding import plain
from reporting import draw_report, find_draw, parse

LIBRARIES = ("fnnet", "jax", "jaxlib", "flax", "optax", "torch", "scikit-learn", "numpy")


def main(
    measure: Callable[[Any], dict[str, Any]],
    to_markdown: Callable[[dict[str, Any]], str],
    smoke: Any,
) -> None:
    """Measure, print the table, and write the report.

    The report goes to `results/NAME.json` next to the module of `measure`, and the table to
    `results/NAME.md`; a measurement with a field `dataset` has it in its name. With `--smoke` on the command
    line the settings default to `smoke`, and nothing is left.
    """
    module = sys.modules[measure.__module__]
    script = Path(str(module.__file__)).resolve()
    config, is_smoke = parse(smoke, module.__doc__)
    name = f"{script.stem}-{config.dataset}" if hasattr(config, "dataset") else script.stem
    report = {"machine": describe_machine(), "versions": describe_versions(), "commit": describe_commit()}
    report |= measure(config)
    print(to_markdown(report))
    with tempfile.TemporaryDirectory() as temporary:
        path = (Path(temporary) if is_smoke else script.parent / "results") / f"{name}.json"
        path.write_text(json.dumps(plain(report), indent=1) + "\n")
        path.with_suffix(".md").write_text(to_markdown(report))
        if draw := find_draw(script.stem):
            draw_report(path, draw, path.with_suffix(".png"))
    if not is_smoke:
        print(f"wrote {path}")


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lay out a table; only its first column is aligned to the left.

    Example:
        >>> print(markdown_table(["job", "runs"], [["cold", 256]]))
        | job | runs |
        |---|---:|
        | cold | 256 |
    """
    lines = [f"| {' | '.join(headings)} |", f"|---|{'---:|' * (len(headings) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def spread(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Summarize a quantity measured in several rounds by median, minimum and maximum, to four digits.

    Example:
        >>> spread([1.0, 4.0, 2.0])
        {'median': 2.0, 'min': 1.0, 'max': 4.0}
    """
    sums = {"median": np.median(values), "min": np.min(values), "max": np.max(values)}
    return {name: float(f"{value:.4g}") for name, value in sums.items()}


def describe_machine() -> dict[str, Any]:
    """Describe the machine that measures."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""  # not on macOS
    cpus = re.findall(r"^model name\s*: (.*)$", info, flags=re.MULTILINE)
    return {
        "cpu": cpus[0] if cpus else platform.processor(),
        "cores": num_cores(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def num_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_versions() -> dict[str, str]:
    """List the versions of Python and of every library that is installed."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def describe_commit() -> str:
    """Return the commit that is measured, with "-dirty" where files other than results differ from it."""
    options: Any = {"cwd": Path(__file__).parent, "capture_output": True, "text": True, "check": True}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **options).stdout.strip()
        status = ["git", "status", "--porcelain", ".", "../fnnet", ":!results"]
        return commit + ("-dirty" if subprocess.run(status, **options).stdout else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def resident_bytes(field: str) -> int:
    """Read the resident memory of this process: VmRSS now, or VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def reset_peak() -> None:
    """Let VmHWM begin again from the memory that is resident now."""
    Path("/proc/self/clear_refs").write_text("5")
