"""`fnnet plan`: the estimated cost of a sweep."""

from pathlib import Path

from fnnet.cli import output
from fnnet.cli.data_options import DataOptions
from fnnet.cli.formats import Json
from fnnet.cli.preparation import Axes, Data, prepare_sweep
from fnnet.space.text import parse_part


def plan(
    axes: Axes,
    /,
    data: Data = DataOptions(),
    recipe: str | None = None,
    steps: int = 1000,
    eval_every: int | None = None,
    out: Path | None = None,
    lanes: int | None = None,
    part: str | None = None,
    json: Json = False,
) -> None:
    """Estimate the cost of a sweep without training: programs, memory, operations and time.

        fnnet plan --dataset mnist --steps 2340 depth=1,2 learning_rate=log:0.05:1:8

    Each program is compiled and a few of its steps are timed; the sweep reuses both. Nothing is written.

    Args:
        axes: the axes, as NAME=VALUES; see fnnet help axes.
        data: the data set.
        recipe: a recipe of your own, as MODULE:FUNCTION; --help then lists its axes.
        steps: updates of each run, unless num_steps is an axis.
        eval_every: steps between evaluations, for curves.
        out: folder of the sweep, whose finished runs are not counted.
        lanes: runs that train together on a device; else automatic.
        part: a part of the runs, such as 3/16.
        json: print JSON, one object per program.
    """
    prepared = prepare_sweep(
        axes,
        data,
        recipe,
        out,
        None,
        num_steps=steps,
        eval_every=eval_every,
        lanes=lanes,
        accept_fingerprint=True,
        part=None if part is None else parse_part(part),
        is_quiet=json,
    )
    if json:
        output.print_json(prepared.estimates)
    else:
        output.print_estimates(prepared)
