"""What leaves the report: the table as CSV, the conditions as words of `fnnet results --where`, and prints."""

import csv
import io
import json
import re
import shlex

import numpy as np
import polars as pl
import pytest

import fnnet as fn
from fnnet.cli.main import main

AXES = ("activation", "learning_rate", "seed")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A sweep on iris, of which the largest learning rate diverges."""
    folder = tmp_path_factory.mktemp("export") / "store"
    data = fn.load_dataset("iris")
    space = fn.grid(activation=["relu", "tanh"], learning_rate=[0.001, 0.01, 0.1, 1.0, 1e9], seed=range(3))
    fn.sweep(fn.mlp_recipe(data), space, data, num_steps=4, store=folder)
    return folder


def downloaded(page, tmp_path):
    """Click on CSV; return the name and the content of the file."""
    with page.page.expect_download() as waiting:
        page.page.click("#csv")
    waiting.value.save_as(tmp_path / "kept.csv")
    return waiting.value.suggested_filename, (tmp_path / "kept.csv").read_text()


def where(page):
    page.page.click("#copy-where")
    return page.text("where")


@pytest.mark.parametrize("view", ["runs", "means"])
def test_csv_holds_the_kept_rows_to_the_last_digit(opened, store, tmp_path, view):
    results = fn.open_results(store)
    page = opened(results)
    page.view(view)
    page.filter("learning_rate<=1 activation=tanh")
    name, text = downloaded(page, tmp_path)
    assert name == f"store-{view}.csv"
    found = pl.read_csv(io.StringIO(text))
    kept = results.where(learning_rate=lambda rate: rate <= 1, activation="tanh")
    expected = kept.table(over="seed") if view == "means" else kept.table()
    assert len(found) == len(expected) == (12 if view == "runs" else 4)
    keys = [axis for axis in AXES if axis in found.columns]
    found, expected = found.sort(keys), expected.sort(keys)
    shown = list(found["test_accuracy"])
    assert shown == [float(str(value)) for value in expected["test_accuracy"].to_numpy()]
    assert list(found["test_loss"]) == [float(str(value)) for value in expected["test_loss"].to_numpy()]
    assert list(found["learning_rate"]) == list(expected["learning_rate"])


def test_csv_has_the_order_of_the_table_and_non_finite_values(opened, tmp_path):
    space = fn.grid(learning_rate=[0.1, 0.2, 0.3, 0.4])
    loss = np.array([np.inf, 0.25, np.nan, 0.5], np.float32)
    page = opened(fn.Results(space, {"test_loss": loss}))
    _, text = downloaded(page, tmp_path)
    rows = [(row["learning_rate"], row["test_loss"]) for row in csv.DictReader(io.StringIO(text))]
    assert rows == [
        (row["learning_rate"], row["test_loss"].replace("Infinity", "inf")) for row in page.rows()
    ]
    assert {loss for _, loss in rows} == {"inf", "0.25", "NaN", "0.5"}


def test_names_are_quoted_and_no_formulas(opened, tmp_path):
    names = ['a,"b"', "=1+2", "@SUM(A1)", "-x", "two\nlines", "plain"]
    page = opened(fn.Results(fn.grid(name=names, level=[-1, 1]), {"test_loss": np.arange(12.0) - 6}))
    _, text = downloaded(page, tmp_path)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["name"] for row in rows} == {'a,"b"', "'=1+2", "'@SUM(A1)", "'-x", "two\nlines", "plain"}
    assert {row["level"] for row in rows} == {"-1", "1"} and min(
        float(row["test_loss"]) for row in rows
    ) == -6


def brush(page):
    page.drag("lines", (-3.2, 0.1), (0.2, 0.9))


def click_cell(page):
    page.click("heatmap", 3, 1)


def click_legend(page):
    page.page.click("#lines-legend button:has-text('tanh')")
    page.settle()


def brush_parallel(page):
    page.drag("parallel", (0.9, -0.02), (1.1, 0.6))


@pytest.mark.parametrize(
    ("keep", "filter"),
    [
        (None, "learning_rate>=0.1 activation=tanh"),
        (None, "activation!=relu seed=0,2 diverged=no"),
        (None, "diverged=yes"),
        (None, "test_loss<1.2"),
        (None, "test_loss>=0.5 learning_rate!=0.01 seed<2"),
        (brush, ""),
        (brush, "seed=1,2"),
        (click_cell, ""),
        (click_legend, "seed>0"),
        (brush_parallel, ""),
    ],
)
def test_where_selects_the_same_runs_on_the_command_line(opened, store, tmp_path, capsys, keep, filter):
    page = opened(fn.open_results(store))
    page.view("runs")
    if keep is not None:
        keep(page)
    page.filter(filter)
    text = where(page)
    assert text.startswith('--where "') and page.page.evaluate("navigator.clipboard") is not None
    main(["results", str(store), "--each-run", "--json", *shlex.split(text)])
    listed = {tuple(str(row[axis]) for axis in AXES) for row in json.loads(capsys.readouterr().out)}
    _, table = downloaded(page, tmp_path)
    shown = {
        (row["activation"], str(float(row["learning_rate"])), row["seed"])
        for row in csv.DictReader(io.StringIO(table))
    }
    assert listed == shown and 0 < len(shown) < 30


def test_where_says_what_it_has_no_words_for(opened, store):
    page = opened(fn.open_results(store))
    assert where(page) == "All runs are kept."
    page.filter("test_loss<1")
    assert where(page) == "--where has no words for conditions on means; show each run instead."
    page.filter("learning_rate<1")
    assert where(page) == '--where "learning_rate<1"'
    page.view("runs")
    assert page.text("where") == "", "it may not be true any more"
    page = opened(fn.Results(fn.grid(name=["a b", "1", "c"], seed=[0, 1]), {"test_loss": np.arange(6.0)}))
    for name in ("a b", "1"):
        page.filter(f'name="{name}"')
        assert where(page) == f'--where has no words for the value "{name}" of name.'


def test_dark_page_prints_light_and_as_wide_as_paper(opened, store, tmp_path):
    page = opened(fn.open_results(store), scheme="dark")
    page.page.evaluate(
        """() => window.addEventListener("beforeprint", () => {
        window.printed = [...document.querySelectorAll(".picture")].map((picture) => {
          const {width, height} = picture, pixels = picture.getContext("2d").getImageData(0, 0, width, height).data;
          const bright = pixels.reduce((sum, value, i) => sum + (i % 4 < 3 && value > 200), 0) / (3 * width * height);
          return [picture.parentElement.id, width, bright];
        });
        window.paper = [innerWidth, getComputedStyle(document.body).color, getComputedStyle(document.body).width];
      })"""
    )
    width = page.page.evaluate("document.getElementById('parallel').getBoundingClientRect().width")
    path = tmp_path / "report.pdf"
    page.page.pdf(path=path, format="A4", print_background=True)
    printed = page.page.evaluate("window.printed")
    names = ["lines", "heatmap", "parallel", "importance", "spread"]  # there are no curves
    assert [name for name, _, _ in printed] == names
    for name, shown, bright in printed:
        assert 600 < shown < 700 and (bright > 0.7 or name == "heatmap"), (name, shown, bright)
    assert page.page.evaluate("window.paper")[1:] == ["rgb(26, 26, 26)", "700px"]
    assert len(re.findall(rb"/Subtype /Image", path.read_bytes())) >= 10
    page.settle()
    after = "[document.querySelectorAll('.picture').length, getComputedStyle(document.body).color]"
    assert page.page.evaluate(after) == [0, "rgb(232, 234, 237)"]
    assert page.page.evaluate("document.getElementById('parallel').getBoundingClientRect().width") == width
