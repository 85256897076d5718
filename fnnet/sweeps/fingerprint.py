"""Fingerprints: what the bits of a result depend on besides its plan.

The same plan under the same fingerprint gives the same bits. Every row carries a hash of all that its bits depend on,
so rows of another sweep are recognized even if the plan is lost.
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

from fnnet.data.content import combine
from fnnet.lanes.canary import canary
from fnnet.records.planfile import MAX_LANES
from fnnet.space.stored import space_to_json
from fnnet.sweeps.plan import Group, Plan
from fnnet.sweeps.tracing import program_hash

Description = dict[str, Any]
"""The content of a store's plan: settings, fingerprint, groups and space."""

PACKAGES = ("fnnet", "jax", "jaxlib", "numpy", "optax", "flax")
"""Packages that take part in computing a run."""


def describe(
    plan: Plan,
    leaves: Mapping[str, str],
    settings: Mapping[str, Any],
    lanes: int | None,
    worker_environment: Mapping[str, str],
    platform: str,
) -> Description:
    """Describe a sweep for the plan of its store.

    Args:
        plan: the sweep's plan.
        leaves: a hash of each leaf of the data.
        settings: the settings that must stay the same when a sweep is resumed or extended.
        lanes: the requested number of lanes; None to choose it.
        worker_environment: the `environment` of the workers.
        platform: the platform of their devices.

    Returns:
        A JSON object, without the lanes of each group.
    """
    return {
        "settings": dict(settings),
        "fingerprint": {**worker_environment, "data": combine(leaves), "lanes": str(lanes or "chosen")},
        "earlier": [],
        "earlier_num_steps": [],
        "leaves": dict(leaves),
        "groups": [_described(group, plan, platform) for group in plan.groups],
        "higher_is_better": plan.higher_is_better,
        "space": space_to_json(plan.space),
    }


def merge(described: Description, stored: Description | None) -> Description:
    """Add what only the stored plan has: earlier fingerprints, lengths and programs, and groups of other runs."""
    if stored is None:
        return described
    groups, stored_groups, own_groups = [], groups_by_key(stored), groups_by_key(described)
    for group in described["groups"]:
        before = stored_groups.get(key_of(group))
        programs = [] if before is None else [*before["earlier"], before["program"]]
        groups.append(group | {"earlier": sorted({*programs, *group["earlier"]} - {group["program"]})})
    others = [group for key, group in stored_groups.items() if key not in own_groups]
    earlier = [*described["earlier"], *stored["earlier"], stored["fingerprint"]]
    earlier = [each for each in earlier if each != described["fingerprint"]]
    return described | {
        "earlier": [each for place, each in enumerate(earlier) if each not in earlier[:place]],
        "earlier_num_steps": _earlier_num_steps(described, stored),
        "groups": groups + others,
        "higher_is_better": {**stored["higher_is_better"], **described["higher_is_better"]},
        "older_fingerprints": sorted(
            {*described.get("older_fingerprints", ()), *stored.get("older_fingerprints", ())}
        ),
        "created": stored.get("created"),
    }


def environment() -> dict[str, str]:
    """Return what the bits of this process depend on besides plan and data: versions, device and flags."""
    device = jax.local_devices()[0]
    return {
        "versions": " ".join(f"{name} {version(name)}" for name in PACKAGES),
        "device": f"{device.device_kind} {platform.machine()} canary {canary()}",
        "flags": f"{os.environ.get('XLA_FLAGS', '')} x64={jax.dtypes.canonicalize_dtype(float) == np.float64}",
    }


def name_of(described: Description, program: str, lanes: int, num_devices: int) -> str:
    """Hash all that the bits of a group's rows depend on to 8 hexadecimal digits.

    Args:
        described: the description of the sweep.
        program: hash of the group's program.
        lanes: lanes per device.
        num_devices: number of devices. Training gives the same bits on any number of them, but the program of a
            single device is compiled otherwise, which may change the last digit of measured losses.
    """
    return _name(prefix_of(described["settings"], described["fingerprint"]), program, lanes, num_devices)


def name_of_state(described: Description, program: str, lanes: int) -> str:
    """Hash all that the bits of a group's states depend on; they resume on any number of devices.

    The number of steps is left out if it only changes where a run ends, so that the run can continue later.
    """
    settings = dict(described["settings"])
    groups = (group for group in described["groups"] if group["program"] == program)
    if not any(group.get("reads_num_steps") for group in groups):
        del settings["num_steps"]
    return _name(prefix_of(settings, described["fingerprint"]), program, lanes, None)


def _earlier_num_steps(described: Description, stored: Description) -> list[int]:
    """Return the lengths from which a sweep went on, in increasing order."""
    lengths = {*described.get("earlier_num_steps", ()), *stored.get("earlier_num_steps", ())}
    lengths.add(stored["settings"].get("num_steps"))
    return sorted(lengths - {described["settings"]["num_steps"], None})


def prefix_of(settings: Mapping[str, Any], fingerprint: Mapping[str, str]) -> str:
    """Hash what all groups of a sweep depend on."""
    whole = json.dumps([dict(settings), dict(fingerprint)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _name(prefix: str, program: str, lanes: int, num_devices: int | None) -> str:
    devices = "any" if num_devices is None else "one" if num_devices == 1 else "several"
    return hashlib.sha256(f"{prefix} {program} {lanes} {devices}".encode()).hexdigest()[:8]


def names_of(prefix: str, program: str, asked: str) -> Iterator[str]:
    """Yield all fingerprints that rows may have: lanes are powers of two, or the requested number halved repeatedly."""
    first = int(asked) if asked.isdecimal() else 1
    numbers = {1 << k for k in range(MAX_LANES.bit_length())} | {
        first >> k for k in range(first.bit_length())
    }
    for lanes in numbers:
        for num_devices in (1, 2):
            yield _name(prefix, program, lanes, num_devices)


def _described(group: Group, plan: Plan, platform: str) -> dict[str, Any]:
    has_axis = {name: plan.space.codes[name][group.runs[0]] >= 0 for name in plan.traced_axes}
    return {
        "static": _as_json(group.static),
        "axes": sorted(name for name, has_it in has_axis.items() if has_it),
        "num_runs": len(group.runs),
        "program": program_hash(group.traced, platform),
        "reads_num_steps": group.reads_num_steps,
        "earlier": [],
    }


def _as_json(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def groups_by_key(described: Description | None) -> dict[str, dict[str, Any]]:
    """Index groups by what distinguishes them: static values and the names of traced axes."""
    return {key_of(group): group for group in (described or {"groups": ()})["groups"]}


def key_of(group: Mapping[str, Any]) -> str:
    """Return what distinguishes a group, as JSON: its static values and the names of its traced axes."""
    return json.dumps([group["static"], group["axes"]], sort_keys=True)
