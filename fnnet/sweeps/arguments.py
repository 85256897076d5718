"""Checks of the arguments of sweeps, before any work."""

from collections.abc import Sequence
from typing import Any

from fnnet.errors import InputError, check_integer
from fnnet.space.space import Space
from fnnet.sweeps.plan import Plan


def longest_run(space: Space, num_steps: int | None, eval_every: int | None) -> int:
    """Check that each run has exactly one length; return the largest."""
    if not isinstance(space, Space) or "num_steps" not in space.axes:
        if num_steps is None:
            raise InputError("num_steps is missing: pass num_steps=1000, or make it an axis of the space")
        lengths: Sequence[Any] = [num_steps]
    elif num_steps is not None:
        raise InputError(
            f"num_steps is both an axis of the space and the argument {num_steps!r}; give only one of them"
        )
    elif not space.present("num_steps").all():
        raise InputError("num_steps is an axis of some runs of the space but not of all; give it to all")
    else:
        lengths = space.axes["num_steps"]
    for length in lengths:
        check_integer("num_steps", length)
    if eval_every is not None:
        check_integer("eval_every", eval_every)
    return max(lengths)


def check_part(part: object, num_runs: int) -> None:
    """Check the number of a part and the number of parts."""
    if not isinstance(part, tuple) or len(part) != 2:
        raise InputError(
            f"part must be (number, count), such as part=(3, 16) for the third of 16 parts, got {part!r}"
        )
    number, count = part
    check_integer("the number of a part", number)
    check_integer("the number of parts", count)
    if number > count:
        raise InputError(f"part {number} of {count} does not exist; parts are numbered from 1")
    if count > num_runs:
        raise InputError(f"{num_runs:,} runs cannot be cut into {count:,} parts")


def check_can_go_on(plan: Plan, eval_every: int | None, *, is_search: bool) -> None:
    """Refuse to keep states from which training could not continue."""
    reason = None
    if is_search:
        reason = "the lengths of a search are fixed"
    elif plan.num_steps is None:
        reason = "runs of different lengths are different runs where num_steps is an axis"
    elif any(group.reads_num_steps for group in plan.groups):
        reason = "the task reads num_steps, as schedules do, so longer runs differ from their first step"
    elif plan.num_steps % (eval_every or plan.num_steps + 1) and any(
        group.task.react for group in plan.groups
    ):
        reason = (
            "the task reacts to its evaluations, as keep_best does, so longer runs need the last evaluation too: "
            f"num_steps must be a multiple of eval_every, got {plan.num_steps} and {eval_every}"
        )
    if reason is not None:
        raise InputError(f"keep_states=True keeps states from which to train more steps, but {reason}")
