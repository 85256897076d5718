"""A user's own files: dialects, columns, encoding, targets, and what is refused, in one line each."""

import importlib
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fnnet.data import Dataset, from_arrays, load_dataset
from fnnet.data.files import read_table
from fnnet.data.record import describe_data, reload_data
from fnnet.data.targets import infer_targets
from fnnet.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(3, [1, 20], (10, 2)).astype(np.float32)
Y = np.arange(10) % 3


def write(path: Path, columns: dict) -> Path:
    frame = pl.DataFrame(columns)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return path


def rows_of(num: int, **split) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the training and the test split, found by loading the numbers themselves."""
    numbers = np.arange(num, dtype=np.float64).reshape(-1, 1)
    data = from_arrays(numbers, np.arange(num) % 2, **split)
    return data.train.inputs[:, 0].astype(int), data.test.inputs[:, 0].astype(int)


# --- tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_of_numbers_is_what_its_arrays_are(tmp_path, suffix):
    def load(columns: dict) -> Dataset:
        return load_dataset(write(tmp_path / f"table{suffix}", columns), test_fraction=0.3)

    def arrays(targets) -> str:
        names = ["height", "width"]
        data = from_arrays(x, targets, feature_names=names, test_fraction=0.3, standardize=True)
        kinds = {"inputs": np.float32, "targets": np.float32 if data.class_names == () else np.int32}
        return [getattr(data.train, part).astype(kind) for part, kind in kinds.items()]

    def check(data: Dataset, targets) -> Dataset:
        for got, expected in zip(data.train, arrays(targets), strict=True):
            np.testing.assert_array_equal(got, expected)
            assert got.dtype == expected.dtype
        return data

    features = {"height": [0.1 * i**2 for i in range(10)], "width": [3 * i % 7 for i in range(10)]}
    x = np.array(list(features.values()), np.float64).T
    integers = check(load({"target": Y.tolist(), **features}), Y)
    assert (integers.name, integers.feature_names) == (f"table{suffix}", ("height", "width"))
    strings = load({"height": features["height"], "target": ["yes", "no"] * 5, "width": features["width"]})
    assert check(strings, ["yes", "no"] * 5).class_names == ("no", "yes")
    numbers = [0.25 * i for i in range(10)]
    check(load({**features, "target": numbers}), numbers)
    several = load({**features, "target_b": numbers, "target_a": list(range(10))})
    check(several, np.column_stack([numbers, np.arange(10.0)]))
    assert (several.num_outputs, several.is_classification) == (2, False)
    assert "2 features, regression of 2 outputs (target: target_b, target_a)" in several.summary


def messy(num: int, seed: int) -> pl.DataFrame:
    """Numbers, categories and booleans, 7 % gaps, and a target that is nowhere missing."""
    rng = np.random.default_rng(seed)

    def gaps(values):
        return [None if gap else value for gap, value in zip(rng.random(num) < 0.07, values, strict=True)]

    return pl.DataFrame(
        {
            "size": gaps(rng.normal(50, 20, num).round(3).tolist()),
            "color": gaps(rng.choice(["red", "blue", "green"], num).tolist()),
            "species": rng.choice(["ant", "bee"], num).tolist(),
            "count": gaps(rng.integers(0, 1000, num).tolist()),
            "sold": (rng.random(num) < 0.4).tolist(),
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_encoding_filling_and_scaling_agree_with_scikit_learn_fitted_on_the_training_split(tmp_path, suffix):
    frame = messy(90, seed=1)
    data = load_dataset(write(tmp_path / f"m{suffix}", frame.to_dict()), target="species")
    table = frame.to_dict(as_series=False)
    raw = np.empty((90, 4), object)
    for column, name in enumerate(("size", "color", "count", "sold")):
        raw[:, column] = [
            np.nan if value is None and name in ("size", "count") else value for value in table[name]
        ]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    oracle = ColumnTransformer(
        [
            ("size", numbers, [0]),
            ("color", OneHotEncoder(sparse_output=False), [1]),
            ("count", numbers, [2]),
            ("sold", OneHotEncoder(sparse_output=False), [3]),
        ]
    )
    train, test = rows_of(90)
    np.testing.assert_allclose(data.train.inputs, oracle.fit_transform(raw[train]).astype(float), atol=1e-6)
    np.testing.assert_allclose(data.test.inputs, oracle.transform(raw[test]).astype(float), atol=1e-6)
    assert data.feature_names == (
        *("size", "color=blue", "color=green", "color=red", "color is missing"),
        *("count", "sold=false", "sold=true"),
    )
    num_missing = sum(frame.select("size", "color", "count").null_count().row(0))
    assert f"{num_missing} missing values filled" in data.notes
    assert [data.class_names[label] for label in data.train.targets] == [
        table["species"][row] for row in train
    ]


def test_nothing_is_learned_from_the_test_split(tmp_path):
    frame = messy(60, seed=2).to_dict(as_series=False)
    _, test = rows_of(60)
    before = load_dataset(write(tmp_path / "a.csv", frame), target="species")
    for row in test:
        frame["size"][row], frame["color"][row] = 1e6, "mauve"
    after = load_dataset(write(tmp_path / "b.csv", frame), target="species")
    np.testing.assert_array_equal(before.train.inputs, after.train.inputs)
    assert before.preprocessing == after.preprocessing
    assert not after.test.inputs[:, 1:5].any(), "a category of no training example is 0 in each feature"
    assert "'mauve' of color is not in the training split" in after.notes


def test_the_summary_says_what_was_understood(tmp_path):
    frame = messy(60, seed=3)
    columns = {"": range(60), **frame.to_dict(as_series=False), "name": [f"n{i:02}" for i in range(60)]}
    columns["species"][7] = None
    data = load_dataset(write(tmp_path / "own.csv", columns), target="species", validation_fraction=0.25)
    missing = sum(
        sum(v is None for i, v in enumerate(columns[name]) if i != 7) for name in ("size", "color", "count")
    )
    assert str(data) == (
        "own.csv: 59 rows, 8 features (6 one-hot from color, sold), 2 classes (target: species), "
        f"35 train / 12 validation / 12 test, standardized; {missing} missing values filled; "
        "1 row without a target left out; "
        "left out: unnamed_1 (has no name), name (has a different value in every row)"
    )
    assert repr(data) == f"<Dataset {data}>"
    again = reload_data(describe_data(data))
    assert str(again) == str(data) and again.hash == data.hash


@pytest.mark.parametrize(
    ("options", "features", "note"),
    [
        ({}, "ab", "target: the last column"),
        ({"target": "a"}, "bc", None),
        ({"drop": ["b"]}, "a", None),
        ({"keep": ["row", "name"]}, None, None),
        ({"keep": ["row"]}, ("row", "a", "b"), "left out: name (has a different value in every row)"),
        ({"id": "name"}, "ab", "left out: row (counts up by one)"),
    ],
)
def test_roles_of_columns(tmp_path, options, features, note):
    columns = {
        "row": [5 + i for i in range(90)],
        "a": RNG.normal(size=90).tolist(),
        "name": [f"n{i}" for i in range(90)],
        "b": RNG.integers(0, 999, 90).tolist(),
        "c": (np.arange(90) % 2).tolist(),
    }
    path = write(tmp_path / "t.csv", columns)
    if features is None:
        with pytest.raises(InputError, match=r"'name' must have at most 50 different values .* got"):
            load_dataset(path, **options)
        return
    data = load_dataset(path, **options)
    assert data.feature_names == tuple(features)
    assert note is None or note in data.notes
    assert data.preprocessing.id == options.get("id")
    assert set(options.get("drop", ())) <= set(data.preprocessing.ignored)


def test_a_column_that_counts_up_is_better_than_none(tmp_path):
    path = write(tmp_path / "t.csv", {"time": range(1_700_000_000, 1_700_000_050), "target": [0, 1] * 25})
    data = load_dataset(path)
    assert data.feature_names == ("time",) and data.train.inputs.std() == pytest.approx(1, abs=1e-3)


def test_gaps_of_a_parquet_file_may_be_nan(tmp_path):
    columns = {"a": [1.0, float("nan"), 2.0, None, 4.0] * 4, "target": [0, 1] * 10}
    data = load_dataset(write(tmp_path / "t.parquet", columns), standardize=False)
    assert "8 missing values filled" in data.notes and np.isfinite(data.train.inputs).all()


def test_numbers_that_parquet_holds_as_strings_are_categories(tmp_path):
    frame = {"code": ["07", "12", "07", "30"] * 5, "target": [0, 1] * 10}
    data = load_dataset(write(tmp_path / "t.parquet", frame))
    assert data.feature_names == ("code=07", "code=12", "code=30")


def test_parquet_classes_may_be_categorical(tmp_path):
    for dtype in (pl.Categorical, pl.Enum(["y", "x"])):
        frame = {"a": range(10), "target": pl.Series(["x", "y"] * 5, dtype=dtype)}
        assert load_dataset(write(tmp_path / "c.parquet", frame)).class_names == ("x", "y")


def test_encode_false_refuses_categories_and_gaps(tmp_path):
    words = write(tmp_path / "w.csv", {"a": ["x", "y"] * 5, "target": [0, 1] * 5})
    with pytest.raises(InputError, match="column 'a' must be numeric without encoding, got String"):
        load_dataset(words, encode=False)
    gaps = write(tmp_path / "g.csv", {"a": [1, None] * 5, "target": [0, 1] * 5})
    with pytest.raises(InputError, match="column 'a' has no value in row 1"):
        load_dataset(gaps, encode=False)


# --- dialects of CSV ----------------------------------------------------------------------------------

PLAIN = "name,size,target\ncafé,1.5,0\ntea,-2000.25,1\ncafé,300,0\n"


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        (PLAIN.encode(), ()),
        (b"\xef\xbb\xbf" + PLAIN.encode(), ()),
        (PLAIN.encode("latin-1"), ("encoding: Latin-1",)),
        (PLAIN.encode("utf-16"), ("encoding: UTF-16",)),
        (PLAIN.replace("é", "e").encode("utf-16-le"), ("encoding: UTF-16",)),
        (PLAIN.replace("\n", "\r\n").encode(), ()),
        (PLAIN.replace("\n", "\r").encode(), ()),
        ((PLAIN + "\n\n").encode(), ()),
        (PLAIN.replace(",", ", ").encode(), ()),
        (PLAIN.replace(",", "\t").encode(), ("tabs",)),
        (PLAIN.replace(",", "|").encode(), ("bars",)),
        (PLAIN.replace(",", ";").encode(), ("semicolons",)),
        (PLAIN.replace(",", ";").replace(".", ",").encode(), ("semicolons", "decimal commas")),
        (PLAIN.replace(",", ";").replace("2000.25", "2.000,25").encode(), None),
        (
            PLAIN.replace(",", ";").replace(".", ",").replace("2000", "2.000").encode(),
            ("semicolons", "decimal commas"),
        ),
    ],
)
def test_dialects(tmp_path, content, notes):
    path = tmp_path / "own.CSV"
    path.write_bytes(content)
    if notes is None:  # a point and a comma: nobody can know
        assert read_table(path).frame["size"].dtype == pl.String
        return
    table = read_table(path)
    names = ["café", "tea", "café"] if "é".encode("latin-1") in content or "é".encode() in content else None
    assert names is None or table.frame["name"].to_list() == names
    assert table.frame["size"].cast(float).to_list() == [1.5, -2000.25, 300.0]
    assert table.frame["target"].to_list() == [0, 1, 0]
    assert table.notes == notes


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "NaN", "nan", "null", "?", " ", " NA "])
def test_marks_of_missing_values(tmp_path, mark):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b,target\n1,x,0\n{mark},{mark},1\n2.5,y,1\n")
    assert read_table(path).frame.rows() == [(1.0, "x", 0), (None, None, 1), (2.5, "y", 1)]


ROWS = "1,2,0\n3,4,1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must name the columns, got an empty one"),
        ("a,b,target\n", "has no rows"),
        (f"a,target_b,target\n{ROWS}", "has the column 'target' and also target_b"),
        ("target\n0\n1\n", "has no columns besides target"),
        (f"a,b,target\n{ROWS}5,6\n", "row 2 .* ends on line 4, has 2 fields, but the header has 3"),
        (
            f"a,b,target\n{ROWS}5,6,0,9\n1,1,1\n",
            "row 2 .* ends on line 4, has 4 fields, but the header has 3",
        ),
        (f"a,b,target\n{ROWS}5,six,0\n", "column 'b' must be numeric, got 'six' in row 2"),
        (f"a,b,target\n{ROWS}-inf,1,0\n7,8,1\n", "column 'a' must be finite, got -inf in row 2"),
        (
            "a,target_b\n1,0.5\n2,no\n",
            "each of several targets must be numeric|target_b must be numbers|two classes|test_fraction",
        ),
        (f"a,b,target\n{ROWS}", "test_fraction=0.2 of 2 examples gives 0"),
        (f"a,a,target\n{ROWS}", "the first line must give each column its own name, got 'a' twice"),
        (f"5.1,3.5,0\n{ROWS}", "the first line must name the columns, got the number 5.1"),
        (f"a,b,target\n{ROWS.replace('1', '')}", "has no row|two classes|test_fraction"),
        ("a,target\n1,\n2,\n", "has no row with a value of target"),
        ("a,b,target\n" + "1,2,5\n" * 9, "target must have two classes or more, got only '5'"),
        ('a,target\n1,"2\n', "not CSV|not a readable"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"bad\.csv: .*({message})") as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "spezies"}, "unknown column 'spezies'; did you mean 'species'"),
        ({"drop": ["colour"]}, "unknown column 'colour'; did you mean 'color'"),
        ({"id": "names"}, "unknown column 'names'"),
        ({"target": "species", "drop": ["species"]}, "column 'species' cannot be both target and drop"),
        ({"keep": ["size"], "drop": ["size"]}, "column 'size' cannot be both drop and keep"),
        ({"target": "species", "task": "regression"}, "species must be numbers for a regression, got"),
        ({"target": "size", "task": "classification"}, "size has .* different values in .* rows"),
        ({"task": "clasification"}, "did you mean 'classification'"),
        ({"split_seed": -1}, "split_seed must be"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, options, message):
    path = write(tmp_path / "m.csv", messy(60, seed=4).to_dict(as_series=False))
    with pytest.raises(InputError, match=message):
        load_dataset(path, **options)


def test_a_text_column_of_many_values_is_refused_with_their_number(tmp_path):
    words = [f"w{i % 51}" for i in range(120)]
    path = write(tmp_path / "t.csv", {"a": words, "b": [0.5 * i for i in range(120)], "target": [0, 1] * 60})
    with pytest.raises(InputError, match=r"'a' must have at most 50 different values .* got 51; .* drop"):
        load_dataset(path, split_seed=None, test_fraction=0.1)
    assert load_dataset(path, drop=["a"]).feature_names == ("b",)


def test_what_is_no_table_is_refused(tmp_path):
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"PAR1 and then nothing of use")
    with pytest.raises(InputError, match=r"bad\.parquet: not a readable .parquet file"):
        load_dataset(path)
    binary = tmp_path / "bad.csv"
    binary.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 9)
    with pytest.raises(InputError, match=r"bad\.csv: .*not text"):
        load_dataset(binary)
    dates = pl.DataFrame({"when": ["2001-02-03"] * 9, "target": [0, 1, 1] * 3})
    dates.with_columns(pl.col("when").str.to_date()).write_parquet(path)
    with pytest.raises(InputError, match=r"bad\.parquet: column 'when' must be numeric, got Date; .* drop"):
        load_dataset(path)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_paths_that_are_no_files(tmp_path, suffix):
    with pytest.raises(InputError, match=f"x{suffix}: no such file"):
        load_dataset(tmp_path / f"x{suffix}")
    (tmp_path / f"x{suffix}").mkdir()
    with pytest.raises(InputError, match=f"x{suffix}: is a folder"):
        load_dataset(tmp_path / f"x{suffix}")


def test_a_file_without_a_known_suffix_is_not_taken_for_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("irs").write_text("a,target\n1,2\n")
    Path("folder").mkdir()
    with pytest.raises(InputError, match=r"irs: a data file ends in .csv, .parquet, .npz, got no suffix"):
        load_dataset("irs")
    with pytest.raises(InputError, match="folder: is a folder"):
        load_dataset("folder")


def test_a_very_wide_table_is_read(tmp_path):
    path = tmp_path / "wide.csv"
    names = ",".join(f"f{i}" for i in range(2_000))
    path.write_text(f"{names},target\n" + "".join("1.5," * 2_000 + f"{i % 2}\n" for i in range(6)))
    assert load_dataset(path).num_features == 2_000


# --- targets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes", "note"),
    [
        ([7, 1, 2, 1], ("1", "2", "7"), "task: classification, 3 different whole numbers"),
        ([0.0, 2.0, 1.0, 2.0], ("0", "1", "2"), "task: classification, 3 different whole numbers"),
        ([0.5, 1.0, 2.0], (), None),
        (list(range(21)) * 99, (), "task: regression, 21 different whole numbers"),
        (
            list(range(21)) * 100,
            tuple(map(str, range(21))),
            "task: classification, 21 different whole numbers",
        ),
        ([True, False, True], ("false", "true"), None),
        (["b", "a", "b"], ("a", "b"), None),
        ([[0, 1], [1, 0], [1, 0]], ("0", "1"), "task: classification, one-hot targets"),
        ([[0, 2], [1, 0], [1, 0]], (), None),
    ],
)
def test_the_task_is_guessed_and_said(values, classes, note):
    targets = infer_targets({"targets": np.array(values)})
    assert targets.class_names == classes
    assert targets.notes == (() if note is None else (note,))
    if classes and np.ndim(values) == 1:
        spelled = [classes[label] for label in targets.arrays[0]]
        assert spelled == [str(v).lower() if isinstance(v, bool | str) else str(int(v)) for v in values]


def test_the_task_can_be_said():
    whole = np.array([3, 1, 4, 1, 5])
    assert infer_targets({"y": whole}, "classification").notes == ()
    numbers = infer_targets({"y": whole}, "regression")
    np.testing.assert_array_equal(numbers.arrays[0], whole.reshape(-1, 1))
    assert numbers.class_names == () and numbers.arrays[0].dtype == np.float64


def test_splits_share_their_classes():
    targets = infer_targets({"targets": np.array([9, 3]), "test_targets": np.array([5, 9, 3])})
    assert targets.class_names == ("3", "5", "9")
    assert [part.tolist() for part in targets.arrays] == [[2, 0], [1, 2, 0]]


# --- arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("inputs", "targets"), ("X", "y"), ("x", "y"), ("x_train", "y_train"), ("X", "target")]
)
def test_names_of_arrays(tmp_path, names):
    path = tmp_path / "mine.v2.npz"
    np.savez(path, **dict(zip(names, (X, Y), strict=True)))
    data = load_dataset(path, validation_fraction=0.25)
    assert data.name == "mine.v2.npz"
    assert data.hash == from_arrays(X, Y, validation_fraction=0.25, standardize=True).hash


@pytest.mark.parametrize(
    "names",
    [("inputs", "targets", "test_inputs", "test_targets"), ("x_train", "y_train", "x_test", "y_test")],
)
def test_an_official_test_split(tmp_path, names):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **dict(zip(names, (X, Y, X[:3], Y[:3]), strict=True)))
    data = load_dataset(str(path), standardize=False)
    assert data.hash == from_arrays(X, Y, test=(X[:3], Y[:3])).hash


def test_images_are_flattened_and_columns_of_classes_squeezed(tmp_path):
    images = RNG.integers(0, 255, (12, 3, 5), dtype=np.uint8)
    labels = (np.arange(12) % 3 + 4).reshape(-1, 1)
    np.savez(tmp_path / "i.npz", x_train=images, y_train=labels, x_test=images[:5], y_test=labels[:5])
    data = load_dataset(tmp_path / "i.npz", standardize=False)
    assert data.train.inputs.shape == (12, 15) and data.class_names == ("4", "5", "6")
    np.testing.assert_array_equal(data.test.inputs, images[:5].reshape(5, 15))
    assert "inputs of 3 x 5 flattened" in data.notes


def test_float64_stays_and_gaps_are_filled_with_the_median_of_the_training_split(tmp_path):
    x = RNG.normal(size=(30, 3))
    x[RNG.random((30, 3)) < 0.2] = np.nan
    np.savez(tmp_path / "g.npz", X=x, y=np.arange(30) % 2)
    data = load_dataset(tmp_path / "g.npz", standardize=False)
    train, test = rows_of(30)
    oracle = SimpleImputer(strategy="median").fit(x[train])
    np.testing.assert_array_equal(data.train.inputs, oracle.transform(x[train]))
    np.testing.assert_array_equal(data.test.inputs, oracle.transform(x[test]))
    assert data.train.inputs.dtype == np.float64
    assert f"{np.isnan(x).sum()} missing values filled" in data.notes
    with pytest.raises(InputError, match="inputs must be finite, got nan in row"):
        load_dataset(tmp_path / "g.npz", encode=False)
    x[np.isnan(x)] = 0
    x[4, 1] = np.nan
    np.savez(tmp_path / "g.npz", X=x, y=np.arange(30) % 2)
    assert "1 missing value filled" in load_dataset(tmp_path / "g.npz").notes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": X}, "has no array 'targets', only inputs"),
        ({"targets": Y}, "has no array 'inputs', only targets"),
        (
            {"inputs": X, "targets": Y, "test_input": X},
            "unknown array 'test_input'; did you mean 'test_inputs'",
        ),
        (
            {"inputs": X, "targets": Y, "test_inputs": X},
            "test_inputs and test_targets must be given together",
        ),
        ({"inputs": X, "x": X, "targets": Y}, "holds 'inputs' and 'x', which both name the inputs"),
        ({"inputs": X, "targets": np.array([{}] * 10)}, "holds an array of Python objects.*numpy.savez"),
        ({"inputs": X, "targets": Y[:-1]}, "inputs has 10 examples, targets has 9"),
        ({"inputs": X, "targets": np.zeros(10, int)}, ".*two classes or more"),
        (
            {"inputs": X, "targets": Y, "x_test": X[:, :1], "y_test": Y},
            "inputs has 2 features, test_inputs has 1",
        ),
    ],
)
def test_npz_that_cannot_be_used(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"bad\.npz: {message}"):
        load_dataset(path)


def test_options_of_tables_are_refused_for_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    with pytest.raises(InputError, match="drop names a column, but arrays have no columns"):
        load_dataset(tmp_path / "a.npz", drop=["a"])


def test_npz_that_is_none(tmp_path):
    path = tmp_path / "bad.npz"
    good = tmp_path / "good.npz"
    np.savez(good, inputs=X, targets=Y)
    with path.open("wb") as file:
        np.save(file, X)
    single = path.read_bytes()
    for content in (b"", b"words", good.read_bytes()[:-40], single, single[:-3]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.npz: (not a readable|holds)"):
            load_dataset(path)


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (150000000000000,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, -3)}",
        "__import__('os').system('touch /tmp/never')",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3",
        "{'descr': 'nothing', 'fortran_order': False, 'shape': (3,)}",
        "(" * 900,
        "x" * 9_000,
        "'''",
        "",
    ],
)
def test_damaged_headers_of_arrays(tmp_path, header):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inputs.npy", npy(header, bytes(12)))
        archive.writestr("targets.npy", npy(header, bytes(12)))
    with pytest.raises(InputError, match=r"bad\.npz: (not a readable|array 'inputs')") as caught:
        load_dataset(path)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def test_what_does_not_fit_memory_is_refused_from_its_header(tmp_path, monkeypatch):
    path = tmp_path / "large.npz"
    np.savez_compressed(path, X=np.zeros((50_000, 40), np.float32), y=np.zeros(50_000, int))
    monkeypatch.setattr(importlib.import_module("fnnet.memory"), "usable_host_bytes", lambda: 5e6)
    tracemalloc.start()
    with pytest.raises(InputError, match="holds 8,400,000 bytes of arrays, but only 5,000,000 are free"):
        load_dataset(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
