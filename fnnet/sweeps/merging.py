"""Merging: the stores of one sweep, such as those of its parts, joined into one.

What is joined is what any sweep would find in a store: finished chunks with their parameters, states, the log of
attempts, and a plan. The plan is written last, so a folder whose merge was killed does not count as a sweep;
merging again completes it.
"""

import functools
import json
import os
import warnings
from collections.abc import Collection, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnnet.errors import InputError
from fnnet.records.attempts import copy_attempts
from fnnet.records.commands import whole_command
from fnnet.records.results import Results
from fnnet.records.rows import open_results
from fnnet.records.store import Chunk, Store
from fnnet.space.groups import cut_groups, find_part
from fnnet.space.space import Space, union
from fnnet.space.stored import space_from_json, space_to_json
from fnnet.sweeps.compatibility import changed_leaves, recognize
from fnnet.sweeps.fingerprint import Description, groups_by_key, key_of, merge
from fnnet.sweeps.resume import stored_plan
from fnnet.sweeps.states import find_states

Folder = str | os.PathLike[str]
Holders = dict[str, tuple[str, Store]]
"""The fingerprint of each finished run, and a store that holds it."""

MOST_NAMED = 10  # parts that a message lists


class Source(NamedTuple):
    """A store that is merged.

    store: the store.
    plan: its plan.
    """

    store: Store
    plan: Description


class Merged(NamedTuple):
    """The sweep to which some stores belong.

    space: its runs.
    groups: the places of the runs of each group.
    described: its description, with the groups in this order.
    to_copy: for each store, the chunks with runs that those before it lack.
    finished: the ids of the runs that are finished in some store.
    """

    space: Space
    groups: list[np.ndarray]
    described: Description
    to_copy: list[set[str]]
    finished: set[str]


def merge_stores(folders: Sequence[Folder], out: Folder) -> Results:
    """Join the stores of one sweep, such as those of its parts, into one.

    The stores stay as they are, and may still be growing. Merging again adds what has come since, and completes a merge
    that was killed. The merged store is like any other: running the whole sweep in it trains what is missing.

    Args:
        folders: the stores. They must agree in settings, data, fingerprint and programs, and where several hold a run,
            in its fingerprint.
        out: the folder of the merged store; a new one, or one of the same sweep.

    Returns:
        The results, as `open_results(out)` returns them. A warning says how many runs are missing.

    Raises:
        InputError: when a folder holds no sweep, or two of them differ, naming in what.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> recipe, space = mlp_recipe(data), grid(depth=0, learning_rate=[0.1, 0.3], seed=range(3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in (1, 2):
        ...         _ = sweep(recipe, space, data, num_steps=5, lanes=2, part=(number, 2), store=f"{folder}/{number}")
        ...     results = merge_stores([f"{folder}/1", f"{folder}/2"], f"{folder}/all")
        >>> results["seed"].tolist()
        [0, 1, 2, 0, 1, 2]
    """
    if line := join(folders, out):
        warnings.warn(f"{os.fspath(out)} holds {line}", stacklevel=2)
    return open_results(out)


def join(folders: Sequence[Folder], out: Folder) -> str | None:
    """Join stores, as `merge_stores` does.

    Returns:
        How many runs there are, and which parts are incomplete; None if no run is missing.
    """
    target = Store(out)
    sources = [_open(folder) for folder in folders if Path(folder).resolve() != target.folder.resolve()]
    if not sources:
        raise InputError("merging takes the folders of one or more stores besides that of the merged one")
    target.check_folder()
    _compare(sources, target)  # refuses before anything is written
    with target.writing():
        merged = _compare(sources, target, mend=True)
        for source, chunk_ids in zip(sources, merged.to_copy, strict=True):
            _copy_chunks(source.store, target, chunk_ids)
        for source in sources:
            _copy_states(source, target, merged.finished)
            copy_attempts(source.store.attempts_path, target.attempts_path)
        target.write_plan(merged.described)
    return _describe_missing(sources, merged)


def _open(folder: Folder) -> Source:
    """Read the plan of a store.

    Raises:
        InputError: when it has none, or is that of a search.
    """
    store = Store(folder)
    plan = store.require_plan()
    if "rungs" in plan["settings"]:
        raise InputError(
            f"{store.folder} holds a search, which compares all of its runs; only sweeps are merged"
        )
    return Source(store, plan)


def _compare(sources: Sequence[Source], target: Store, *, mend: bool = False) -> Merged:
    """Check that stores belong to one sweep, and choose what to copy.

    Args:
        sources: the stores.
        target: the merged one.
        mend: whether to move its damaged files aside; only for the holder of its write lock.

    Raises:
        InputError: naming two stores and what differs.
    """
    own = stored_plan(target, mend=mend)
    planned = [*([] if own is None else [Source(target, own)]), *sources]
    _check_alike(planned)
    space = union(
        *{json.dumps(plan["space"]): space_from_json(plan["space"]) for _, plan in planned}.values()
    )
    described, groups = _describe([plan for _, plan in planned], space, target.folder)
    wanted = set(space.ids().tolist())
    holders: Holders = {}
    to_copy: list[set[str]] = []
    for store in [target, *(source.store for source in sources)]:
        index = store.read_index(mend=mend and store is target)
        foreign, shorter = recognize(described, space, groups, index)
        if foreign and store is target:
            raise InputError(
                f"{target.folder} holds {sum(foreign.values()):,} of these runs from another sweep; name another folder"
            )
        finished = [item for item in index.items() if item[0] not in {**foreign, **shorter}]
        to_copy.append({chunk_id for chunk_id, chunk in finished if _hold(store, chunk, wanted, holders)})
    return Merged(space, groups, described, to_copy[1:], set(holders))


def _check_alike(sources: Sequence[Source]) -> None:
    """Refuse stores of different sweeps.

    Raises:
        InputError: naming two of them and what differs.
    """
    first = sources[0]
    programs: dict[str, tuple[str, Source]] = {}  # of each group, and a store that has it
    for source in sources:
        both = f"{first.store.folder} and {source.store.folder} are not from the same sweep"
        for kind in ("settings", "fingerprint"):
            here, there = first.plan[kind], source.plan[kind]
            for name in {**here, **there}:
                if here.get(name) == there.get(name):
                    continue
                if name == "data":
                    changed = changed_leaves(first.plan["leaves"], source.plan["leaves"])
                    raise InputError(f"{both}: their data differ ({changed})")
                raise InputError(
                    f"{both}: {name} is {here.get(name)} in one and {there.get(name)} in the other"
                )
        for group in source.plan["groups"]:
            program, other = programs.setdefault(key_of(group), (group["program"], source))
            if program != group["program"]:
                static = ", ".join(f"{name}={value}" for name, value in group["static"].items())
                raise InputError(
                    f"{other.store.folder} and {source.store.folder} are not from the same sweep: their recipes "
                    f"compute different things{' for ' if static else ''}{static}"
                )


def _describe(plans: Sequence[Description], space: Space, out: Path) -> tuple[Description, list[np.ndarray]]:
    """Merge the plans of stores of one sweep to that of `out`.

    Returns:
        The plan; and the places of the runs of its groups, which are the first in the plan.
    """
    described = functools.reduce(merge, plans)
    static_axes = {name for group in described["groups"] for name in group["static"]}
    cuts = cut_groups(
        space,
        tuple(name for name in space.axes if name in static_axes),
        tuple(name for name in space.axes if name not in static_axes),
    )
    found, groups = groups_by_key(described), []
    for _, runs in cuts:
        config = space[runs[0]]
        static = {name: value for name, value in config.items() if name in static_axes}
        key = key_of({"static": static, "axes": sorted(config.keys() - static_axes)})
        lanes = max(groups_by_key(plan)[key]["lanes"] for plan in plans if key in groups_by_key(plan))
        groups.append(found.pop(key) | {"num_runs": len(runs), "lanes": lanes})
    options = [plan.get("options") or {} for plan in plans]
    return described | {
        "space": space_to_json(space),
        "groups": [*groups, *found.values()],
        "options": options[0]
        | {"part": None, "save_params": all(each.get("save_params", True) for each in options)},
        "command": whole_command(plans[0].get("command"), out),
        "created": min((plan["created"] for plan in plans if plan.get("created")), default=None),
        "updated": max((plan["updated"] for plan in plans if plan.get("updated")), default=None),
    }, [runs for _, runs in cuts]


def _hold(store: Store, chunk: Chunk, wanted: Set[str], holders: Holders) -> bool:
    """Record the runs of a chunk; return whether any of them is new.

    Raises:
        InputError: when another store holds one of them under another fingerprint.
    """
    is_new = False
    for run_id in chunk.run_ids:
        if run_id not in wanted:
            continue
        is_new |= run_id not in holders
        there, holder = holders.setdefault(run_id, (chunk.fingerprint, store))
        if there != chunk.fingerprint and holder is not store:
            raise InputError(
                f"{holder.folder} and {store.folder} hold the same run under the fingerprints {there} and {chunk.fingerprint}, "
                "as with another number of lanes or devices; leave one of them out"
            )
    return is_new


def _copy_chunks(source: Store, target: Store, chunk_ids: Collection[str]) -> None:
    """Commit finished chunks of a store to another one, with their parameters."""
    for rows in source.read_rows(chunk_ids):
        for chunk in rows.partition_by("chunk", maintain_order=True):
            chunk_id = chunk["chunk"][0]
            if (params := source.load_params(chunk_id)) is not None:
                target.save_params(chunk_id, params)
            target.commit_chunk(chunk_id, chunk)


def _copy_states(source: Source, target: Store, finished: Set[str]) -> None:
    """Copy the states from which runs can continue, unless the target has one of as many steps."""
    keeps_states = (source.plan.get("options") or {}).get("keep_states")
    there = find_states(target)
    for chunk_id, saved in find_states(source.store).items():
        is_needed = keeps_states or not finished >= set(saved.run_ids)
        state = source.store.load_state(chunk_id)
        if is_needed and state is not None and (chunk_id not in there or there[chunk_id].step < saved.step):
            target.save_state(chunk_id, state)


def _describe_missing(sources: Sequence[Source], merged: Merged) -> str | None:
    """Say how many runs there are and which parts are incomplete; None if no run is missing."""
    is_missing = np.array([run_id not in merged.finished for run_id in merged.space.ids().tolist()])
    if not is_missing.any():
        return None
    line = f"{np.count_nonzero(~is_missing):,} of {len(is_missing):,} runs"
    parts = [(source.plan.get("options") or {}).get("part") for source in sources]
    counts = {part[1] for part in parts if part is not None}
    if len(counts) != 1:
        return line
    (count,) = counts
    numbers = [
        number for number in range(1, count + 1) if is_missing[find_part(merged.groups, number, count)].any()
    ]
    named = ", ".join(map(str, numbers[:MOST_NAMED]))
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return f"{line}; part{'s' * (len(numbers) > 1)} {named}{more} of {count} {'are' if len(numbers) > 1 else 'is'} missing or unfinished"
