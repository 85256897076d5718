"""What a person, or a log, sees of a sweep while it trains."""

import io
import itertools
import re

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.lanes.chunk import ChunkSpec
from fnnet.sweeps import display, execution
from fnnet.sweeps.display import lines
from fnnet.sweeps.events import Began, Committed, Failed, Finished, Planned, Segment
from fnnet.sweeps.leader import Leader
from fnnet.sweeps.options import Options
from fnnet.sweeps.progress import Progress, watched


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


def planned(**fields):
    defaults = {"num_done": 0, "metric": None, "higher_is_better": False, "axes": []}
    return Planned(**{**defaults, "num_groups": 1, "num_chunks": 0, "step_flops": {}, "peak": None, **fields})


def test_log_has_a_line_at_least_every_thirty_seconds(clock):
    log = io.StringIO()
    progress = Progress(lines(log, clock), planned(num_runs=40, work=40 * 300), clock)
    progress.show(is_urgent=True)
    written = []
    for segment in range(150):  # of 2 seconds and 80 steps of runs each, 8 runs in 30 segments
        clock.seconds += 2.0
        if segment % 30 == 29:
            progress.note(Committed(rows([0.5] * 8, [0.1] * 8), 300, "0a"))
        else:
            progress.note(Segment(spec(num_runs=8), 0, 10 * (segment % 30 + 1)))
        if len(log.getvalue().splitlines()) > len(written):
            written.append(clock.seconds)
    gaps = [after - before for before, after in itertools.pairwise(written)]
    assert len(written) >= 10 and max(gaps) <= 30
    percents = [int(re.search(r"(\d+) %", line)[1]) for line in log.getvalue().splitlines()]
    assert percents == sorted(percents) and len(set(percents)) == len(percents), "it moves within chunks"


def test_line_says_how_many_how_fast_and_which_is_best(clock):
    log = io.StringIO()
    what = {
        "num_runs": 10,
        "num_done": 4,
        "work": 600,
        "metric": "test_loss",
        "axes": ["learning_rate", "seed"],
    }
    progress = Progress(lines(log, clock), planned(**what), clock)
    clock.seconds += 30
    progress.note(Committed(rows([0.7, float("nan"), 0.25], [0.1, 3.0, 0.3000001]), 100))
    assert log.getvalue() == (
        "7 of 10 runs, 50 %, 30.0 s left; 0.1 runs/s; best test_loss 0.25 (learning_rate=0.3)\n"
    )
    clock.seconds += 45
    progress.note(Committed(rows([0.5, 0.6, 0.2], [1.0, 2.0, 1.0]), 100))
    progress.note(Finished(10))
    assert log.getvalue().splitlines()[-1] == (
        "10 of 10 runs, 100 %, 1 min 15 s in all; 0.08 runs/s; best test_loss 0.25 (learning_rate=0.3)"
    )


def test_line_says_groups_chunks_speed_and_diverged_runs(clock):
    log = io.StringIO()
    what = {"num_runs": 16, "work": 16 * 300, "num_groups": 3, "num_chunks": 2}
    speed = {"step_flops": {"c1": 7e9, "c2": 1.0}, "peak": 40e9}
    progress = Progress(lines(log, clock), planned(**what, **speed), clock)
    progress.note(Began("depth=1"))
    progress.note(Began("depth=2"))
    committed = rows([0.5] * 8, [0.1] * 8) | {"diverged": np.array([True, False] * 4)}
    clock.seconds += 40
    progress.note(Segment(spec(num_runs=8), 0, 25))  # 8 x 25 steps of 7 GFLOP in 40 s
    assert log.getvalue().splitlines()[-1] == (
        "depth=2: 0 of 16 runs, 4 %, 15 min 20 s left; group 2 of 3, 0 of 2 chunks, 0.0167 runs/s, "
        "35 GFLOP/s (88 % of the peak)"
    )
    clock.seconds += 40  # the speed is that of the last 30 seconds, or since the event before them
    progress.note(Segment(spec(num_runs=8), 0, 30))
    assert ", 7 GFLOP/s (18 % of the peak)" in log.getvalue().splitlines()[-1]
    clock.seconds += 40
    progress.note(Committed(committed, 300, "0a"))
    assert "; group 2 of 3, 1 of 2 chunks, " in log.getvalue().splitlines()[-1]
    assert log.getvalue().splitlines()[-1].endswith("; 4 diverged")


def test_failed_runs_do_not_count_as_trained(clock):
    log = io.StringIO()
    progress = Progress(lines(log, clock), planned(num_runs=10, work=10 * 300), clock)
    clock.seconds += 30
    progress.note(Segment(spec(num_runs=8), 0, 240))
    assert log.getvalue().splitlines()[-1].startswith("0 of 10 runs, 64 %, ")
    progress.note(Failed(spec(num_runs=8), "killed"))
    clock.seconds += 30
    progress.note(Committed(rows([0.5] * 2, [0.1] * 2), 300, "0b"))
    assert log.getvalue().splitlines()[-1].startswith("2 of 10 runs, 20 %, 4 min 0 s left")
    progress.note(Finished(10))
    assert log.getvalue().splitlines()[-1].startswith("2 of 10 runs, 20 %, 1 min 0 s in all")


def test_seeds_of_a_configuration_without_an_axis_are_averaged():
    leader = Leader(higher_is_better=False)
    some = rows([3.0, 1.0, 2.5], [0.1] * 3)
    leader.add({**some, "beta": np.array([np.nan, np.nan, 0.9])}, ["learning_rate", "beta"], "test_loss")
    assert str(leader).startswith("2 ± ") and str(leader).endswith(", n = 2 (learning_rate=0.1)")


def test_best_configuration_is_that_of_the_best_mean():
    rng = np.random.default_rng(0)
    for higher_is_better in (False, True):
        leader, before = Leader(higher_is_better), []
        for _ in range(60):
            rates = rng.choice([0.1, 0.2, 0.3, 0.4], 3).tolist()
            losses = np.where(rng.random(3) < 0.05, np.nan, rng.normal(size=3)).tolist()
            leader.add(rows(losses, rates), ["learning_rate"], "test_loss")
            before += zip(rates, losses, strict=True)
            means = {rate: np.mean([loss for each, loss in before if each == rate]) for rate, _ in before}
            finite = {rate: mean for rate, mean in means.items() if np.isfinite(mean)}
            choose = max if higher_is_better else min
            best = choose(finite, key=finite.__getitem__) if finite else None
            assert leader.config == (None if best is None else (("learning_rate", best),))
    leader = Leader(higher_is_better=True)
    leader.add(rows([1.0, 2.0, 3.0], [0.1] * 3), ["learning_rate"], "test_loss")
    assert str(leader) == "2 ± 2.5, n = 3 (learning_rate=0.1)"  # t = 4.303, s = 1
    leader.add(rows([2.5, 3.5], [0.3333, 0.3334]), ["learning_rate"], "test_loss")
    assert str(leader) == "3.5 (learning_rate=0.333)", "rates that look the same are two"


def test_bar_moves_with_segments_on_a_terminal():
    terminal = Terminal()
    with watched(Options(show_progress=True), terminal) as emit:
        emit(planned(num_runs=8, work=800))
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


def test_sweep_in_a_log_is_never_silent(data, monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    options = {"num_steps": 40, "eval_every": 10, "lanes": 2, "store": tmp_path, "show_progress": True}
    results = fn.sweep(fn.mlp_recipe(data), SPACE, data, **options)
    written = capfd.readouterr().err.splitlines()
    assert written[0] == "compiling 1 program" and written[-1].startswith("6 of 6 runs, 100 %, ")
    best = results.best("test_accuracy", over="seed")
    found = re.search(r"best test_accuracy (\S+) ± \S+, n = 2 \(learning_rate=0.\d\)", written[-1])
    assert float(found[1]) == pytest.approx(best.interval.mean, abs=1e-4)
    counts = [int(line.split()[0]) for line in written if " of 6 runs" in line and line[0].isdigit()]
    assert counts == sorted(counts) and {0, 6} <= set(counts)
    percents = {int(re.search(r"(\d+) %", line)[1]) for line in written if "%" in line}
    assert len(percents) >= 9, "a line for each segment of each chunk"
    fn.sweep(fn.mlp_recipe(data), SPACE, data, **options)
    assert "runs" not in capfd.readouterr().err, "there was nothing to train"


def test_halving_says_which_rung_it_is_at(data, monkeypatch, capfd):
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    options = {"rungs": [4, 12], "metric": "test_loss", "factor": 3, "show_progress": True}
    fn.successive_halving(fn.mlp_recipe(data), SPACE, data, **options)
    written = capfd.readouterr().err
    assert "to step 4: 6 of 6 runs" in written and "to step 12: 2 of 2 runs, 100 %" in written
    assert "best test_loss" in written


def test_metric_without_a_known_direction_shows_no_best_run(capfd):
    task = fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, total, batch: (total + hp["rate"], {"loss": total}),
        measure=lambda hp, total, data: {"total": total},
    )
    options = {"num_steps": 3, "metric": "total", "show_progress": True}
    results = fn.sweep(lambda: task, fn.grid(rate=[1.0, 2.0]), None, **options)
    assert results["total"].tolist() == [3.0, 6.0]
    assert "2 of 2 runs, 100 %" in (written := capfd.readouterr().err) and "best" not in written


def test_long_sweep_says_its_part_of_the_peak(data, monkeypatch, capfd):
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(execution, "SECONDS_FOR_PEAK", 0.0)
    fn.sweep(fn.mlp_recipe(data), SPACE, data, num_steps=40, show_progress=True)
    assert re.search(r" GFLOP/s \(\d+ % of the peak\)", capfd.readouterr().err)
