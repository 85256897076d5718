"""What people type: each line with the exit code and a phrase of what it answers.

A mistake is answered in one line on stderr with exit code 2 and the nearest right answer, before anything is
written. No line ends in a traceback, and none trains on nonsense.
"""

import importlib
import re
import shlex
import shutil

import polars as pl
import pytest

from fnnet.cli.commands import AXES, COMMANDS
from fnnet.cli.main import main

RATE = "learning_rate=0.1"

COMMAND = [
    ("", "fnnet sweep --dataset digits"),
    ("swep depth=1", "unknown command 'swep'; did you mean 'sweep'?"),
    ("Sweep depth=1", "unknown command 'Sweep'; did you mean 'sweep'?"),
    ("train depth=1", "unknown command 'train'; did you mean 'sweep'?"),
    ("fit", "did you mean 'sweep'?"),
    ("status", "unknown command 'status'"),
    ("list", "unknown command 'list'; did you mean 'plan'?"),
    ("depth=1", "unknown command 'depth=1'"),
    ("--steps 5", "unknown command '--steps'"),
    ("help swep", "unknown command 'swep'; did you mean 'sweep'?"),
    ("exprot", "did you mean 'export'?"),
    ("export", "fnnet export needs STORE and --to"),
    ("export store", "fnnet export needs --to"),
    ("export --to m.safetensors", "fnnet export needs STORE"),
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
    ("export store --to m.safetensors --bets test_loss", "did you mean --best?"),
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
    ("export nowhere --to m.safetensors", "nowhere"),
    ("export adir --to m.safetensors", "adir"),
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

FORMS = [
    ("sweep", "at least one axis, such as learning_rate=log:1e-3:1:8"),
    ("plan", "at least one axis"),
    ("sweep learning_rate", "an axis is NAME=VALUES, such as depth=1,2,4; got 'learning_rate'"),
    ("sweep learning_rate 0.1", "an axis is NAME=VALUES"),
    ("sweep =1", "an axis is NAME=VALUES"),
    ("sweep learning-rate=0.1", "did you mean learning_rate=0.1?"),
    ("sweep 'learning rate=0.1'", "an axis is NAME=VALUES"),
    ("sweep learning_rate:0.1", "an axis is NAME=VALUES"),
    ("sweep learning_rate=", "axis 'learning_rate' is empty"),
    ("sweep learning_rate=0.1 learning_rate=0.2", "axis 'learning_rate' is given twice"),
    ("sweep learning_rate=0.1,0.1", "axis 'learning_rate' holds 0.1 twice"),
    ("sweep seed=0,1,0.0 learning_rate=1", "axis 'seed' holds 0.0 twice"),
    (f"sweep depth=1-4 {RATE}", "did you mean depth=range:1:5?"),
    (f"sweep depth=1..4 {RATE}", "did you mean depth=range:1:5?"),
    (f"sweep depth=[1,2] {RATE}", "did you mean depth=1,2?"),
    (f"sweep 'depth=(1, 2)' {RATE}", "did you mean depth=1,2?"),
    (f"sweep depth=1,,2 {RATE}", "did you mean depth=1,2?"),
    (f"sweep depth=1,2, {RATE}", "did you mean depth=1,2?"),
    (f"sweep 'depth=1;2' {RATE}", "did you mean depth=1,2?"),
    (f"sweep 'depth=1 2' {RATE}", "did you mean depth=1,2?"),
    (f"sweep depth=, {RATE}", "values are separated by single commas"),
    ("sweep learning_rate=1e", "axis 'learning_rate': '1e' is not a number; did you mean 1?"),
    ("sweep learning_rate=0.1.2", "'0.1.2' is not a number"),
    ("sweep learning_rate=10%", "'10%' is not a number; did you mean 10?"),
    ("sweep learning_rate=log:1:2", "axis 'learning_rate': cannot read 'log:1:2'; the forms are"),
    ("sweep learning_rate=log:0:1:3", "axis 'learning_rate': logspace needs positive finite bounds, got 0"),
    ("sweep learning_rate=log:-1:1:3", "positive finite bounds"),
    ("sweep learning_rate=log:a:1:3", "cannot read 'log:a:1:3'"),
    (
        "sweep learning_rate=log:1:2:0",
        "axis 'learning_rate': the number of values must be a positive integer",
    ),
    ("sweep learning_rate=log:1:2:2.5", "the number of values must be a positive integer, got 2.5"),
    ("sweep learning_rate=lin:0:inf:3", "linspace needs finite bounds"),
    ("sweep learning_rate=lgo:1e-3:1:8", "did you mean log:1e-3:1:8?"),
    ("sweep learning_rate=logspace:1e-3:1:8", "did you mean log:1e-3:1:8?"),
    ("sweep learning_rate=linspace:0.1:1:8", "did you mean lin:0.1:1:8?"),
    (f"sweep seed=range:0 {RATE}", "axis 'seed' is empty"),
    (f"sweep seed=range:5:1 {RATE}", "axis 'seed' is empty"),
    (f"sweep seed=range:0:5:0 {RATE}", "cannot read"),
    (f"sweep seed=range:1.5 {RATE}", "cannot read"),
    (f"sweep seed=range: {RATE}", "cannot read"),
    (f"sweep seed=rnage:4 {RATE}", "did you mean range:4?"),
    (
        "sweep learning_rate=log:1e-3:1:100000000",
        "has 100,000,000 values; a sweep has at most 16,777,216 runs",
    ),
    (f"sweep seed=range:1000000000 {RATE}", "at most 16,777,216 runs, got 1,000,000,000"),
    ("sweep learning_rate=log:1e-3:1:10000 seed=range:10000", "got 10,000 * 10,000 = 100,000,000"),
]

NAMES = [
    ("sweep lr=0.1", "unknown axis 'lr'; did you mean 'learning_rate'?"),
    ("sweep eta=0.1", "unknown axis 'eta'; did you mean 'learning_rate'?"),
    ("sweep learnign_rate=0.1", "unknown axis 'learnign_rate'; did you mean 'learning_rate'?"),
    ("sweep Learning_Rate=0.1", "unknown axis 'Learning_Rate'; did you mean 'learning_rate'?"),
    ("sweep depth=1", "a sweep needs the axis learning_rate, such as learning_rate=log:1e-3:1:8; got depth"),
    (f"sweep depht=1 {RATE}", "unknown axis 'depht'; did you mean 'depth'?"),
    (f"sweep layers=1 {RATE}", "unknown axis 'layers'; did you mean 'depth'?"),
    (f"sweep units=1 {RATE}", "unknown axis 'units'; did you mean 'width'?"),
    (f"sweep wd=0.1 {RATE}", "unknown axis 'wd'; did you mean 'weight_decay'?"),
    (f"sweep bs=5 {RATE}", "unknown axis 'bs'; did you mean 'batch_size'?"),
    (f"sweep mu=0.5 {RATE}", "unknown axis 'mu'; did you mean 'momentum'?"),
    ("sweep momentm=0.5", "unknown axis 'momentm'; did you mean 'momentum'?"),
    (f"sweep bias=no {RATE}", "unknown axis 'bias'; did you mean 'use_bias'?"),
    (f"sweep seeds=1 {RATE}", "unknown axis 'seeds'; did you mean 'seed'"),
    (
        f"sweep optimizer=adam {RATE}",
        "unknown axis 'optimizer'; mlp_recipe trains with SGD; for another optimizer, write",
    ),
    (
        f"sweep dropout=0.1 {RATE}",
        "unknown axis 'dropout'; mlp_recipe does not support it; write a recipe in Python",
    ),
    (f"sweep schedule=cosine {RATE}", "fn.schedules.cosine"),
    (f"sweep steps=10,20 {RATE}", "unknown axis 'steps'; --steps is the same for all runs"),
    (
        f"sweep epochs=10 {RATE}",
        "unknown axis 'epochs'; the length of training, --steps, is the same for all runs",
    ),
    (f"sweep dataset=iris {RATE}", "unknown axis 'dataset'; the data set is the same for all runs"),
    (f"sweep activation=ReLU {RATE}", "unknown activation 'ReLU'; did you mean 'relu'? (one of:"),
    (f"sweep activation=rleu {RATE}", "unknown activation 'rleu'; did you mean 'relu'"),
    (f"sweep activation=swish {RATE}", "unknown activation 'swish'; did you mean 'silu'?"),
    (f"sweep activation=xyz {RATE}", "unknown activation 'xyz' (one of:"),
    (f"sweep activation=2 {RATE}", "axis 'activation' takes a name, got 2"),
    (f"sweep initializer=he {RATE}", "unknown initializer 'he'; did you mean 'he_normal'"),
    (f"sweep initializer=xavier {RATE}", "did you mean 'glorot_normal'"),
    (f"sweep initializer=He_Normal {RATE}", "did you mean 'he_normal'?"),
    (f"sweep parameterization=mup {RATE}", "muP needs a base width"),
    (f"sweep parameterization=NTK {RATE}", "did you mean 'ntk'?"),
    (f"sweep loss=ce {RATE}", "unknown loss 'ce'; did you mean 'cross_entropy'?"),
    (f"sweep loss=MSE {RATE}", "unknown loss 'MSE'; did you mean 'mse'"),
    (f"sweep order=random {RATE}", "unknown order of batches 'random'"),
    (f"sweep order=Shuffled {RATE}", "did you mean 'shuffled'?"),
    (f"sweep test_loss=1 {RATE}", "unknown axis 'test_loss'"),
]

NUMBERS = [
    ("sweep learning_rate=-0.1", "learning_rate must be a positive finite number, got -0.1"),
    ("sweep learning_rate=0", "learning_rate must be a positive finite number, got 0"),
    ("sweep learning_rate=nan", "axis 'learning_rate' holds nan"),
    ("sweep learning_rate=inf", "axis 'learning_rate' holds inf"),
    ("sweep learning_rate=1e-60", "learning_rate is 1e-60, which is 0 in float32"),
    ("sweep learning_rate=1e39", "learning_rate is 1e+39, which is infinite in float32"),
    ("sweep learning_rate=true", "learning_rate must be a positive finite number, got True"),
    ("sweep learning_rate=fast", "axis 'learning_rate' takes numbers, got 'fast'"),
    (f"sweep momentum=1.5 {RATE}", "momentum must be a number from 0 to below 1, got 1.5"),
    (f"sweep momentum=-0.5 {RATE}", "momentum must be a number from 0 to below 1, got -0.5"),
    (f"sweep momentum=1 {RATE}", "momentum must be a number from 0 to below 1, got 1"),
    (f"sweep momentum=high {RATE}", "axis 'momentum' takes numbers, got 'high'"),
    (f"sweep momentum=no {RATE}", "momentum must be a number"),
    (f"sweep weight_decay=-1 {RATE}", "weight_decay must be a finite number of at least 0, got -1"),
    (f"sweep max_norm=0 {RATE}", "max_norm must be a positive number, got 0"),
    (f"sweep max_norm=none {RATE}", "axis 'max_norm' cannot be 'none'; leave the axis out"),
    (f"sweep seed=-1 {RATE}", "seed must be an integer from 0 to 2147483647, got -1"),
    (f"sweep seed=0.5 {RATE}", "seed must be an integer from 0 to 2147483647, got 0.5"),
    (f"sweep seed=4.0 {RATE}", "seed must be an integer from 0 to 2147483647, got 4.0"),
    (f"sweep seed=5000000000 {RATE}", "seed is 5000000000, which does not fit int32"),
    (f"sweep seed=99999999999999999999 {RATE}", "does not fit 64 bits"),
    (f"sweep seed=abc {RATE}", "axis 'seed' takes numbers, got 'abc'"),
    (f"sweep data_seed=-1 {RATE}", "data_seed must be an integer from 0"),
    (f"sweep use_bias=maybe {RATE}", "axis 'use_bias' takes true or false, got 'maybe'"),
    (f"sweep use_bias=0.5 {RATE}", "axis 'use_bias' takes true or false, got 0.5"),
    (f"sweep use_bias=0 {RATE}", "axis 'use_bias' takes true or false, got 0"),
    (f"sweep nesterov=1 momentum=0.5 {RATE}", "axis 'nesterov' takes true or false, got 1"),
    (f"sweep nesterov=true {RATE}", "nesterov needs a momentum, such as momentum=0.9"),
    (f"sweep depth=-1 {RATE}", "depth must be the number of hidden layers, from 0 to 10000; got -1"),
    (f"sweep depth=2.5 {RATE}", "axis 'depth' takes an integer, got 2.5"),
    (f"sweep depth=100000 {RATE}", "depth must be the number of hidden layers, from 0 to 10000"),
    (f"sweep depth=deep {RATE}", "axis 'depth' takes an integer, got 'deep'"),
    (f"sweep width=0 {RATE}", "width must be a positive integer, got 0"),
    (f"sweep width=64.0 {RATE}", "axis 'width' takes an integer, got 64.0"),
    (f"sweep width=1000000000 {RATE}", "use a smaller network"),
    (f"sweep width=1000000000 depth=1 activation=tanh {RATE}", "use a smaller network"),
    (f"sweep width=30000000000 {RATE}", "too large"),
    (f"sweep batch_size=0 {RATE}", "batch_size must be a positive integer"),
    (f"sweep batch_size=-5 {RATE}", "batch_size must be a positive integer"),
    (f"sweep batch_size=all {RATE}", "batch_size must be a positive integer or 'full', got 'all'"),
    (f"sweep batch_size=none {RATE}", "write batch_size=full"),
    (f"sweep batch_size=1000 {RATE}", "larger than the 120 training examples"),
    (
        f"sweep batch_size=5000000000000 order=with_replacement {RATE}",
        "use a smaller network, batch or data set",
    ),
    ("sweep --dataset diabetes loss=cross_entropy learning_rate=0.1", "needs classes or probabilities"),
    (f"plan momentum=1.5 {RATE}", "momentum must be a number from 0 to below 1, got 1.5"),
    (f"plan seed=0.5 {RATE}", "seed must be an integer"),
    (f"plan width=1000000000 {RATE}", "use a smaller network"),
]

STORE = [
    ("verify store --runs 0", "--runs must be a positive integer, got 0"),
    ("verify store --runs -1", "--runs must be a positive integer, got -1"),
    ("verify store --runs two", "--runs must be an integer, got 'two'"),
    ("verify store --dataset iris", "unknown option --dataset"),
    ("verify store/plan.json", "store/plan.json"),
    (
        "export store --to m.safetensors",
        "2 runs have these values; specify seed too, or choose the best with --best",
    ),
    ("export store --best test_loss --to m.txt", "a model file ends in .safetensors, got m.txt"),
    (
        "export store --best test_lss --to m.safetensors",
        "unknown metric 'test_lss'; did you mean 'test_loss'",
    ),
    ("export store seed=5 --to m.safetensors", "no run has seed=5; the nearest is 1"),
    ("export store seed=0,1 --to m.safetensors", "2 runs have these values; specify seed too"),
    ("export store sed=0 --to m.safetensors", "unknown axis 'sed'; did you mean 'seed'?"),
    ("export store lr=0 --to m.safetensors", "unknown axis 'lr'; did you mean 'learning_rate'?"),
    ("export store seed= --to m.safetensors", "axis 'seed' is empty"),
    ("export store seed --to m.safetensors", "an axis is NAME=VALUES"),
    ("export store seed=0 --to nodir/m.safetensors", "cannot write nodir/m.safetensors"),
    ("export store seed=0 --to store", "a model file ends in .safetensors, got store"),
    (f"sweep --steps 4 --out store depth=0 seed=0,1 {RATE}", "store was made with --steps 3, got 4"),
    (f"plan --steps 4 --out store depth=0 seed=0,1 {RATE}", "store was made with --steps 3, got 4"),
    (f"sweep --steps 3 --eval-every 2 --out store depth=0 seed=0,1 {RATE}", "--eval-every"),
    (f"sweep --dataset wine --steps 3 --out store depth=0 seed=0,1 {RATE}", "store: the data changed since"),
    (
        f"sweep --dataset wine --accept-fingerprint --steps 3 --out store depth=0 seed=0,1 {RATE}",
        "store: the data changed since",
    ),
    ("predict store two.csv", "store: no such file"),
    ("predict store/plan.json two.csv", "store/plan.json is not a readable safetensors file"),
]

MISTAKES = [*COMMAND, *OPTIONS, *FOLDERS, *DATA, *FORMS, *NAMES, *NUMBERS]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a file, a folder and small tables; made the current one."""
    (tmp_path / "afile").write_text("precious")
    (tmp_path / "adir").mkdir()
    (tmp_path / "adir" / "thesis.txt").write_text("precious")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b,target\n")
    (tmp_path / "one.csv").write_text("a,b,target\n1,2,x\n")
    (tmp_path / "same.csv").write_text("a,b,target\n" + "1,2,x\n3,5,x\n" * 20)
    rows = "".join(f"{i * 7 % 11},{i * 5 % 13},{'xy'[i % 2]}\n" for i in range(40))
    (tmp_path / "two.csv").write_text(f"a,b,kind\n{rows}")
    (tmp_path / "gap.csv").write_text(f"a,b,kind\n,1,x\n{rows}")
    (tmp_path / "text.txt").write_text("a b c")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line, capsys):
    """Run a command line; return its exit code, what it printed, and what it wrote to stderr."""
    words = shlex.split(line)
    if words[:1] in (["sweep"], ["plan"]) and "--dataset" not in words:
        words = [words[0], "--dataset", "iris", *words[1:]]
    try:
        main(words)
    except SystemExit as stop:
        return stop.code or 0, *capsys.readouterr()
    return 0, *capsys.readouterr()


@pytest.mark.parametrize(("line", "phrase"), MISTAKES, ids=lambda part: None)
def test_mistakes(line, phrase, place, capsys):
    check_answer(line, phrase, place, capsys)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished sweep of two runs."""
    folder = tmp_path_factory.mktemp("trained") / "store"
    main(shlex.split(f"sweep --dataset iris --steps 3 --out {folder} depth=0 seed=0,1 {RATE}"))
    return folder


@pytest.mark.parametrize(("line", "phrase"), STORE, ids=lambda part: None)
def test_mistakes_about_a_store(line, phrase, trained, place, capsys):
    shutil.copytree(trained, place / "store")
    check_answer(line, phrase, place, capsys)


def check_answer(line, phrase, place, capsys):
    before = sorted(place.rglob("*"))
    code, printed, error = run(line, capsys)
    assert code == 2 and phrase in error, f"{code}: {error}"
    described = r"[^\n]+ features[^\n]+ train / [^\n]+\n"  # the data, where they were loaded before the mistake was found
    assert re.fullmatch(f"({described})?", printed), printed
    if line:  # without any words, the commands are listed
        assert error.startswith("fnnet: ") and error.count("\n") == 1, error
    assert sorted(place.rglob("*")) == before
    assert (place / "afile").read_text() == "precious"


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("--help", "fnnet COMMAND --help"),
        ("-h", "fnnet COMMAND --help"),
        ("help", "fnnet COMMAND --help"),
        ("--version", "fnnet "),
        ("sweep --help", "learning_rate=log:1e-3:10:16"),
        ("help sweep", "learning_rate=log:1e-3:10:16"),
        ("plan -h", "usage: fnnet plan"),
        ("verify --help", "usage: fnnet verify"),
        ("export --help", "usage: fnnet export"),
        ("predict --help", "usage: fnnet predict"),
    ],
)
def test_help_fits_eighty_columns(line, phrase, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, printed, error = run(line, capsys)
    assert code == 0 and phrase in printed and error == ""
    assert max(map(len, printed.splitlines())) <= 80
    assert not any(odd in printed for odd in ("\x1b", "{None}", "(default: )", "(default: None)"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        f"sweep --steps 3 use_bias=no,on depth=0 {RATE}",
        f"sweep --steps 3 --eval_every 2 depth=0 batch_size=full,5 {RATE}",
        f"sweep --steps 3 --out adir2 loss=mse depth=0 {RATE}",
    ],
)
def test_valid_lines(line, place, capsys):
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


def test_axes_match_the_recipe():
    import inspect

    import fnnet as fn
    from fnnet.sweeps.plan import make_plan

    lines = [line for line, _ in [*MISTAKES, *STORE]]
    assert len(set(lines)) == len(lines) >= 158
    assert set(COMMANDS) == {"sweep", "plan", "verify", "export", "predict"}
    data = fn.load_dataset("iris")
    static = set(inspect.signature(fn.mlp_recipe(data)).parameters)
    numbers = {name: [0.5] for name in AXES if name not in static and "seed" not in name}
    make_plan(fn.mlp_recipe(data), fn.grid(**numbers, seed=0, data_seed=0), data)
    assert static | set(numbers) | {"seed", "data_seed"} == set(AXES)
