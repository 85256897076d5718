"""Preparation: the options that sweeps and searches share, and the checks before any work.

Heavy imports wait until a command runs, so that `--help` answers at once.
"""

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fnnet.cli import usage
from fnnet.cli.data_options import DataOptions
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.own_recipe import load_recipe
from fnnet.errors import InputError
from fnnet.space.text import parse_space

if TYPE_CHECKING:
    from fnnet.sweeps.prepare import Prepared

Data = Annotated[DataOptions, tyro.conf.arg(name="")]
Engine = Annotated[EngineOptions, tyro.conf.arg(name="")]
Axes = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="AXIS=VALUES")]]


def prepare_sweep(
    axes: Sequence[str],
    data_options: DataOptions,
    recipe_path: str | None,
    out: Path | None,
    metric: str | None,
    *,
    part: tuple[int, int] | None = None,
    **options: Any,
) -> "Prepared":
    """Check the arguments, load the data and prepare the sweep."""
    space = parse_space(axes)
    if "num_steps" in space.axes:
        options |= {"num_steps": None}
    usage.check_numbers(**options)
    from fnnet.hparams import MissingHparam
    from fnnet.recipes import mlp_recipe
    from fnnet.space.groups import split_axes
    from fnnet.sweeps.prepare import prepare

    data = data_options.load()
    print(data.summary, flush=True)  # before what may take minutes
    source = data.name if recipe_path is None else f"{data.name}-{recipe_path}"
    names = [re.sub(r"[^A-Za-z0-9_-]", "_", source), *space.axes]
    names += [] if part is None else [f"part-{part[0]}-of-{part[1]}"]
    folder = out or Path("results", "-".join(names))
    usage.check_folder(folder)
    recipe = mlp_recipe(data) if recipe_path is None else load_recipe(recipe_path, data)
    static_axes, _ = split_axes(recipe, space)
    num_programs = math.prod(len(space.axes[name]) for name in static_axes)
    sys.stderr.write(usage.planning_notice(len(space), num_programs))
    try:
        return prepare(
            recipe, space, data, store=folder, metric=metric, part=part, show_progress=True, **options
        )
    except MissingHparam as error:
        if error.name != "learning_rate":
            raise
        raise InputError(
            "a sweep needs the axis learning_rate, such as learning_rate=log:1e-3:1:8; "
            f"got {', '.join(space.axes)}"
        ) from None
