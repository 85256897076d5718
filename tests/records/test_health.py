"""The health of stores and disks: each damage is found, and nothing is changed."""

import contextlib
import errno
import os

import pytest

import fnnet as fn
from fnnet.records import health
from fnnet.records.health import examine_disk, examine_store
from fnnet.records.store import Store

DATA = fn.load_dataset("iris")


@pytest.fixture
def store(tmp_path):
    space = fn.grid(depth=[0, 1], learning_rate=[0.1, 0.3], seed=range(2))
    options = {"num_steps": 3, "lanes": 1, "store": tmp_path / "s", "keep_states": True, "save_params": True}
    fn.sweep(fn.mlp_recipe(DATA), space, DATA, **options)
    return Store(tmp_path / "s")


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def test_healthy_store_passes_unchanged(store):
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")}
    found = examine_store(store.folder)
    assert found == (("", len(store.list_files("chunks")), [], 0, 0, None)) and found.num_chunks == 4
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")} == before


@pytest.mark.parametrize("kind", ["chunks", "params", "states"])
def test_damaged_file_is_named(store, kind):
    path = store.list_files(kind)[1]
    shorten(path)
    found = examine_store(store.folder)
    assert found.damaged == [f"{kind}/{path.name}"] and found.num_chunks == 4 - (kind == "chunks")
    assert path.exists()


def test_unknown_files_and_leftovers_are_listed(store):
    (store.folder / "params" / "strange.arrays").write_bytes(b"")
    (store.folder / "chunks" / ".fnnet-00000000-1-x.tmp").write_bytes(b"")
    store.quarantine(store.list_files("chunks")[0])
    found = examine_store(store.folder)
    assert found.damaged == ["params/strange.arrays"] and found.num_leftover == 1 and found.num_set_aside == 1


def test_damaged_or_missing_plan_is_reported(store):
    shorten(store.plan_path)
    assert "is damaged" in examine_store(store.folder).problem
    store.plan_path.unlink()
    assert "is missing" in examine_store(store.folder).problem
    with pytest.raises(fn.InputError, match="holds no sweep"):
        examine_store(store.folder.parent)


def test_running_writer_is_reported(store):
    with store.writing():
        assert examine_store(store.folder).writer == os.getpid()


def test_disk_probe_leaves_no_files(tmp_path):
    assert all(ability.problem == "" and 0 <= ability.seconds < 5 for ability in examine_disk(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_missing_features_of_a_disk_are_named(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EPERM, "Operation not permitted")

    class NoLock:
        def __init__(self, path, fallback_to_soft):
            pass

        def acquire(self, blocking):
            return contextlib.nullcontext()

        def release(self):
            pass

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(health, "FileLock", NoLock)
    found = {ability.name: ability for ability in examine_disk(tmp_path)}
    assert found["hard links"].problem == "Operation not permitted" and found["hard links"].is_needed
    assert found["locks"].problem == "two can hold the same lock" and not found["locks"].is_needed
    assert found["writing to the disk"].problem == ""
