"""A sweep or a search as a file: `fnnet sweep FILE.toml` stands for the words of a command line.

    steps = 1000                            # options of the command, without dashes
    [data]
    dataset = "digits"                      # options that `fnnet help data` lists
    [axes]
    depth = [1, 2]                          # values, or the text of an axis
    learning_rate = "log:0.01:1:8"
    [engine]
    kind = "processes:2"                    # --engine, and options that `fnnet help engine` lists

The file of a search also holds `method`. Words on the command line override those of the file. A store records the
words, so the file is not needed afterwards.
"""

import json
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fnnet.cli.data_options import DataOptions
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.usage import parameters_of
from fnnet.errors import InputError, unknown_name


class SweepFileError(InputError):
    """A mistake in a file, in the words of the file."""


GROUPS: dict[str, type[DataOptions | EngineOptions]] = {"data": DataOptions, "engine": EngineOptions}
"""Tables of a file, by the options that they hold."""


def expand(words: Sequence[str], whole: Callable[..., None], command: Callable[..., None]) -> list[str]:
    """Replace a file, if the first word after the command names one, by the words that it stands for.

    Args:
        words: a command line.
        whole: the command that accepts all keys of a file.
        command: the command of the command line, which may accept fewer.

    Raises:
        SweepFileError: when the file cannot be read, or holds an unknown key or a value of the wrong type.

    Example:
        >>> import tempfile
        >>> def sweep(axes: tuple[str, ...], /, steps: int = 10) -> None: ...
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.toml")
        ...     _ = path.write_text('steps = 5\\n[axes]\\ndepth = [1, 2]\\nseed = "range:3"')
        ...     expand(["sweep", str(path), "depth=4"], sweep, sweep)
        ['sweep', '--steps=5', 'depth=4', 'seed=range:3']
    """
    if len(words) < 2 or not words[1].endswith(".toml") or words[1].startswith("-"):
        return list(words)
    rest = list(words[2:])
    try:
        method, options, axes = _read(Path(words[1]), whole)
    except InputError as error:
        raise SweepFileError(str(error)) from error
    taken = {_name(parameter.name) for parameter in parameters_of(command)[0]}
    given = {_name(word.partition("=")[0].lstrip("-")) for word in rest if word.startswith("--")}
    kept = [word for name, word in options.items() if name in taken - given]
    others = []
    for word in rest:
        name, equals, _ = word.partition("=")
        if equals and name in axes:
            axes[name] = word
        else:
            others.append(word)
    return [words[0], *method, *kept, *axes.values(), *others]


def _read(path: Path, command: Callable[..., None]) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """Return the words of a file: the method of a search, the options by name, and the axes by name."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; fnnet init writes files to start from"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    parameters, kinds = parameters_of(command)
    grouped = {field.name: table for table, group in GROUPS.items() for field in fields(group)}
    own = [p.name for p in parameters if p.name != "axes" and p.name not in grouped]
    _check_kind(path, document, is_search="method" in own)
    method: list[str] = []
    options: dict[str, str] = {}
    axes: dict[str, str] = {}
    for key, value in document.items():
        if key == "method":
            method = [_text(f"{path}: {key}", value, str)]
        elif key == "axes":
            axes = {name: _axis(path, name, values) for name, values in _table(path, key, value).items()}
        elif key in GROUPS:
            names = {
                "kind" if field.name == "engine" else field.name: field.name for field in fields(GROUPS[key])
            }
            for name, inner in _table(path, key, value).items():
                if name not in names and f"no_{name}" not in names:
                    raise unknown_name(f"key of [{key}] in {path}", name, names)
                options |= _option(f"{path}: {key}.{name}", names.get(name, name), inner, kinds)
        elif key in grouped:
            raise InputError(f"{path}: {key} belongs in the table [{grouped[key]}]")
        elif key not in own:
            raise unknown_name(f"key of {path}", key, [*own, "axes", *GROUPS])
        else:
            options |= _option(f"{path}: {key}", key, value, kinds)
    return method, options, axes


def _check_kind(path: Path, document: Mapping[str, Any], is_search: bool) -> None:
    """Check that the file of a search is not given to a sweep, or the file of a sweep to a search."""
    if is_search and "method" not in document:
        raise InputError(
            f'{path} has no method, such as method = "halving"; a sweep is run by fnnet sweep {path}'
        )
    if "method" in document and not is_search:
        raise InputError(f"{path} holds a search with method {document['method']!r}: use fnnet search {path}")


def _table(path: Path, key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: {key} must be a table, written [{key}], got {value!r}")
    return value


def _axis(path: Path, name: str, values: Any) -> str:
    """Return the word of an axis."""
    if not name.isidentifier():
        raise InputError(f"{path}: axes.{name} is not a valid name of an axis")
    listed = values if isinstance(values, list) else [values]
    try:
        if listed and all(isinstance(value, list) for value in listed):
            return f"{name}={json.dumps(listed)}"
        return f"{name}={','.join(_value(value, is_alone=not isinstance(values, list)) for value in listed)}"
    except TypeError:
        raise InputError(
            f"{path}: axes.{name} must be a list of numbers, names or lists, or a string such as "
            f'"log:0.01:1:8", got {values!r}'
        ) from None


def _value(value: Any, is_alone: bool) -> str:
    """Spell a value of an axis; only a string outside a list may hold several values."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float | str) or ("," in str(value) and not is_alone):
        raise TypeError
    return str(value)


def _option(where: str, name: str, value: Any, kinds: Mapping[str, Any]) -> dict[str, str]:
    """Return the word of an option by its name; nothing for the default of a flag."""
    kind, flag = kinds.get(name, bool), name.replace("_", "-")
    if kind is not bool:
        return {_name(name): f"--{flag}={_text(where, value, kind)}"}
    if not isinstance(value, bool):
        raise InputError(f"{where} must be true or false, got {value!r}")
    if value and name in kinds:
        return {_name(name): f"--{flag}"}
    is_negated = not value and f"no_{name}" in kinds
    return {_name(name): f"--no-{flag}"} if is_negated else {}


def _text(where: str, value: Any, kind: Any) -> str:
    """Spell the value of an option of a type, such as int or str | None; a list is joined by commas."""
    kinds = typing.get_args(kind) or (kind,)
    for number, accepted, expected in ((int, int, "an integer"), (float, int | float, "a number")):
        if number in kinds:
            if isinstance(value, bool) or not isinstance(value, accepted):
                raise InputError(f"{where} must be {expected}, got {value!r}")
            return str(value)
    if isinstance(value, str):
        return value
    words = value if isinstance(value, list) else [None]
    if not all(type(word) in (str, int) and "," not in str(word) for word in words):
        raise InputError(f"{where} must be a string, or a list of strings or integers, got {value!r}")
    return ",".join(map(str, words))


def _name(option: str) -> str:
    """Return the name that an option shares with its negation.

    Example:
        >>> _name("no-save-params"), _name("save_params")
        ('save_params', 'save_params')
    """
    return option.replace("-", "_").removeprefix("no_")
