"""Names of functions, so that `activation=relu,tanh` can be an axis of a sweep, and what is known without loading them."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fnnet.errors import InputError, unknown_name

Value = TypeVar("Value")


def lookup(field: str, choice: str | Value, table: Mapping[str, Value]) -> Value:
    """Look up a name in a table; a value that is not a string is returned unchanged.

    Args:
        field: what the name chooses, such as "activation"; errors name it.
        choice: a key of `table`, or the value itself.
        table: values by name.

    Raises:
        InputError: when the name is unknown, with the nearest names; or when `choice` is neither a string, nor
            callable, nor of the type of the table's values.

    Example:
        >>> lookup("rounding", "down", {"down": int})(2.7)
        2
    """
    if isinstance(choice, str):
        if choice not in table:
            raise unknown_name(field, choice, table)
        return table[choice]
    if not callable(choice) and not isinstance(choice, type(next(iter(table.values())))):
        raise InputError(f"{field} must be one of {', '.join(sorted(table))} or a function, got {choice!r}")
    return choice


def find_direction(metric: str, directions: Mapping[str, bool]) -> bool | None:
    """Look up whether higher values of a metric are better, by its name with or without the split.

    Args:
        metric: such as "validation_accuracy".
        directions: by name, with or without the split.

    Returns:
        The direction; None if it is unknown.

    Example:
        >>> find_direction("test_accuracy", {"accuracy": True}), find_direction("sharpness", {"accuracy": True})
        (True, None)
    """
    name = metric.partition("_")[2] if metric.startswith(("train_", "validation_", "test_")) else metric
    return directions.get(metric, directions.get(name))


def named(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Return `{function.__name__: function}` for each function."""
    return {function.__name__: function for function in functions}


_OPTAX = (
    "adabelief adadelta adagrad adam adamax adamaxw adamw adan amsgrad lion nadam nadamw radam rmsprop rprop"
)
OPTIMIZERS = ("sgd", *_OPTAX.split(), "sign_sgd", "yogi")
"""Optimizers by name: `sgd` is fnnet's, all others are optax's. Each works entry by entry, so layers may be stacked."""

DIRECTIONS = {
    "loss": False,
    **dict.fromkeys(("accuracy", "top_k_accuracy", "macro_f1", "r2"), True),
    **dict.fromkeys(("nll", "brier", "ece", "rmse", "mae", "huber"), False),
}
"""Whether higher values of a loss and of the metrics of `fnnet.metrics` that are numbers are better, by name."""
