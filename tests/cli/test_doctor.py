"""What the doctor says, and its exit code."""

import json
import shlex

import pytest
from command_lines import check_answer, mistakes, run

from fnnet.cli.commands import doctor
from fnnet.cli.main import main
from fnnet.records.health import Ability


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "store"
    main(shlex.split(f"sweep --dataset iris --steps 3 --out {folder} depth=0 seed=0,1 learning_rate=0.1"))
    return folder


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("fnnet.lanes.peak.measure_peak", lambda mesh: 123e9)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@mistakes(
    [
        ("doctor nowhere", "nowhere holds no sweep: it is not a folder"),
        ("doctor a b", "takes 1 argument, got also 'b'"),
        ("doctor --jsn", "unknown option --jsn; did you mean --json?"),
    ],
    at_least=3,
)
def test_invalid_input_is_refused_in_one_line(line, phrase, place, capsys):
    check_answer(line, phrase, place, capsys)


def examine(line, capsys):
    code, printed, _ = run(f"{line} --json", capsys)
    return code, {check["name"]: check for check in json.loads(printed)}


def test_doctor_passes_on_a_healthy_machine_and_store(quick, trained, place, capsys):
    before = sorted(place.rglob("*"))
    code, found = examine(f"doctor {trained}", capsys)
    assert code == 0 and not any(check["state"] == "wrong" for check in found.values())
    assert "123 GFLOP/s" in found["speed"]["found"] and found["chunks"]["found"] == "1 intact"
    assert "jaxlib" in found["versions"]["found"] and "2 of cpu" in found["devices"]["found"]
    code, printed, _ = run("doctor", capsys)
    assert code == 0 and "ok       disk, hard links: works" in printed and "chunks" not in printed
    assert sorted(place.rglob("*")) == before


def test_doctor_reports_damage_with_advice(quick, trained, capsys):
    (chunk,) = (trained / "chunks").iterdir()
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1])
    try:
        code, found = examine(f"doctor {trained}", capsys)
        assert code == 1 and found["chunks"]["state"] == "wrong"
        assert f"damaged: chunks/{chunk.name}" in found["chunks"]["found"]
        assert "run the same sweep again" in found["chunks"]["advice"]
        assert run(f"doctor {trained}", capsys)[0] == 1
    finally:
        chunk.write_bytes(content)


@pytest.mark.parametrize(
    ("is_needed", "seconds", "problem", "state", "code"),
    [
        (True, 0.0, "no links", "wrong", 1),
        (False, 0.0, "no locks", "warning", 0),
        (True, 5.0, "", "warning", 0),
    ],
)
def test_doctor_reports_the_disk(quick, place, capsys, monkeypatch, is_needed, seconds, problem, state, code):
    abilities = [Ability("links", problem, seconds, is_needed)]
    monkeypatch.setattr("fnnet.records.health.examine_disk", lambda folder: abilities)
    ended, found = examine("doctor", capsys)
    assert ended == code and found["disk, links"]["state"] == state and found["disk, links"]["advice"]


def test_doctor_reports_load_and_versions(quick, place, capsys, monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0.0, 0.0))
    versions = dict.fromkeys(doctor.PACKAGES, "1.2.3") | {"jaxlib": "1.1.0"}
    monkeypatch.setattr(doctor.metadata, "version", versions.__getitem__)
    code, found = examine("doctor", capsys)
    assert found["speed"]["state"] == "warning" and "99.0 processes" in found["speed"]["found"]
    assert code == 1 and found["versions"]["advice"] == "pip install jaxlib==1.2.3"


def test_doctor_reports_an_unwritable_cache(quick, place, capsys, monkeypatch):
    monkeypatch.setenv("FNNET_CACHE", "/proc/cache")
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).startswith("/proc"))
    _, found = examine("doctor", capsys)
    assert found["cache"]["state"] == "warning" and "FNNET_CACHE" in found["cache"]["advice"]
