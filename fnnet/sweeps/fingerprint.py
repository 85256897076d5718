"""Fingerprints: what the bits of a result depend on besides its plan, and whether a sweep may resume from a store.

The same plan under the same fingerprint gives the same bits. A store refuses other settings and other data. It also
refuses another fingerprint, unless that is accepted, which marks the new rows. Every row carries a hash of all that
its bits depend on, so rows of another sweep are recognized even if the plan is lost.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import polars as pl

from fnnet.data.content import combine
from fnnet.errors import InputError
from fnnet.lanes.canary import canary
from fnnet.records.planfile import MAX_LANES
from fnnet.records.store import Store
from fnnet.sweeps.plan import Group, Plan

Description = dict[str, Any]
"""The content of a store's plan: settings, fingerprint, groups and space."""

PACKAGES = ("fnnet", "jax", "jaxlib", "numpy", "optax", "flax")
"""Packages that take part in computing a run."""


def describe(
    plan: Plan, leaves: Mapping[str, str], settings: Mapping[str, Any], lanes: int | None
) -> Description:
    """Describe a sweep for the plan of its store.

    Args:
        plan: the sweep's plan.
        leaves: a hash of each leaf of the data.
        settings: the settings that must stay the same when a sweep is resumed or extended.
        lanes: the requested number of lanes; None to choose it.

    Returns:
        A JSON object, without the lanes of each group.
    """
    return {
        "settings": dict(settings),
        "fingerprint": fingerprint_of(leaves) | {"lanes": str(lanes or "chosen")},
        "earlier": [],
        "leaves": dict(leaves),
        "groups": [_described(group, plan) for group in plan.groups],
        "higher_is_better": plan.higher_is_better,
        "space": plan.space.to_json(),
    }


def merge(described: Description, stored: Description | None) -> Description:
    """Add what only the stored plan has: earlier fingerprints and programs, and groups that are not in this sweep."""
    if stored is None:
        return described
    groups, stored_groups, own_groups = [], _by_key(stored), _by_key(described)
    for group in described["groups"]:
        before = stored_groups.get(_key(group))
        programs = [] if before is None else [*before["earlier"], before["program"]]
        groups.append(group | {"earlier": sorted({*programs} - {group["program"]})})
    others = [group for key, group in stored_groups.items() if key not in own_groups]
    earlier = [
        each for each in [*stored["earlier"], stored["fingerprint"]] if each != described["fingerprint"]
    ]
    return described | {
        "earlier": [each for place, each in enumerate(earlier) if each not in earlier[:place]],
        "groups": groups + others,
        "higher_is_better": {**stored["higher_is_better"], **described["higher_is_better"]},
        "older_fingerprints": stored.get("older_fingerprints", []),
        "created": stored.get("created"),
    }


def fingerprint_of(leaves: Mapping[str, str]) -> dict[str, str]:
    """Return what bits depend on besides the plan: versions, device, flags and data."""
    device = jax.local_devices()[0]
    return {
        "versions": " ".join(f"{name} {version(name)}" for name in PACKAGES),
        "device": f"{device.device_kind} {platform.machine()} canary {canary()}",
        "flags": f"{os.environ.get('XLA_FLAGS', '')} x64={jax.dtypes.canonicalize_dtype(float) == np.float64}",
        "data": combine(leaves),
    }


def name_of(described: Description, program_hash: str, lanes: int, num_devices: int | None = None) -> str:
    """Hash all that the bits of a group's runs depend on to 8 hexadecimal digits.

    Args:
        described: the description of the sweep.
        program_hash: hash of the group's program.
        lanes: lanes per device.
        num_devices: number of devices. Training gives the same bits on any number of them, but the program of a
            single device is compiled otherwise, which may change the last digit of measured losses. None for a state,
            which resumes on any number.
    """
    return _name(_prefix(described["settings"], described["fingerprint"]), program_hash, lanes, num_devices)


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
        if old.get(name) != new.get(name):
            raise InputError(
                f"{store.folder} was made with {name}={old.get(name)}, got {new.get(name)}; "
                f"name another folder for another sweep, such as {store.folder}-{new.get(name)}"
            )
    if stored["fingerprint"].get("data") != described["fingerprint"]["data"]:
        raise InputError(
            f"{store.folder}: the data changed since ({changed_leaves(stored['leaves'], described['leaves'])}); "
            "name another folder for a sweep of other data"
        )
    if changed := [] if accept else _changes(described, stored):
        raise InputError(
            f"{store.folder} was made under another fingerprint ({'; '.join(changed)}), so its bits may "
            "differ; accept_fingerprint=True goes on and marks the new rows"
        )


def foreign_chunks(
    store: Store,
    plan: Plan,
    described: Description,
    stored: Description | None,
    done: Mapping[str, pl.DataFrame],
    *,
    accept: bool,
) -> list[str]:
    """Find chunks that hold runs of this sweep but have the fingerprint of another.

    They occur when the plan of a store is lost and another sweep uses its folder.

    Args:
        store: the store.
        plan: the sweep's plan.
        described: the description of the sweep.
        stored: the description in the store's plan, if there is one.
        done: the store's chunks by id.
        accept: whether to return such chunks, to be set aside, rather than raise.

    Returns:
        Their ids.

    Raises:
        InputError: when there are some and `accept` is false.
    """
    merged = merge(described, stored)
    envs = [merged["fingerprint"], *merged["earlier"]]
    prefixes = [(_prefix(merged["settings"], env), str(env.get("lanes"))) for env in envs]
    group_of_run = np.empty(len(plan.space), np.int64)
    for number, group in enumerate(plan.groups):
        group_of_run[group.runs] = number
    places = pl.DataFrame({"id": plan.space.ids(), "group": group_of_run})
    known: dict[int, set[str]] = {}
    foreign: list[str] = []
    num_runs = 0
    for found in _found(done, places).iter_rows(named=True):
        number = found["group"]
        if number not in known:
            group = merged["groups"][number]
            programs = [group["program"], *group["earlier"]]
            known[number] = set(merged.get("older_fingerprints", ())) | {
                name
                for prefix, asked in prefixes
                for program in programs
                for name in _names(prefix, program, asked)
            }
        if found["fingerprint"] not in known[number]:
            foreign.append(found["chunk"])
            num_runs += found["len"]
    if foreign and not accept:
        raise InputError(
            f"{store.folder} holds {num_runs:,} of these runs from another sweep, with other steps, data or recipe, or "
            "under another fingerprint, and its plan does not say which; name another folder, or "
            "accept_fingerprint=True moves them aside and trains them again"
        )
    return sorted(set(foreign))


def lanes_before(described: Description, stored: Description | None) -> list[int | None]:
    """Return the stored lanes of each group; None for a group that is new or has grown, to choose them again."""
    stored_groups = _by_key(stored)
    found = ((group, stored_groups.get(_key(group))) for group in described["groups"])
    return [
        before["lanes"] if before and before["num_runs"] >= group["num_runs"] else None
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


def _found(done: Mapping[str, pl.DataFrame], places: pl.DataFrame) -> pl.DataFrame:
    """Count the runs per chunk, group and fingerprint."""
    parts = [
        rows.select("id", "fingerprint").with_columns(chunk=pl.lit(chunk_id))
        for chunk_id, rows in done.items()
    ]
    if not parts:
        return pl.DataFrame()
    return pl.concat(parts).join(places, on="id", how="inner").group_by("chunk", "group", "fingerprint").len()


def _prefix(settings: Mapping[str, Any], fingerprint: Mapping[str, str]) -> str:
    whole = json.dumps([dict(settings), dict(fingerprint)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _name(prefix: str, program_hash: str, lanes: int, num_devices: int | None) -> str:
    devices = "any" if num_devices is None else "one" if num_devices == 1 else "several"
    return hashlib.sha256(f"{prefix} {program_hash} {lanes} {devices}".encode()).hexdigest()[:8]


def _names(prefix: str, program_hash: str, asked: str) -> Iterator[str]:
    """Yield all fingerprints that rows may have: lanes are powers of two, or the requested number halved repeatedly."""
    first = int(asked) if asked.isdecimal() else 1
    numbers = {1 << k for k in range(MAX_LANES.bit_length())} | {
        first >> k for k in range(first.bit_length())
    }
    for lanes in numbers:
        for num_devices in (1, 2):
            yield _name(prefix, program_hash, lanes, num_devices)


def _described(group: Group, plan: Plan) -> dict[str, Any]:
    has_axis = {name: plan.space.codes[name][group.runs[0]] >= 0 for name in plan.traced_axes}
    return {
        "static": _as_json(group.static),
        "axes": sorted(name for name, has_it in has_axis.items() if has_it),
        "num_runs": len(group.runs),
        "program": group.program_hash(),
        "earlier": [],
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def _by_key(described: Description | None) -> dict[str, dict[str, Any]]:
    """Index groups by what distinguishes them: static values and the names of traced axes."""
    return {_key(group): group for group in (described or {"groups": ()})["groups"]}


def _key(group: Mapping[str, Any]) -> str:
    return json.dumps([group["static"], group["axes"]], sort_keys=True)


def _changes(described: Description, stored: Description) -> list[str]:
    old, new = stored["fingerprint"], described["fingerprint"]
    changed = [f"{name}: {old.get(name)} -> {value}" for name, value in new.items() if old.get(name) != value]
    if changed:  # programs are not compared, since other versions may trace the same one differently
        return changed
    stored_groups = _by_key(stored)
    for described_group in described["groups"]:
        group = stored_groups.get(_key(described_group))
        if group is not None and group["program"] != described_group["program"]:
            static = ", ".join(f"{name}={value}" for name, value in described_group["static"].items())
            return [f"recipe: it computes something other than before{' for ' if static else ''}{static}"]
    return []
