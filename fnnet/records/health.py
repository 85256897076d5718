"""The health of a store and of the disk that it is on: what is damaged, and what the disk can do.

Stores are only read. A disk is tested in a temporary folder.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from fnnet.errors import InputError
from fnnet.records.durable import PREFIX, sync_folder
from fnnet.records.folder import SUFFIXES
from fnnet.records.lock import find_holder
from fnnet.records.store import Store


class StoreHealth(NamedTuple):
    """What is wrong with a store, and what is not.

    problem: what is wrong with its plan; empty if it can be read.
    num_chunks: the number of intact chunks.
    damaged: paths, below the store, of files that fail their check; the same sweep trains their runs again.
    num_set_aside: damaged files that a writer has moved to `damaged/`.
    num_leftover: temporary files of writers; the next one deletes those of processes that have ended.
    writer: as `find_holder` returns it.
    """

    problem: str
    num_chunks: int
    damaged: list[str]
    num_set_aside: int
    num_leftover: int
    writer: int | None


def examine_store(folder: Path) -> StoreHealth:
    """Check all files of a store against their hashes.

    Raises:
        InputError: when the folder holds no sweep, or the system refuses to read a file.

    Example:
        >>> import tempfile
        >>> from fnnet import grid, load_dataset, mlp_recipe, sweep
        >>> data = load_dataset("iris")
        >>> with tempfile.TemporaryDirectory() as name:
        ...     _ = sweep(mlp_recipe(data), grid(learning_rate=[0.1, 0.2]), data, num_steps=2, store=name)
        ...     (chunk,) = Path(name, "chunks").iterdir()
        ...     before = examine_store(Path(name))
        ...     _ = chunk.write_bytes(chunk.read_bytes()[:-1])
        ...     after = examine_store(Path(name))
        >>> before.num_chunks, before.damaged, after.num_chunks, after.damaged == [f"chunks/{chunk.name}"]
        (1, [], 0, True)
    """
    store = Store(folder)
    if not store.plan_path.exists() and not store.sums_path.exists():
        raise InputError(f"{folder} holds no sweep: it has no plan.json")
    problem = ""
    try:
        if store.read_plan() is None:
            problem = f"{store.plan_path} is missing"
    except InputError as error:
        problem = str(error)
    intact = store.read_index()
    damaged = [path for path in store.list_files("chunks") if path.stem not in intact]
    damaged += [path for path in store.list_files("params") if _is_damaged(store.load_params, path.stem)]
    damaged += [path for path in store.list_files("states") if _is_damaged(store.load_state, path.stem)]
    folders = [folder, *(folder / name for name in SUFFIXES)]
    return StoreHealth(
        problem=problem,
        num_chunks=len(intact),
        damaged=[str(path.relative_to(folder)) for path in damaged],
        num_set_aside=len(list((folder / "damaged").glob("*"))),
        num_leftover=sum(len(list(each.glob(f"{PREFIX}*.tmp"))) for each in folders),
        writer=find_holder(folder),
    )


def _is_damaged(load: Callable[[str], object], chunk_id: str) -> bool:
    try:
        return load(chunk_id) is None
    except InputError:  # a name that no chunk has
        return True


class Ability(NamedTuple):
    """Something that a store asks of a disk.

    name: such as "hard links".
    problem: why it does not work; empty if it does.
    seconds: how long it took.
    is_needed: whether a store cannot do without.
    """

    name: str
    problem: str
    seconds: float
    is_needed: bool


def examine_disk(folder: Path) -> list[Ability]:
    """Try out what a store asks of the disk of a folder.

    Raises:
        OSError: when nothing can be written there.

    Example:
        >>> [ability.name for ability in examine_disk(Path(tempfile.gettempdir())) if not ability.problem]
        ['writing to the disk', 'hard links', 'replacing a file', 'locks']
    """
    place = Path(tempfile.mkdtemp(dir=folder, prefix=f"{PREFIX}doctor-"))
    try:
        return [
            _try("writing to the disk", True, lambda: _write(place)),
            _try("hard links", True, lambda: os.link(place / "a", place / "b")),
            _try("replacing a file", True, lambda: (place / "b").replace(place / "a")),
            _try("locks", False, lambda: _lock(place)),
        ]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _try(name: str, is_needed: bool, do: Callable[[], object]) -> Ability:
    started, problem = time.perf_counter(), ""
    try:
        do()
    except (OSError, NotImplementedError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    return Ability(name, problem, time.perf_counter() - started, is_needed)


def _write(place: Path) -> None:
    with (place / "a").open("wb") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(place)


def _lock(place: Path) -> None:
    first, second = (FileLock(place / "lock", fallback_to_soft=False) for _ in range(2))
    with first.acquire(blocking=False):
        try:
            second.acquire(blocking=False)
        except Timeout:
            return
        second.release()
        raise OSError(errno.ENOLCK, "two can hold the same lock")
