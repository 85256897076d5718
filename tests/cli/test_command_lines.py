"""What people type: each line with the exit code and a phrase of what it answers.

A mistake is answered in one line on stderr with exit code 2 and the nearest right answer, before anything is
written. No line ends in a traceback, and none trains on nonsense.
"""

import importlib
import shlex

import polars as pl
import pytest
from command_lines import RATE, check_answer, mistakes, run

from fnnet.cli import help_text, usage
from fnnet.cli.main import COMMANDS

COMMAND = [
    ("", "fnnet sweep --dataset digits"),
    ("swep depth=1", "unknown command 'swep'; did you mean 'sweep'"),
    ("Sweep depth=1", "unknown command 'Sweep'; did you mean 'sweep'"),
    ("train depth=1", "unknown command 'train'; did you mean 'sweep'"),
    ("fit", "did you mean 'sweep'"),
    ("depth=1", "unknown command 'depth=1'"),
    ("--steps 5", "unknown command '--steps'"),
    ("help swep", "unknown command or topic 'swep'; did you mean 'sweep'"),
    ("help fromat", "unknown command or topic 'fromat'; did you mean 'format'"),
    ("exprot", "did you mean 'export'"),
    ("export", "fnnet export needs STORE and --out"),
    ("export store", "fnnet export needs --out"),
    ("export --out m.safetensors", "fnnet export needs STORE"),
    ("predict", "fnnet predict needs MODEL and DATA"),
    ("predict m.safetensors", "fnnet predict needs DATA"),
    ("predict a b c", "takes 2 arguments, got also 'c'"),
    ("verify", "fnnet verify needs STORE"),
    ("verify a b", "takes 1 argument, got also 'b'"),
]

OPTIONS = [
    (f"sweep --stesp 5 {RATE}", "unknown option --stesp; did you mean --steps?"),
    (f"sweep --step 5 {RATE}", "unknown option --step; did you mean --steps?"),
    (f"sweep --epochs 5 {RATE}", "unknown option --epochs; did you mean --steps?"),
    (f"sweep --num-steps 5 {RATE}", "unknown option --num-steps; did you mean --steps?"),
    (f"sweep --Steps 5 {RATE}", "unknown option --Steps; did you mean --steps?"),
    (f"sweep -steps 5 {RATE}", "unknown option -steps; did you mean --steps?"),
    (f"sweep --data iris {RATE}", "unknown option --data; did you mean --dataset?"),
    (f"sweep --output x {RATE}", "unknown option --output; did you mean --out?"),
    (f"sweep --depth 1,2 {RATE}", "depth is an axis, not an option: write depth=VALUES"),
    ("sweep --learning-rate 0.1", "learning_rate is an axis, not an option"),
    (f"sweep --seed 0 {RATE}", "seed is an axis, not an option"),
    (f"sweep --gpu {RATE}", "unknown option --gpu"),
    (f"sweep --steps {RATE} --out", "--steps must be an integer"),
    (f"sweep {RATE} --steps", "--steps needs a value"),
    (f"sweep --steps --out x {RATE}", "--steps needs a value"),
    (f"sweep --steps 1e3 {RATE}", "--steps must be an integer, got '1e3'; did you mean 1000?"),
    (f"sweep --steps 10.0 {RATE}", "--steps must be an integer, got '10.0'; did you mean 10?"),
    (f"sweep --steps ten {RATE}", "--steps must be an integer, got 'ten'"),
    (f"sweep --steps=abc {RATE}", "--steps must be an integer, got 'abc'"),
    (f"sweep --steps 0 {RATE}", "--steps must be a positive integer, got 0"),
    (f"sweep --steps -5 {RATE}", "--steps must be a positive integer, got -5"),
    (f"sweep --eval-every 0 {RATE}", "--eval-every must be a positive integer, got 0"),
    (f"sweep --eval-every -1 {RATE}", "--eval-every must be a positive integer, got -1"),
    (f"sweep --eval-every 2000 --steps 10 {RATE}", "--eval-every 2000 is more than --steps 10"),
    (f"sweep --eval-every x {RATE}", "--eval-every must be an integer, got 'x'"),
    (f"sweep --lanes 0 {RATE}", "--lanes must be a positive integer, got 0"),
    (f"sweep --lanes -2 {RATE}", "--lanes must be a positive integer, got -2"),
    (f"sweep --lanes many {RATE}", "--lanes must be an integer, got 'many'"),
    (f"sweep --state-every -1 {RATE}", "--state-every must be seconds, 0 or more, got -1"),
    (f"sweep --state-every nan {RATE}", "--state-every must be seconds, 0 or more, got nan"),
    (f"sweep --state-every often {RATE}", "--state-every must be a number, got 'often'"),
    (f"sweep --dataset iris --metric accuracy {RATE}", "did you mean 'test_accuracy' or 'train_accuracy'?"),
    (f"sweep --dataset iris --metric test_acuracy {RATE}", "did you mean 'test_accuracy'"),
    (f"sweep --dataset iris --metric test_r2 {RATE}", "unknown metric 'test_r2'"),
    (f"plan --metric test_loss {RATE}", "unknown option --metric"),
    (f"plan --steps 1e4 {RATE}", "did you mean 10000?"),
    ("verify --run 3 store", "unknown option --run; did you mean --runs?"),
    ("export store --out m.safetensors --bets test_loss", "did you mean --best?"),
]

FOLDERS = [
    (f'sweep --out "" {RATE}', "--out needs a value, got an empty one"),
    (f"sweep --dataset iris --out afile {RATE}", "cannot write to afile"),
    (f"sweep --dataset iris --out afile/sub {RATE}", "cannot write to afile/sub"),
    (f"sweep --dataset iris --out /proc/x {RATE}", "cannot write to /proc/x"),
    (f"plan --dataset iris --out afile/sub {RATE}", "cannot write to afile/sub"),
    (f"sweep --dataset iris --out adir {RATE}", "adir"),
    ("verify adir", "adir"),
    ("verify nowhere", "nowhere"),
    ("export nowhere --out m.safetensors", "nowhere"),
    (
        "export nowhere --to m.safetensors",
        "unknown value of --to 'm.safetensors'; did you mean 'safetensors'",
    ),
    ("export adir --out m.safetensors", "adir"),
    ("predict nowhere.safetensors t.csv", "nowhere.safetensors"),
    ("predict afile t.csv", "afile"),
]

DATA = [
    (f"sweep --dataset MNITS {RATE}", "unknown data set 'MNITS'; did you mean 'mnist'"),
    (f"sweep --dataset irs {RATE}", "did you mean 'iris'"),
    (f"sweep --dataset breast-cancer {RATE}", "did you mean 'breast_cancer'?"),
    (f"sweep --dataset cifar10 {RATE}", "unknown data set 'cifar10'"),
    (f"sweep --dataset no/such.csv {RATE}", "no/such.csv"),
    (f"sweep --dataset one.csv {RATE}", "one.csv"),
    (f"sweep --dataset empty.csv {RATE}", "empty.csv"),
    (f"sweep --dataset header.csv {RATE}", "header.csv"),
    (f"sweep --dataset afile {RATE}", "afile: a data file ends in"),
    (f"sweep --dataset adir {RATE}", "adir: is a folder, not a file; a data file ends in"),
    (f"sweep --dataset ./iris {RATE}", "a data file ends in"),
    (f"sweep --dataset text.txt {RATE}", "text.txt: a data file ends in"),
    (f"sweep --dataset same.csv {RATE}", "target must have two classes or more, got only 'x'"),
    (f"sweep --dataset two.csv --target nope {RATE}", "two.csv: unknown column 'nope' (one of: a, b, kind)"),
    (f"sweep --dataset two.csv --target Kind {RATE}", "unknown column 'Kind'; did you mean 'kind'?"),
    (f"sweep --dataset two.csv --taget kind {RATE}", "unknown option --taget; did you mean --target"),
    (f"sweep --dataset two.csv --label kind {RATE}", "unknown option --label; did you mean --target?"),
    (f"sweep --dataset two.csv --drop nope {RATE}", "unknown column 'nope'"),
    (f"sweep --dataset two.csv --drop a,b {RATE}", "two.csv: has no columns besides kind"),
    (f"sweep --dataset two.csv --keep nope {RATE}", "unknown column 'nope'"),
    (f"sweep --dataset two.csv --id nope {RATE}", "unknown column 'nope'"),
    (f"sweep --dataset two.csv --task classify {RATE}", "did you mean 'classification'?"),
    (f"sweep --dataset two.csv --task regression {RATE}", "kind must be numbers for a regression, got 'x'"),
    (
        f"sweep --dataset two.csv --test-fraction 2 {RATE}",
        "--test-fraction must be a number in (0, 1), got 2",
    ),
    (f"sweep --dataset two.csv --test-fraction -0.1 {RATE}", "--test-fraction must be a number in (0, 1)"),
    (f"sweep --dataset two.csv --test-fraction half {RATE}", "--test-fraction must be a number, got 'half'"),
    (f"sweep --dataset two.csv --validation-fraction 1.5 {RATE}", "--validation-fraction must be a number"),
    (f"sweep --dataset two.csv --split-seed 0.5 {RATE}", "--split-seed must be an integer, got '0.5'"),
    (f"sweep --dataset two.csv --split-seed -1 {RATE}", "--split-seed must be an integer of at least 0"),
    (f"sweep --dataset two.csv --standardize --no-standardize {RATE}", "contradict each other"),
    (f"sweep --dataset gap.csv --no-encode {RATE}", "column 'a' has no value in row 0"),
    (f"sweep --dataset iris --no-encode {RATE}", "--no-encode is for files, such as --dataset table.csv"),
    (f"sweep --dataset iris --target x {RATE}", "--target is for files, such as --dataset table.csv"),
]


@mistakes(COMMAND, OPTIONS, FOLDERS, DATA, at_least=100)
def test_invalid_input_is_refused_in_one_line(line, phrase, place, capsys):
    check_answer(line, phrase, place, capsys)


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("--help", "fnnet COMMAND --help"),
        ("-h", "fnnet COMMAND --help"),
        ("help", "fnnet help axes|data|engine"),
        ("help sweep", "fnnet help axes"),
        ("plan -h", "usage: fnnet plan [OPTIONS] AXIS=VALUES ..."),
        ("help axes", "learning_rate=log:1e-3:10:16"),
        ("data --help", "--validation-fraction X"),
        ("help engine", "--workers N"),
        ("help format", "--markdown"),
        ("init --help", "usage: fnnet init [FOLDER]"),
        *((f"{name} --help", f"usage: fnnet {name}") for name in COMMANDS if name != "init"),
    ],
)
def test_help_fits_a_screen_and_begins_with_an_example(line, phrase, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, printed, error = run(line, capsys)
    lines = printed.splitlines()
    assert code == 0 and phrase in printed and error == ""
    assert lines[0].startswith("fnnet ") and lines[1] == "" and "\x1b" not in printed
    assert max(map(len, lines)) <= 80 and len(lines) <= 40


def test_example_of_each_help_is_a_valid_line():
    for name, command in COMMANDS.items():
        words = shlex.split(help_text.describe(name, command).partition("\n")[0])
        assert words[:2] == ["fnnet", name]
        usage.check_usage(words[1:], COMMANDS, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        f"sweep --steps 3 use_bias=no,on depth=0 {RATE}",
        f"sweep --steps 3 --eval_every 2 depth=0 batch_size=full,5 {RATE}",
        f"sweep --steps 3 --out adir2 loss=mse depth=0 {RATE}",
    ],
)
def test_valid_commands_are_accepted(line, place, capsys):
    code, printed, error = run(line, capsys)
    assert code == 0 and "test_accuracy" in printed, error
    table = pl.read_csv(next(place.rglob("table.csv")))
    assert table["test_loss"].n_unique() == table.height  # no value stands for another


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        (
            "plan learning_rate=0.1 depth=range:1:2000",
            "planning 1,999 runs in 1,999 programs; about 100 min",
        ),
        (
            "sweep learning_rate=log:1e-3:1:2000 seed=range:5000",
            "planning 10,000,000 runs in 1 program; about 1 min",
        ),
        ("sweep learning_rate=0.1 seed=range:5000", ""),
    ],
)
def test_long_planning_is_announced(line, phrase, place, capsys, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("fnnet.sweeps.prepare"), "prepare", stop)
    code, printed, error = run(line, capsys)
    assert code == 130 and "\nfnnet: stopped" in error
    assert "features" in printed, "the data are described before the sweep is prepared"
    assert phrase in error and (phrase or "planning" not in error)
