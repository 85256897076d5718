"""Networks of a sweep on other data, against the predictions of the same networks exported."""

import io
import json
import shlex

import numpy as np
import polars as pl
import pytest
import sklearn.datasets
import sklearn.metrics
from command_lines import check_answer, mistakes, run

import fnnet as fn
from fnnet.cli.main import main

MISTAKES = [
    ("evaluate store", "fnnet evaluate needs --dataset"),
    ("evaluate --dataset iris", "fnnet evaluate needs STORE"),
    ("evaluate adir --dataset iris", "adir holds no sweep"),
    ("evaluate store --dataset irs", "unknown data set 'irs'; did you mean 'iris'"),
    ("evaluate store --dataset no.csv", "no.csv: no such file"),
    ("evaluate store --dataset afile", "afile: a data file ends in"),
    ("evaluate store --dataset digits", "digits: has 64 features, but the sweep was trained on 3"),
    ("evaluate store --dataset two.csv", "two.csv: has no column 'kind_of', the target of the sweep"),
    ("evaluate store --dataset other.csv", "class 'z' is not in the training data, which has x, y"),
    ("evaluate store --dataset gone.csv", "gone.csv: column 'kind_of' has no value in 1 rows"),
    ("evaluate store --dataset new.csv --metrics accuracyy", "did you mean 'accuracy'"),
    ("evaluate store --dataset new.csv --metrics outputs", "outputs is an array for each run"),
    ("evaluate store --dataset new.csv --top 0", "--top must be a positive integer, got 0"),
    ("evaluate store --dataset new.csv --by test_loss", "--by is for --top"),
    ("evaluate store --dataset new.csv --where depth=7", "no run has depth=7; the nearest is 1"),
    ("evaluate store --dataset new.csv --json --latex", "--json and --latex contradict each other"),
]


def table(num_rows, seed):
    """A table with a number, a category and gaps, whose class depends on them."""
    random = np.random.default_rng(seed)
    sizes, red = random.normal(50, 20, num_rows), random.random(num_rows) < 0.5
    kinds = np.where(sizes + 30 * red + random.normal(0, 5, num_rows) > 60, "x", "y")
    return pl.DataFrame(
        {"size": sizes, "color": np.where(red, "red", "blue"), "kind_of": kinds}
    ).with_columns(size=pl.when(pl.int_range(num_rows) % 9 == 4).then(None).otherwise("size"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    table(80, 0).write_csv(folder / "train.csv")
    options = "--target kind_of --steps 60 depth=0,1 width=5 learning_rate=0.1,0.3"
    main(shlex.split(f"sweep --dataset {folder / 'train.csv'} {options} --out {folder / 'store'}"))
    return folder


@pytest.fixture
def files(made, place):
    (place / "store").symlink_to(made / "store")
    table(70, 1).write_csv("new.csv")
    table(7, 1).with_columns(kind_of=pl.lit("z")).write_csv("other.csv")
    frame = table(7, 1)
    frame.with_columns(kind_of=pl.when(pl.int_range(7) == 2).then(None).otherwise("kind_of")).write_csv(
        "gone.csv"
    )
    return place


@mistakes(MISTAKES, at_least=15)
def test_invalid_input_is_refused_in_one_line(line, phrase, files, capsys):
    check_answer(line, phrase, files, capsys)


def evaluated(line, capsys):
    code, printed, error = run(f"evaluate {line} --json", capsys)
    assert code == 0, error
    return json.loads(printed)


def test_accuracy_is_that_of_the_predicted_classes(files, capsys):
    (row,) = evaluated("store --dataset new.csv --where 'depth=1 learning_rate=0.3'", capsys)
    assert run("export store depth=1 learning_rate=0.3 --out m.safetensors", capsys)[0] == 0
    predicted = pl.read_csv(io.StringIO(run("predict m.safetensors new.csv", capsys)[1]))
    truth = table(70, 1)["kind_of"].to_list()
    assert (
        row["accuracy"] == pytest.approx(np.mean(np.array(predicted["class"]) == truth))
        and row["accuracy"] > 0.6
    )
    code, printed, _ = run("evaluate store --dataset new.csv --top 2 --by train_loss", capsys)
    assert code == 0 and "new.csv: 70 examples; 8 missing values filled" in printed
    assert all(run_id[:8] in printed for run_id in fn.open_results("store").top("train_loss", 2)["id"])


def test_regression_on_a_file_and_on_the_test_split(place, capsys):
    bunch = sklearn.datasets.load_diabetes(scaled=False)
    frame = pl.DataFrame(dict(zip(bunch.feature_names, bunch.data.T, strict=True)))
    frame.with_columns(target=pl.Series(bunch.target)).write_csv("all.csv")
    main(shlex.split("sweep --dataset diabetes --steps 40 depth=1 width=6 learning_rate=0.1 --out d"))
    capsys.readouterr()
    (row,) = evaluated("d --dataset all.csv --metrics r2,rmse", capsys)
    assert run("export d --out m.safetensors", capsys)[0] == 0
    predicted = pl.read_csv(io.StringIO(run("predict m.safetensors all.csv", capsys)[1]))["value"]
    assert row["r2"] == pytest.approx(sklearn.metrics.r2_score(bunch.target, predicted), abs=1e-4)
    (row,) = evaluated("d --dataset diabetes", capsys)
    assert row["r2"] == pytest.approx(fn.open_results("d")["test_r2"][0], abs=1e-6)


def test_arrays_and_another_named_data_set(place, capsys):
    main(shlex.split("sweep --dataset iris --steps 30 learning_rate=0.1,0.3 depth=0 --out i"))
    capsys.readouterr()
    bunch = sklearn.datasets.load_iris()
    np.savez("some.npz", X=bunch.data[40:60], y=bunch.target_names[bunch.target[40:60]])
    found = evaluated("i --dataset some.npz --metrics accuracy,nll", capsys)
    data = fn.load_dataset("iris")
    mean, scale = map(np.array, data.preprocessing.input_scaling)
    examples = fn.Examples(
        ((bunch.data[40:60] - mean) * scale).astype(np.float32), bunch.target[40:60].astype(np.int32)
    )
    wanted = fn.evaluate_results(fn.mlp_recipe(data), fn.open_results("i"), examples, ["accuracy", "nll"])
    for name, values in wanted.items():
        assert [row[name] for row in found] == pytest.approx(values.tolist(), rel=1e-5)
    np.savez("names.npz", X=bunch.data[40:60], y=bunch.target[40:60])
    code, _, error = run("evaluate i --dataset names.npz", capsys)
    assert (
        code == 2
        and "class '0' is not in the training data, which has setosa, versicolor, virginica" in error
    )
