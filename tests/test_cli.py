import subprocess
import sys

import polars as pl
import pytest

from fnnet.cli import main, parse_space

IRIS = ["sweep", "--dataset", "iris", "--steps", "30"]


def run(arguments, capsys):
    """Run the command line; return its exit code and what it wrote to stderr."""
    try:
        main(arguments)
    except SystemExit as stop:
        return stop.code, capsys.readouterr().err
    return 0, capsys.readouterr().err


def test_a_sweep_writes_table_and_picture(tmp_path, capsys):
    out = tmp_path / "sweep"
    axes = ["depth=0,1", "learning_rate=log:0.01:1:3", "seed=range:2"]
    main([*IRIS, "--out", str(out), *axes])
    printed = capsys.readouterr().out
    assert "12 runs of 30 steps in 2 programs" in printed and "best mean test_accuracy" in printed
    table = pl.read_parquet(out / "table.parquet")
    assert table.height == 12 and table["learning_rate"].unique().sort().to_list() == [0.01, 0.1, 1.0]
    assert pl.read_csv(out / "table.csv").columns == table.columns
    assert (out / "heatmap.png").read_bytes().startswith(b"\x89PNG")
    assert run([*IRIS, "--out", str(out), *axes], capsys)[0] == 0, "a sweep's folder can be used again"


def test_a_plan_trains_nothing_and_says_what_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    axes = ["depth=0,1", "learning_rate=0.1,0.2", "seed=range:3"]
    main(["plan", *IRIS[1:], *axes])
    printed = capsys.readouterr().out
    assert "12 runs of 30 steps in 2 programs" in printed and "FLOPs" in printed
    assert not (tmp_path / "results").exists()
    main([*IRIS, "depth=0", *axes[1:], "--out", "some"])
    capsys.readouterr()
    main(["plan", *IRIS[1:], *axes, "--out", "some"])
    assert "12 runs of 30 steps in 2 programs, 6 still to train" in capsys.readouterr().out


def test_the_default_folder_is_named_after_data_and_axes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main([*IRIS, "learning_rate=0.1", "seed=0,1"])
    assert (tmp_path / "results" / "iris-learning_rate-seed" / "table.csv").exists()


def test_regression_is_swept_too(tmp_path, capsys):
    main(
        [
            "sweep",
            "--dataset",
            "diabetes",
            "--steps",
            "20",
            "--out",
            str(tmp_path / "out"),
            "learning_rate=0.01,0.1",
        ]
    )
    assert "test_r2" in capsys.readouterr().out


def test_forms_of_axes():
    space = parse_space(["a=1,2.5,word,true", "b=lin:0:1:3", "c=range:2", "d=range:1:6:2", "e=log:1e-2:1:2"])
    assert space.axes == {
        "a": (1, 2.5, "word", True),
        "b": (0.0, 0.5, 1.0),
        "c": (0, 1),
        "d": (1, 3, 5),
        "e": (0.01, 1.0),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "at least one axis"),
        (["learning_rate"], "an axis is NAME=VALUES"),
        (["=1"], "an axis is NAME=VALUES"),
        (["learning_rate="], "axis 'learning_rate' is empty"),
        (["learning_rate=0.1", "learning_rate=0.2"], "given twice"),
        (["learning_rate=log:1:2"], "cannot read 'log:1:2'"),
        (["learning_rate=log:0:1:3"], "positive finite bounds"),
        (["learning_rate=log:a:1:3"], "cannot read"),
        (["learning_rate=nan"], "axis 'learning_rate' holds nan"),
        (["learning_rate=inf"], "axis 'learning_rate' holds inf"),
        (["learning_rate=-0.1"], "learning_rate must be a positive finite number, got -0.1"),
        (["learning_rate=0"], "learning_rate must be a positive finite number, got 0"),
        (["seed=range:0"], "axis 'seed' is empty"),
        (["seed=range:0:5:0"], "cannot read"),
        (["seed=range:1.5"], "cannot read"),
        (["learning_rate=0.1", "depth=-1"], "depth must be the number of hidden layers"),
        (["learning_rate=0.1", "depht=1"], "unknown axis 'depht'; did you mean 'depth'"),
        (["learning_rate=0.1", "activation=rleu"], "did you mean 'relu'"),
        (["learning_rate=0.1", "batch_size=1000"], "larger than the 120 training examples"),
        (["depth=1"], "needs the axis learning_rate"),
        (["--steps", "0", "learning_rate=0.1"], "num_steps must be a positive integer, got 0"),
        (["--dataset", "irs", "learning_rate=0.1"], "did you mean 'iris'"),
        (["--dataset", "no/such.csv", "learning_rate=0.1"], "no/such.csv"),
        (["--metric", "test_acuracy", "learning_rate=0.1"], "did you mean 'test_accuracy'"),
    ],
)
def test_bad_input_exits_with_2_and_one_line_and_writes_nothing(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    code, error = run([*IRIS, *arguments], capsys)
    assert code == 2 and message in error
    assert error.startswith("fnnet: ") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_out_that_is_no_sweep_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        code, error = run([*IRIS, "--out", str(out), "learning_rate=0.1"], capsys)
        assert code == 2 and str(out) in error
    assert (tmp_path / "thesis.txt").read_text() == "precious" and len(list(tmp_path.iterdir())) == 1


def test_help_does_not_wait_for_jax():
    code = "import sys; from fnnet.cli import main\ntry: main(['sweep', '--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'jax', 'sklearn', 'polars', 'matplotlib', 'scipy'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_importing_fnnet_is_light():
    code = "import sys, fnnet, fnnet.network, fnnet.train\n"
    code += "heavy = {'sklearn', 'polars', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)
