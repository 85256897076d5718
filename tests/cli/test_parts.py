"""Sweeps beyond one process: parts that are merged, and engines."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from command_lines import RATE, check_answer, mistakes, run

import fnnet as fn
from fnnet.cli.engine_options import EngineOptions
from fnnet.cli.main import main
from fnnet.sweeps import worker

MISTAKES = [
    (f"sweep --part 3 {RATE}", "--part must be NUMBER/COUNT, such as 3/16 for the third of 16 parts, got '3'"),
    (f"sweep --part 3/ {RATE}", "--part must be NUMBER/COUNT, such as 3/16 for the third of 16 parts, got '3/'"),
    (f"sweep --part 0/2 {RATE}", "the number of a part must be a positive integer, got 0"),
    (f"plan --part 3/2 {RATE} seed=range:9", "part 3 of 2 does not exist; parts are numbered from 1"),
    (f"sweep --part 1/2 {RATE}", "1 runs cannot be cut into 2 parts"),
    (f"sweep --engine {RATE}", "--engine must be local, ray, or processes:N such as processes:2, got 'learning_rate"),
    (f"sweep --engine processes {RATE}", "--engine must be local, ray, or processes:N such as processes:2, got 'proc"),
    (f"sweep --engine processes:0 {RATE}", "--engine processes:N must be a positive integer, got 0"),
    (f"sweep --engine processes:two {RATE}", "such as processes:2, got 'processes:two'"),
    (f"sweep --engine slurm {RATE}", "--engine must be local, ray, or processes:N such as processes:2, got 'slurm'"),
    (f"sweep --workers 2 {RATE}", "--workers is for --engine ray, got --engine local"),
    (f"sweep --engine processes:2 --address auto {RATE}", "--address is for --engine ray, got --engine processes:2"),
    (f"sweep --gpus-per-worker 1 {RATE}", "--gpus-per-worker is for --engine ray, got --engine local"),
    (f"sweep --engine ray --gpus-per-worker=-1 {RATE}", "--gpus-per-worker must be 0 or more, got -1"),
    (f"sweep --engine ray --workers 0 {RATE}", "--workers must be a positive integer, got 0"),
    ("merge --out all", "merging takes the folders of one or more stores"),
    ("merge store", "fnnet merge needs --out"),
    ("merge adir --out all", "adir holds no sweep: it has no plan.json"),
    ("merge nowhere --out all", "nowhere holds no sweep: it has no plan.json"),
    ("merge --to all adir", "unknown option --to; "),
]  # fmt: skip


@mistakes(MISTAKES, at_least=20)
def test_invalid_input_is_refused_in_one_line(line, phrase, place, capsys):
    check_answer(line, phrase, place, capsys)


def test_without_ray_its_extra_is_named(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    check_answer(f"sweep --engine ray {RATE}", "pip install 'fnnet[ray]'", place, capsys)


@pytest.mark.parametrize(
    ("options", "workers", "cores", "line"),
    [
        (EngineOptions("processes:2"), 2, 1, "training on 2 processes of 1 core each"),
        (EngineOptions("processes:1"), 1, 6, "training on 1 process of 6 cores"),
        (EngineOptions("ray"), 3, 1, "training on 3 Ray workers of 1 core each"),
        (EngineOptions("ray", gpus_per_worker=0.5), 5, 1, "training on 5 Ray workers of 0.5 GPUs each"),
    ],
)
def test_workers_are_described_in_one_line(options, workers, cores, line):
    engine = fn.engines.local()._replace(num_workers=workers, cores=cores)
    assert options.describe(engine) == line


@pytest.mark.parametrize(("number", "there_are", "each"), [(2, 7, 3), (3, 2, 1), (1, 5, 5), (4, 4, 1)])
def test_processes_share_the_cores(number, there_are, each, monkeypatch):
    monkeypatch.setattr("fnnet.lanes.program.count_cores", lambda: there_are)
    with EngineOptions(f"processes:{number}").open() as engine:
        assert (engine.num_workers, engine.cores) == (number, each)


@pytest.mark.slow
def test_processes_end_with_the_sweep_whatever_they_train():
    started = time.monotonic()
    with EngineOptions("processes:2").open() as engine:
        futures = [engine.submit(time.sleep, seconds) for seconds in (0, 300)]
        futures[0].result()
        while not futures[1].running():
            time.sleep(0.01)
    assert time.monotonic() - started < 200


def test_interrupted_merge_says_how_it_is_completed(place, capsys, monkeypatch):
    def stop(folders, out):
        raise KeyboardInterrupt

    monkeypatch.setattr("fnnet.sweeps.merging.join", stop)
    code, _, error = run("merge store --out all", capsys)
    assert code == 130 and error == "\nfnnet: stopped; the same command completes the merge\n"


AXES = "depth=0,1 learning_rate=0.1,0.3 seed=range:3"


@pytest.mark.slow
def test_parts_are_merged_to_the_whole_sweep(place, capsys):
    options = "--steps 5 --lanes 2"
    assert run(f"sweep {options} {AXES} --out whole", capsys)[0] == 0
    for number in (1, 2, 3):
        code, printed, _ = run(f"sweep {options} {AXES} --part {number}/3", capsys)
        assert code == 0 and "4 runs of 5 steps in " in printed
    parts = sorted(Path("results").iterdir())
    assert [part.name for part in parts] == [
        f"iris-depth-learning_rate-seed-part-{n}-of-3" for n in (1, 2, 3)
    ]
    code, printed, error = run(f"merge {parts[0]} {parts[2]} --out results/all", capsys)
    assert code == 0 and not error
    assert printed.startswith("merged 8 of 12 runs; part 2 of 3 is missing or unfinished\nwrote ")
    code, printed, error = run(
        f"merge {shlex.join(map(str, Path('results').iterdir()))} --out results/all", capsys
    )
    assert code == 0 and printed.startswith("merged all 12 runs\n") and "table.csv" in printed
    merged, whole = fn.open_results("results/all"), fn.open_results("whole")
    kept = [name for name in whole.table(records=True).columns if name not in ("seconds", "chunk", "lane")]
    assert merged.table(records=True).select(kept).equals(whole.table(records=True).select(kept))
    assert run("export results/all --best test_loss --out a.safetensors", capsys)[0] == 0
    assert run("export whole --best test_loss --out b.safetensors", capsys)[0] == 0
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
    code, printed, _ = run(f"sweep {options} {AXES} --out results/all", capsys)
    assert code == 0 and "resuming: 12 of 12 runs are done" in printed


RECIPE = """
import fnnet as fn


def recipe(data, depth=1):
    network = fn.mlp(data.num_features, [5] * depth, data.num_outputs)
    return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)
"""


def start(*words, **options):
    """Start the command line in a process, with the environment that a user would have."""
    return subprocess.Popen(
        [sys.executable, "-c", "from fnnet.cli.main import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [[], ["--recipe", "flowers:recipe"]])
def test_sweep_trains_on_processes(place, recipe):
    Path("flowers.py").write_text(RECIPE)
    words = ["sweep", "--dataset", "iris", *recipe, "--steps", "5", "--lanes", "2", *AXES.split()]
    for name, engine in (("here", "local"), ("there", "processes:2")):
        command = start(*words, "--engine", engine, "--out", name)
        printed, error = command.communicate(timeout=500)
        assert command.returncode == 0, error
        assert ("training on 2 processes of" in printed) == (engine != "local")
    here, there = fn.open_results("here"), fn.open_results("there")
    assert here["id"].tolist() == there["id"].tolist()
    for run_ in range(12):
        for one, other in zip(here.params(run_), there.params(run_), strict=True):
            assert all((one[name] == other[name]).all() for name in one)


def living():
    """Map each living process to its parent."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.parent.name)] = int(parent)
    return parents


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed in /proc")
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_command(place, signum):
    words = ["sweep", "--dataset", "iris", "--steps", "2000000", "--state-every", "600", "--lanes", "4"]
    command = start(*words, "--engine", "processes:2", *AXES.split(), "--out", "s", start_new_session=True)
    try:
        deadline, workers = time.monotonic() + 300, []
        while len(workers) < 3:  # two workers, and the tracker of their resources
            assert command.poll() is None and time.monotonic() < deadline, command.communicate()
            time.sleep(0.5)
            workers = [pid for pid, parent in living().items() if parent == command.pid]
        time.sleep(2.0)
        if signum == signal.SIGKILL:
            command.kill()
        else:  # as a terminal and a cluster do, to all processes
            os.killpg(command.pid, signum)
        signaled, alive = time.monotonic(), set(workers)
        while alive and time.monotonic() < signaled + 10:
            time.sleep(0.1)
            alive &= living().keys()
        assert not alive
        _, error = command.communicate(timeout=60)
        if signum != signal.SIGKILL:
            assert command.returncode == 128 + signum
            assert "finished runs are kept, and the same command resumes the sweep" in error
            assert "Traceback" not in error, error
    finally:
        command.kill()
        for pid in living().keys() & set(workers):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("poison", "num_rows"), [(0.3, 2), (None, 0)], ids=["one rate", "all"])
def test_failed_runs_are_reported_and_exit_with_1(place, capsys, monkeypatch, poison, num_rows):
    here = fn.engines.local()

    def submit(function, *arguments):
        if function is worker.train and poison in (None, *arguments[3].traced["learning_rate"]):
            lost: Future = Future()
            lost.set_exception(ConnectionError("gone"))
            return lost
        return here.submit(function, *arguments)

    engine = here._replace(submit=submit, is_lost=lambda error: isinstance(error, ConnectionError))
    monkeypatch.setattr(EngineOptions, "open", lambda options: contextlib.nullcontext(engine))
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "sweep",
                "--dataset",
                "iris",
                "--steps",
                "4",
                "--lanes",
                "2",
                "learning_rate=0.1,0.2,0.3",
                "--out",
                "s",
            ]
        )
    assert stop.value.code == 1
    said = " ".join(capsys.readouterr().out.split())
    assert f"{3 - num_rows} of 3 runs were given up" in said and "attempts.jsonl says why" in said
    assert len(fn.open_results("s")) == num_rows
