"""Reports of experiments, and the figures drawn from them."""

import io
import json
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats

import fnnet as fn
from reporting import Claim, draw_report, publish, read_measured, save_measurement, table, write_report


def text_of(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


@dataclass(frozen=True)
class Config:
    depths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Smoke:
    smoke: bool


CLAIMS = [
    Claim("wider <is> better", 0.5, fn.mean_interval([0.25, 0.75]), True),
    Claim("nothing diverges", None, {"depth 1": np.float32(np.inf), "depth 2": jnp.array([1.5, 2.0])}, False),
]


def draw(measured):
    figure = Figure()
    figure.subplots().plot(measured["steps"], measured["losses"])
    return figure


MEASURED = {
    "n": np.int64(3),
    "steps": range(3),
    "losses": np.array([1.0, np.nan, 0.25]),
    "curves": np.ones((7, 30)),
}


def test_report_contains_all_measurements(tmp_path):
    path = write_report(tmp_path / "widths.py", "Wide is good.\n\nMore.\n", Config(), CLAIMS, MEASURED, draw)
    report = json.loads(path.read_text())
    assert path == tmp_path / "results" / "widths.json" and path.with_suffix(".png").stat().st_size > 1000
    assert report["settings"] == {"depths": [1, 2]}
    measured = {"n": 3, "steps": [0, 1, 2], "losses": [1.0, "nan", 0.25], "curves": {"array": "curves"}}
    assert report["measured"] == measured
    low, high = stats.t.interval(0.95, 1, 0.5, stats.sem([0.25, 0.75]))
    first, second = report["assertions"]
    assert first["measured"] == {
        "mean": 0.5,
        "low": pytest.approx(low),
        "high": pytest.approx(high),
        "num_runs": 2,
    }
    assert second == {
        "claim": "nothing diverges",
        "published": None,
        "measured": {"depth 1": "inf", "depth 2": [1.5, 2.0]},
        "holds": False,
    }


def test_figures_are_drawn_from_what_the_report_has_measured(tmp_path):
    drawn = []

    def record(measured):
        drawn.append(measured)
        return draw(measured)

    nested = {"by size": {"a": np.arange(200).reshape(2, 100), "b": [{"mean": 1.5}], "names": ["x", "y"]}}
    path = write_report(tmp_path / "a.py", None, {}, [], MEASURED | nested, record)
    picture = draw_report(path, record, path.with_suffix(".svg"))
    assert picture.read_text().startswith("<?xml")
    for measured in (*drawn, read_measured(path)):
        np.testing.assert_array_equal(measured["losses"], MEASURED["losses"])
        np.testing.assert_array_equal(measured["curves"], MEASURED["curves"])
        found = measured["by size"]
        np.testing.assert_array_equal(found["a"], nested["by size"]["a"])
        assert found["b"] == [{"mean": 1.5}] and found["names"] == ["x", "y"]
    write_report(tmp_path / "a.py", None, {}, [], {"n": 1})
    assert not path.with_suffix(".npz").exists()  # which nothing names any more


def test_smoke_run_draws_and_leaves_nothing(tmp_path, capsys):
    for smoke in (True, False):
        publish(str(tmp_path / "a.py"), "Wide.", Smoke(smoke), CLAIMS, MEASURED, draw)
        assert (tmp_path / "results" / "a.png").exists() is not smoke
        save_measurement(str(tmp_path / "b.py"), {"steps": [1, 2], "losses": [0.5, 0.25]}, draw, smoke)
        assert (tmp_path / "results" / "b.png").exists() is not smoke
    assert capsys.readouterr().out.count("wrote") == 2


def test_terminal_shows_every_verdict():
    text = text_of(table(CLAIMS))
    assert "0.5 (-2.677 to 3.677, n = 2)" in text and "depth 1: inf; depth 2: 1.5, 2" in text
    assert text.count("yes") == 1 and text.count("NO") == 1
