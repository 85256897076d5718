"""A recipe of the user's own: `fnnet sweep --recipe module:function`.

The module is imported from the working directory or from the installed packages, and only if the command line names
it: the name that a store records is never imported.
"""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tyro

from fnnet.cli.data_options import DataOptions
from fnnet.errors import InputError, unknown_name
from fnnet.space.text import parse_axes


def load_recipe(path: str, data: Any) -> Callable[..., Any]:
    """Import a recipe.

    Args:
        path: MODULE:FUNCTION. The function is a recipe, whose arguments are the static axes. If its first argument is
            named `data`, it gets the data set. A function of `data` alone may return a recipe instead of a task.
        data: the data set.

    Raises:
        InputError: when the module cannot be imported or has no such function.

    Example:
        >>> from fnnet import load_dataset
        >>> load_recipe("fnnet:mlp_recipe", load_dataset("iris"))(depth=1).init is None
        False
    """
    function = _import(path)
    if not inspect.signature(function).parameters:
        return function
    names = list(inspect.signature(function).parameters)
    if names[0] != "data":
        return function
    if len(names) == 1:
        made = function(data)
        if callable(made):
            return made
    return functools.partial(function, data)


def path_in(words: Sequence[str]) -> str | None:
    """Return the value of --recipe on a command line.

    Example:
        >>> path_in(["sweep", "--recipe", "m:f", "depth=1"]), path_in(["--recipe=m:f"]), path_in(["depth=1"])
        ('m:f', 'm:f', None)
    """
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag == "--recipe":
            return value if equals else next(iter(words[place + 1 :]), None)
    return None


def describe(path: str, words: Sequence[str]) -> str:
    """Describe a recipe: its arguments, and the hyper-parameters that its task reads.

    Args:
        path: as for `load_recipe`.
        words: the command line; its options select the data, and its axes the task.
    """
    from fnnet.sweeps.tracing import find_hparams

    asked = [word for word in words if word not in ("--help", "-h")]
    data = tyro.cli(DataOptions, args=asked, return_unknown_args=True)[0].load()
    recipe = load_recipe(path, data)
    parameters = inspect.signature(recipe).parameters.values()
    axes = parse_axes([word for word in words if "=" in word and not word.startswith("-")])
    static = {p.name: axes[p.name][0] for p in parameters if p.name in axes}
    missing = [p.name for p in parameters if p.default is p.empty and p.name not in static]
    lines = [": ".join([f"Recipe {path}", *(inspect.getdoc(_innermost(recipe)) or "").splitlines()[:1]])]
    lines.append(f"  static axes: {', '.join(map(_spell, parameters)) or 'none'}")
    if missing:
        lines.append(f"  traced axes: give a value of {', '.join(missing)} to see them")
    else:
        required, optional = find_hparams(recipe(**static), data)
        names = [f"{name} (required)" for name in required] + optional
        lines.append(f"  traced axes: {', '.join(names) or 'none'}")
    return "\n".join(lines)


def _innermost(recipe: Callable[..., Any]) -> Callable[..., Any]:
    return recipe.func if isinstance(recipe, functools.partial) else recipe


def _spell(parameter: inspect.Parameter) -> str:
    has_default = parameter.default is not parameter.empty
    return f"{parameter.name} ({parameter.default})" if has_default else f"{parameter.name} (required)"


def _import(path: str) -> Callable[..., Any]:
    module_name, colon, name = path.partition(":")
    is_file = module_name.endswith(".py")
    if not colon or not name or is_file or not module_name.replace(".", "_").isidentifier():
        stem = Path(module_name).stem
        hint = f"; did you mean {stem}:{name or 'recipe'}?" if stem.isidentifier() else ""
        raise InputError(f"--recipe must be MODULE:FUNCTION, such as recipes:recipe, got {path!r}{hint}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(
                f"--recipe: there is no module {module_name!r} in {folder} or among the installed packages"
            ) from error
        from fnnet.sweeps.mistakes import place_of

        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--recipe: {module_name} cannot be imported: {type(error).__name__}: {reason}{place_of(error)}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        defined = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise unknown_name(f"function of {module_name}", name, defined)
    return function
