"""Provenance: what made a sweep, recorded in its plan for readers, `verify` and `export`.

A recipe is recorded by name and source. A recorded name is never imported, only looked up among fnnet's own recipes.
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
from fnnet.sweeps.fingerprint import PACKAGES
from fnnet.types import PyTree

OWN_RECIPES: dict[str, Callable[..., Any]] = {"fnnet.recipes:mlp_recipe.<locals>.recipe": mlp_recipe}
"""Functions from a data set to a recipe, by the recorded name of that recipe."""


def describe_origin(recipe: Any, data: PyTree, options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what made a sweep, as a JSON object.

    Args:
        recipe: the sweep's recipe.
        data: the sweep's data.
        options: the sweep's options.

    Returns:
        Recipe, data, options, command line, versions and times.
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
    """Return the name, file, line and source of a recipe.

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
