"""How far the estimates of `fnnet plan` are from what a sweep then takes, in time and in memory.

Time: 4 depths x 2 widths x 16 learning rates x 4 seeds on digits; each group's estimate against the seconds
its chunks took. Memory: a group of wide networks, whose arrays outweigh the programs themselves; the estimate
against the most that the process held resident while it trained, over what it held before data came to the
devices.

Run `python experiments/plan_accuracy.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from typing import Any

import fnnet as fn
from measuring import main, markdown_table, reset_peak, resident_bytes


@dataclass(frozen=True)
class Config:
    """Settings of the measurement.

    memory_width: of the networks whose memory is measured.
    """

    depths: tuple[int, ...] = (1, 2, 4, 8)
    widths: tuple[int, ...] = (32, 64)
    num_steps: int = 1000
    memory_width: int = 2048


SMOKE = Config(depths=(1, 2), widths=(8,), num_steps=50, memory_width=64)


def compare_seconds(data: fn.Dataset, config: Config) -> list[dict[str, float]]:
    """Compare estimated and measured seconds, group by group."""
    rates = fn.logspace(1e-3, 1, 16)
    space = fn.grid(depth=config.depths, width=config.widths, learning_rate=rates, seed=range(4))
    prepared = fn.prepare(fn.mlp_recipe(data), space, data, num_steps=config.num_steps)
    results = fn.execute(prepared)
    rows = []
    for estimate in prepared.estimates:
        seconds = results.where(**estimate.static)["seconds"].sum()
        rows.append({**estimate.static, "estimated": estimate.seconds, "measured": float(seconds)})
    return rows


def compare_bytes(data: fn.Dataset, config: Config) -> dict[str, int]:
    """Compare estimated and measured bytes of one group of wide networks."""
    space = fn.grid(depth=3, width=config.memory_width, learning_rate=0.01, seed=range(16))
    before = resident_bytes("VmRSS")
    prepared = fn.prepare(fn.mlp_recipe(data), space, data, num_steps=3, lanes=8)
    reset_peak()
    fn.execute(prepared)
    return {"estimated": prepared.estimates[0].num_bytes, "measured": resident_bytes("VmHWM") - before}


def measure(config: Config) -> dict[str, Any]:
    data = fn.load_dataset("digits")
    return {"seconds": compare_seconds(data, config), "bytes": compare_bytes(data, config)}


def to_markdown(report: dict[str, Any]) -> str:
    names = ("estimated", "measured")
    total = {name: sum(row[name] for row in report["seconds"]) for name in names}
    rows = []
    for row in (*report["seconds"], {"depth": "all", "width": "", **total}):
        seconds = [f"{row[name]:.2f} s" for name in names]
        rows.append([row["depth"], row["width"], *seconds, f"{row['measured'] / row['estimated']:.2f}"])
    megabytes = [f"{report['bytes'][name] / 1e6:,.0f} MB" for name in names]
    rows.append(
        ["memory", "", *megabytes, f"{report['bytes']['measured'] / report['bytes']['estimated']:.2f}"]
    )
    return markdown_table(["depth", "width", *names, "ratio"], rows) + "\n"


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
