"""Commands that read a store, each with a phrase of the answer to its mistake."""

import shlex
import shutil

import pytest
from command_lines import RATE, check_answer, mistakes, run

import fnnet as fn
from fnnet.cli.main import main
from fnnet.interop import trackers

MISTAKES = [
    ("verify store --runs 0", "--runs must be a positive integer, got 0"),
    ("verify store --runs -1", "--runs must be a positive integer, got -1"),
    ("verify store --runs two", "--runs must be an integer, got 'two'"),
    ("verify store --dataset iris", "unknown option --dataset"),
    ("verify store/plan.json", "store/plan.json"),
    (
        "export store --out m.safetensors",
        "2 runs have these values; specify seed too, or choose the best with --best",
    ),
    ("export store --best test_loss --out m.txt", "a model file must end in .safetensors, got m.txt"),
    (
        "export store --best test_lss --out m.safetensors",
        "unknown column 'test_lss'; did you mean 'test_loss'",
    ),
    ("export store seed=5 --out m.safetensors", "no run has seed=5; the nearest is 1"),
    ("export store seed=0,1 --out m.safetensors", "2 runs have these values; specify seed too"),
    ("export store sed=0 --out m.safetensors", "unknown axis or column 'sed'; did you mean 'seed' or"),
    ("export store lr=0 --out m.safetensors", "unknown axis or column 'lr'; did you mean 'learning_rate'?"),
    ("export store 0000000 --out m.safetensors", "no run has an id that begins with 0000000"),
    (
        "export store --to tensorbord --out x",
        "unknown value of --to 'tensorbord'; did you mean 'tensorboard'",
    ),
    ("export store --to wandb --out adir", "adir exists; name a new folder"),
    ("export store seed=7 --to mlflow --out x", "no run has seed=7; the nearest is 1"),
    ("export store seed= --out m.safetensors", "axis 'seed' is empty"),
    ("export store seed --out m.safetensors", "a run is AXIS=VALUE ... or at least the first 4 digits"),
    ("export store seed=0 --out nodir/m.safetensors", "cannot write nodir/m.safetensors"),
    ("export store seed=0 --out store", "a model file must end in .safetensors, got store"),
    (f"sweep --steps 4 --out store depth=0 seed=0,1 {RATE}", "store was made with --steps 3, got 4"),
    (f"plan --steps 4 --out store depth=0 seed=0,1 {RATE}", "store was made with --steps 3, got 4"),
    (f"sweep --steps 3 --eval-every 2 --out store depth=0 seed=0,1 {RATE}", "--eval-every"),
    (f"sweep --dataset wine --steps 3 --out store depth=0 seed=0,1 {RATE}", "store: the data have changed"),
    (
        f"sweep --dataset wine --accept-fingerprint --steps 3 --out store depth=0 seed=0,1 {RATE}",
        "store: the data have changed",
    ),
    ("predict store two.csv", "store: no such file"),
    ("predict store/plan.json two.csv", "store/plan.json is not a readable safetensors file"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished sweep of two runs."""
    folder = tmp_path_factory.mktemp("trained") / "store"
    main(shlex.split(f"sweep --dataset iris --steps 3 --out {folder} depth=0 seed=0,1 {RATE}"))
    return folder


@mistakes(MISTAKES, at_least=20)
def test_invalid_store_is_refused_in_one_line(line, phrase, trained, place, capsys):
    shutil.copytree(trained, place / "store")
    check_answer(line, phrase, place, capsys)


@pytest.mark.parametrize(
    ("words", "seeds"),
    [("", [0, 1]), ("seed=1", [1]), ("--best train_loss", None)],
    ids=["all", "some", "best"],
)
def test_trackers_get_the_selected_runs(words, seeds, trained, place, capsys, monkeypatch):
    given = []
    monkeypatch.setitem(trackers.TRACKERS, "tensorboard", lambda *arguments: given.append(arguments))
    code, printed, _ = run(f"export {trained} {words} --to tensorboard --out t", capsys)
    ((results, folder, title),) = given
    best = [int(fn.open_results(trained).top("train_loss", 1)["seed"][0])]
    assert (
        code == 0 and results["seed"].tolist() == (seeds or best) and (str(folder), title) == ("t", "store")
    )
    assert f"wrote {len(results)} run" in printed and "tensorboard --logdir t" in printed
