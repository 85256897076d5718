"""The memory that a sweep may use on this machine."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from fnnet.errors import InputError
from fnnet.types import PyTree

SHARE = 0.6  # of free memory; the rest is for other processes, and for what the compiler underestimates


def usable_bytes() -> float:
    """Return the bytes that all devices of this host may use together: 60 % of their free memory.

    On a CPU, free memory is what the system has available, or what the limits of the process's control groups leave
    if that is less.

    Example:
        >>> usable_bytes() > 1_000_000
        True
    """
    free = 0.0
    for device in jax.local_devices():
        stats = device.memory_stats() if device.platform != "cpu" else None
        if not stats or "bytes_limit" not in stats:
            return usable_host_bytes()
        free += stats["bytes_limit"] - stats["bytes_in_use"]
    return SHARE * free


def usable_host_bytes() -> float:
    """Return the bytes of host memory that may be used: 60 % of what is free."""
    return SHARE * min([_available(), *_left_of_limits(Path("/"))])


def tree_bytes(tree: PyTree) -> int:
    """Return how many bytes the leaves of a pytree of arrays, of their shapes or of numbers take.

    Example:
        >>> tree_bytes({"w": jax.ShapeDtypeStruct((3, 2), "float32"), "b": 0.5})
        28
    """
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(np.shape(leaf)) * jax.dtypes.result_type(leaf).itemsize for leaf in leaves)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that a device or the host is out of memory."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def too_large(needed: float, usable: float) -> InputError:
    """Build the error for a run that does not fit in memory.

    Example:
        >>> print(too_large(5e9, 1e9))
        one run on each device needs 5,000,000,000 bytes with its data, and 1,000,000,000 may be used (60 % of what is free); use a smaller network, batch or data set
    """
    return InputError(
        f"one run on each device needs {int(needed):,} bytes with its data, and {int(usable):,} may be used "
        "(60 % of what is free); use a smaller network, batch or data set"
    )


def _available() -> float:
    """Return the memory available without swapping, or all physical memory where the system does not report it."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return float(value.split()[0]) * 1024
    except OSError:
        pass
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _left_of_limits(root: Path) -> Iterator[float]:
    """Yield the limit minus the use of each control group of this process, version 1 or 2, up to the root.

    The file cache does not count as use, because the system drops it when memory runs low.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names, prefix = root / "sys/fs/cgroup", ("memory.max", "memory.current"), ""
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names, prefix = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_"
        else:
            continue
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            try:
                limit, used = ((base / folder / name).read_text().strip() for name in names)
            except OSError:
                continue
            if limit != "max":
                yield float(limit) - float(used) + _of_files(base / folder / "memory.stat", prefix)


def _of_files(path: Path, prefix: str) -> float:
    """Return the size of a control group's file cache."""
    names = (f"{prefix}inactive_file", f"{prefix}active_file")
    try:
        lines = (line.split() for line in path.read_text().splitlines())
        return sum(float(value) for name, value in lines if name in names)
    except OSError:
        return 0.0
