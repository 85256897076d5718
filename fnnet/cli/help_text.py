"""Help: what `fnnet --help`, `fnnet COMMAND --help` and `fnnet help TOPIC` print, in at most 40 lines of plain text.

It is generated from the commands: from their docstrings, which hold examples, and the parameters of their functions.
"""

import dataclasses
import inspect
import re
import shutil
import textwrap
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Commands = Mapping[str, Callable[..., None]]

_VALUES = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


def overview(commands: Commands, topics: Mapping[str, Any], version: str) -> str:
    """Return the list of commands, each with the first line of its docstring.

    Example:
        >>> def plan() -> None:
        ...     '''Estimate the cost of a sweep.'''
        >>> print(overview({"plan": plan}, {"axes": ""}, "1.0"))
        fnnet sweep --dataset digits depth=1,2 learning_rate=log:1e-3:1:8 seed=range:4
        <BLANKLINE>
        fnnet 1.0: whole sweeps of feed-forward networks as one XLA program
        <BLANKLINE>
          plan      Estimate the cost of a sweep.
        <BLANKLINE>
        fnnet COMMAND --help
        fnnet help axes
    """
    lines = ["fnnet sweep --dataset digits depth=1,2 learning_rate=log:1e-3:1:8 seed=range:4", ""]
    lines += [f"fnnet {version}: whole sweeps of feed-forward networks as one XLA program", ""]
    for name, command in commands.items():
        lines += _entry(f"  {name}", (inspect.getdoc(command) or "").partition("\n")[0], 12)
    lines += ["", "fnnet COMMAND --help", f"fnnet help {'|'.join(topics)}"]
    return "\n".join(lines)


def describe(name: str, command: Callable[..., None]) -> str:
    """Return the help of a command: examples, usage, description, arguments and options.

    Example:
        >>> def plan(axes: str, /, steps: int = 10) -> None:
        ...     '''Estimate the cost.
        ...
        ...         fnnet plan depth=1
        ...
        ...     Args:
        ...         axes: the axes.
        ...         steps: of each run.
        ...     '''
        >>> print(describe("plan", plan))
        fnnet plan depth=1
        <BLANKLINE>
        usage: fnnet plan [OPTIONS] AXES
        <BLANKLINE>
        Estimate the cost.
        <BLANKLINE>
          AXES                  the axes.
          --steps N             of each run. (10)
    """
    text, arguments = _parts(command)
    kinds = typing.get_type_hints(command, include_extras=True)
    examples = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    positional, options, groups = [], [], []
    usage = ""
    for parameter in inspect.signature(command).parameters.values():
        kind = _plain(kinds[parameter.name])
        if dataclasses.is_dataclass(kind):
            groups.append((parameter.name, kind))
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            slot = metavar(parameter.name, kinds[parameter.name])
            shown = slot if parameter.default is parameter.empty else f"[{slot.strip('[]')}]"
            usage += f" {shown}{' ...' * (typing.get_origin(kind) is tuple and '...' not in slot)}"
            positional += _entry(f"  {slot.strip('[]')}", arguments.get(parameter.name, ""))
        else:
            options += _option(parameter.name, kind, parameter.default, arguments.get(parameter.name, ""))
    paragraphs = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    described = [textwrap.fill(each, _width()) for each in re.split(r"\n{2,}", paragraphs.strip())]
    for group, kind in groups:
        flags = " ".join(_flag(field.name) for field in dataclasses.fields(kind))
        options += textwrap.wrap(
            f"{group} (see fnnet help {group}): {flags}",
            _width(),
            initial_indent="  ",
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
    usage = f"usage: fnnet {name}{' [OPTIONS]' * bool(options)}{usage}"
    return "\n".join([*examples, "", usage, "", "\n\n".join(described), "", *positional, *options]).strip()


def describe_group(kind: Any) -> str:
    """Return the help of options that several commands share, the fields of a dataclass."""
    text, arguments = _parts(kind)
    examples = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    fields = [
        line
        for field in dataclasses.fields(kind)
        for line in _option(
            field.name, _plain(typing.get_type_hints(kind)[field.name]), field.default, arguments[field.name]
        )
    ]
    first = textwrap.fill(text.partition("\n")[0], _width())
    return "\n".join([*examples, "", first, "", *fields])


def metavar(name: str, kind: Any) -> str:
    """Return the placeholder of a positional argument, from its annotation or its name."""
    given = [note.metavar for note in _notes(kind) if getattr(note, "metavar", None)]
    return given[0] if given else name.upper()


def _parts(documented: Any) -> tuple[str, dict[str, str]]:
    """Split a docstring into the text before its arguments, and the description of each."""
    text, _, rest = (inspect.getdoc(documented) or "").partition("\nArgs:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", rest, flags=re.MULTILINE)
    return text, {name: " ".join(described.split()) for name, described in found}


def _option(name: str, kind: Any, default: Any, text: str) -> list[str]:
    shown = "" if kind is bool else f" {_value(kind)}"
    usual = "" if default in (None, False, (), inspect.Parameter.empty) else f" ({default})"
    return _entry(f"  {_flag(name)}{shown}", f"{text}{usual}")


def _entry(head: str, text: str, indent: int = 24) -> list[str]:
    """Return a word and its description as lines with a hanging indent."""
    first, rest = (f"{head:{indent}}", []) if len(head) < indent else (" " * indent, [head])
    return rest + textwrap.wrap(
        first + text, _width(), subsequent_indent=" " * indent, break_on_hyphens=False
    )


def _value(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return "|".join(map(str, typing.get_args(kind)))
    plain = [_plain(each) for each in typing.get_args(kind) or (kind,) if each is not type(None)]
    return (
        _value(plain[0]) if typing.get_origin(plain[0]) is typing.Literal else _VALUES.get(plain[0], "TEXT")
    )


def _plain(kind: Any) -> Any:
    while hasattr(kind, "__metadata__"):
        kind = typing.get_args(kind)[0]
    return kind


def _notes(kind: Any) -> list[Any]:
    """Return the notes of an annotation, including those of the types inside it."""
    notes = list(getattr(kind, "__metadata__", ()))
    return notes + [note for inner in typing.get_args(kind) for note in _notes(inner)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _width() -> int:
    return min(100, shutil.get_terminal_size().columns)
