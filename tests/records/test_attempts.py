"""The log of attempts: what was added is read back, damaged lines are ignored, and merged stores have all lines once."""

import pytest

import fnnet as fn
from fnnet.engines import read_attempts
from fnnet.records.attempts import (
    BEGAN,
    SENT,
    Attempt,
    append_attempts,
    copy_attempts,
    read_last_attempts,
)
from fnnet.records.store import Store

LOST = Attempt("c1", 7, "", "lost", 0.0, "gone")
TRAINED = Attempt("c1", 7, "host:3", "trained", 2.5, "")
LATE = Attempt("c2", 5, "host:4\n", "late", 9.0, 'of "host:3"')


def rows(folder):
    return [Attempt(*row) for row in read_attempts(folder).rows()]


def test_attempts_are_read_as_they_were_added(tmp_path):
    path = tmp_path / "attempts.jsonl"
    assert read_attempts(tmp_path).columns == list(Attempt._fields) and not rows(tmp_path)
    append_attempts(path, LOST, LOST)
    with path.open("a") as file:
        file.write('{"chunk": "c1", "runs": "many"}\n[3]\n{"chunk": "c2", "ru')
    append_attempts(path, TRAINED, BEGAN, LATE, LATE._replace(outcome=SENT))
    assert rows(tmp_path) == [LOST, LOST, TRAINED, LATE]
    assert read_last_attempts(path) == [LATE._replace(outcome=SENT)]


def test_lines_are_copied_once_however_often(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    copy_attempts(source, target)
    assert not target.exists()
    append_attempts(source, LOST, TRAINED, BEGAN, LOST, LATE._replace(outcome=SENT))
    append_attempts(target, LATE, LOST)
    copy_attempts(source, target)
    expected = target.read_text()
    assert [line for line in expected.splitlines() if line] == [
        line
        for attempt in (LATE, LOST, TRAINED, LOST)
        for line in _written(tmp_path / "one", attempt).splitlines()
        if line
    ]
    copy_attempts(source, target)
    assert target.read_text() == expected


def _written(path, attempt):
    path.unlink(missing_ok=True)
    append_attempts(path, attempt)
    return path.read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_merged_parts_have_the_attempts_of_all(tmp_path, times):
    recipe, data = fn.mlp_recipe(fn.load_dataset("iris")), fn.load_dataset("iris")
    folders = [tmp_path / "one", tmp_path / "two"]
    for number, (folder, attempts) in enumerate(zip(folders, [(LOST, TRAINED), (LATE,)], strict=True), 1):
        space = fn.grid(learning_rate=[0.1, 0.3])
        fn.sweep(recipe, space, data, num_steps=1, lanes=1, store=folder, part=(number, 2))
        append_attempts(Store(folder).attempts_path, *attempts)
    for _ in range(times):
        fn.merge_stores(folders, tmp_path / "all")
    assert rows(tmp_path / "all") == rows(folders[0]) + rows(folders[1])
    assert [attempt.outcome for attempt in rows(tmp_path / "all")] == [
        "trained",
        "lost",
        "trained",
        "trained",
        "late",
    ]
