"""How the time of a sweep grows with its runs, their steps, and the width and depth of the networks.

Each axis is varied alone, on handwritten digits. Twice the runs or twice the steps should take twice as long:
a slope of 1 where both scales are logarithmic. With width and depth the slopes begin lower, because a step of
a small network costs something whatever its size, and rise towards 2 and 1.

Run `python experiments/growth.py`, or with `--smoke` for a few seconds' version. What is timed is training
with its measurements, of programs that are compiled.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import fnnet as fn
from measuring import main, markdown_table, spread


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    axes: what is varied.
    num_values: how many values of each axis are taken, from the smallest on.
    repeats: times that each sweep is trained; the median counts.
    """

    axes: tuple[str, ...] = ("runs", "steps", "width", "depth")
    num_values: int = 10
    repeats: int = 3


SMOKE = Config(axes=("runs", "depth"), num_values=2, repeats=1)


class Size(NamedTuple):
    """One sweep."""

    runs: int
    steps: int
    width: int
    depth: int
    batch_size: int


class Axis(NamedTuple):
    """What is varied, and what stays as it is."""

    name: str
    values: Sequence[int]
    rest: Size


AXES: tuple[Axis, ...] = (
    Axis("runs", [4**power for power in range(3, 9)], Size(0, steps=50, width=16, depth=2, batch_size=16)),
    # With smaller batches the first values would show what measuring costs, which all steps share.
    Axis("steps", [250 * 2**power for power in range(7)], Size(64, 0, width=16, depth=2, batch_size=128)),
    Axis("width", [2**power for power in range(4, 11)], Size(16, steps=50, width=0, depth=2, batch_size=128)),
    Axis("depth", [2**power for power in range(7)], Size(16, steps=50, width=128, depth=0, batch_size=128)),
)


def sweep_seconds(data: fn.Dataset, size: Size, repeats: int) -> list[float]:
    """Train one sweep several times; return the seconds of each."""

    def recipe(depth: int, width: int) -> fn.Task:
        network = fn.mlp(data.num_features, [width] * depth, data.num_outputs, activation="relu")
        return fn.supervised(
            network,
            "cross_entropy",
            optimizer="sgd",
            batch_size=size.batch_size,
        )

    space = fn.grid(depth=size.depth, width=size.width, learning_rate=0.01, seed=range(size.runs))
    prepared = fn.prepare(recipe, space, data, num_steps=size.steps)
    return [float(fn.execute(prepared)["seconds"].sum()) for _ in range(repeats)]


def fit_slope(values: Sequence[int], seconds: Sequence[float]) -> float:
    """Fit the power with which the time grows."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def time_axis(axis: Axis, data: fn.Dataset, repeats: int) -> dict[str, Any]:
    """Time one axis; `slope` is fitted to all values, `last_slope` to the last two."""
    seconds = [
        spread(sweep_seconds(data, axis.rest._replace(**{axis.name: value}), repeats))
        for value in axis.values
    ]
    medians = [each["median"] for each in seconds]
    return {
        "axis": axis.name,
        "values": list(axis.values),
        "rest": {name: value for name, value in axis.rest._asdict().items() if name != axis.name},
        "seconds": seconds,
        "slope": round(fit_slope(axis.values, medians), 3),
        "last_slope": round(fit_slope(axis.values[-2:], medians[-2:]), 3),
    }


def to_markdown(report: dict[str, Any]) -> str:
    rows = []
    for each in report["series"]:
        ends = [f"{each['values'][end]:,}: {each['seconds'][end]['median']:.3g} s" for end in (0, -1)]
        rows.append([each["axis"], *ends, f"{each['slope']:.2f}", f"{each['last_slope']:.2f}"])
    return markdown_table(["seconds of a sweep", "from", "to", "slope", "at the end"], rows) + "\n"


def measure(config: Config) -> dict[str, Any]:
    data = fn.load_dataset("digits")
    axes = [
        axis._replace(values=axis.values[: config.num_values]) for axis in AXES if axis.name in config.axes
    ]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FNNET_CACHE"] = cache  # with nothing in it, all is compiled before training begins
        return {"series": [time_axis(axis, data, config.repeats) for axis in axes]}


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
