"""Usage of the command line: one-line errors about commands and options.

A command is a function for tyro: parameters before `/` are positional, all others are options.
"""

import dataclasses
import inspect
import re
import tempfile
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fnnet.errors import InputError, check_integer, nearest_names, unknown_name

Commands = Mapping[str, Callable[..., None]]


def check_usage(arguments: Sequence[str], commands: Commands, axes: Sequence[str]) -> None:
    """Check the command, its options and their types before anything else is imported or read.

    Args:
        arguments: the words after the program's name.
        commands: the commands by name.
        axes: the names of axes, which are easily mistaken for options.

    Raises:
        InputError: when they are invalid; it names the option, the value, and the nearest valid one.

    Example:
        >>> def sweep(axes: tuple[str, ...], /, steps: int = 10) -> None: ...
        >>> check_usage(["sweep", "depth=1", "--stesp", "5"], {"sweep": sweep}, ["depth"])
        Traceback (most recent call last):
        fnnet.errors.InputError: unknown option --stesp; did you mean --steps? (fnnet sweep --help lists all)
    """
    name, *words = arguments
    if name not in commands:
        raise unknown_name("command", name, commands)
    if "--help" in words or "-h" in words:
        return
    parameters, kinds = parameters_of(commands[name])
    slots = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
    options = {f"--{p.name.replace('_', '-')}": p for p in parameters if p.kind is not p.POSITIONAL_ONLY}
    given: set[str] = set()
    positional: list[str] = []
    rest = iter(words)
    for word in rest:
        if not _is_option(word):
            positional.append(word)
            continue
        flag, equals, value = word.partition("=")
        flag = "--" + flag.lstrip("-").replace("_", "-")
        negated = flag.replace("--no-", "--", 1)
        if flag not in options and negated in options and kinds[options[negated].name] is bool:
            flag = negated
        if flag not in options or word[:2] != "--":
            raise _unknown_option(name, word.partition("=")[0], options, axes)
        given.add(flag)
        if kinds[options[flag].name] is not bool:
            _check_value(flag, kinds[options[flag].name], value if equals else next(rest, None))
    required = [flag for flag, p in options.items() if p.default is p.empty]
    _check_complete(name, slots, kinds, positional, [flag for flag in required if flag not in given])


def check_numbers(
    num_steps: int | None,
    eval_every: int | None,
    lanes: int | None,
    state_every: float = 0.0,
    **others: Any,
) -> None:
    """Check numeric options; an InputError names the one that is out of range."""
    for flag, number in {"--steps": num_steps, "--eval-every": eval_every, "--lanes": lanes}.items():
        if number is not None:
            check_integer(flag, number)
    if eval_every is not None and num_steps is not None and eval_every > num_steps:
        raise InputError(
            f"--eval-every {eval_every} is more than --steps {num_steps}, so nothing would be evaluated"
        )
    if not state_every >= 0:
        raise InputError(f"--state-every must be seconds, 0 or more, got {state_every:g}")


def check_folder(folder: Path) -> None:
    """Check that a folder can be created or written to, without changing it; if not, an InputError says why."""
    nearest = folder
    try:
        if (folder / "plan.json").exists():
            return  # the results of a finished sweep can be read from a read-only folder
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        Path(tempfile.mkdtemp(dir=nearest)).rmdir()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {nearest}: {error.strerror}") from None


def planning_notice(num_runs: int, num_programs: int) -> str:
    """Return a line that announces a planning phase of a minute or more, otherwise an empty string.

    Example:
        >>> planning_notice(10_000, 4)
        ''
        >>> print(planning_notice(2000, 2000), end="")
        planning 2,000 runs in 2,000 programs; about 100 min, Ctrl-C stops it
    """
    seconds = num_programs * _SECONDS_PER_PROGRAM + num_runs * _SECONDS_PER_RUN
    if seconds < 60 and num_runs <= 1_000_000:
        return ""
    programs = f"{num_programs:,} program{'s' * (num_programs != 1)}"
    return f"planning {num_runs:,} runs in {programs}; about {max(1, round(seconds / 60)):,} min, Ctrl-C stops it\n"


_SECONDS_PER_PROGRAM, _SECONDS_PER_RUN = 3.0, 3e-6  # of planning, on two cores


def with_options(message: str) -> str:
    """Return an error message as one line, with Python arguments spelled as command-line options.

    Example:
        >>> with_options("made with num_steps=30; pass save_params=True")
        'made with --steps 30; pass --save-params'
    """
    names = "num_steps|eval_every|state_every|save_params|keep_states|accept_fingerprint"
    names += "|num_seeds|num_trials|max_steps|min_steps|test_fraction|validation_fraction|split_seed|drop"
    return re.sub(rf"(?<![\w'-])({names})\b(=True|=)?", _option, " ".join(message.split()))


def _option(match: re.Match[str]) -> str:
    name = {"num_steps": "steps"}.get(match[1], match[1]).replace("_", "-")
    return f"--{name}{' ' * (match[2] == '=')}"


def parameters_of(command: Callable[..., None]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """Return the parameters of a command and their types, with dataclasses replaced by their fields."""
    kinds = typing.get_type_hints(command)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if dataclasses.is_dataclass(kinds[parameter.name]):
            fields, field_kinds = parameters_of(kinds[parameter.name])
            parameters += fields
            kinds |= field_kinds
        else:
            parameters.append(parameter)
    return parameters, kinds


def _is_option(word: str) -> bool:
    return bool(re.match(r"--?[A-Za-z]", word))


def _unknown_option(command: str, flag: str, options: Mapping[str, Any], axes: Sequence[str]) -> InputError:
    name = flag.lstrip("-").replace("-", "_")
    if name in axes and command in ("sweep", "plan"):
        return InputError(f"{name} is an axis, not an option: write {name}=VALUES, without dashes")
    nearest = nearest_names(flag.lstrip("-"), options) or nearest_names(flag, options)
    hint = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return InputError(f"unknown option {flag}; {hint}(fnnet {command} --help lists all)")


def _check_value(flag: str, kind: Any, value: str | None) -> None:
    """Check that the value of an option is given and has the right type."""
    if value is None or _is_option(value):
        raise InputError(f"{flag} needs a value")
    if not value:
        raise InputError(f"{flag} needs a value, got an empty one")
    kinds = (kind,) if typing.get_origin(kind) is typing.Literal else typing.get_args(kind) or (kind,)
    for literal in (kind for kind in kinds if typing.get_origin(kind) is typing.Literal):
        if value not in typing.get_args(literal):
            raise unknown_name(f"value of {flag}", value, map(str, typing.get_args(literal)))
        return
    for number, expected in ((int, "an integer"), (float, "a number")):
        if number in kinds and not (value == "None" and type(None) in kinds):
            try:
                number(value)
            except ValueError:
                raise InputError(
                    f"{flag} must be {expected}, got {value!r}{_suggest_integer(value)}"
                ) from None
            return


def _suggest_integer(text: str) -> str:
    """Suggest an integer for text such as `1e3`."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f"; did you mean {int(number)}?" if number.is_integer() else ""


def _check_complete(
    command: str, slots: Any, kinds: Mapping[str, Any], positional: Sequence[str], missing_flags: list[str]
) -> None:
    """Check that no argument is missing, superfluous or unknown."""
    takes_many = [p.name for p in slots if typing.get_origin(kinds[p.name]) is tuple]
    if len(positional) > len(slots) and not takes_many:
        raise InputError(
            f"fnnet {command} takes {len(slots)} argument{'s' * (len(slots) != 1)}, "
            f"got also {positional[len(slots)]!r}"
        )
    for slot, word in zip(slots, positional, strict=False):
        choices = (
            typing.get_args(kinds[slot.name]) if typing.get_origin(kinds[slot.name]) is typing.Literal else ()
        )
        if choices and word not in choices:
            raise unknown_name(slot.name, word, choices)
    empty = [p for p in slots[len(positional) :] if p.default is p.empty and p.name not in takes_many]
    missing = [p.name.upper() for p in empty] + missing_flags
    if missing:
        raise InputError(f"fnnet {command} needs {' and '.join(missing)} (fnnet {command} --help)")
