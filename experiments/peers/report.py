"""The benchmark's tables."""

from collections.abc import Callable
from typing import Any

from measuring import markdown_table

Row = dict[str, Any]


def to_markdown(report: dict[str, Any]) -> str:
    """Write the tables: speed, share of the peak, ratio to fnnet, and compilation."""
    machine = report["machine"]
    peak, copied = report["peak_gflops"], report["copy_gb_per_second"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    tables = {
        "GFLOP/s, median (lowest to highest)": lambda row, fnnet: _speed(row["gflops"]),
        "Part of the peak of the same round": lambda row, fnnet: f"{row['fraction_of_peak']['median']:.0%}",
        "Speed-up of fnnet over": lambda row, fnnet: (
            f"{fnnet['gflops']['median'] / row['gflops']['median']:.2f}"
        ),
        "Runs that train together": lambda row, fnnet: str(row["runs"]),
        "Seconds that the first call takes longer": lambda row, fnnet: (
            f"{row['compile_seconds']['median']:.2f}"
        ),
    }
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['platform']}; {versions}; "
        f"commit {report['commit']}.",
        "",
        f"Peak, a product of 2048 x 2048 float32 matrices: {_speed(peak)} GFLOP/s. "
        f"Copy of 512 MB, read and written: {_speed(copied)} GB/s. "
        f"After the same steps all losses agree to {report['largest_loss_difference']:.0e}.",
    ]
    for title, cell in tables.items():
        lines += ["", f"## {title}", "", _table(report["rows"], cell)]
    return "\n".join(lines) + "\n"


def _table(rows: list[Row], cell: Callable[[Row, Row], str]) -> str:
    """Lay out one quantity: a row for each network, a column for each system."""
    systems = names(rows, "system")
    cells = []
    for network in names(rows, "network"):
        fnnet = find(rows, network, "fnnet")
        cells.append([network, *(cell(find(rows, network, system), fnnet) for system in systems)])
    return markdown_table(["network", *systems], cells)


def names(rows: list[Row], column: str) -> list[str]:
    """List the networks or the systems, in order."""
    return list(dict.fromkeys(row[column] for row in rows))


def find(rows: list[Row], network: str, system: str) -> Row:
    """Return the row of a system on a network."""
    return next(row for row in rows if (row["network"], row["system"]) == (network, system))


def _speed(figure: dict[str, float]) -> str:
    return f"{figure['median']:.3g} ({figure['min']:.3g} to {figure['max']:.3g})"
