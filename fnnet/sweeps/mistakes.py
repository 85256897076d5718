"""Mistakes in a recipe or a task: what JAX or Python raises about them, in one line that says what to do."""

import contextlib
import dis
import functools
import inspect
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

import jax

from fnnet.errors import InputError
from fnnet.task import Recipe

NEEDS_NUMBERS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@contextlib.contextmanager
def explained(part: str, traced_axes: tuple[str, ...]) -> Iterator[None]:
    """Convert errors of JAX in a function of a task to a one-line `InputError`; other errors pass through.

    Args:
        part: what is traced, such as "step of the task".
        traced_axes: the names of its traced numbers.

    Example:
        >>> with explained("step of the task", ()):
        ...     jax.numpy.ones((2, 3)) @ jax.numpy.ones((2, 3))
        Traceback (most recent call last):
        fnnet.errors.InputError: in step of the task: dot_general requires contracting dimensions to have the same
        shape, got (3,) and (2,).
    """
    try:
        yield
    except InputError:
        raise
    except NEEDS_NUMBERS as error:
        raise InputError(
            f"{part} uses a traced number where Python needs its value{place_of(error)}; traced axes: "
            f"{', '.join(traced_axes) or 'none'}; use jnp.where and fn.schedules, or make the axis static: an argument "
            "of the recipe"
        ) from error
    except OverflowError as error:
        raise InputError(f"the network, the batch or a number is too large: {error}") from error
    except (TypeError, ValueError) as error:
        if not _is_from_jax(error):
            raise
        paragraphs = str(error).split("\n\n")
        reason = " ".join(" ".join(paragraphs[: 1 + paragraphs[0].endswith(":")]).split())
        raise InputError(f"in {part}{place_of(error)}: {reason}") from error


def check_used(recipe: Recipe, names: tuple[str, ...]) -> None:
    """Check that a recipe uses those of its arguments that are axes.

    Raises:
        InputError: naming the one that it never uses.

    Example:
        >>> check_used(lambda depth, width: depth, ("depth", "width"))
        Traceback (most recent call last):
        fnnet.errors.InputError: axis 'width' changes nothing: the recipe never uses its argument 'width'
    """
    while isinstance(recipe, functools.partial):
        recipe = recipe.func
    code = getattr(inspect.unwrap(recipe), "__code__", None)
    if code is None or {"locals", "vars", "eval"} & set(code.co_names):
        return
    used = set(code.co_cellvars)  # what an inner function uses
    for instruction in dis.get_instructions(code):
        if "LOAD_FAST" in instruction.opname:  # some load two
            used |= set(instruction.argval if isinstance(instruction.argval, tuple) else [instruction.argval])
    for name in names:
        if name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] and name not in used:
            raise InputError(f"axis {name!r} changes nothing: the recipe never uses its argument {name!r}")


def place_of(error: BaseException) -> str:
    """Return where in a user's own file an error was raised, as ` (FILE, line N)`; empty if it was not raised there."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(("<", *_LIBRARIES)):
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def _is_from_jax(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(_JAX)


_JAX = str(Path(jax.__file__).parent)
_LIBRARIES = (
    str(Path(__file__).parents[1]),  # fnnet
    *{sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")},
    _JAX,
)
