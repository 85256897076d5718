"""Axes as text, as on the command line: `depth=1,2,4 learning_rate=log:1e-3:1:8 seed=range:4`."""

import json
import operator
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from fnnet.errors import InputError, check_integer, nearest_names

if TYPE_CHECKING:
    from fnnet.space.designs import Distribution
    from fnnet.space.space import Space


def parse_space(arguments: Sequence[str]) -> "Space":
    """Parse command-line arguments such as `["depth=1,2", "seed=range:4"]` into the space of all combinations.

    Raises:
        InputError: if an argument is not of the form NAME=VALUES, or its values are invalid.

    Example:
        >>> parse_space(["depth=1,2", "learning_rate=log:0.01:1:3"]).axes
        {'depth': (1, 2), 'learning_rate': (0.01, 0.1, 1.0)}
    """
    axes = parse_axes(arguments)
    if not axes:
        raise InputError("a sweep needs at least one axis, such as learning_rate=log:1e-3:1:8")
    from fnnet.space.grids import grid

    return grid(**axes)


def parse_axes(arguments: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Parse command-line arguments into a dict from axis name to values.

    Raises:
        InputError: as in `parse_space`.

    Example:
        >>> parse_axes(["depth=2", "seed=range:4"])
        {'depth': [2], 'seed': range(0, 4)}
    """
    axes: dict[str, Sequence[Any]] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or not name.isidentifier():
            underscored = name.strip().replace("-", "_")
            hint = f"; did you mean {underscored}={text}?" if equals and underscored.isidentifier() else ""
            raise InputError(f"an axis is NAME=VALUES, such as depth=1,2,4; got {argument!r}{hint}")
        if name in axes:
            raise InputError(f"axis {name!r} is given twice")
        axes[name] = parse_values(name, text)
    return axes


def parse_distributions(
    arguments: Sequence[str],
) -> "tuple[dict[str, Sequence[Any]], dict[str, Distribution]]":
    """Parse the axes of a search into those with listed values, as in `parse_axes`, and those with a distribution.

    A distribution is `log:LOW:HIGH`, `lin:LOW:HIGH` or, for integers, `int:LOW:HIGH`.

    Raises:
        InputError: as in `parse_axes`.

    Example:
        >>> parse_distributions(["learning_rate=log:0.001:1", "depth=int:1:4", "seed=0,1"])
        ({'seed': [0, 1]}, {'learning_rate': LogUniform(low=0.001, high=1), 'depth': IntUniform(low=1, high=4)})
    """
    from fnnet.space.designs import IntUniform, LogUniform, Uniform

    kinds: dict[str, Any] = {"log": LogUniform, "lin": Uniform, "int": IntUniform}
    listed, drawn = [], {}
    for argument in arguments:
        name, _, text = argument.partition("=")
        form, *bounds = text.split(":")
        numbers = [_number(bound) for bound in bounds]
        if form not in kinds or len(numbers) != 2 or None in numbers:
            listed.append(argument)
            continue
        parse_axes([f"{name}=0"])  # checks the name
        if form == "int" and not all(isinstance(number, int) for number in numbers):
            raise InputError(f"axis {name!r}: int:LOW:HIGH takes integers, got {text!r}")
        if name in drawn:
            raise InputError(f"axis {name!r} is given twice")
        drawn[name] = kinds[form](*numbers)
    axes = parse_axes(listed)
    if twice := axes.keys() & drawn.keys():
        raise InputError(f"axis {min(twice)!r} is given twice")
    return axes, drawn


def parse_conditions(text: str) -> dict[str, Any]:
    """Parse conditions on columns, separated by spaces, into arguments of `Results.where`.

    Args:
        text: each condition is a column, one of = != < <= > >=, and a value, or a list of values after = and !=.

    Raises:
        InputError: if a condition has another form.

    Example:
        >>> wanted = parse_conditions("depth=1,2 learning_rate>0.1 learning_rate<=1")
        >>> wanted["depth"], wanted["learning_rate"](0.1), wanted["learning_rate"](1.0)
        ([1, 2], False, True)
    """
    wanted: dict[str, list[tuple[str, Sequence[Any]]]] = {}
    for word in text.split():
        match = re.fullmatch(r"(\w+)(!=|<=|>=|=|<|>)(.+)", word)
        if match is None:
            raise InputError(
                "a condition is a column, one of = != < <= > >=, and a value, such as depth=1,2 or test_loss<0.5; "
                f"got {word!r}"
            )
        name, sign, given = match.groups()
        values = parse_values(name, given)
        if sign not in ("=", "!=") and (len(values) != 1 or not _is_number(values[0])):
            raise InputError(f"{name}{sign} takes one number, got {given!r}")
        wanted.setdefault(name, []).append((sign, values))
    return {name: _condition(tests) for name, tests in wanted.items()}


def _condition(tests: list[tuple[str, Sequence[Any]]]) -> Any:
    """Return the list of accepted values, or a function that tests one value."""
    if len(tests) == 1 and tests[0][0] == "=":
        return list(tests[0][1])
    return lambda value: all(_holds(value, sign, values) for sign, values in tests)


def _holds(value: object, sign: str, values: Sequence[Any]) -> bool:
    if sign in ("=", "!="):
        return (value in values) == (sign == "=")
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[sign]
    return _is_number(value) and compare(value, values[0])


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_part(text: str) -> tuple[int, int]:
    """Parse a part of a sweep into its number and the number of parts.

    Raises:
        InputError: if the text is not of the form NUMBER/COUNT.

    Example:
        >>> parse_part("3/16")
        (3, 16)
    """
    numbers = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if numbers is None:
        raise InputError(f"--part must be NUMBER/COUNT, such as 3/16 for the third of 16 parts, got {text!r}")
    return int(numbers[1]), int(numbers[2])


def parse_values(name: str, text: str) -> Sequence[Any]:
    """Parse the values of one axis.

    Args:
        name: the name of the axis, for error messages.
        text: the text after the equals sign.

    Raises:
        InputError: if there is no value, or a form such as log: has invalid numbers.

    Example:
        >>> parse_values("seed", "range:1:4"), parse_values("activation", "relu,tanh")
        (range(1, 4), ['relu', 'tanh'])
        >>> parse_values("widths", "[[16,16],[128]]")
        [(16, 16), (128,)]
    """
    if text.startswith("[["):
        return _tuples(name, text)
    form, colon, rest = text.partition(":")
    if not colon:
        if not text.strip():
            raise InputError(f"axis {name!r} is empty; give it at least one value, such as {name}=1,2")
        _check_list(name, text)
        return [_scalar(name, word.strip()) for word in text.split(",")]
    numbers = [_number(word) for word in rest.split(":")]
    integers = [number for number in numbers if isinstance(number, int)]
    if form == "range" and len(integers) == len(numbers) <= 3 and integers[2:] != [0]:
        return range(*integers)
    if form in ("log", "lin") and len(numbers) == 3 and None not in numbers:
        return _spaced(name, form, *numbers)
    nearest = nearest_names(form, ["log", "lin", "range"])
    hint = f"; did you mean {nearest[0]}:{rest}?" if nearest and form not in ("log", "lin", "range") else ""
    raise InputError(
        f"axis {name!r}: cannot read {text!r}{hint}; the forms are a list 1,2,4, log:LOW:HIGH:NUM, "
        "lin:LOW:HIGH:NUM, range:STOP, range:START:STOP and range:START:STOP:STEP"
    )


def _tuples(name: str, text: str) -> list[tuple[Any, ...]]:
    """Parse tuples, written as a JSON list of lists."""
    try:
        lists = json.loads(text)
        if not all(isinstance(each, list) for each in lists):
            raise ValueError
    except (ValueError, RecursionError):
        raise InputError(
            f"axis {name!r}: cannot read {text!r}; tuples are written as in {name}=[[16,16],[128]]"
        ) from None
    return [tuple(each) for each in lists]


def _spaced(name: str, form: str, low: Any, high: Any, num: Any) -> Sequence[float]:
    from fnnet.space.values import MAX_RUNS, linspace, logspace

    check_integer(f"axis {name!r}: the number of values", num)
    if num > MAX_RUNS:
        raise InputError(f"axis {name!r} has {num:,} values; a sweep has at most {MAX_RUNS:,} runs")
    try:
        return (logspace if form == "log" else linspace)(low, high, num)
    except InputError as error:
        raise InputError(f"axis {name!r}: {error}") from None


def _check_list(name: str, text: str) -> None:
    """Check that the values of a list are separated by single commas; the error suggests such a list."""
    meant = None
    if bracketed := re.fullmatch(r"\s*[\[({](.*)[\])}]\s*", text):
        meant = bracketed[1].replace(" ", "")
    elif span := re.fullmatch(r"\s*(\d+)\s*(?:-|\.\.\.?)\s*(\d+)\s*", text):
        meant = f"range:{span[1]}:{int(span[2]) + 1}"
    elif re.search(r"[;|\s]", text.strip()):
        meant = ",".join(word for word in re.split(r"[;|,\s]+", text) if word)
    elif not all(word.strip() for word in text.split(",")):
        meant = ",".join(word.strip() for word in text.split(",") if word.strip())
    if meant is not None:
        hint = f"; did you mean {name}={meant}?" if meant else ""
        raise InputError(f"axis {name!r}: cannot read {text!r}; separate values with single commas{hint}")


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _scalar(name: str, word: str) -> int | float | bool | str:
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if (number := _number(word)) is not None:
        return number
    if word.lower() in ("none", "null"):
        raise InputError(
            f"axis {name!r} cannot be {word!r}; leave the axis out to train without it"
            + (", or write batch_size=full" if name == "batch_size" else "")
        )
    if re.match(r"[+-]?\.?\d", word):
        start = re.match(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", word, re.IGNORECASE)
        hint = f"; did you mean {start[0]}?" if start else ""
        raise InputError(f"axis {name!r}: {word!r} is not a number{hint}")
    return word


def _number(word: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return None
