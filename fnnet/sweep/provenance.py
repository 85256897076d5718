"""Provenance: what made a sweep, written into its plan for people to read and for `verify` and `export` to use.

The recipe is recorded by name and text. It is never imported by what a file says: a name is looked up in a table of
fnnet's own recipes.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fnnet.data.record import describe_data
from fnnet.recipes import mlp_recipe
from fnnet.sweep.fingerprint import PACKAGES

OWN_RECIPES: dict[str, Callable[..., Any]] = {"fnnet.recipes:mlp_recipe.<locals>.recipe": mlp_recipe}
"""Makers of recipes, from a data set, by the name of what they make."""


def describe_origin(recipe: Any, data: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what made a sweep, as it can be written in JSON.

    Args:
        recipe: of the sweep.
        data: of the sweep.
        options: how it was trained.

    Returns:
        Its recipe, data, options, command, versions, and when.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "recipe": describe_recipe(recipe),
        "data": describe_data(data),
        "options": dict(options),
        "command": list(sys.argv) if Path(sys.argv[0]).stem == "fnnet" else None,
        "versions": {name: version(name) for name in PACKAGES},
        "created": now,
        "updated": now,
    }


def describe_recipe(recipe: Any) -> dict[str, Any]:
    """Describe where a recipe is and how it reads.

    Example:
        >>> from fnnet import load_dataset
        >>> describe_recipe(mlp_recipe(load_dataset("iris")))["name"]
        'fnnet.recipes:mlp_recipe.<locals>.recipe'
    """
    while isinstance(recipe, functools.partial):
        recipe = recipe.func
    named = recipe if hasattr(recipe, "__qualname__") else type(recipe)
    try:
        file, (lines, line) = inspect.getsourcefile(named), inspect.getsourcelines(named)
    except (OSError, TypeError):  # typed at a prompt, or not written in Python
        file, lines, line = None, [], 0
    return {
        "name": f"{named.__module__}:{named.__qualname__}",
        "file": file,
        "line": line,
        "source": "".join(lines),
    }
