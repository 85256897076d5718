"""Searches from the command line, against the functions they stand for."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_lines import check_answer, mistakes

import fnnet as fn
from fnnet.cli.main import main

DRAWN = "learning_rate=log:0.01:1"
HALVING = "search halving --dataset iris --metric test_loss --rungs 4,8,16 --factor 2"

MISTAKES = [
    ("search", "fnnet search needs METHOD and --metric"),
    ("search halvng --metric test_loss learning_rate=1", "unknown method 'halvng'; did you mean 'halving'"),
    ("search halving --metric test_loss learning_rate=1", "halving needs --rungs"),
    ("search hyperband --metric test_loss --max-steps 8 learning_rate=1", "hyperband needs --min-steps"),
    ("search optuna --metric test_loss --steps 8 learning_rate=1", "optuna needs --num-trials"),
    (f"{HALVING} --num-trials 3 learning_rate=1", "--num-trials is for optuna, got halving"),
    (f"{HALVING} --max-steps 3 learning_rate=1", "--max-steps is for hyperband, got halving"),
    (
        "search halving --metric test_loss --rungs 4,x learning_rate=1,2",
        "--rungs must be integers, such as 50,200,800",
    ),
    (
        "search halving --metric test_loss --rungs 8,4 learning_rate=1,2",
        "rungs must be increasing positive integers",
    ),
    (f"{HALVING}", "a search needs at least one axis"),
    (f"{HALVING} {DRAWN}", "learning_rate is drawn, so --num-configs must be given"),
    (f"{HALVING} --num-configs 0 {DRAWN}", "--num-configs must be a positive integer, got 0"),
    (f"{HALVING} --num-configs 4 learning_rate=0.1", "--num-configs is for axes to draw from"),
    (f"{HALVING} --num-configs 4 {DRAWN} learning_rate=0.1", "axis 'learning_rate' is given twice"),
    (f"{HALVING} --num-configs 4 {DRAWN} depth=int:0.5:2", "axis 'depth': int:LOW:HIGH takes integers"),
    (f"{HALVING} --num-configs 4 learning_rate=log:-1:1", "learning_rate"),
    (f"{HALVING} depth=0,1", "a sweep needs the axis learning_rate"),
    (f"{HALVING} --factor 1 learning_rate=0.1,0.2", "factor must be a number above 1, got 1"),
    (f"{HALVING} --over sed learning_rate=0.1,0.2", "unknown axis 'sed'"),
    (f"{HALVING} --higher-is-better --lower-is-better learning_rate=0.1,0.2", "contradict each other"),
    (
        "search halving --dataset iris --metric tst_loss --rungs 4,8 learning_rate=1,2",
        "did you mean 'test_loss'",
    ),
    (
        f"search optuna --dataset iris --metric test_loss --steps 3 --num-trials 2 --batch-size 2 seed=0,1 {DRAWN}",
        "the axis 'seed' cannot have a distribution; use --num-seeds",
    ),
]


@mistakes(MISTAKES, at_least=20)
def test_invalid_input_is_refused_in_one_line(line, phrase, place, capsys):
    check_answer(line, phrase, place, capsys)


def test_without_optuna_its_extra_is_named(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "fnnet.search.optuna", raising=False)
    line = f"search optuna --dataset iris --metric test_loss --steps 3 --num-trials 2 --batch-size 2 {DRAWN}"
    check_answer(line, "pip install 'fnnet[optuna]'", place, capsys)


@pytest.mark.slow
def test_halving_matches_the_library_and_resumes(place, capsys):
    line = f"{HALVING} depth=0,1 learning_rate=0.01,0.1,1 seed=0,1"
    main(shlex.split(line))
    printed = capsys.readouterr().out
    data = fn.load_dataset("iris")
    space = fn.grid(depth=[0, 1], learning_rate=[0.01, 0.1, 1], seed=range(2))
    wanted = fn.successive_halving(
        fn.mlp_recipe(data), space, data, rungs=[4, 8, 16], factor=2, metric="test_loss", over="seed"
    )
    folder = Path("results/iris-halving-depth-learning_rate-seed")
    found = fn.open_results(folder)
    assert found["rung"].tolist() == wanted["rung"].tolist()
    np.testing.assert_allclose(found["test_loss"], wanted["test_loss"], rtol=1e-4)
    assert f"{wanted.best('test_loss').interval.mean:.4f}" in printed
    assert (folder / "report.html").exists() and not (folder / "heatmap.png").exists()
    before = {path: path.read_bytes() for path in folder.glob("chunks/*")}
    main(shlex.split(line))
    assert {path: path.read_bytes() for path in folder.glob("chunks/*")} == before


@pytest.mark.slow
def test_hyperband_draws_the_same_design(place, capsys):
    line = "search hyperband --dataset iris --metric test_loss --max-steps 16 --min-steps 4 --num-configs 6"
    main(shlex.split(f"{line} --search-seed 3 --out h learning_rate=log:0.01:1 depth=int:0:1 seed=0,1"))
    design = fn.random_design(6, seed=3, learning_rate=fn.LogUniform(0.01, 1), depth=fn.IntUniform(0, 1))
    space = design * fn.grid(seed=range(2))
    results = fn.open_results("h")
    assert results["id"].tolist() == space.ids().tolist() and set(results["bracket"]) == {0, 1}
    assert "fully trained configurations" in capsys.readouterr().out


@pytest.mark.slow
def test_optuna_goes_on_where_the_same_command_ended_and_uses_all_cores(place):
    line = "search optuna --dataset iris --metric train_loss --steps 5 --batch-size 3 --num-seeds 2 --out o"
    line += f" {DRAWN} depth=0,1"
    code = "from fnnet.cli.main import main; main()"

    def train(num_trials):
        words = [sys.executable, "-c", code, *shlex.split(f"{line} --num-trials {num_trials}")]
        ended = subprocess.run(words, capture_output=True, text=True)
        assert ended.returncode == 0 and "Warning" not in ended.stderr, ended.stderr
        return fn.open_results("o")

    first, second = train(3), train(6)
    assert 0 < len(first) <= 6 < len(second) <= 12
    assert second["id"].tolist()[: len(first)] == first["id"].tolist()
    assert second["chunk"].tolist()[: len(first)] == first["chunk"].tolist(), "nothing was trained twice"
