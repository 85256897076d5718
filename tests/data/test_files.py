"""CSV and Parquet files: dialects, missing values, and damage."""

from pathlib import Path

import polars as pl
import pytest

from fnnet.data import load_dataset
from fnnet.data.files import read_table
from fnnet.errors import InputError

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
def test_csv_dialects(tmp_path, content, notes):
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
def test_missing_value_markers(tmp_path, mark):
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
def test_invalid_csv(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"bad\.csv: .*({message})") as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


def test_damaged_tables(tmp_path):
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
def test_missing_files_and_folders(tmp_path, suffix):
    with pytest.raises(InputError, match=f"x{suffix}: no such file"):
        load_dataset(tmp_path / f"x{suffix}")
    (tmp_path / f"x{suffix}").mkdir()
    with pytest.raises(InputError, match=f"x{suffix}: is a folder"):
        load_dataset(tmp_path / f"x{suffix}")


def test_paths_without_a_known_suffix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("irs").write_text("a,target\n1,2\n")
    Path("folder").mkdir()
    with pytest.raises(InputError, match=r"irs: a data file ends in .csv, .parquet, .npz, got no suffix"):
        load_dataset("irs")
    with pytest.raises(InputError, match="folder: is a folder"):
        load_dataset("folder")


def test_wide_table(tmp_path):
    path = tmp_path / "wide.csv"
    names = ",".join(f"f{i}" for i in range(2_000))
    path.write_text(f"{names},target\n" + "".join("1.5," * 2_000 + f"{i % 2}\n" for i in range(6)))
    assert load_dataset(path).num_features == 2_000
