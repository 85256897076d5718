"""Fingerprints: what a store was made for, and whether a sweep may go on in it.

The same plan under the same fingerprint gives the same bits. Another plan is another sweep; another fingerprint
is refused unless it is asked for, and marks the rows that are made under it.
"""

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from fnnet.data.content import content_hash
from fnnet.errors import InputError
from fnnet.sweep.plan import Group, Plan
from fnnet.sweep.store import Store

Description = dict[str, Any]
"""What the plan of a store says: settings, fingerprint, groups and space."""


def describe(plan: Plan, data: Any, settings: Mapping[str, Any], lanes: int | None) -> Description:
    """Describe a sweep for the plan of its store.

    Args:
        plan: of the sweep.
        data: of the sweep.
        settings: what may not change while a sweep grows.
        lanes: what was asked for, if anything was.

    Returns:
        What can be written as JSON. The lanes of each group are not chosen yet.
    """
    return {
        "settings": dict(settings),
        "fingerprint": fingerprint_of(data) | {"lanes": str(lanes or "chosen")},
        "groups": [_described(group, plan) for group in plan.groups],
        "space": plan.space.to_json(),
    }


def fingerprint_of(data: Any) -> dict[str, str]:
    """Tell what the bits of a result depend on besides its plan: versions, device, flags and data."""
    device = jax.local_devices()[0]
    return {
        "versions": " ".join(f"{name} {version(name)}" for name in ("fnnet", "jax", "jaxlib")),
        "device": f"{device.platform} {device.device_kind} {platform.machine()}",
        "flags": f"{os.environ.get('XLA_FLAGS', '')} x64={jax.dtypes.canonicalize_dtype(float) == np.float64}",
        "data": content_hash(data),
    }


def name_of(fingerprint: Mapping[str, str], program_hash: str, lanes: int) -> str:
    """Name a fingerprint, a group's program and its lanes by 8 hexadecimal digits, for the rows of a table."""
    whole = {**fingerprint, "program": program_hash, "lanes": lanes}
    parts = sorted(f"{name}={value}" for name, value in whole.items())
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


def check(store: Store, described: Description, stored: Description | None, *, accept: bool) -> None:
    """Compare a sweep with what its store was made for.

    Args:
        store: the folder.
        described: the sweep.
        stored: what `describe` gave for the sweep before, if there was one.
        accept: whether another fingerprint may go on.

    Raises:
        InputError: naming what has changed.
    """
    if stored is None:
        return
    old, new = stored["settings"], described["settings"]
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            raise InputError(
                f"{store.folder} was made with {name}={old.get(name)}, got {new.get(name)}; "
                "name another folder for another sweep"
            )
    if changed := [] if accept else _changes(described, stored):
        raise InputError(
            f"{store.folder} was made under another fingerprint ({'; '.join(changed)}), so its bits may "
            "differ; accept_fingerprint=True goes on and marks the new rows"
        )


def lanes_before(described_group: Mapping[str, Any], stored: Description | None) -> int | None:
    """Look up the lanes of an earlier part of the sweep; a group that has grown chooses anew."""
    group = _same_group(described_group, stored)
    return int(group["lanes"]) if group and group["num_runs"] >= described_group["num_runs"] else None


def _described(group: Group, plan: Plan) -> dict[str, Any]:
    has_axis = {name: plan.space.codes[name][group.runs[0]] >= 0 for name in plan.traced_axes}
    return {
        "static": _as_json(group.static),
        "axes": sorted(name for name, has_it in has_axis.items() if has_it),
        "num_runs": len(group.runs),
        "program": group.program_hash(),
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def _same_group(described_group: Mapping[str, Any], stored: Description | None) -> dict[str, Any] | None:
    groups = stored["groups"] if stored is not None else ()
    same = (
        group for group in groups if all(group[key] == described_group[key] for key in ("static", "axes"))
    )
    return next(same, None)


def _changes(described: Description, stored: Description) -> list[str]:
    old, new = stored["fingerprint"], described["fingerprint"]
    changed = [f"{name}: {old.get(name)} -> {value}" for name, value in new.items() if old.get(name) != value]
    if changed:  # of which another text of the same program may be a consequence
        return changed
    for described_group in described["groups"]:
        group = _same_group(described_group, stored)
        if group is not None and group["program"] != described_group["program"]:
            static = ", ".join(f"{name}={value}" for name, value in described_group["static"].items())
            return [f"recipe: it computes something else than before{' for ' if static else ''}{static}"]
    return []
