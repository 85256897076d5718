"""Commands: the command lines that a store records, for the whole of a sweep or for one of its runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def whole_command(command: object, out: Path) -> list[str] | None:
    """Return the command that trains the whole of a sweep in a folder, from that of a part; None if there is none.

    Example:
        >>> whole_command(["fnnet", "sweep", "--part", "1/2", "--out=first", "seed=0,1"], Path("all"))
        ['fnnet', 'sweep', 'seed=0,1', '--out', 'all']
    """
    if not isinstance(command, list):
        return None
    return [*_without(command, ("--part", "--out")), "--out", str(out)]


def run_command(plan: Mapping[str, Any], config: Mapping[str, Any], out: Path) -> list[str] | None:
    """Return the command that trains one run of a sweep alone; None if `fnnet sweep` did not make the sweep.

    Args:
        plan: the plan of a store.
        config: the configuration of the run.
        out: the folder to train it in.

    Example:
        >>> command = ["fnnet", "sweep", "--dataset", "a.csv", "--target", "width", "--part=1/2", "width=3,4", "seed=0,1"]
        >>> run_command({"command": command}, {"width": 4, "seed": 1}, Path("one"))
        ['fnnet', 'sweep', '--dataset', 'a.csv', '--target', 'width', 'width=4', 'seed=1', '--out', 'one']
    """
    command = plan.get("command")
    if not isinstance(command, list) or len(command) < 2 or command[1] != "sweep":
        return None
    words = ["fnnet", *_without(command[1:], ("--part", "--out"))]
    others = [word for word in words if "=" not in word or word.partition("=")[0] not in config]
    return [*others, *(f"{name}={axis_text(value)}" for name, value in config.items()), "--out", str(out)]


def run_call(plan: Mapping[str, Any], config: Mapping[str, Any], num_steps: int) -> str:
    """Return the call in Python that trains one run of a sweep alone, with its own recipe and data.

    Args:
        plan: the plan of a store.
        config: the configuration of the run.
        num_steps: the number of steps that it was trained for.

    Example:
        >>> run_call({"settings": {"eval_every": 5}}, {"widths": (3, 4), "learning_rate": 0.1}, 20)
        'fn.sweep(recipe, fn.grid(widths=[(3, 4)], learning_rate=0.1), data, num_steps=20, eval_every=5)'
    """
    axes = ", ".join(
        f"{name}={[value] if isinstance(value, tuple) else value!r}" for name, value in config.items()
    )
    options = [] if "num_steps" in config else [f"num_steps={num_steps}"]
    if eval_every := plan["settings"].get("eval_every"):
        options.append(f"eval_every={eval_every}")
    return ", ".join([f"fn.sweep(recipe, fn.grid({axes})", "data", *options]) + ")"


def axis_text(value: object) -> str:
    """Spell the value of an axis as the command line reads it.

    Example:
        >>> axis_text(0.1), axis_text(True), axis_text((16, 16))
        ('0.1', 'yes', '[[16, 16]]')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps([list(value)]) if isinstance(value, tuple) else str(value)


def _without(command: list[Any], flags: tuple[str, ...]) -> list[str]:
    """Return the words of a command without some options and their values."""
    words, rest = [], iter(map(str, command))
    for word in rest:
        flag, equals, _ = word.partition("=")
        if flag not in flags:
            words.append(word)
        elif not equals:
            next(rest, None)
    return words
