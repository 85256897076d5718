"""Listing: the sweeps in a folder and below it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fnnet.errors import InputError
from fnnet.records.planfile import read_plan
from fnnet.records.status import Status, read_status

MAX_DEPTH = 4  # of folders that are searched


class Listed(NamedTuple):
    """A sweep that was found.

    folder: its store.
    data: the name of its data set; empty if it was made from other arrays.
    axes: the number of values of each axis.
    updated: when it was last started or resumed, in UTC as ISO 8601; empty if not recorded.
    status: how far it is; None if it cannot be read.
    problem: why not.
    """

    folder: Path
    data: str
    axes: dict[str, int]
    updated: str
    status: Status | None
    problem: str


def list_stores(folder: str | os.PathLike[str]) -> list[Listed]:
    """List the sweeps in a folder and up to four levels below it, in the order of their paths.

    Raises:
        InputError: when there is no such folder.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, depth in (("b", 0), ("a", 1)):
        ...         space = grid(depth=depth, learning_rate=[0.1, 0.2])
        ...         _ = sweep(mlp_recipe(data), space, data, num_steps=5, store=Path(folder, name))
        ...     found = list_stores(folder)
        >>> [(each.folder.name, each.data, each.axes, each.status.state) for each in found][0]
        ('a', 'iris', {'depth': 1, 'learning_rate': 2}, 'finished')
    """
    top = Path(folder)
    if not top.is_dir():
        raise InputError(f"{folder} is not a folder")
    return [_describe(store) for store in _find_stores(top, MAX_DEPTH)]


def _find_stores(folder: Path, depth: int) -> Iterator[Path]:
    try:
        is_store = (folder / "plan.json").is_file()
        inner = [each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:  # not ours to read
        return
    if is_store:
        yield folder
    elif depth:
        for each in sorted(inner):
            if not each.name.startswith("."):
                yield from _find_stores(each, depth - 1)


def _describe(folder: Path) -> Listed:
    try:
        plan: dict[str, Any] = read_plan(folder / "plan.json") or {}
        status = read_status(folder)
    except InputError as error:
        return Listed(folder, "", {}, "", None, str(error))
    axes = {axis["name"]: len(axis["values"]) for axis in plan["space"]["axes"]}
    name, updated = plan.get("data", {}).get("name"), plan.get("updated")
    return Listed(folder, name or "", axes, updated or "", status, "")
