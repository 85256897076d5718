"""How far what `fnnet plan` says is from what a sweep then takes, in time and in memory.

Time: 4 depths x 2 widths x 16 learning rates x 4 seeds on digits; each group's estimate against the seconds its
chunks took. Memory: a group of wide networks, so that arrays outweigh the programs themselves; the estimate against
the most that the process held resident while it trained, over what it held before data came to the devices.

Run `python experiments/plan_accuracy.py`, or with `--smoke` for a few seconds' version.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

import fnnet as fn


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    smoke: little sweeps; writes nothing.
    """

    smoke: bool = False


def resident_bytes(field: str) -> int:
    """Read the process's resident memory: VmRSS now, or VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def times(data: fn.Dataset, smoke: bool) -> list[dict]:
    """Compare estimated with measured seconds, group by group."""
    axes = {"depth": [1, 2], "width": [8]} if smoke else {"depth": [1, 2, 4, 8], "width": [32, 64]}
    space = fn.grid(**axes, learning_rate=fn.logspace(1e-3, 1, 16), seed=range(4))
    prepared = fn.prepare(fn.mlp_recipe(data), space, data, num_steps=50 if smoke else 1000)
    results = fn.execute(prepared)
    rows = []
    for estimate in prepared.estimates:
        seconds = results.where(**estimate.static)["seconds"].sum()
        rows.append({**estimate.static, "estimated": estimate.seconds, "measured": float(seconds)})
    return rows


def memory(data: fn.Dataset, smoke: bool) -> dict:
    """Compare estimated with measured bytes of one group of wide networks."""
    width = 64 if smoke else 2048
    space = fn.grid(depth=3, width=width, learning_rate=0.01, seed=range(16))
    before = resident_bytes("VmRSS")
    prepared = fn.prepare(fn.mlp_recipe(data), space, data, num_steps=3, lanes=8)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    fn.execute(prepared)
    return {"estimated": prepared.estimates[0].num_bytes, "measured": resident_bytes("VmHWM") - before}


def main(config: Config) -> None:
    data = fn.load_dataset("digits")
    rows, needed = times(data, config.smoke), memory(data, config.smoke)
    table = Table(title="estimated and measured")
    for heading in ("depth", "width", "estimated", "measured", "ratio"):
        table.add_column(heading, justify="right")
    sums = {"depth": "all", "width": ""} | {
        name: sum(row[name] for row in rows) for name in ("estimated", "measured")
    }
    for row in (*rows, sums):
        ratio = row["measured"] / row["estimated"]
        cells = [f"{row[name]:.2f} s" for name in ("estimated", "measured")]
        table.add_row(str(row["depth"]), str(row["width"]), *cells, f"{ratio:.2f}")
    megabytes = [f"{needed[name] / 1e6:,.0f} MB" for name in ("estimated", "measured")]
    table.add_row("memory", "", *megabytes, f"{needed['measured'] / needed['estimated']:.2f}")
    Console().print(table)
    if not config.smoke:
        path = Path(__file__).parent / "results" / "plan_accuracy.json"
        path.write_text(json.dumps({"seconds": rows, "bytes": needed}, indent=1) + "\n")
        print(f"wrote {path}")


if __name__ == "__main__":
    main(tyro.cli(Config))
