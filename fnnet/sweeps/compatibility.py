"""Compatibility: whether a sweep may resume from a store, and which of the store's chunks are its own.

A store refuses other settings and other data; only more steps may be requested, if it keeps states to continue from. It
also refuses another fingerprint, unless that is accepted, which marks the new rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from fnnet.errors import InputError
from fnnet.records.store import Chunk, Store
from fnnet.space.space import Space
from fnnet.sweeps.fingerprint import Description, groups_by_key, key_of, names_of, prefix_of


def check(store: Store, described: Description, stored: Description | None, *, accept: bool) -> None:
    """Compare a sweep with what its store was made for.

    Args:
        store: the store.
        described: the description of the sweep.
        stored: the description in the store's plan, if there is one.
        accept: whether to accept another fingerprint; other settings or data are never accepted.

    Raises:
        InputError: naming what changed.
    """
    if stored is None:
        return
    old, new = stored["settings"], described["settings"]
    for name in {**old, **new}:
        if old.get(name) != new.get(name) and not (name == "num_steps" and goes_on(described, stored)):
            asks_for_more = (
                name == "num_steps" and None not in (old[name], new[name]) and old[name] < new[name]
            )
            hint = "; only a sweep with keep_states=True can continue to more steps" if asks_for_more else ""
            raise InputError(
                f"{store.folder} was made with {name}={old.get(name)}, got {new.get(name)}; "
                f"name another folder for another sweep, such as {store.folder}-{new.get(name)}{hint}"
            )
    if stored["fingerprint"].get("data") != described["fingerprint"]["data"]:
        raise InputError(
            f"{store.folder}: the data have changed ({changed_leaves(stored['leaves'], described['leaves'])}); "
            "name another folder for a sweep of other data"
        )
    if changed := [] if accept else _changes(described, stored):
        raise InputError(
            f"{store.folder} was made under another fingerprint ({'; '.join(changed)}), so its bits may "
            "differ; accept_fingerprint=True continues and marks the new rows"
        )


def goes_on(described: Description, stored: Description | None) -> bool:
    """Return whether a sweep asks for more steps than its store was made for, and can continue to them.

    Raises:
        InputError: when longer runs would differ, since their task reads `num_steps`.
    """
    if stored is None:
        return False
    before, now = (each["settings"].get("num_steps") for each in (stored, described))
    keeps_states = (stored.get("options") or {}).get("keep_states") and not stored.get("older_fingerprints")
    if not keeps_states or before is None or now is None or before >= now:
        return False
    if any(group.get("reads_num_steps") for group in described["groups"]):
        raise InputError(
            f"these runs cannot continue from num_steps={before} to {now}: the task reads num_steps, as schedules do, so "
            "longer runs differ from the first step; name another folder"
        )
    return True


def recognize(
    described: Description, space: Space, groups: Sequence[np.ndarray], done: Mapping[str, Chunk]
) -> tuple[dict[str, int], dict[str, int]]:
    """Find, by their fingerprints, the chunks that hold runs of a sweep but were not trained as it describes.

    Foreign ones occur when the plan of a store is lost and another sweep uses its folder.

    Args:
        described: the description of the sweep, merged with that in the store's plan.
        space: its runs.
        groups: the places of the runs of each group, in the order of the description.
        done: the store's chunks by id.

    Returns:
        By id, how many of these runs foreign chunks hold; and the length of the chunks that were trained before the
        sweep went on to more steps.
    """
    if not done:
        return {}, {}
    envs = [described["fingerprint"], *described["earlier"]]
    length = described["settings"]["num_steps"]
    prefixes = [
        (prefix_of(described["settings"] | {"num_steps": each}, env), str(env.get("lanes")), each)
        for env in envs
        for each in [length, *described.get("earlier_num_steps", ())]
    ]
    group_of_run = np.empty(len(space), np.int64)
    for number, runs in enumerate(groups):
        group_of_run[runs] = number
    places = pl.DataFrame({"id": space.ids(), "group": group_of_run})
    known: dict[int, dict[str, Any]] = {}  # the length of each fingerprint, by group
    foreign: dict[str, int] = {}
    shorter: dict[str, int] = {}
    for found in _found(done, places).iter_rows(named=True):
        number = found["group"]
        if number not in known:
            group = described["groups"][number]
            programs = [group["program"], *group["earlier"]]
            known[number] = dict.fromkeys(described.get("older_fingerprints", ()), length) | {
                name: each
                for prefix, asked, each in prefixes
                for program in programs
                for name in names_of(prefix, program, asked)
            }
        if found["fingerprint"] not in known[number]:
            foreign[found["chunk"]] = foreign.get(found["chunk"], 0) + found["len"]
        elif known[number][found["fingerprint"]] != length:
            shorter[found["chunk"]] = known[number][found["fingerprint"]]
    return foreign, shorter


def lanes_before(described: Description, stored: Description | None) -> list[int | None]:
    """Return the stored lanes of each group; None if they are chosen again, for a new group or one with more runs.

    Runs that continue to more steps keep their lanes.
    """
    stored_groups = groups_by_key(stored)
    keeps_lanes = goes_on(described, stored)
    found = ((group, stored_groups.get(key_of(group))) for group in described["groups"])
    return [
        before["lanes"] if before and (keeps_lanes or before["num_runs"] >= group["num_runs"]) else None
        for group, before in found
    ]


def changed_leaves(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Describe which leaves of the data changed.

    Example:
        >>> changed_leaves({"train.inputs": 64 * "a"}, {"train.inputs": 64 * "b"})
        'train inputs differ: aaaaaaaa -> bbbbbbbb'
    """
    parts = []
    for path in dict.fromkeys([*old, *new]):
        before, after = old.get(path), new.get(path)
        name = path.replace(".", " ") or "values"
        if before is None or after is None:
            parts.append(f"{name} are {'new' if before is None else 'gone'}")
        elif before != after:
            parts.append(f"{name} differ: {before:.8} -> {after:.8}")
    return ", ".join(parts[:4]) + (f" and {len(parts) - 4} more" if len(parts) > 4 else "")


def _found(done: Mapping[str, Chunk], places: pl.DataFrame) -> pl.DataFrame:
    """Count the runs per chunk, group and fingerprint."""
    chunks = pl.DataFrame(
        [(chunk_id, *chunk) for chunk_id, chunk in done.items()],
        {"chunk": pl.String, "id": pl.List(pl.String), "fingerprint": pl.String},
        orient="row",
    )
    runs = chunks.explode("id")
    return runs.join(places, on="id", how="inner").group_by("chunk", "group", "fingerprint").len()


def _changes(described: Description, stored: Description) -> list[str]:
    old, new = stored["fingerprint"], described["fingerprint"]
    changed = [f"{name}: {old.get(name)} -> {value}" for name, value in new.items() if old.get(name) != value]
    if changed:  # programs are not compared, since other versions may trace the same one differently
        return changed
    stored_groups = groups_by_key(stored)
    for described_group in described["groups"]:
        group = stored_groups.get(key_of(described_group))
        if group is not None and group["program"] != described_group["program"]:
            static = ", ".join(f"{name}={value}" for name, value in described_group["static"].items())
            return [f"recipe: it computes something other than before{' for ' if static else ''}{static}"]
    return []
