"""What fnnet says when input cannot be used.

Every message names the field, what came and what was expected, and is raised before any work starts.
The command line turns an `InputError` into one line and exit code 2; any other exception is a fault of
fnnet's own and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used: an unknown name, an impossible number, a damaged file."""


def unknown_name(field: str, value: object, choices: Iterable[str]) -> InputError:
    """Build the error for a name that is none of `choices`, with the nearest right ones first.

    Args:
        field: what the name stands for, such as "activation".
        value: the name that came.
        choices: the names that would have been right.

    Returns:
        The error, for the caller to raise.

    Example:
        >>> print(unknown_name("activation", "rleu", ["relu", "tanh"]))
        unknown activation 'rleu'; did you mean 'relu'? (one of: relu, tanh)
    """
    names = sorted(choices)
    nearest = difflib.get_close_matches(str(value), names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ";"
    return InputError(f"unknown {field} {str(value)!r}{hint} (one of: {', '.join(names)})")
