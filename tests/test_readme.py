"""What the README shows runs as written."""

import re
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import make_classification

from fnnet.cli.main import main

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    lines = "".join(blocks("console")).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("fnnet ")]


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_python_blocks_run_in_sequence(empty_folder, capsys):
    names = {}
    for code in blocks("python"):
        exec(code, names)
    assert "shape: (24, " in capsys.readouterr().out
    assert names["results"].best("validation_accuracy").interval.mean > 0.9
    assert len(names["study"].trials) == 16
    assert len(names["layers"]) == 3


@pytest.mark.slow
def test_commands_on_a_table_run_in_sequence(empty_folder, capsys):
    inputs, classes = make_classification(
        300, 4, n_informative=3, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    rows = pl.DataFrame(dict(zip("abcd", inputs.T, strict=True)))
    rows = rows.with_columns(color=pl.Series(np.array(["red", "green"])[(inputs[:, 0] > 0).astype(int)]))
    rows.with_columns(species=pl.Series(np.array(["x", "y", "z"])[classes])).write_csv("table.csv")
    rows.head(7).write_csv("new_rows.csv")
    on_a_table = [line for line in commands() if any("table" in word or "model." in word for word in line)]
    assert [line[0] for line in on_a_table] == ["sweep", "export", "predict"]
    for line in on_a_table:
        main(line)
    out = capsys.readouterr().out
    assert "table.csv: 300 rows, 6 features (2 one-hot from color), 3 classes (target: species)" in out
    assert (
        len(out.split("wrote model.safetensors")[1].strip().splitlines()) == 1 + 1 + 7
    )  # the run, the header, the rows


def test_readme_is_short():
    assert len(README.splitlines()) <= 220
