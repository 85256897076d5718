"""Tables: roles of columns, encoding, filling, and options."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fnnet.data import Dataset, from_arrays, load_dataset
from fnnet.data.record import describe_data, reload_data
from fnnet.errors import InputError

RNG = np.random.default_rng(0)
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


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_numeric_table_matches_arrays(tmp_path, suffix):
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
def test_preprocessing_matches_scikit_learn(tmp_path, suffix):
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


def test_preprocessing_ignores_the_test_split(tmp_path):
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


def test_summary(tmp_path):
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


def test_counter_can_be_the_only_feature(tmp_path):
    path = write(tmp_path / "t.csv", {"time": range(1_700_000_000, 1_700_000_050), "target": [0, 1] * 25})
    data = load_dataset(path)
    assert data.feature_names == ("time",) and data.train.inputs.std() == pytest.approx(1, abs=1e-3)


def test_nan_in_parquet_is_missing(tmp_path):
    columns = {"a": [1.0, float("nan"), 2.0, None, 4.0] * 4, "target": [0, 1] * 10}
    data = load_dataset(write(tmp_path / "t.parquet", columns), standardize=False)
    assert "8 missing values filled" in data.notes and np.isfinite(data.train.inputs).all()


def test_numeric_strings_in_parquet_are_categories(tmp_path):
    frame = {"code": ["07", "12", "07", "30"] * 5, "target": [0, 1] * 10}
    data = load_dataset(write(tmp_path / "t.parquet", frame))
    assert data.feature_names == ("code=07", "code=12", "code=30")


def test_categorical_classes_in_parquet(tmp_path):
    for dtype in (pl.Categorical, pl.Enum(["y", "x"])):
        frame = {"a": range(10), "target": pl.Series(["x", "y"] * 5, dtype=dtype)}
        assert load_dataset(write(tmp_path / "c.parquet", frame)).class_names == ("x", "y")


def test_encode_false(tmp_path):
    words = write(tmp_path / "w.csv", {"a": ["x", "y"] * 5, "target": [0, 1] * 5})
    with pytest.raises(InputError, match="column 'a' must be numeric without encoding, got String"):
        load_dataset(words, encode=False)
    gaps = write(tmp_path / "g.csv", {"a": [1, None] * 5, "target": [0, 1] * 5})
    with pytest.raises(InputError, match="column 'a' has no value in row 1"):
        load_dataset(gaps, encode=False)


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
def test_invalid_options(tmp_path, options, message):
    path = write(tmp_path / "m.csv", messy(60, seed=4).to_dict(as_series=False))
    with pytest.raises(InputError, match=message):
        load_dataset(path, **options)


def test_too_many_categories(tmp_path):
    words = [f"w{i % 51}" for i in range(120)]
    path = write(tmp_path / "t.csv", {"a": words, "b": [0.5 * i for i in range(120)], "target": [0, 1] * 60})
    with pytest.raises(InputError, match=r"'a' must have at most 50 different values .* got 51; .* drop"):
        load_dataset(path, split_seed=None, test_fraction=0.1)
    assert load_dataset(path, drop=["a"]).feature_names == ("b",)
