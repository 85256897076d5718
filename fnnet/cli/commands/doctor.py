"""`fnnet doctor`: check that this machine has what a sweep needs, and that a store is intact."""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import tyro

from fnnet.cli.formats import Json
from fnnet.cli.output import print_json, print_line
from fnnet.errors import InputError

PACKAGES = ("fnnet", "jax", "jaxlib", "numpy", "polars", "optax", "flax")
SLOW_SYNC = (
    0.1  # seconds to sync a small file to the disk; if it takes longer, commits of small chunks are slow
)


class Check(NamedTuple):
    """The result of one check.

    name: what was checked.
    state: "ok", "warning" or "wrong".
    found: the finding, in words.
    advice: what to do; empty if nothing.
    """

    name: str
    state: str
    found: str
    advice: str = ""


def doctor(store: tyro.conf.Positional[Path | None] = None, /, json: Json = False) -> None:
    """Check this machine and, if given, a store: versions, devices, cache, speed, disk, damage.

        fnnet doctor results/digits

    Nothing is changed. The exit code is 1 if something is wrong.

    Args:
        store: the folder of a sweep; by default only the machine and the disk of this folder are checked.
        json: print JSON.
    """
    if store is not None and not store.is_dir():
        raise InputError(f"{store} holds no sweep: it is not a folder")
    disk = Path() if store is None else store.absolute().parent
    parts: list[Callable[[], Iterator[Check]]] = [_versions, _devices, _speed, _cache, lambda: _disk(disk)]
    if store is not None:
        parts.append(lambda: _store(store))
    found = []
    for part in parts:
        for check in part():
            found.append(check)
            if not json:
                print_line(f"{check.state:8} {check.name}: {check.found}")
                if check.advice:
                    print_line(f"{'':8} -> {check.advice}")
                sys.stdout.flush()
    if json:
        print_json(found)
    if any(check.state == "wrong" for check in found):
        sys.exit(1)


def _versions() -> Iterator[Check]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    said = ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {v}" for name, v in versions.items())]
    )
    if "missing" in versions.values():
        yield Check("versions", "wrong", said, "install fnnet with pip, which installs what it needs")
    elif versions["jax"].split(".")[:2] != versions["jaxlib"].split(".")[:2]:
        yield Check("versions", "wrong", said, f"pip install jaxlib=={versions['jax']}")
    else:
        yield Check("versions", "ok", said)


def _devices() -> Iterator[Check]:
    from fnnet.lanes.program import count_cores, use_all_cores

    use_all_cores(warn=False)
    import jax

    devices = jax.local_devices()
    kinds = ", ".join(sorted({device.device_kind for device in devices}))
    said = f"{len(devices)} of {devices[0].platform} ({kinds}), {count_cores()} of {os.cpu_count()} cores"
    if devices[0].platform == "cpu" and Path("/dev/nvidia0").exists():
        yield Check("devices", "warning", said, "there is an NVIDIA GPU: pip install 'fnnet[cuda13]' uses it")
    elif devices[0].platform == "cpu" and len(devices) < count_cores():
        yield Check("devices", "warning", said, f"unset JAX_NUM_CPU_DEVICES, or set it to {count_cores()}")
    else:
        yield Check("devices", "ok", said)
    from fnnet.memory import usable_bytes

    yield Check("memory", "ok", f"a sweep may use {usable_bytes() / 1e9:.1f} GB")


def _speed() -> Iterator[Check]:
    from fnnet.lanes.peak import measure_peak
    from fnnet.lanes.program import count_cores, make_mesh

    peak = f"a product of large matrices reaches {measure_peak(make_mesh()) / 1e9:,.0f} GFLOP/s"
    load = os.getloadavg()[0]
    if load > count_cores():
        said = f"{peak}, while {load:.1f} processes share the {count_cores()} cores"
        yield Check(
            "speed", "warning", said, "other programs slow down training, and the choice of lanes is rough"
        )
    else:
        yield Check("speed", "ok", peak)


def _cache() -> Iterator[Check]:
    from fnnet.cache import cache_folder

    folder = cache_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
    said = f"{folder}, {size / 1e6:,.0f} MB"
    if os.access(nearest, os.W_OK):
        yield Check("cache", "ok", said)
    else:
        advice = "set FNNET_CACHE to a writable folder, or programs are compiled every time"
        yield Check("cache", "warning", f"{said}, is not writable", advice)


def _disk(folder: Path) -> Iterator[Check]:
    from fnnet.records.health import examine_disk

    try:
        abilities = examine_disk(folder)
    except OSError as error:
        yield Check("disk", "warning", f"{folder}: {error.strerror}", "sweeps need a writable folder")
        return
    for ability in abilities:
        name = f"disk, {ability.name}"
        if ability.problem and ability.is_needed:
            yield Check(name, "wrong", ability.problem, "keep stores on a local disk: --out FOLDER")
        elif ability.problem:
            advice = (
                "a file marks the writer instead; after a kill on another machine, remove lock.held by hand"
            )
            yield Check(name, "warning", ability.problem, advice)
        elif ability.seconds > SLOW_SYNC:
            said = f"takes {ability.seconds:.2f} s"
            yield Check(name, "warning", said, "commits of small chunks are slow here; try a local disk")
        else:
            yield Check(name, "ok", f"works, in {1000 * ability.seconds:.1f} ms")


def _store(folder: Path) -> Iterator[Check]:
    from fnnet.records.health import examine_store

    health = examine_store(folder)
    again = "run the same sweep again: it moves them aside and retrains their runs"
    if health.problem:
        yield Check("plan", "wrong", health.problem, "run the same sweep again, which rewrites it")
    else:
        yield Check("plan", "ok", "intact")
    if health.damaged:
        listed = ", ".join(health.damaged[:5]) + (
            f" and {len(health.damaged) - 5} more" * (len(health.damaged) > 5)
        )
        yield Check("chunks", "wrong", f"{health.num_chunks:,} intact; damaged: {listed}", again)
    else:
        yield Check("chunks", "ok", f"{health.num_chunks:,} intact")
    if health.num_set_aside:
        said = f"{health.num_set_aside:,} damaged files were moved to {folder / 'damaged'}"
        yield Check("set aside", "warning", said, "look for a failing disk; the files can be deleted")
    if health.num_leftover and health.writer is None:
        said = f"{health.num_leftover:,} temporary files of processes that were killed"
        yield Check("leftovers", "ok", f"{said}; the next writer deletes them")
    if health.writer is not None:
        yield Check("writer", "ok", f"process {health.writer or 'on another machine'} is writing")
