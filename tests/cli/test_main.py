import io
import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import sklearn.datasets
import sklearn.metrics

import fnnet as fn
from fnnet.cli.main import main
from fnnet.cli.selection import choose_run
from fnnet.space.text import parse_space

IRIS = ["sweep", "--dataset", "iris", "--steps", "30"]


def run(arguments, capsys):
    """Run the command line; return its exit code and what it wrote to stderr."""
    try:
        main(arguments)
    except SystemExit as stop:
        return stop.code, capsys.readouterr().err
    return 0, capsys.readouterr().err


@pytest.mark.slow
def test_sweep_writes_table_and_picture(tmp_path, capsys):
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


@pytest.mark.slow
def test_plan_trains_nothing_and_counts_missing_runs(tmp_path, monkeypatch, capsys):
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


def test_default_folder_is_named_after_data_and_axes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main([*IRIS, "learning_rate=0.1", "seed=0,1"])
    assert (tmp_path / "results" / "iris-learning_rate-seed" / "table.csv").exists()


def test_regression_is_swept(tmp_path, capsys):
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


def test_axes_are_parsed():
    space = parse_space(
        ["a=1,2.5,word,true", "b=lin:0:1:3", "c=range:2", "d=range:1:6:2", "e=log:1e-2:1:2", "f=[[3,2],[7]]"]
    )
    assert space.axes == {
        "a": (1, 2.5, "word", True),
        "b": (0.0, 0.5, 1.0),
        "c": (0, 1),
        "d": (1, 3, 5),
        "e": (0.01, 1.0),
        "f": ((3, 2), (7,)),
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
        (["--steps", "0", "learning_rate=0.1"], "--steps must be a positive integer, got 0"),
        (["--dataset", "irs", "learning_rate=0.1"], "did you mean 'iris'"),
        (["--dataset", "no/such.csv", "learning_rate=0.1"], "no/such.csv"),
        (["--metric", "test_acuracy", "learning_rate=0.1"], "did you mean 'test_accuracy'"),
    ],
)
def test_invalid_input_exits_with_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, error = run([*IRIS, *arguments], capsys)
    assert code == 2 and message in error
    assert error.startswith("fnnet: ") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_out_must_be_a_sweep_or_new(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        code, error = run([*IRIS, "--out", str(out), "learning_rate=0.1"], capsys)
        assert code == 2 and str(out) in error
    assert (tmp_path / "thesis.txt").read_text() == "precious" and len(list(tmp_path.iterdir())) == 1


# --- export and predict ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory):
    """Folders of two small sweeps that kept their parameters."""
    folder = tmp_path_factory.mktemp("sweeps")
    options = ["--steps", "60", "--save-params"]
    iris = ["depth=1,2", "width=9", "activation=tanh", "learning_rate=0.1,0.3", "seed=range:2"]
    main(["sweep", "--dataset", "iris", *options, "--out", str(folder / "iris"), *iris])
    diabetes = ["depth=1", "parameterization=ntk", "learning_rate=0.1,1e9"]
    main(["sweep", "--dataset", "diabetes", *options, "--out", str(folder / "diabetes"), *diabetes])
    bare = ["--no-save-params", "--out", str(folder / "bare"), "learning_rate=0.1"]
    main(["sweep", "--dataset", "iris", "--steps", "5", *bare])
    return folder


@pytest.mark.slow
def test_exported_network_matches_the_sweep(sweeps, tmp_path, capsys):
    model, table = str(tmp_path / "model.safetensors"), tmp_path / "flowers.csv"
    run_values = ["depth=2", "learning_rate=0.3", "seed=1"]
    main(["export", str(sweeps / "iris"), *run_values, "--out", model])
    assert f"wrote {model}: depth=2" in capsys.readouterr().out
    # Rows as they are measured, in another order of columns, with the truth beside them.
    bunch = sklearn.datasets.load_iris()
    raw = fn.load_dataset("iris", standardize=False).test
    frame = pl.DataFrame(dict(zip(bunch.feature_names, raw.inputs.T, strict=True)))
    frame.select(reversed(frame.columns)).with_columns(target=pl.Series(raw.targets)).write_csv(table)
    capsys.readouterr()
    main(["predict", model, str(table)])
    printed = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert printed.columns == ["class", "probability", *(f"p({name})" for name in bunch.target_names)]
    probabilities = printed.select(printed.columns[2:]).to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(probabilities.max(axis=1), printed["probability"])
    accuracy = np.mean(printed["class"].to_numpy() == bunch.target_names[raw.targets])
    row = pl.read_parquet(sweeps / "iris" / "table.parquet").filter(depth=2, learning_rate=0.3, seed=1)
    assert accuracy == pytest.approx(row["test_accuracy"].item(), abs=1e-6)
    written = tmp_path / "out.csv"
    main(["predict", model, str(table), "--out", str(written)])
    assert pl.read_csv(written).equals(printed)
    code, error = run(["predict", model, str(table), "--out", str(written)], capsys)
    assert code == 2 and "out.csv exists" in error
    code, error = run(["predict", model, str(table), "--out", str(tmp_path / "out.txt")], capsys)
    assert code == 2 and "--out must be a .csv file" in error


def test_exported_regression_predicts_in_original_units(sweeps, tmp_path, capsys):
    model, table = str(tmp_path / "model.safetensors"), tmp_path / "patients.csv"
    main(["export", str(sweeps / "diabetes"), "--best", "test_r2", "--out", model])
    raw = fn.load_dataset("diabetes", standardize=False)
    pl.DataFrame(dict(zip(raw.feature_names, raw.test.inputs.T, strict=True))).write_csv(table)
    capsys.readouterr()
    main(["predict", model, str(table)])
    values = pl.read_csv(io.StringIO(capsys.readouterr().out))["value"].to_numpy()
    r2 = pl.read_parquet(sweeps / "diabetes" / "table.parquet")["test_r2"].max()
    assert sklearn.metrics.r2_score(raw.test.targets[:, 0], values) == pytest.approx(r2, abs=1e-4)


@pytest.mark.parametrize(
    ("sweep", "arguments", "message"),
    [
        ("iris", [], "8 runs have these values; specify depth, learning_rate, seed too, or"),
        ("iris", ["depth=3"], "depth"),
        ("iris", ["--best", "test_acuracy"], "did you mean 'test_accuracy'"),
        ("iris", ["--dataset", "iris"], "unknown option --dataset"),
        ("diabetes", ["learning_rate=1e9"], "diverged at step"),
        ("bare", [], "were not kept"),
        ("none", [], "holds no sweep"),
    ],
)
def test_invalid_export_is_refused(sweep, arguments, message, sweeps, tmp_path, capsys):
    target = tmp_path / "model.safetensors"
    code, error = run(["export", str(sweeps / sweep), *arguments, "--out", str(target)], capsys)
    assert code == 2 and message in error and error.count("\n") == 1
    assert not target.exists()


def test_export_needs_the_suffix_safetensors(sweeps, tmp_path, capsys):
    arguments = ["export", str(sweeps / "iris"), "--best", "test_loss", "--out", str(tmp_path / "b.txt")]
    code, error = run(arguments, capsys)
    assert code == 2 and "a model file must end in .safetensors" in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_export_needs_mlp_recipe(tmp_path, capsys):
    """Same shapes, same data, other activation: only the name of the recipe tells."""
    data = fn.load_dataset("iris")

    def recipe(depth):
        network = fn.mlp(4, [64] * depth, 3, "sine")
        return fn.supervised(network, "cross_entropy", optimizer=fn.sgd(0.3), batch_size=16)

    fn.sweep(recipe, fn.grid(depth=1), data, num_steps=20, store=tmp_path / "s", save_params=True)
    code, error = run(["export", str(tmp_path / "s"), "--out", str(tmp_path / "m.safetensors")], capsys)
    assert code == 2 and "only sweeps with fnnet's mlp_recipe" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        (
            "a,b,c\n1,2,3\n",
            "lacks the columns 'sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)'",
        ),
        ("sepal length,b\n1,2\n", "did you mean 'sepal length'"),
        ("HEADER\n1,2,x,4\n", "must be numeric, got 'x' in row 0"),
        ("HEADER\n1,2,,4\n", "has no value in row 0"),
        ("HEADER\n1,2,nan,4\n", "has no value in row 0"),
        ("HEADER\n1,2,inf,4\n", "must be finite"),
        ("HEADER\n1,2,3\n", "has 3 fields, but the header has 4"),
        ("HEADER\n", "has no rows"),
        ("", "the first line must name the columns, got an empty one"),
    ],
)
def test_invalid_table_is_refused(text, message, sweeps, tmp_path, capsys):
    model, table = tmp_path / "model.safetensors", tmp_path / "flowers.csv"
    main(["export", str(sweeps / "iris"), "--best", "test_loss", "--out", str(model)])
    if text is not None:
        table.write_text(text.replace("HEADER", ",".join(sklearn.datasets.load_iris().feature_names)))
    capsys.readouterr()
    code, error = run(["predict", str(model), str(table)], capsys)
    assert code == 2 and message in error and str(table) in error and error.count("\n") == 1


@pytest.mark.parametrize("words", [["sweep", "--help"], ["sweep", "depth="], ["swep"], ["help", "axes"]])
def test_help_and_usage_errors_load_nothing_heavy(words):
    code = "import sys; from fnnet.cli.main import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "heavy = {'jax', 'numpy', 'sklearn', 'polars', 'matplotlib', 'scipy'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)


def test_importing_fnnet_is_light():
    code = "import sys, fnnet, fnnet.network, fnnet.training\n"
    code += "heavy = {'sklearn', 'polars', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_best_run_is_fully_trained():
    columns = {"test_loss": np.array([0.1, 0.4, 0.3, 0.2]), "steps": np.array([5, 20, 20, 5])}
    results = fn.Results(fn.grid(seed=range(4)), columns)
    assert choose_run(results, [], "test_loss").space[0] == {"seed": 2}
    with pytest.raises(fn.InputError, match="did you mean 'test_loss'"):
        choose_run(results, [], "tst_loss")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--help"], ["sweep", "--help"], ["datasets"]])
def test_closed_stdout_is_silent(words, unbuffered):
    read, write = os.pipe()
    os.close(read)
    code = "from fnnet.cli.main import main; main()"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], stdout=write, stderr=subprocess.PIPE, env=environment
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


def test_terminal_without_unicode_gets_escapes(tmp_path):
    data, space = fn.load_dataset("iris"), fn.grid(depth=[0, 1], learning_rate=0.1, seed=[0, 1])
    fn.sweep(fn.mlp_recipe(data), space, data, num_steps=2, store=tmp_path / "ü")
    code = "from fnnet.cli.main import main; main()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [sys.executable, "-c", code, "results", str(tmp_path / "ü")], capture_output=True, env=environment
    )
    assert (ended.returncode, ended.stderr) == (0, b"") and rb" \xb1 " in ended.stdout
