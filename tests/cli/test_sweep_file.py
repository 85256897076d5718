"""Sweeps as files: what `fnnet init` writes runs, words override a file, and a file is read strictly."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import check_answer, mistakes, run

import fnnet as fn
from fnnet.cli.commands.search import search
from fnnet.cli.commands.sweep import sweep
from fnnet.cli.main import COMMANDS, main
from fnnet.cli.sweep_file import expand
from fnnet.records.store import Store

WHOLE = """
steps = 5
eval_every = 2
save_params = false
keep_states = true
accept_fingerprint = false
state_every = 30
out = "there"
[data]
dataset = "two.csv"
drop = ["a", "b"]
test_fraction = 0.25
standardize = false
[axes]
depth = [1, 2]
learning_rate = "log:0.01:1:3"
use_bias = [true, false]
activation = "relu"
width = 7
widths = [[16, 16], [128]]
momentum = [0.5]
[engine]
kind = "ray"
workers = 3
"""

SEARCH = """
method = "halving"
rungs = [4, 8, 16]
factor = 2
metric = "test_loss"
over = ["seed", "depth"]
num_configs = 5
search_seed = 3
lower_is_better = true
[data]
dataset = "iris"
[axes]
learning_rate = "log:0.01:1"
seed = [0, 1]
"""

SEARCHES = {
    "steps = 5\n": 's.toml has no method, such as method = "halving"; a sweep is run by fnnet sweep s.toml',
    "method = 'halvng'\nmetric = 'test_loss'\n": "unknown method 'halvng'; did you mean 'halving'",
    "method = 5\n": "s.toml: method must be a string",
    "method = 'halving'\n": "fnnet search needs --metric",
    "method = 'halving'\nrugns = [4, 8]\n": "unknown key of s.toml 'rugns'; did you mean 'rungs'",
    "method = 'halving'\nkeep_states = true\n": "unknown key of s.toml 'keep_states'",
    "method = 'halving'\nrungs = [4.5]\n": "s.toml: rungs must be a string, or a list of strings or integers, got [4.5]",
    "method = 'halving'\nrungs = 4\n": "s.toml: rungs must be a string, or a list of strings or integers, got 4",
    "method = 'halving'\nmetric = 'test_loss'\nrungs = ['x']\n[axes]\nlearning_rate = [1, 2]\n": (
        "--rungs must be integers"
    ),
    "method = 'halving'\nmetric = 'test_loss'\nnum_trials = 3\nrungs = [4, 8]\n": (
        "--num-trials is for optuna, got halving"
    ),
}

AXES = '[axes]\nlearning_rate = 0.1\n[data]\ndataset = "iris"\n'

FILES = {
    "stpes = 5\n": "unknown key of s.toml 'stpes'; did you mean 'steps'",
    "num_steps = 5\n": "unknown key of s.toml 'num_steps'; did you mean 'steps'",
    'dataset = "iris"\n': "s.toml: dataset belongs in the table [data]",
    'engine = "ray"\n': "s.toml: engine must be a table, written [engine], got 'ray'",
    "axes = 5\n": "s.toml: axes must be a table, written [axes], got 5",
    'steps = "5"\n': "s.toml: steps must be an integer, got '5'",
    "steps = true\n": "s.toml: steps must be an integer, got True",
    "steps = 1.5\n": "s.toml: steps must be an integer, got 1.5",
    'state_every = "1"\n': "s.toml: state_every must be a number, got '1'",
    "keep_states = 1\n": "s.toml: keep_states must be true or false, got 1",
    "out = 5\n": "s.toml: out must be a string, or a list of strings or integers, got 5",
    'metric = ["a,b"]\n': "s.toml: metric must be a string, or a list of strings or integers, got ['a,b']",
    'method = "halving"\n': "s.toml holds a search with method 'halving': use fnnet search s.toml",
    "[data]\ndatset = 'iris'\n": "unknown key of [data] in s.toml 'datset'; did you mean 'dataset'",
    "[engine]\nengine = 'ray'\n": "unknown key of [engine] in s.toml 'engine'",
    "[engine]\nworkers = 1.5\n": "s.toml: engine.workers must be an integer, got 1.5",
    "[axes]\nlearning_rate = {low = 1}\n": "s.toml: axes.learning_rate must be a list of numbers, names or lists",
    "[axes]\nseed = [1, [2]]\n": "s.toml: axes.seed must be a list of numbers",
    "[axes]\nactivation = ['relu,tanh']\n": "s.toml: axes.activation must be a list of numbers",
    "[axes]\nseed = [[1979-05-27]]\n": "s.toml: axes.seed must be a list of numbers",
    "[axes]\n'--out' = 5\n": "s.toml: axes.--out is not a valid name of an axis",
    "[axes]\nseed = 1979-05-27\n": "s.toml: axes.seed must be a list of numbers",
    "[axes]\nlearning_rate = nan\n": "axis 'learning_rate' holds nan",
    "[axes]\nlerning_rate = 0.1\n[data]\ndataset = 'iris'": "did you mean 'learning_rate'?",
    "steps =\n": "s.toml is not TOML: Invalid value (at line 1, column 8)",
    f"steps = 0\n{AXES}": "--steps must be a positive integer, got 0",
    "steps = 3\n": "a sweep needs at least one axis",
}


def test_file_stands_for_words(place):
    Path("s.toml").write_text(WHOLE)
    words = expand(["sweep", "s.toml"], sweep, sweep)
    assert words == [
        *("sweep", "--steps=5", "--eval-every=2", "--no-save-params", "--keep-states", "--state-every=30"),
        *("--out=there", "--dataset=two.csv", "--drop=a,b", "--test-fraction=0.25", "--no-standardize"),
        *("--engine=ray", "--workers=3", "depth=1,2", "learning_rate=log:0.01:1:3", "use_bias=yes,no"),
        *("activation=relu", "width=7", "widths=[[16, 16], [128]]", "momentum=0.5"),
    ]


def test_words_override_the_file_and_other_commands_take_what_they_know(place):
    Path("s.toml").write_text(WHOLE)
    given = shlex.split("--steps 9 --save-params --engine=local --standardize depth=4 seed=0,1")
    words = expand(["sweep", "s.toml", *given], sweep, sweep)
    assert "--no-save-params" not in words and "--no-standardize" not in words and "--steps=5" not in words
    assert next(word for word in words if "=" in word and word[0] != "-") == "depth=4", (
        "in the place of the file"
    )
    assert words[-1] == "seed=0,1" and "--engine=ray" not in words
    planned = expand(["plan", "s.toml"], sweep, COMMANDS["plan"])
    assert "--eval-every=2" in planned and not any("states" in word or "engine" in word for word in planned)


@mistakes(FILES.items(), at_least=20)
def test_invalid_file_is_refused_in_one_line(line, phrase, place, capsys):
    check_file("sweep", line, phrase, capsys)


@mistakes(SEARCHES.items(), at_least=10)
def test_mistakes_in_the_file_of_a_search(line, phrase, place, capsys):
    check_file("search", line, phrase, capsys)


def check_file(command, text, phrase, capsys):
    Path("s.toml").write_text(text)
    with pytest.raises(SystemExit) as stop:
        main([command, "s.toml"])
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert phrase in error and error.startswith("fnnet: ") and error.count("\n") == 1, error


def test_file_stands_for_the_words_of_a_search(place):
    Path("s.toml").write_text(SEARCH)
    words = expand(["search", "s.toml", "--rungs", "2,4", "seed=range:3"], search, search)
    assert words == [
        *("search", "halving", "--factor=2", "--metric=test_loss", "--over=seed,depth", "--num-configs=5"),
        *(
            "--search-seed=3",
            "--lower-is-better",
            "--dataset=iris",
            "learning_rate=log:0.01:1",
            "seed=range:3",
        ),
        *("--rungs", "2,4"),
    ]
    assert "--rungs=4,8,16" in expand(["search", "s.toml"], search, search)


@mistakes(
    [
        (
            "sweep none.toml",
            "none.toml cannot be read: No such file or directory; fnnet init writes files to start from",
        ),
        ("sweep learning_rate=0.1 none.toml", "an axis is NAME=VALUES, such as depth=1,2,4; got 'none.toml'"),
        ("init afile", "afile is a file; name a folder"),
        ("init a b", "takes 1 argument, got also 'b'"),
    ],
    at_least=4,
)
def test_invalid_input_is_refused_in_one_line(line, phrase, place, capsys):
    if line.startswith("sweep"):
        with pytest.raises(SystemExit):
            main(shlex.split(line))
        assert phrase in capsys.readouterr().err
    else:
        check_answer(line, phrase, place, capsys)


@pytest.mark.slow
def test_what_init_writes_runs_as_it_is_and_the_store_has_the_command(place):
    def fnnet(line):
        code = "from fnnet.cli.main import main; main()"
        words = [sys.executable, "-c", code, *shlex.split(line)]
        return subprocess.run(words, capture_output=True, text=True, env=os.environ)

    first = fnnet("init new")
    assert first.returncode == 0 and first.stdout.endswith("next: cd new && fnnet sweep sweep.toml\n"), (
        first.stderr
    )
    os.chdir("new")
    ended = fnnet("sweep sweep.toml depth=1 --steps 20 --eval-every 10")
    assert ended.returncode == 0 and "8 runs of 20 steps in 1 program" in ended.stdout, ended.stderr
    results = fn.open_results("results/first")
    assert len(results) == 8 and set(results["step_curve"][0]) == {10, 20}
    command = Store("results/first").read_plan()["command"]
    assert command[:3] == ["fnnet", "sweep", "--recipe=recipe:recipe"] and "depth=1" in command
    again = fnnet(shlex.join(command[1:]))
    assert again.returncode == 0 and "resuming: 8 of 8 runs are done" in again.stdout
    assert fnnet("init").returncode == 2
    found = fnnet("search search.toml --rungs 5,10 --num-configs 4 width=8")
    assert found.returncode == 0 and "best of 1 fully trained configurations" in found.stdout, found.stderr
    searched = fn.open_results("results/search")
    assert len(searched) == 8 and set(searched["steps"]) == {5, 10}
    command = Store("results/search").read_plan()["command"]
    assert command[:3] == ["fnnet", "search", "halving"] and "width=8" in command
    shown = fnnet("show results/first --best test_accuracy --json")
    assert shown.returncode == 0 and "fnnet sweep --recipe=recipe:recipe" in shown.stdout


def test_init_overwrites_nothing(place, capsys):
    Path("recipe.py").write_text("precious")
    code, _, error = run("init", capsys)
    assert code == 2 and "recipe.py exists; name another folder" in error
    assert Path("recipe.py").read_text() == "precious" and not Path("sweep.toml").exists()


@pytest.mark.slow
def test_dry_run_is_a_plan(place, capsys):
    Path("s.toml").write_text(f"steps = 5\n{AXES}")
    main(["sweep", "s.toml", "seed=range:3", "--dry-run"])
    printed = capsys.readouterr().out
    assert "3 runs of 5 steps in 1 program" in printed and not Path("results").exists()
