"""Read arrays from `.npz` files, without executing their content or reading more than fits in memory."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fnnet.data.arrays import Arrays
from fnnet.errors import InputError, unknown_name

NAMES: dict[str, tuple[str, ...]] = {
    "inputs": ("inputs", "x", "x_train", "data"),
    "targets": ("targets", "y", "y_train", "target", "labels"),
    "test_inputs": ("test_inputs", "x_test"),
    "test_targets": ("test_targets", "y_test"),
}
"""The names of the arrays of each role, in lower case; files may use any case."""

# NumPy parses a header as a Python literal, and a damaged one can fail in many ways.
_DAMAGES: tuple[type[Exception], ...] = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, SyntaxError, NotImplementedError, OverflowError),
    *(MemoryError, RecursionError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


def read_npz(path: Path) -> Arrays:
    """Read inputs and targets from a file written by `numpy.savez`.

    Args:
        path: the file, whose arrays are named as in `NAMES`; a test split is optional.

    Raises:
        InputError: if the file is damaged, contains Python objects or other arrays, lacks inputs or targets, or
            exceeds the free memory.
    """
    read = _read(path, required=("inputs", "targets"))
    if ("test_inputs" in read) != ("test_targets" in read):
        raise InputError("test_inputs and test_targets must be given together")
    test = (read["test_inputs"], read["test_targets"]) if "test_inputs" in read else None
    return Arrays(read["inputs"], read["targets"], test)


def read_npz_inputs(path: Path) -> np.ndarray:
    """Read only the inputs of a file, for predictions; otherwise as `read_npz`, with the same errors."""
    return _read(path, required=("inputs",))["inputs"]


def _read(path: Path, required: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the arrays of a file by role."""
    try:
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise InputError("holds a single unnamed array; save inputs and targets by name")
            with zipfile.ZipFile(file) as archive:
                roles = _roles([member.removesuffix(".npy") for member in archive.namelist()], required)
                _check_size(archive)
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return {role: arrays[name] for role, name in roles.items()}
    except InputError:
        raise
    except _DAMAGES as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"not a readable .npz file ({reason:.200})") from error


def _roles(names: Sequence[str], required: Sequence[str]) -> dict[str, str]:
    """Assign a role to each array."""
    known = {alias: role for role, aliases in NAMES.items() for alias in aliases}
    roles: dict[str, str] = {}
    for name in names:
        role = known.get(name.lower())
        if role is None:
            raise unknown_name("array", name, [*known, "X", "X_train", "X_test"])
        if role in roles:
            raise InputError(f"holds {roles[role]!r} and {name!r}, which both name the {role}")
        roles[role] = name
    for role in required:
        if role not in roles:
            raise InputError(f"has no array {role!r}, only {', '.join(names) or 'none at all'}")
    return roles


def _check_size(archive: zipfile.ZipFile) -> None:
    """Check from the headers that the arrays fit in memory."""
    from fnnet.memory import usable_host_bytes

    needed = 0
    for member in archive.infolist():
        with archive.open(member) as file:
            shape, dtype = _read_header(file)
        if dtype.hasobject:
            raise InputError(
                "holds an array of Python objects, which can run code when loaded; save plain numbers: "
                "numpy.savez(path, inputs=numpy.asarray(x, float), targets=numpy.asarray(y))"
            )
        size = math.prod(shape) * dtype.itemsize
        if size > member.file_size:
            raise InputError(
                f"array {member.filename.removesuffix('.npy')!r} is damaged: its header declares {size:,} bytes, "
                f"but the file holds {member.file_size:,}"
            )
        needed += size
    usable = usable_host_bytes()
    if needed > usable:
        raise InputError(
            f"holds {needed:,} bytes of arrays, but only {int(usable):,} are free; save fewer examples"
        )


def _read_header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise InputError(f"not a readable .npz file (an array has the version {version})")
    shape, _, dtype = read(file)
    return shape, dtype
