"""Reports of experiments, and the figures drawn from them."""

import io
import json
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats

import fnnet as fn
import measuring
import reporting
from claiming import Claim, above, at_least, at_most, below, between, in_every_run, near, table
from reporting import draw_report, read_measured, write_report


def text_of(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


@dataclass(frozen=True)
class Config:
    depths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Kept:
    num_steps: int = 100
    store: Path = Path("results/kept")


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


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Let this module look like a script in a folder of its own, which has a figure."""
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(sys.modules[__name__], "__file__", str(tmp_path / "a.py"))
    drawing = ModuleType("drawings.a")
    drawing.draw, drawing.__spec__ = draw, ModuleSpec("drawings.a", None)
    monkeypatch.setitem(sys.modules, "drawings.a", drawing)
    return tmp_path


def test_main_measures_with_the_settings_of_the_command_line(script, monkeypatch, capsys):
    seen = []

    def measure(config):
        seen.append(config)
        assert config.store.parent.exists() or config.store == Kept().store
        return CLAIMS, MEASURED

    smoke = Kept(num_steps=3)
    for arguments, num_steps in (([], 100), (["--num-steps", "7"], 7), (["--smoke"], 3)):
        (script / "results" / "a.png").unlink(missing_ok=True)
        monkeypatch.setattr(sys, "argv", ["a.py", *arguments])
        reporting.main(measure, smoke)  # which returns although a claim fails
        assert seen[-1].num_steps == num_steps
        assert (script / "results" / "a.png").exists() is ("--smoke" not in arguments)
    assert [config.store == Kept().store for config in seen] == [True, True, False]
    assert not seen[-1].store.exists()
    assert json.loads((script / "results" / "a.json").read_text())["settings"]["num_steps"] == 7
    text = capsys.readouterr().out
    assert text.count("wrote") == 2 and text.count("NO") == 3


def test_measurement_has_a_table_beside_its_numbers(script, monkeypatch, capsys):
    def measure(config):
        return {"steps": range(3), "losses": np.ones(3) / len(config.depths)}

    def to_markdown(report):
        return f"{len(report['losses'])} losses\n"

    for arguments in (["--smoke"], []):
        monkeypatch.setattr(sys, "argv", ["a.py", *arguments])
        measuring.main(measure, to_markdown, Config((1,)))
        written = {path.name for path in (script / "results").iterdir()}
        assert written == (set() if arguments else {"a.json", "a.md", "a.png"})
    report = json.loads((script / "results" / "a.json").read_text())
    assert report["losses"] == [0.5, 0.5, 0.5] and {"machine", "versions", "commit"} <= report.keys()
    assert (script / "results" / "a.md").read_text() == "3 losses\n"
    assert capsys.readouterr().out.count("3 losses") == 2


INTERVAL = fn.mean_interval([0.25, 0.75])  # the mean is 0.5


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        (at_least("x", 0.5, INTERVAL), True),
        (at_least("x", 0.51, INTERVAL), False),
        (at_most("x", 2, {"a": 2, "b": [1.0, np.float32(2)]}), True),
        (at_most("x", 2, {"a": 2, "b": jnp.array([1.0, 2.5])}), False),
        (above("x", 2, 2.0), False),
        (below("x", 2, np.array([1.9, np.nan])), False),
        (between("x", 1, 2, (1, 2)), True),
        (between("x", 1, 2, [0.9, 1.5]), False),
        (at_least("x", 0, []), False),  # of nothing
        (near("x", 3, np.array([3.1, 2.9]), tolerance=0.15), True),
        (near("x", {"a": 1, "b": 100}, {"a": 1.04, "b": 104}, tolerance=0.05, relative=True), True),
        (near("x", {"a": 1, "b": 100}, {"a": 1.04, "b": 106}, tolerance=0.05, relative=True), False),
        (in_every_run("x", {"rise": np.array([1, 1], bool), "fall": np.array([1, 0], bool)}), False),
    ],
)
def test_claims_hold_within_their_bounds(claim, holds):
    assert claim.holds is holds


def test_claims_say_their_bounds():
    claims = [at_least("x", 0.95, 1), between("x", 1e-5, 30, 1), near("x is y", 2, 2, 0.05, relative=True)]
    assert [each.claim for each in claims] == [
        "x is at least 0.95",
        "x is between 1e-5 and 30",
        "x is y, within 5 %",
    ]


def test_terminal_shows_every_verdict():
    text = text_of(table(CLAIMS))
    assert "0.5 (-2.677 to 3.677, n = 2)" in text and "depth 1: inf; depth 2: 1.5, 2" in text
    assert text.count("yes") == 1 and text.count("NO") == 1
