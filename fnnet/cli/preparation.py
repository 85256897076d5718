"""Preparation: the options that sweeps and searches share, and the checks before any work.

Slow imports are deferred until a command runs, so that `--help` prints at once.
"""

import contextlib
import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

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


class Subject(NamedTuple):
    """The data, the recipe and the folder of a sweep or a search.

    data: the data set.
    recipe: the function that builds the task of a run.
    folder: the folder of the store.
    """

    data: Any
    recipe: Any
    folder: Path


def load_subject(
    data_options: DataOptions,
    recipe_path: str | None,
    out: Path | None,
    names: Sequence[str],
    is_quiet: bool = False,
) -> Subject:
    """Load the data, print their summary unless `is_quiet`, and import the recipe.

    Args:
        data_options: the data set.
        recipe_path: a recipe of the user's own, as MODULE:FUNCTION.
        out: the folder; None for one in results/ named after the data, the recipe and `names`.
        names: the words that end the name of the default folder, such as the names of the axes.
        is_quiet: whether to print nothing.

    Raises:
        InputError: when the data, the recipe or the folder cannot be used.
    """
    from fnnet.recipes import mlp_recipe

    data = data_options.load()
    if not is_quiet:
        print(data.summary, flush=True)  # before what may take minutes
    source = data.name if recipe_path is None else f"{data.name}-{recipe_path}"
    folder = out or Path("results", "-".join([re.sub(r"[^A-Za-z0-9_-]", "_", source), *names]))
    usage.check_folder(folder)
    return Subject(data, mlp_recipe(data) if recipe_path is None else load_recipe(recipe_path, data), folder)


@contextlib.contextmanager
def naming_the_rate(axes: Iterable[str]) -> Iterator[None]:
    """Report a missing axis learning_rate in the words of the command line."""
    from fnnet.hparams import MissingHparam

    try:
        yield
    except MissingHparam as error:
        if error.name != "learning_rate":
            raise
        raise InputError(
            f"a sweep needs the axis learning_rate, such as learning_rate=log:1e-3:1:8; got {', '.join(axes)}"
        ) from None


def prepare_sweep(
    axes: Sequence[str],
    data_options: DataOptions,
    recipe_path: str | None,
    out: Path | None,
    metric: str | None,
    *,
    part: tuple[int, int] | None = None,
    is_quiet: bool = False,
    **options: Any,
) -> "Prepared":
    """Check the arguments, load the data and prepare the sweep."""
    space = parse_space(axes)
    if "num_steps" in space.axes:
        options |= {"num_steps": None}
    usage.check_numbers(**options)
    from fnnet.space.groups import split_axes
    from fnnet.sweeps.prepare import prepare

    names = [*space.axes] if part is None else [*space.axes, f"part-{part[0]}-of-{part[1]}"]
    data, recipe, folder = load_subject(data_options, recipe_path, out, names, is_quiet)
    static_axes, _ = split_axes(recipe, space)
    num_programs = math.prod(len(space.axes[name]) for name in static_axes)
    sys.stderr.write(usage.planning_notice(len(space), num_programs))
    with naming_the_rate(space.axes):
        return prepare(
            recipe, space, data, store=folder, metric=metric, part=part, show_progress=not is_quiet, **options
        )
