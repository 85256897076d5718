"""Commands that read stores, against what the library says of them."""

import csv
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_lines import RATE, check_answer, mistakes, run

import fnnet as fn
from fnnet.cli.main import main
from fnnet.records.attempts import Attempt, append_attempts
from fnnet.records.commands import run_command
from fnnet.records.store import Store

MISTAKES = [
    ("status", "fnnet status needs STORE"),
    ("status adir", "adir holds no sweep: it has no plan.json"),
    ("status store --wach", "unknown option --wach; did you mean --watch?"),
    ("results nowhere", "nowhere holds no sweep"),
    ("results store --metric tst_loss", "unknown column 'tst_loss'; did you mean 'test_loss'"),
    ("results store --where dpeth=1", "unknown axis or column 'dpeth'; did you mean 'depth'"),
    ("results store --where depth=5", "no run has depth=5; the nearest is 1"),
    ("results store --where 'depth = 1'", "a condition is a column, one of = != < <= > >=, and a value"),
    ("results store --where 'depth<a'", "depth< takes one number, got 'a'"),
    ("results store --where 'depth>5'", "no run has depth as wanted together"),
    ("results store --by dpeth", "unknown axis 'dpeth'; did you mean 'depth'"),
    ("results store --top 0", "--top must be a positive integer, got 0"),
    ("results store --csv --json", "--csv and --json contradict each other"),
    ("show store", "8 runs have these values; specify depth, learning_rate, seed too"),
    ("show store depth=1", "4 runs have these values; specify learning_rate, seed too"),
    ("show store 5", "a run is AXIS=VALUE ... or at least the first 4 digits of its id"),
    ("show store ffffffff", "no run has an id that begins with ffffffff"),
    ("show store --best tst_loss", "did you mean 'test_loss'"),
    ("list nowhere", "nowhere is not a folder"),
    ("compare store", "fnnet compare needs OTHER"),
    ("compare store nowhere", "nowhere holds no sweep"),
    ("compare store store --metric tst_loss", "did you mean 'test_loss'"),
    ("compare store store --over sed", "unknown axis 'sed'; did you mean 'seed'"),
    ("datasets iris", "takes 0 arguments, got also 'iris'"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished sweep of eight runs, with curves."""
    folder = tmp_path_factory.mktemp("trained") / "store"
    axes = f"depth=0,1 learning_rate=0.1,0.3 seed=0,1 --steps 6 --eval-every 2 --out {folder}"
    main(shlex.split(f"sweep --dataset iris {axes}"))
    return folder


@pytest.fixture
def store(trained, place):
    (place / "store").symlink_to(trained)
    return trained


@mistakes(MISTAKES, at_least=24)
def test_invalid_input_is_refused_in_one_line(line, phrase, store, place, capsys):
    check_answer(line, phrase, place, capsys)


def read_json(line, capsys):
    code, printed, error = run(f"{line} --json", capsys)
    assert code == 0 and not error
    return json.loads(printed)


def test_status_counts_runs(store, capsys):
    code, printed, _ = run("status store", capsys)
    assert code == 0 and "store: finished: 8 of 8 runs done, 0 running, 0 failed, 0 diverged" in printed
    found = read_json("status store", capsys)
    assert found["num_done"] == 8 and found["seconds_left"] is None
    assert [group["num_done"] for group in found["groups"]] == [4, 4]


def test_status_of_failed_runs_exits_with_1_and_watch_ends_with_the_sweep(store, place, capsys, monkeypatch):
    (place / "store").unlink()
    (place / "store").mkdir()
    for path in store.rglob("*"):
        if path.is_file():
            (place / "store" / path.relative_to(store)).parent.mkdir(exist_ok=True)
            (place / "store" / path.relative_to(store)).write_bytes(path.read_bytes())
    (away,) = list((place / "store" / "chunks").iterdir())[:1]
    content = away.read_bytes()
    away.unlink()
    append_attempts(place / "store" / "attempts.jsonl", Attempt(away.stem, 3, "", "failed", 1.0, "killed"))
    code, printed, _ = run("status store", capsys)
    assert code == 1 and "unfinished: 4 of 8 runs done, 0 running, 3 failed" in printed
    assert "\nfailed: killed\n" in printed
    naps = []

    def finish(seconds):
        naps.append(seconds)
        away.write_bytes(content)

    monkeypatch.setattr("fnnet.cli.commands.status.time.sleep", finish)
    code, printed, _ = run("status store --watch", capsys)
    assert code == 0 and len(naps) == 1
    assert [line.split(": ")[1] for line in printed.splitlines()] == ["unfinished", "finished"]


def test_results_are_the_means_of_the_table(store, capsys):
    table = fn.open_results("store").table(over="seed").sort("test_loss")
    found = read_json("results store --metric test_loss", capsys)
    assert [row["test_loss"] for row in found] == pytest.approx(table["test_loss"].to_list())
    assert [row["test_loss_high"] for row in found] == pytest.approx(table["test_loss_high"].to_list())
    _, printed, _ = run("results store --metric test_loss --csv --top 2", capsys)
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert len(rows) == 2 and float(rows[0]["test_loss"]) == pytest.approx(table["test_loss"][0])
    code, printed, _ = run("results store --metric test_loss --top 1", capsys)
    assert (
        code == 0 and f"{table['test_loss'][0]:.4f} ± " in printed and "best of 4 configurations" in printed
    )


def test_results_of_some_runs_by_some_axes(store, capsys):
    results = fn.open_results("store").where(learning_rate=0.3)
    found = read_json("results store --where learning_rate>=0.2 --by depth --metric train_loss", capsys)
    means = {depth: results["train_loss"][results["depth"] == depth].mean() for depth in (0, 1)}
    assert {row["depth"]: row["train_loss"] for row in found} == pytest.approx(means)
    found = read_json("results store --each-run --where 'depth=1 learning_rate!=0.3'", capsys)
    chosen = fn.open_results("store").where(depth=1, learning_rate=0.1)
    assert sorted(row["run"] for row in found) == sorted(run_id[:8] for run_id in chosen["id"])


def test_results_in_markdown_and_latex(store, capsys):
    _, printed, _ = run("results store --markdown", capsys)
    assert printed.startswith("| depth | learning_rate | test_accuracy | runs | diverged |\n|---:|")
    assert len(printed.splitlines()) == 2 + 4
    _, printed, _ = run("results store --latex", capsys)
    assert printed.startswith("\\begin{tabular}{rrrrr}") and "test\\_accuracy" in printed


def test_show_has_all_of_a_run_and_the_command_that_trains_it_alone(store, place, capsys):
    results = fn.open_results("store")
    found = read_json("show store depth=1 learning_rate=0.3 seed=1", capsys)
    one = results.where(depth=1, learning_rate=0.3, seed=1)
    assert found["config"] == {"depth": 1, "learning_rate": 0.3, "seed": 1} and found["curve_steps"] == [
        2,
        4,
        6,
    ]
    assert found["curves"]["test_loss"] == pytest.approx(one["test_loss_curve"][0].tolist())
    code, printed, _ = run(f"show store {found['id'][:8]}", capsys)
    assert code == 0 and "steps 2 to 6" in printed and "▁" in printed and "trained, 6 steps" in printed
    assert f"  {found['metrics']['test_loss']:.6g}\n" in printed
    assert found["command"] is None, "tests do not begin with the program's name"
    call = "fn.sweep(recipe, fn.grid(depth=1, learning_rate=0.3, seed=1), data, num_steps=6, eval_every=2)"
    assert found["call"] == call and f"\nalone: {call}\n" in printed
    data = fn.load_dataset("iris")
    again = eval(call, {"fn": fn, "recipe": fn.mlp_recipe(data), "data": data})
    np.testing.assert_allclose(again["test_loss"], one["test_loss"], rtol=1e-5)


def test_command_of_a_run_trains_the_same(store, place, capsys):
    words = ["fnnet", *shlex.split("sweep --dataset iris depth=0,1 learning_rate=0.1,0.3 seed=0,1 --steps 6")]
    stored = Store("store")
    plan = {**stored.read_plan(), "command": words}
    command = run_command(
        plan, fn.open_results("store").where(depth=1, learning_rate=0.3, seed=1).space[0], Path("alone")
    )
    assert run(shlex.join(command[1:]), capsys)[0] == 0
    alone, whole = (
        fn.open_results("alone"),
        fn.open_results("store").where(depth=1, learning_rate=0.3, seed=1),
    )
    assert len(alone) == 1 and alone["id"][0] == whole["id"][0]
    np.testing.assert_allclose(alone["train_loss"], whole["train_loss"], rtol=1e-5)


def test_list_shows_sweeps_and_unreadable_plans(trained, place, capsys):
    (place / "broken").mkdir()
    (place / "broken" / "plan.json").write_text("{}")
    code, printed, _ = run(f"list {trained.parent}", capsys)
    assert code == 0 and "8 of 8" in printed and "finished" in printed and "iris" in printed
    (found,) = read_json(f"list {trained.parent}", capsys)
    assert found["axes"] == {"depth": 2, "learning_rate": 2, "seed": 2}
    assert "unreadable" in run("list .", capsys)[1]
    assert run("list adir", capsys)[1] == "no sweep in adir\n"


def test_compare_tests_the_difference_of_two_sweeps(store, capsys):
    results = fn.open_results("store")
    one, two = results.where(depth=0), results.where(depth=1)
    found = read_json("compare store store --metric test_loss --where depth=0", capsys)
    assert all(row["difference"] == 0 for row in found) and len(found) == 2
    code, printed, _ = run("compare store store --metric test_loss --where depth=0", capsys)
    assert code == 0 and f"{one.where(learning_rate=0.1)['test_loss'].mean():.4f}" in printed
    assert two["test_loss"].mean() != one["test_loss"].mean()


def test_datasets_are_listed(place, capsys):
    assert {row["name"]: row["num_features"] for row in read_json("datasets", capsys)}["wine"] == 13
    assert "regression" in run("datasets", capsys)[1]


@pytest.mark.parametrize(
    "line",
    [
        "status store",
        "results store",
        "show store --best test_loss",
        "list .",
        "compare store store",
        "datasets",
    ],
)
def test_readers_load_no_jax_and_take_no_lock(line, store, place):
    code = (
        "import sys, fnnet.records.lock\nfrom fnnet.cli.main import main\n"
        "fnnet.records.lock.FileLock = None\nmain(sys.argv[1:])\n"
        "heavy = {'jax', 'sklearn', 'matplotlib', 'pandas'} & set(sys.modules); assert not heavy, heavy"
    )
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code, *shlex.split(line)], capture_output=True, text=True, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout and "\x1b" not in ended.stdout, "NO_COLOR is stronger than FORCE_COLOR"


def test_sweep_without_finished_runs(place, capsys, stop_at_evaluation):
    data, (stop, _) = fn.load_dataset("iris"), stop_at_evaluation(1)
    with pytest.raises(RuntimeError):
        fn.sweep(
            fn.mlp_recipe(data), fn.grid(learning_rate=[0.1]), data, num_steps=2, store="early", on_event=stop
        )
    for line in ("results early", "show early", f"compare early early --where {RATE}"):
        code, _, error = run(line, capsys)
        assert code == 2 and "finished yet" in error and error.count("\n") == 1, error


@pytest.mark.slow
def test_plan_and_verify_as_json(store, place, capsys):
    code, printed, error = run("plan --dataset iris --steps 7 depth=0,1 learning_rate=0.1,0.3 --json", capsys)
    found = json.loads(printed)
    assert code == 0 and error == "" and [row["static"] for row in found] == [{"depth": 0}, {"depth": 1}]
    assert [row["num_missing"] for row in found] == [2, 2] and all(row["flops"] > 0 for row in found)
    code, printed, _ = run("verify store --runs 2 --json", capsys)
    rows = {row["metric"]: row for row in json.loads(printed)}
    assert (
        code == 0 and rows["test_loss"]["verdict"] != "different" and rows["test_loss"]["difference"] < 1e-4
    )
