"""What a person, or a log, sees of a sweep while it trains."""

import io
import itertools
import re

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.lanes.chunk import ChunkSpec
from fnnet.sweeps import progress as progresses
from fnnet.sweeps.events import Began, Committed, Planned, Segment
from fnnet.sweeps.options import Options
from fnnet.sweeps.progress import Progress, lines, watched


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def spec(num_runs):
    return ChunkSpec("0a", [f"{run}" for run in range(num_runs)], {}, {}, 0, 8, None, [300], "c1")


def rows(losses, rates):
    return {
        "id": [f"{run}" for run in range(len(rates))],
        "learning_rate": rates,
        "seed": range(len(rates)),
        "test_loss": np.array(losses),
    }


def test_a_log_has_a_line_at_least_every_thirty_seconds(clock):
    log = io.StringIO()
    progress = Progress(lines(log, clock), num_runs=40, work=40 * 300, clock=clock)
    progress.show(is_urgent=True)
    written = []
    for segment in range(150):  # of 2 seconds and 80 steps of runs each, 8 runs in 30 segments
        clock.seconds += 2.0
        if segment % 30 == 29:
            progress.note(Committed(rows([0.5] * 8, [0.1] * 8), 300))
        else:
            progress.note(Segment(spec(num_runs=8), 0, 10 * (segment % 30 + 1)))
        if len(log.getvalue().splitlines()) > len(written):
            written.append(clock.seconds)
    gaps = [after - before for before, after in itertools.pairwise(written)]
    assert len(written) >= 10 and max(gaps) <= 30
    percents = [int(re.search(r"(\d+) %", line)[1]) for line in log.getvalue().splitlines()]
    assert percents == sorted(percents) and len(set(percents)) == len(percents), "it moves within chunks"


def test_a_line_says_how_many_how_long_and_which_is_best(clock):
    log = io.StringIO()
    options = {"metric": "test_loss", "axes": ["learning_rate", "seed"], "clock": clock}
    progress = Progress(lines(log, clock), num_runs=9, num_done=4, work=500, **options)
    clock.seconds += 30
    progress.note(Committed(rows([0.7, float("nan"), 0.25], [0.1, 3.0, 0.3000001]), 100))
    assert log.getvalue() == (
        "7 of 9 runs, 60 %, 20.0 s left; best test_loss 0.25 (learning_rate=0.3 seed=2)\n"
    )
    clock.seconds += 45
    progress.note(Committed(rows([0.5, 0.6], [1.0, 2.0]), 100))
    assert log.getvalue().splitlines()[-1] == (
        "9 of 9 runs, 100 %, 1 min 15 s in all; best test_loss 0.25 (learning_rate=0.3 seed=2)"
    )


def test_a_bar_moves_with_segments_on_a_terminal():
    terminal = Terminal()
    with watched(Options(show_progress=True), terminal) as emit:
        emit(Planned(num_runs=8, num_done=0, work=800, metric=None, higher_is_better=False, axes=[]))
        emit(Began("depth=2"))
        emit(Segment(spec(num_runs=8), 0, 25))
    assert "depth=2: 0 of 8 runs, 25 %" in terminal.getvalue()


def test_nothing_is_written_unasked(capfd):
    data = fn.load_dataset("iris")
    fn.sweep(fn.mlp_recipe(data), fn.grid(depth=0, learning_rate=0.1), data, num_steps=3)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


SPACE = fn.grid(depth=0, learning_rate=[0.1, 0.3, 0.5], seed=range(2))


def test_a_sweep_in_a_log_is_never_silent(data, monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(progresses, "LINE_SECONDS", 0.0)
    options = {"num_steps": 40, "eval_every": 10, "lanes": 2, "store": tmp_path, "show_progress": True}
    results = fn.sweep(fn.mlp_recipe(data), SPACE, data, **options)
    written = capfd.readouterr().err.splitlines()
    assert written[0] == "compiling 1 program" and written[-1].startswith("6 of 6 runs, 100 %, ")
    best = results["test_accuracy"].max()
    assert f"; best test_accuracy {best:.4g} (learning_rate=" in written[-1]
    counts = [int(line.split()[0]) for line in written if " of 6 runs" in line and line[0].isdigit()]
    assert counts == sorted(counts) and {0, 6} <= set(counts)
    percents = {int(re.search(r"(\d+) %", line)[1]) for line in written if "%" in line}
    assert len(percents) >= 9, "a line for each segment of each chunk"
    fn.sweep(fn.mlp_recipe(data), SPACE, data, **options)
    assert "runs" not in capfd.readouterr().err, "there was nothing to train"


def test_a_halving_says_which_rung_it_is_at(data, monkeypatch, capfd):
    monkeypatch.setattr(progresses, "LINE_SECONDS", 0.0)
    options = {"rungs": [4, 12], "metric": "test_loss", "factor": 3, "show_progress": True}
    fn.successive_halving(fn.mlp_recipe(data), SPACE, data, **options)
    written = capfd.readouterr().err
    assert "to step 4: 6 of 6 runs" in written and "to step 12: 2 of 2 runs, 100 %" in written
    assert "best test_loss" in written


def test_a_metric_without_a_known_direction_shows_no_best_run(capfd):
    task = fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, total, batch: (total + hp["rate"], {"loss": total}),
        measure=lambda hp, total, data: {"total": total},
    )
    options = {"num_steps": 3, "metric": "total", "show_progress": True}
    results = fn.sweep(lambda: task, fn.grid(rate=[1.0, 2.0]), None, **options)
    assert results["total"].tolist() == [3.0, 6.0]
    assert "2 of 2 runs, 100 %" in (written := capfd.readouterr().err) and "best" not in written
