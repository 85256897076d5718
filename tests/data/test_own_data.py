"""A user's own file from the command line: sweep, export, predict, and the same by hand."""

import contextlib
import dataclasses
import io
import json

import numpy as np
import polars as pl
import pytest

import fnnet as fn
from fnnet.cli.main import main
from fnnet.data.preprocessing import Column, Preprocessing
from fnnet.evaluation.export import trained_model
from fnnet.evaluation.model import Model, predict, prepare_table, tabulate, to_csv
from fnnet.interop import safetensors
from fnnet.records.rows import open_results


def run(arguments, capsys):
    """Run the command line; return its exit code and what it wrote."""
    capsys.readouterr()
    try:
        main(list(map(str, arguments)))
        code = 0
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def messy_rows(num: int, seed: int) -> dict[str, list]:
    """An index, an identifier, a category, gaps, and a target of strings in the middle."""
    rng = np.random.default_rng(seed)
    size, weight = rng.normal(50, 20, num), rng.lognormal(5, 1, num)
    color = rng.choice(["red", "blue", "=green"], num)
    high = size / 20 + (color == "red") > 2.7
    return {
        "": list(range(num)),
        "size": [None if gap else round(v, 3) for gap, v in zip(rng.random(num) < 0.05, size, strict=True)],
        "species": ["=bee" if h else "ant" for h in high],
        "color": [None if gap else str(c) for gap, c in zip(rng.random(num) < 0.05, color, strict=True)],
        "weight": weight.round(2).tolist(),
        "name": [f"n{i:03}" for i in range(num)],
    }


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a messy table, its sweep, the model of one run, and new rows."""
    folder = tmp_path_factory.mktemp("own")
    pl.DataFrame(messy_rows(160, seed=0)).write_csv(folder / "own.csv")
    new = messy_rows(23, seed=1)
    new["color"][4], new["extra"] = "mauve", [1] * 23
    pl.DataFrame(new).write_csv(folder / "new.csv")
    options = ["--dataset", "own.csv", "--target", "species", "--id", "name", "--validation-fraction", "0.25"]
    axes = ["depth=1", "width=7", "learning_rate=0.1,0.3", "activation=tanh"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.chdir(folder)
        main(["sweep", *options, "--steps", "80", *axes, "--save-params"])
        (folder / "results" / "own_csv-depth-width-learning_rate-activation").rename(folder / "s")
        main(["export", "s", "learning_rate=0.3", "--out", "m.safetensors"])
    (folder / "printed").write_text(printed.getvalue())
    return folder


@pytest.mark.slow
def test_predictions_match_numpy(swept, capsys):
    code, printed, notes = run(["predict", swept / "m.safetensors", swept / "new.csv"], capsys)
    assert code == 0
    got = pl.read_csv(io.StringIO(printed))
    assert got.columns == ["name", "class", "probability", "p(=bee)", "p(ant)"]
    # By hand, in float64, from the file that was swept, with the published rule for the split.
    old, new = messy_rows(160, seed=0), messy_rows(23, seed=1)
    new["color"][4] = "mauve"
    train = np.random.default_rng(0).permutation(160)[64:]  # 32 to test, 32 to validate
    columns, filled = [], 0
    for name in ("size", "color", "weight"):
        if name == "color":
            for category in ("=green", "blue", "red", None):
                columns.append(np.array([value == category for value in new[name]], float))
            filled += sum(value is None for value in new[name])
            continue
        values = np.array([np.nan if v is None else v for v in old[name]], float)[train]
        values = np.where(np.isnan(values), np.nanmedian(values), values)
        rows = np.array([np.nan if v is None else v for v in new[name]], float)
        filled += np.isnan(rows).sum()
        median = np.nanmedian(np.array([np.nan if v is None else v for v in old[name]], float)[train])
        columns.append((np.where(np.isnan(rows), median, rows) - values.mean()) / values.std())
    params = open_results(swept / "s").where(learning_rate=0.3).params(0)
    h = np.tanh(np.stack(columns, axis=1) @ params[0]["w"].astype(float) + params[0]["b"])
    logits = h @ params[1]["w"].astype(float) + params[1]["b"]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got.select("p(=bee)", "p(ant)").to_numpy(), expected, rtol=1e-4, atol=1e-6)
    assert got["name"].to_list() == new["name"]
    classes = ["'=bee" if p > 0.5 else "ant" for p in expected[:, 0]]  # no formula for a spreadsheet
    assert got["class"].to_list() == classes and len(set(classes)) == 2
    assert (
        f"{filled} missing values filled; 'mauve' of color is not in the training split; ignored: extra"
        in notes
    )


def test_sweep_prints_the_summary_first(swept):
    assert (
        (swept / "printed")
        .read_text()
        .startswith(
            "own.csv: 160 rows, 6 features (4 one-hot from color), 2 classes (target: species), "
            "96 train / 32 validation / 32 test, standardized; "
        )
    )


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--task", "regression", "--no-standardize"], ["regression (target: target)", "not standardized"]),
        (["--keep", "n"], ["2 features, 9 classes", "task: classification, 9 different whole numbers"]),
        (["--target", "a", "--drop", "n"], ["1 feature, regression (target: a)"]),
        (["--test-fraction", "0.5", "--validation-fraction", "0.25"], ["15 train / 5 validation / 20 test"]),
        (["--dataset", "digits", "--standardize"], ["10 classes", ", standardized"]),
        (["--dataset", "digits"], ["10 classes", "not standardized"]),
    ],
)
@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_options_reach_the_data(command, options, parts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    columns = {"a": [0.5 * i for i in range(40)], "n": range(40), "target": [i % 9 for i in range(40)]}
    pl.DataFrame(columns).write_csv("t.csv")

    def prepared(axes, data, *others, **settings):
        raise fn.InputError(str(data.load()))

    monkeypatch.setattr(f"fnnet.cli.commands.{command}.prepare_sweep", prepared)
    code, _, said = run([command, "--dataset", "t.csv", *options, "learning_rate=0.1"], capsys)
    assert code == 2 and all(part in said for part in parts), said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--dataset", "digits", "--target", "a"],
            "--target is for files, such as --dataset table.csv; got digits",
        ),
        (["--no-encode"], "--no-encode is for files"),
        (["--dataset", "t.csv", "--target", "colour"], "unknown column 'colour'; did you mean 'color'"),
        (["--dataset", "t.csv", "--drop", "a,nothing"], "unknown column 'nothing'"),
        (
            ["--dataset", "t.csv", "--keep", "word"],
            "'word' must have at most 50 different values to be one-hot encoded, got 80",
        ),
        (["--dataset", "t.csv", "--keep", "word"], "leave it out with --drop"),
        (["--dataset", "t.csv", "--task", "clasification"], "did you mean 'classification'"),
        (
            ["--dataset", "t.csv", "--no-encode"],
            "'color' must be numeric without encoding, got String; encode it, or leave it out with --drop",
        ),
        (["--standardize", "--no-standardize"], "contradict each other"),
        (["--test-fraction", "1.5"], "--test-fraction must be a number in (0, 1), got 1.5"),
        (["--validation-fraction", "-1"], "--validation-fraction"),
        (["--split-seed", "-3"], "--split-seed must be an integer of at least 0"),
        (["--dataset", "t.csv", "--id", "nme"], "unknown column 'nme'"),
        (
            ["--dataset", "none"],
            "none: a data file ends in .csv, .parquet, .npz, got no suffix",
        ),
    ],
)
def test_errors_name_command_line_options(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = {
        "a": [0.5 * i for i in range(100)],
        "color": ["x", "y"] * 50,
        "word": [f"w{i}" for i in range(100)],
    }
    pl.DataFrame(rows | {"target": [0, 1] * 50}).write_csv("t.csv")
    (tmp_path / "none").write_text("a,target\n1,2\n")
    code, _, error = run(["sweep", *options, "learning_rate=0.1"], capsys)
    assert code == 2 and message in error and error.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_regression_predictions_are_in_original_units(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = np.round(1000 + 50 * x @ [1.0, -2.0, 0.5]).astype(int)
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "price": y}).write_csv("r.csv")
    _, printed, _ = run(
        [
            "sweep",
            "--dataset",
            "r.csv",
            "depth=0",
            "learning_rate=0.3",
            "--steps",
            "300",
            "--save-params",
            "--out",
            "s",
        ],
        capsys,
    )
    assert "task: regression" in printed and "target: the last column" in printed
    run(["export", "s", "--out", "m.safetensors"], capsys)
    _, printed, _ = run(["predict", "m.safetensors", "r.csv", "--id", "price"], capsys)
    table = pl.read_csv(io.StringIO(printed))
    assert table.columns == ["price", "value"] and table["price"].to_list() == y.tolist()
    np.testing.assert_allclose(table["value"], y, atol=3)


@pytest.mark.slow
def test_trained_model_needs_only_the_store(swept):
    results = open_results(swept / "s")
    model = trained_model(results, 1)
    loaded = safetensors.load(swept / "m.safetensors")
    assert loaded.preprocessing == model.preprocessing and loaded.class_names == ("=bee", "ant")
    assert model.preprocessing.ignored == ("unnamed_1",) and model.preprocessing.id == "name"
    data = fn.load_dataset(swept / "own.csv", target="species", id="name", validation_fraction=0.25)
    assert model.preprocessing == data.preprocessing
    text = (swept / "m.safetensors").read_bytes()
    header = json.loads(text[8 : 8 + int.from_bytes(text[:8], "little")])
    assert "/" not in header["__metadata__"]["fnnet"], "no path of this machine"


def test_trained_model_needs_a_store(swept):
    with pytest.raises(fn.InputError, match="the results have no store"):
        trained_model(dataclasses.replace(open_results(swept / "s"), store=None), 0)


# --- tables for a model ---------------------------------------------------------------------------------

COLUMNS = (Column("size", 2.0), Column("color", None, ("blue", "red")))


@pytest.mark.parametrize(
    ("columns", "id", "message"),
    [
        ({"size": [1.0]}, None, "lacks the column 'color' of the training data; it has 'size'"),
        (
            {"size": [1.0], "Color": ["red"]},
            None,
            "lacks the column 'color' of the training data; did you mean 'Color'",
        ),
        ({"size": ["big"], "color": ["red"]}, None, "column 'size' must be numeric, got 'big' in row 0"),
        ({"size": [1.0], "color": ["red"]}, "nmae", "has no column 'nmae'"),
    ],
)
def test_mismatched_tables(columns, id, message):
    model = Model({}, [], "mse", Preprocessing(COLUMNS))
    with pytest.raises(fn.InputError, match=message):
        prepare_table(model, pl.DataFrame(columns), id)


def test_columns_known_from_training_are_ignored():
    known = Preprocessing(COLUMNS, targets=("kind",), ignored=("row",), id="name")
    model = Model({}, [], "mse", known)
    frame = pl.DataFrame(
        {"row": [7], "name": ["x"], "kind": ["?"], "size": [1.0], "color": ["red"], "target": [1]}
    )
    table = prepare_table(model, frame)
    assert table.notes == () and table.ids.to_list() == ["x"] and table.inputs.tolist() == [[1, 0, 1]]
    assert prepare_table(model, frame.drop("name")).ids is None
    assert prepare_table(model, frame, id="row").ids.to_list() == [7]


def test_predict_from_npz(tmp_path, capsys):
    images = np.random.default_rng(0).normal(size=(7, 2, 2))
    data = fn.from_arrays(images.reshape(7, 4), [0, 1, 1, 0, 1, 0, 1], standardize=True)
    arguments = {"num_inputs": 4, "widths": [], "num_outputs": 2}
    params = [{"w": np.ones((4, 2), np.float32) * [1, -1], "b": np.zeros(2, np.float32)}]
    params = [{name: leaf.astype(np.float32) for name, leaf in params[0].items()}]
    model = Model(arguments, params, "cross_entropy", data.preprocessing, ("no", "yes"))
    safetensors.save(tmp_path / "m.safetensors", model)
    np.savez(tmp_path / "new.npz", X=images)
    code, printed, _ = run(["predict", tmp_path / "m.safetensors", tmp_path / "new.npz"], capsys)
    mean, inverse_std = map(np.array, data.preprocessing.input_scaling)
    z = ((images.reshape(7, 4) - mean) * inverse_std).sum(axis=1)
    assert code == 0
    np.testing.assert_allclose(
        pl.read_csv(io.StringIO(printed))["p(no)"], 1 / (1 + np.exp(-2 * z)), rtol=1e-4
    )
    np.savez(tmp_path / "new.npz", X=images[:, 0])
    code, _, error = run(["predict", tmp_path / "m.safetensors", tmp_path / "new.npz"], capsys)
    assert (
        code == 2
        and "inputs has 2 features, the model was trained on the columns feature_0, feature_1" in error
    )
    images[3, 0, 1] = np.nan
    np.savez(tmp_path / "new.npz", X=images)
    code, _, error = run(["predict", tmp_path / "m.safetensors", tmp_path / "new.npz"], capsys)
    assert code == 2 and "inputs has no value in row 3, column 1" in error


def test_predictions_scale_timestamps_in_float64():
    """Scaling in float64 comes before the cast to the dtype of the network."""
    seconds = 1_700_000_000 + np.arange(50).reshape(-1, 1)
    data = fn.from_arrays(seconds, np.arange(50) % 2, standardize=True, split_seed=None)
    params = [{"w": np.array([[1.0, -1.0]], np.float32), "b": np.zeros(2, np.float32)}]
    arguments = {"num_inputs": 1, "widths": [], "num_outputs": 2}
    model = Model(arguments, params, "mse", data.preprocessing)
    got = predict(model, seconds[10:].astype(np.float64))[:, 0]
    np.testing.assert_allclose(got, data.train.inputs[:, 0], rtol=1e-5)


def test_several_targets_keep_their_names():
    outputs = np.array([[1.0, 2.0], [3.0, 4.0]])
    model = Model({}, [], "mse", Preprocessing(COLUMNS, targets=("target_b", "target_a")))
    assert tabulate(model, outputs).to_dict(as_series=False) == {
        "target_b": [1.0, 3.0],
        "target_a": [2.0, 4.0],
    }
    assert tabulate(model._replace(preprocessing=Preprocessing()), outputs).columns == ["value_0", "value_1"]


def test_csv_contains_no_formulas():
    words = ["=1+2", "+cmd", "-a", "@x", "-3", "+4.5", "plain", "", None]
    text = to_csv(pl.DataFrame({"class": words, "n": range(9)}))
    got = pl.read_csv(io.StringIO(text), schema_overrides={"class": pl.String})["class"].to_list()
    assert got[:7] == ["'=1+2", "'+cmd", "'-a", "'@x", "-3", "+4.5", "plain"]
