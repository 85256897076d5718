"""The ranked table of results, sparklines and tables of text."""

import math

import numpy as np
import pytest

import fnnet as fn
from fnnet.report.ranked import ranked, shown
from fnnet.report.sparkline import sparkline
from fnnet.report.text_table import text_table

SPACE = fn.grid(depth=[1, 2, 4], learning_rate=[0.1, 0.3], seed=range(2))
ACCURACY = np.array([0.5, 0.7, 0.9, 0.7, 0.1, 0.3, 0.0, 0.2, 0.8, 1.0, 0.4, 0.5])
RESULTS = fn.Results(SPACE, {"test_accuracy": ACCURACY, "diverged": ACCURACY == 0})


def test_configurations_are_ranked_by_their_mean():
    table = ranked(RESULTS, "test_accuracy", top=4)
    assert table["test_accuracy"].to_list() == pytest.approx([0.9, 0.8, 0.6, 0.45])
    assert table["depth"].to_list() == [4, 1, 1, 4] and table["learning_rate"].to_list() == [
        0.1,
        0.3,
        0.1,
        0.3,
    ]
    worst = ranked(RESULTS, "test_accuracy", higher_is_better=False)
    assert worst["num_diverged"].to_list()[0] == 1 and worst.height == 6


def test_by_averages_over_all_other_axes():
    table = ranked(RESULTS, "test_accuracy", by=["depth"])
    means = {depth: ACCURACY[4 * place : 4 * place + 4].mean() for place, depth in enumerate([1, 2, 4])}
    assert dict(table.select("depth", "test_accuracy").rows()) == pytest.approx(means)
    assert table["test_accuracy"].is_sorted(descending=True) and set(table["num_runs"]) == {4}


def test_each_run_has_the_first_digits_of_its_id():
    table = ranked(RESULTS, "test_accuracy", each_run=True, top=2)
    assert table["run"].to_list() == [SPACE.ids()[place][:8] for place in (9, 2)]
    headings, lines = shown(table, "test_accuracy", ["depth", "seed"])
    assert headings == ["run", "depth", "seed", "test_accuracy", "diverged"]
    assert lines[0][1:] == ["4", "1", "1.0000", "no"]


def test_only_fully_trained_runs_of_a_search_are_ranked():
    columns = {
        "test_loss": np.array([0.1, 0.4, 0.3]),
        "steps": np.array([5, 20, 20]),
        "diverged": np.zeros(3, bool),
    }
    results = fn.Results(fn.grid(learning_rate=[0.1, 0.2, 0.3]), columns)
    assert ranked(results, "test_loss")["learning_rate"].to_list() == [0.3, 0.2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "test_acuracy"}, "did you mean 'test_accuracy'"),
        ({"by": ["dpeth"]}, "unknown axis 'dpeth'; did you mean 'depth'"),
        ({"top": 0}, "top must be a positive integer"),
    ],
)
def test_invalid_input_is_refused_in_one_line(options, message):
    with pytest.raises(fn.InputError, match=message):
        ranked(RESULTS, **{"metric": "test_accuracy", **options})


def test_text_is_escaped_in_each_style():
    headings, lines = ["a|b_c"], [["x\\y^2 & [red]50 %[/red]"]]
    assert "a\\|b_c" in text_table(headings, lines, style="markdown")
    latex = text_table(headings, lines, style="latex")
    assert "a|b\\_c" in latex and "x\\textbackslash{}y\\^{}2 \\& [red]50 \\%[/red]" in latex
    from rich.console import Console

    with (console := Console(width=60)).capture() as printed:
        console.print(text_table(headings, lines))
    assert "[red]50 %[/red]" in printed.get()
    with pytest.raises(fn.InputError, match="did you mean 'latex'"):
        text_table(headings, lines, style="latx")


def test_sparkline_is_monotone_and_as_wide_as_asked():
    line = sparkline(np.linspace(3, 5, 101).tolist(), width=16)
    assert len(line) == 16 and sorted(line) == list(line) and (line[0], line[-1]) == ("▁", "█")
    assert sparkline([0.0] * 99 + [1.0], width=8) == "▁▁▁▁▁▁▁█", "the last value is always kept"
    assert sparkline([math.inf, 1.0, math.nan]) == " ▁ "
