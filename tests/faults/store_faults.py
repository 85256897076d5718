"""Breaks the store on purpose, with a toy of numpy in the place of training.

`python tests/faults/store_faults.py --seeds 20` runs everything; `make test` runs it with fewer seeds. It is a
program of its own: a killed writer is a process that ends with `os._exit` in the middle of a commit, which no
exception could simulate.
"""

import argparse
import errno
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from fnnet.errors import InputError
from fnnet.records import durable
from fnnet.records import folder as names
from fnnet.records import store as stores
from fnnet.records.store import Store

NUM_CHUNKS, RUNS = 5, 3
KINDS = ("kill", "exception", "ENOSPC", "EIO", "short write")
PLAN = {
    "settings": {"num_steps": 7},
    "fingerprint": {},
    "earlier": [],
    "leaves": {},
    "groups": [],
    "space": {},
}
REAL_OS, REAL_MKSTEMP = os, tempfile.mkstemp


def train(chunk: int) -> pl.DataFrame:
    """Stand in for training: rows that follow from the number of the chunk."""
    rng = np.random.default_rng(chunk)
    ids = [f"{chunk:030x}{run:02x}" for run in range(RUNS)]
    curves = pl.Series(rng.normal(size=(RUNS, 4)).tolist(), dtype=pl.List(pl.Float64))
    columns = {"id": ids, "loss": rng.normal(size=RUNS), "loss_curve": curves}
    return pl.DataFrame(columns).with_columns(
        chunk=pl.lit(stores.chunk_id_of(ids)), fingerprint=pl.lit("toy")
    )


def chunk_id(chunk: int) -> str:
    return stores.chunk_id_of(train(chunk)["id"].to_list())


def export(store: Store) -> str:
    """Hash the whole table, with every run in it, in order."""
    rows = pl.concat(store.read_rows()).sort("id")
    return hashlib.sha256(rows.write_ndjson().encode()).hexdigest()


def work(store: Store, report=lambda chunk: None, num_chunks: int = NUM_CHUNKS) -> list[int]:
    """Do what a sweep does: plan, and commit what is missing; returns what was computed."""
    computed = []
    with store.writing():
        try:
            store.read_plan()
        except InputError:
            store.quarantine(store.plan_path)
        store.write_plan(PLAN)
        done = store.read_index(mend=True)
        for chunk in range(num_chunks):
            if chunk_id(chunk) not in done:
                store.commit_chunk(chunk_id(chunk), train(chunk))
                computed.append(chunk)
                report(chunk)
    return computed


class FaultyOS:
    """The `os` of the store: names every operation, and makes one of them fail."""

    def __init__(self, point: str | None = None, occurrence: int = 0, kind: str = ""):
        self.point, self.left, self.kind = point, occurrence, kind
        self.names: dict[int, str] = {}
        self.trace: list[str] = []

    def __getattr__(self, name: str):
        return getattr(REAL_OS, name)

    def _is_now(self, point: str) -> bool:
        self.trace.append(point)
        if point != self.point:
            return False
        self.left -= 1
        return self.left == -1

    def _fail(self) -> None:
        if self.kind == "kill":
            REAL_OS._exit(9)
        if self.kind == "exception":
            raise RuntimeError("injected")
        raise OSError(getattr(errno, self.kind), "injected")

    def _call(self, point: str, operation, *arguments):
        if self._is_now(point) and self.kind != "short write":
            self._fail()
        return operation(*arguments)

    def mkstemp(self, **options):
        kind = "plan" if Path(options["dir"]).name != "chunks" else "chunk"
        descriptor, name = self._call(f"create {kind}", lambda: REAL_MKSTEMP(**options))
        self.names[descriptor] = kind
        return descriptor, name

    def open(self, path, *arguments):
        path = Path(path)
        kind = (
            "sums"
            if path.name == "SHA256SUMS"
            else f"folder {'chunks' if path.name == 'chunks' else 'store'}"
        )
        descriptor = self._call(f"open {kind}", REAL_OS.open, path, *arguments)
        self.names[descriptor] = kind
        return descriptor

    def write(self, descriptor, content):
        if self._is_now(f"write {self.names[descriptor]}"):
            written = REAL_OS.write(descriptor, content[: len(content) // 2])
            if self.kind == "short write":
                return written
            self._fail()
        return REAL_OS.write(descriptor, content)

    def fsync(self, descriptor):
        return self._call(f"fsync {self.names[descriptor]}", REAL_OS.fsync, descriptor)

    def link(self, source, target):
        return self._call("link chunk", REAL_OS.link, source, target)

    def replace(self, source, target):
        return self._call("replace plan", REAL_OS.replace, source, target)


def with_faults(faults: FaultyOS, function, *arguments):
    stores.os, names.os, durable.os, durable.tempfile = faults, faults, faults, faults
    try:
        return function(*arguments)
    finally:
        stores.os, names.os, durable.os, durable.tempfile = REAL_OS, REAL_OS, REAL_OS, tempfile


def work_with_fault(folder: str, log: str, point: str, occurrence: int, kind: str) -> None:
    """Work on a store, note every chunk that was reported as committed, and meet the fault on the way."""

    def report(chunk: int) -> None:
        with Path(log).open("a") as file:
            file.write(f"{chunk}\n")

    with_faults(FaultyOS(point, occurrence, kind), work, Store(folder), report)


def commit_share(folder: str, writer: int, num_writers: int, per_writer: int) -> None:
    """Commit one writer's chunks, and half of its neighbor's after it."""
    for chunk in range(writer * per_writer, (writer + 1) * per_writer):
        for again in (chunk, (chunk + per_writer // 2) % (num_writers * per_writer)):
            Store(folder).commit_chunk(chunk_id(again), train(again))


def child_of(function: str, *arguments: object) -> subprocess.Popen:
    """Start a function of this file in a process of its own."""
    code = f"import store_faults; store_faults.{function}(*{list(arguments)!r})"
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent)


def outcome(*arguments: object) -> str:
    """Work with a fault, in a process of its own where it kills; returns what became of it."""
    if arguments[-1] == "kill":
        return "killed" if child_of("work_with_fault", *arguments).wait() == 9 else "survived"
    try:
        work_with_fault(*arguments)
    except (OSError, RuntimeError):
        return "raised"
    return "survived"


def check_commit_path(root: Path, seeds: int) -> int:
    """Fail every operation of the commit path in every way; nothing committed may be lost."""
    clean = Store(root / "clean")
    faults = FaultyOS()
    with_faults(faults, work, clean)
    reference = export(clean)
    points = sorted(set(faults.trace))
    assert len(points) >= 12, points
    cases = 0
    for point in points:
        for kind in KINDS:
            if kind == "short write" and not point.startswith("write"):
                continue
            for seed in range(seeds):
                occurrence = random.Random(f"{point}{kind}{seed}").randrange(faults.trace.count(point))
                store, log = Store(root / "store"), root / "reported"
                shutil.rmtree(store.folder, ignore_errors=True)
                log.write_text("")

                expected = {"kill": "killed", "short write": "survived"}.get(kind, "raised")
                got = outcome(str(store.folder), str(log), point, occurrence, kind)
                assert got == expected, (point, kind, got)
                reported = [int(line) for line in log.read_text().split()]
                for chunk in reported:
                    assert next(store.read_rows([chunk_id(chunk)])).equals(train(chunk)), (
                        point,
                        kind,
                        "lost",
                        chunk,
                    )
                computed = work(store)
                assert not set(computed) & set(reported), (point, kind, "done twice")
                assert export(store) == reference, (point, kind)
                assert not list(store.folder.glob("**/.*.tmp")), (point, kind, "leftovers")
                cases += 1
    return cases


def check_damage(root: Path, cases: int) -> int:
    """Flip, cut, swap and delete; all must be noticed, and only what was hit be done again."""
    clean = Store(root / "clean")
    work(clean)
    reference = export(clean)
    names = [clean.chunk_path(chunk_id(chunk)).name for chunk in range(NUM_CHUNKS)]
    for case in range(cases):
        rng = random.Random(case)
        store = Store(root / "store")
        shutil.rmtree(store.folder, ignore_errors=True)
        shutil.copytree(clean.folder, store.folder)
        kind = rng.choice(["flip", "truncate", "swap", "delete", "flip sums", "flip plan", "truncate sums"])
        first, second = rng.sample(names, 2)
        chunks = store.folder / "chunks"
        target = {"sums": store.sums_path, "plan": store.plan_path}.get(
            kind.partition(" ")[2], chunks / first
        )
        content = target.read_bytes()
        hit = {first}
        if kind.startswith("flip"):
            position = rng.randrange(len(content))
            target.write_bytes(_flipped(content, position, rng.randrange(8)))
            if kind == "flip sums":  # a newline belongs to the lines on both its sides
                before, after = content[:position].split(b"\n")[-1], content[position + 1 :].split(b"\n")[0]
                lines = before + content[position : position + 1] + after
                hit = {name for name in names if name.encode() in lines}
            hit = set() if kind == "flip plan" else hit
        elif kind.startswith("truncate"):
            length = rng.randrange(len(content))
            target.write_bytes(content[:length])
            if kind == "truncate sums":
                hit = {name for name in names if name.encode() not in content[:length]}
        elif kind == "swap":
            (chunks / second).write_bytes(content)
            (chunks / first).write_bytes((clean.folder / "chunks" / second).read_bytes())
            hit = {first, second}
        else:
            target.unlink()
        if kind == "flip plan":
            try:
                store.read_plan()
            except InputError:
                pass
            else:
                raise AssertionError(f"case {case}: a damaged plan was read")
        seen = {f"{name}.parquet" for name in store.read_index()}
        assert not seen & hit, (case, kind, "not noticed")
        assert set(names) - seen <= hit, (case, kind, "too much was lost")
        computed = work(store)
        assert {names[chunk] for chunk in computed} == set(names) - seen, (case, kind)
        assert export(store) == reference, (case, kind)
    return cases


def check_writers(root: Path, num_writers: int, per_writer: int) -> int:
    """Let many processes commit into one store at once, neighbors the same chunks; each must be there once."""
    store = Store(root / "store")
    work(store, num_chunks=0)
    children = [
        child_of("commit_share", str(store.folder), writer, num_writers, per_writer)
        for writer in range(num_writers)
    ]
    assert [child.wait() for child in children] == [0] * num_writers
    rows = pl.concat(store.read_rows())
    assert rows["id"].n_unique() == rows.height == num_writers * per_writer * RUNS, rows.height
    assert not (store.folder / "damaged").exists()
    return num_writers * per_writer


def _flipped(content: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 1 << bit
    return bytes(changed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--damages", type=int, default=400)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--chunks", type=int, default=250)
    options = parser.parse_args()
    for name, check, arguments in (
        ("commit path", check_commit_path, (options.seeds,)),
        ("damage", check_damage, (options.damages,)),
        ("writers", check_writers, (options.writers, options.chunks)),
    ):
        with tempfile.TemporaryDirectory(prefix="fnnet-faults-") as root:
            print(f"{name}: {check(Path(root), *arguments)} cases", flush=True)


if __name__ == "__main__":
    sys.exit(main())
