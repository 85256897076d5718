"""Axes as text, as the command line takes them: `depth=1,2,4 learning_rate=log:1e-3:1:8 seed=range:4`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fnnet.errors import InputError

if TYPE_CHECKING:
    from fnnet.sweep.space import Space


def parse_space(arguments: Sequence[str]) -> "Space":
    """Read axes from the command line.

    Args:
        arguments: such as `["depth=1,2", "seed=range:4"]`.

    Returns:
        The space of all combinations.

    Raises:
        InputError: when an argument is not of the form NAME=VALUES or its values make no axis.

    Example:
        >>> parse_space(["depth=1,2", "learning_rate=log:0.01:1:3"]).axes
        {'depth': (1, 2), 'learning_rate': (0.01, 0.1, 1.0)}
    """
    from fnnet.sweep.space import grid

    axes = parse_axes(arguments)
    if not axes:
        raise InputError("a sweep needs at least one axis, such as learning_rate=log:1e-3:1:8")
    return grid(**axes)


def parse_axes(arguments: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Read the values of some axes by their names.

    Raises:
        InputError: as `parse_space` does.

    Example:
        >>> parse_axes(["depth=2", "seed=range:4"])
        {'depth': [2], 'seed': range(0, 4)}
    """
    axes: dict[str, Sequence[Any]] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"an axis is NAME=VALUES, such as depth=1,2,4; got {argument!r}")
        if name in axes:
            raise InputError(f"axis {name!r} is given twice")
        axes[name] = parse_values(name, text)
    return axes


def parse_values(name: str, text: str) -> Sequence[Any]:
    """Read the values of one axis.

    Args:
        name: the axis, for errors.
        text: what stands right of the equals sign.

    Returns:
        The values.

    Raises:
        InputError: when there is no value, or a form such as log: has wrong numbers.

    Example:
        >>> parse_values("seed", "range:1:4"), parse_values("activation", "relu,tanh")
        (range(1, 4), ['relu', 'tanh'])
    """
    from fnnet.sweep.values import linspace, logspace

    form, colon, rest = text.partition(":")
    if not colon:
        return [_scalar(word.strip()) for word in text.split(",") if word.strip()]
    numbers: list[Any] = [_scalar(word) for word in rest.split(":")]
    integers = all(type(number) is int for number in numbers)
    if form == "range" and integers and 1 <= len(numbers) <= 3 and numbers[2:] != [0]:
        return range(*numbers)
    if form in ("log", "lin") and len(numbers) == 3 and not any(isinstance(n, str | bool) for n in numbers):
        return (logspace if form == "log" else linspace)(*numbers)
    raise InputError(
        f"axis {name!r}: cannot read {text!r}; the forms are a list 1,2,4, log:LOW:HIGH:NUM, lin:LOW:HIGH:NUM, "
        "range:STOP, range:START:STOP and range:START:STOP:STEP"
    )


def _scalar(word: str) -> int | float | bool | str:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
