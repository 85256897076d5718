"""The status of a sweep, in each state that a store can be in, and the list of sweeps in a folder."""

import contextlib
import os
import time

import numpy as np
import pytest

import fnnet as fn
from fnnet.records.attempts import BEGAN, Attempt, append_attempts
from fnnet.records.listing import list_stores
from fnnet.records.status import GroupStatus, read_status
from fnnet.records.store import Store
from fnnet.space.stored import space_to_json
from fnnet.sweeps import worker
from fnnet.sweeps.events import Committed, Evaluated

DATA = fn.load_dataset("iris")
RECIPE = fn.mlp_recipe(DATA)
SPACE = fn.grid(depth=[0, 1], learning_rate=[0.1, 1e9], seed=range(3))


def test_finished_sweep(tmp_path):
    fn.sweep(RECIPE, SPACE, DATA, num_steps=4, store=tmp_path)
    status = read_status(tmp_path)
    diverged = fn.open_results(tmp_path)["diverged"]
    assert status.state == "finished" and (status.num_runs, status.num_done, status.num_running) == (
        12,
        12,
        0,
    )
    assert status.num_diverged == diverged.sum() > 0 and status.writer is None and status.seconds_left is None
    assert status.groups == [
        GroupStatus({"depth": depth}, 6, 6, diverged[depth * 6 : depth * 6 + 6].sum()) for depth in (0, 1)
    ]


def test_interrupted_and_running_sweeps_are_told_apart(tmp_path, stop_at_evaluation):
    stop, _ = stop_at_evaluation(4)  # the first chunk has two evaluations
    with pytest.raises(RuntimeError):
        fn.sweep(
            *(RECIPE, SPACE, DATA),
            num_steps=4,
            eval_every=2,
            store=tmp_path,
            lanes=1,
            state_every=0,
            on_event=stop,
        )
    done = len(fn.open_results(tmp_path))
    status = read_status(tmp_path)
    assert status.state == "unfinished" and status.num_done == done == 2
    assert status.num_saved == 2, "a mesh of two devices trains a chunk of two runs, whose state is saved"
    assert status.num_running == 0, "nothing trains now"
    os.utime(tmp_path / "plan.json", (time.time() - 30, time.time() - 30))
    with Store(tmp_path).writing():
        status = read_status(tmp_path)
        assert status.state == "training" and status.writer == os.getpid()
        # In 30 seconds 2 runs made 4 steps and 2 made 2; 8 runs lack 4 steps and 2 lack 2.
        assert status.seconds_left == pytest.approx(30 * 36 / 12, rel=0.05)
    assert read_status(tmp_path).writer is None, "nothing was locked"


def test_failed_runs_are_counted_until_they_are_done(tmp_path):
    fn.sweep(RECIPE, SPACE.take([0, 1, 2]), DATA, num_steps=4, store=tmp_path)
    append_attempts(tmp_path / "attempts.jsonl", Attempt("c0", 2, "", "failed", 1.0, "killed"))
    append_attempts(tmp_path / "attempts.jsonl", Attempt("c1", 1, "", "failed", 1.0, "killed"))
    append_attempts(tmp_path / "attempts.jsonl", Attempt("c1", 1, "w", "trained", 1.0, ""))
    assert read_status(tmp_path).num_failed == 0, "all are done now"
    store = Store(tmp_path)
    store.write_plan({**store.read_plan(), "space": space_to_json(SPACE)})
    status = read_status(tmp_path)
    assert (status.num_done, status.num_failed, status.state) == (3, 2, "unfinished")
    append_attempts(tmp_path / "attempts.jsonl", BEGAN)
    assert read_status(tmp_path).num_failed == 0, "the same sweep is opened again, and will try them again"


def test_runs_are_running_from_when_they_are_sent_until_they_are_done(tmp_path):
    found = []

    def watch(event):
        if isinstance(event, Evaluated | Committed):
            found.append((type(event), read_status(tmp_path)))

    options = {"num_steps": 4, "eval_every": 2, "lanes": 1}
    fn.sweep(RECIPE, SPACE, DATA, **options, store=tmp_path, on_event=watch)
    evaluated = [status for kind, status in found if kind is Evaluated]
    assert {(status.num_running, status.num_saved, status.state) for status in evaluated} == {
        (2, 0, "training")
    }
    assert [status.num_done for kind, status in found if kind is Committed] == [2, 4, 6, 8, 10, 12]
    assert {status.num_running for kind, status in found if kind is Committed} == {0}


@pytest.mark.parametrize(("on_error", "num_done", "num_failed"), [("stop", 0, 2), ("continue", 6, 6)])
def test_failures_in_this_process_are_counted(tmp_path, on_error, num_done, num_failed, monkeypatch):
    def train(open_workspace, first, group, spec, *rest):
        if "depth" in spec.static and spec.static["depth"] == 0:
            raise ValueError("shapes\ndiffer")
        return worker_train(open_workspace, first, group, spec, *rest)

    worker_train = worker.train
    monkeypatch.setattr(worker, "train", train)
    expected = pytest.raises(ValueError) if on_error == "stop" else contextlib.nullcontext()
    with expected:
        fn.sweep(RECIPE, SPACE, DATA, num_steps=4, lanes=1, store=tmp_path, on_error=on_error)
    status = read_status(tmp_path)
    assert (status.num_done, status.num_failed, status.num_running) == (num_done, num_failed, 0)
    assert status.reason == "ValueError: shapes\ndiffer" and status.state == "unfinished"
    monkeypatch.setattr(worker, "train", worker_train)
    fn.sweep(RECIPE, SPACE, DATA, num_steps=4, lanes=1, store=tmp_path)
    assert read_status(tmp_path).num_failed == 0 and read_status(tmp_path).reason is None


@pytest.mark.parametrize(("part", "num_runs"), [((1, 5), 3), ((5, 5), 2)])
def test_part_counts_its_own_runs(tmp_path, part, num_runs):
    results = fn.sweep(RECIPE, SPACE, DATA, num_steps=3, store=tmp_path, part=part)
    status = read_status(tmp_path)
    assert (status.state, status.num_runs, status.num_done) == ("finished", len(results), num_runs)


def test_search_counts_the_runs_that_reached_each_rung(tmp_path):
    space = fn.grid(learning_rate=[0.01, 0.1, 0.2, 0.4, 0.8], seed=range(2))
    fn.successive_halving(
        RECIPE,
        space,
        DATA,
        rungs=[2, 4, 8],
        metric="train_loss",
        factor=2,
        store=tmp_path,
        higher_is_better=False,
    )
    status = read_status(tmp_path)
    assert status.rungs == {2: 10, 4: 4, 8: 2} and status.state == "finished" and status.num_done == 10


def test_sweep_that_goes_on_to_more_steps(tmp_path, stop_at_evaluation):
    options = {"store": tmp_path, "keep_states": True, "lanes": 1}
    fn.sweep(RECIPE, SPACE, DATA, num_steps=3, **options)
    assert read_status(tmp_path)[:4] == ("finished", 12, 12, 0), (
        "the states of finished runs are kept, not running"
    )
    stop, _ = stop_at_evaluation(1)
    with pytest.raises(RuntimeError):
        fn.sweep(RECIPE, SPACE, DATA, num_steps=7, **options, on_event=stop)
    status = read_status(tmp_path)
    assert (status.num_done, status.num_saved, status.state) == (0, 12, "unfinished")


def test_sweeps_in_a_folder_are_listed_and_others_are_not(tmp_path):
    for name in ("b", "a/x", ".hidden"):
        fn.sweep(RECIPE, fn.grid(learning_rate=[0.1, 0.2]), DATA, num_steps=2, store=tmp_path / name)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "plan.json").write_text("{}")
    found = list_stores(tmp_path)
    assert [str(each.folder.relative_to(tmp_path)) for each in found] == ["a/x", "b", "c"]
    assert (
        found[0].data == "iris"
        and found[0].axes == {"learning_rate": 2}
        and found[0].updated.startswith("20")
    )
    assert found[2].status is None and "is damaged" in found[2].problem
    with pytest.raises(fn.InputError, match="nowhere is not a folder"):
        list_stores(tmp_path / "nowhere")


def test_folder_that_may_not_be_entered_is_ignored(tmp_path, monkeypatch):
    def is_file(path):
        if path.parent.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return path.exists() and not path.is_dir()

    (tmp_path / "locked").mkdir()
    fn.sweep(RECIPE, fn.grid(learning_rate=0.1), DATA, num_steps=2, store=tmp_path / "open")
    monkeypatch.setattr(type(tmp_path), "is_file", is_file)
    assert [each.folder.name for each in list_stores(tmp_path)] == ["open"]


def test_status_needs_a_store(tmp_path):
    with pytest.raises(fn.InputError, match="holds no sweep"):
        read_status(tmp_path)


def test_number_of_steps_may_be_an_axis(tmp_path):
    fn.sweep(RECIPE, fn.grid(learning_rate=0.1, num_steps=[2, 5]), DATA, store=tmp_path)
    assert read_status(tmp_path).state == "finished"
    assert np.unique(fn.open_results(tmp_path)["num_steps"]).tolist() == [2, 5]
