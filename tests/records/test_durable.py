"""Temporary files are deleted once their writers are gone, and not before."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fnnet.records import durable
from fnnet.records.durable import drop_temporaries, write_file


def temporary_of(folder, process, machine=None):
    path = folder / f".fnnet-{machine or durable._machine()}-{process}-abc_1.tmp"
    path.write_text("half")
    return path


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_temporary_file_of_a_living_process_stays(tmp_path, ended):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        living = [temporary_of(tmp_path, pid) for pid in (os.getpid(), other.pid, 1)]
        dead = [temporary_of(tmp_path, ended), tmp_path / ".fnnet-abc.tmp"]
        dead[1].write_text("of an older version")
        drop_temporaries(tmp_path)
        assert [path.exists() for path in living + dead] == [True, True, True, False, False]
        other.communicate(b"\n")
    drop_temporaries(tmp_path)
    assert not living[1].exists()


def test_temporary_file_of_another_machine_stays_for_a_day(tmp_path, ended):
    new, old = (temporary_of(tmp_path, ended, machine) for machine in ("0" * 8, "1" * 8))
    before = time.time() - 25 * 3600
    os.utime(old, (before, before))
    drop_temporaries(tmp_path)
    assert new.exists() and not old.exists()


def test_file_that_is_being_written_is_known_by_its_process(tmp_path):
    seen = []

    def publish(temporary, path):
        drop_temporaries(tmp_path)
        seen.extend(inner.name for inner in tmp_path.iterdir())
        Path(temporary).replace(path)

    write_file(tmp_path / "a", b"whole", publish)
    assert len(seen) == 1 and f"-{os.getpid()}-" in seen[0]
    assert (tmp_path / "a").read_bytes() == b"whole" and len(list(tmp_path.iterdir())) == 1
