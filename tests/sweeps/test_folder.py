"""The folder of a sweep: what counts as one, what is left alone, and what the system may refuse."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import jax.numpy as jnp
import pytest

import fnnet as fn
from fnnet.records import durable
from fnnet.records.folder import SUFFIXES
from fnnet.records.lock import locked
from fnnet.records.store import Store
from fnnet.sweeps.events import Evaluated, Interrupted
from fnnet.sweeps.interrupt import Stopped


def sweep(folder, **options):
    """One step on a parabola for each run."""
    task = fn.Task(
        init=lambda key, hp, data: jnp.float32(hp["start"]),
        step=lambda key, hp, w, batch: (w - 0.1 * w, {"loss": w**2}),
        measure=lambda hp, w, data: {"train_loss": w**2},
    )
    space = fn.grid(start=[1.0, 2.0, 3.0])
    return fn.sweep(
        lambda: task, space, None, **{"num_steps": 4, "eval_every": 2, "lanes": 1, "store": folder, **options}
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "store"
    sweep(folder)
    return folder


@pytest.fixture
def folder(reference, tmp_path):
    return shutil.copytree(reference, tmp_path / "store")


@pytest.mark.parametrize("made", [[], ["chunks"], ["lock"], ["chunks", "params", "states", "lock"]])
def test_folder_whose_making_was_cut_short_is_a_sweep(tmp_path, made):
    for name in made:
        (tmp_path / name).touch() if name == "lock" else (tmp_path / name).mkdir()
    assert sweep(tmp_path).table().height == 3


def test_finished_sweep_without_its_lock_and_empty_folders_is_a_sweep(folder):
    (folder / "lock").unlink(missing_ok=True)
    (folder / "states").rmdir()
    (folder / "notes.txt").write_text("mine")
    assert sweep(folder).table().height == 3 and (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["chunks/mine.parquet", "thesis.txt", "states/notes/x"])
def test_folder_with_a_lock_and_foreign_files_is_no_sweep(tmp_path, name):
    (tmp_path / "lock").touch()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("precious")
    with pytest.raises(fn.InputError, match="holds files but no sweep"):
        sweep(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_temporaries_of_others_are_left_alone(folder):
    others = [
        folder / "notes" / ".draft.tmp",
        folder / ".draft.tmp",
        folder / "inner" / "chunks" / ".fnnet-1.tmp",
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    own = folder / "chunks" / ".fnnet-abc.tmp"
    own.write_text("left by a writer that was killed")
    sweep(folder)
    assert all(path.read_text() == "mine" for path in others) and not own.exists()


def test_lock_that_is_a_link_is_refused_and_not_followed(folder):
    victim = folder.parent / "victim"
    victim.write_text("precious")
    (folder / "lock").unlink(missing_ok=True)
    (folder / "lock").symlink_to(victim)
    with pytest.raises(fn.InputError, match="lock is a link"):
        sweep(folder)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("chunks", "file"), ("params", "file"), ("states", "link"), ("damaged", "file"), ("lock", "folder")],
)
def test_path_that_is_no_folder_or_lock_is_named_and_kept(tmp_path, name, kind):
    path = tmp_path / name
    makers = {"folder": path.mkdir, "link": lambda: path.symlink_to(path), "file": path.touch}
    makers[kind]()
    (tmp_path / "plan.json").write_text("to be set aside")
    expected = "lock is a folder" if name == "lock" else f"{name} is not a folder"
    with pytest.raises(fn.InputError, match=f"^{tmp_path}/{expected}; remove it$"):
        sweep(tmp_path)
    assert os.path.lexists(path)


def test_lock_of_another_user_is_named(folder, monkeypatch):
    def refused(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "lock"))

    monkeypatch.setattr("filelock.FileLock._acquire", refused)
    expected = "lock cannot be opened: Permission denied; if no process is writing there, remove it"
    with pytest.raises(fn.InputError, match=f"^{folder}/{expected}$"):
        sweep(folder)


def test_healthy_store_has_no_folder_for_damaged_files(folder):
    assert not (folder / "damaged").exists()


def test_hashes_that_cannot_be_read_are_named(folder, monkeypatch, capsys):
    from fnnet.cli import main as cli

    read_bytes = Path.read_bytes

    def refused(path):
        if path.name == "SHA256SUMS":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    line = f"{folder}/SHA256SUMS cannot be read: Permission denied"
    for read in (fn.open_results, sweep):
        with pytest.raises(fn.InputError, match=f"^{line}$"):
            read(folder)
    with pytest.raises(SystemExit, match="1"):  # a failure of the system
        cli.main(["verify", str(folder)])
    assert capsys.readouterr().err == f"fnnet: {line}\n"


@pytest.mark.parametrize(
    ("name", "kind"), [("table.parquet", "loop"), ("table.csv", "folder"), ("heatmap.png", "folder")]
)
def test_path_that_is_no_table_is_named(tmp_path, name, kind, capsys):
    from fnnet.cli import main as cli

    path = tmp_path / "s" / name
    path.parent.mkdir()
    (path.parent / "SHA256SUMS").write_text(f"{'0' * 64}  chunks/{'0' * 16}.parquet\n")
    path.mkdir() if kind == "folder" else path.symlink_to(path)
    words = ["sweep", "--dataset", "iris", "depth=0", "learning_rate=0.1", "--steps", "2", "--out"]
    with pytest.raises(SystemExit, match="1"):
        cli.main([*words, str(path.parent)])
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("fnnet:"))
    assert line.startswith(f"fnnet: cannot use {path}: ") and "; remove it; finished runs are kept" in line


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_system_without_locks_has_one_writer_too(tmp_path, monkeypatch, code):
    import fcntl

    def no_locks(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    expected = r"another process is writing .* remove .*lock\.held"
    with locked(tmp_path), pytest.raises(fn.InputError, match=expected), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert (tmp_path / "lock.held").exists()


@pytest.mark.parametrize("name", ["plan.json", "SHA256SUMS", "chunks", "params", "states"])
@pytest.mark.parametrize("kind", ["folder", "loop"])
def test_path_that_is_no_file_is_set_aside(folder, name, kind):
    path = folder / name
    if path.is_dir():
        ids = sorted(chunk.stem for chunk in (folder / "chunks").iterdir())
        path = path / f"{ids[0]}{SUFFIXES[name]}"
    if path.exists():
        path.unlink()
    path.mkdir() if kind == "folder" else path.symlink_to(path)
    assert sweep(folder).table().height == 3
    assert fn.open_results(folder).table().height == 3


def failing(patch, name, code):
    """Let an operation of the operating system fail when a store asks for it."""

    class Failing:
        def __getattr__(self, asked):
            return getattr(os, asked)

    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    faulty = Failing()
    setattr(faulty, name, fail)
    patch.setattr(durable, "os", faulty)


def test_error_of_the_system_names_the_file(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, "write", errno.ENOSPC)
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}"):
            sweep(tmp_path)
    assert sweep(tmp_path).table().height == 3


def test_command_line_reports_it_in_one_line(tmp_path, monkeypatch, capsys):
    from fnnet.cli import main as cli

    words = [
        "sweep",
        "--dataset",
        "iris",
        "depth=0",
        "learning_rate=0.1",
        "--steps",
        "2",
        "--out",
        str(tmp_path / "s"),
    ]
    with monkeypatch.context() as patch:
        failing(patch, "fsync", errno.EDQUOT)
        with pytest.raises(SystemExit, match="1"):
            cli.main(words)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("fnnet:"))
    assert line.startswith(f"fnnet: cannot write {tmp_path / 's'}: ") and "the same command resumes" in line


def test_state_that_cannot_be_saved_ends_no_sweep(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "states"))

    monkeypatch.setattr(Store, "save_state", full)
    with pytest.warns(
        UserWarning, match=r"cannot save a chunk .* No space left on device; the sweep continues"
    ):
        assert sweep(tmp_path, state_every=0.0).table().height == 3


def test_finished_sweep_can_be_shown_where_nothing_can_be_written(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    failing(monkeypatch, "write", errno.EROFS)
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))
    assert sweep(folder).table().height == 3
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*")) == before


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_saves_the_chunk_under_way(tmp_path, signum):
    events = []

    def signaled(event):
        events.append(event)
        if isinstance(event, Evaluated):
            sender = threading.Thread(target=os.kill, args=(os.getpid(), signum))
            sender.start()
            sender.join()

    # What started the tests may ignore the signal, as nohup does.
    before = signal.signal(signum, signal.default_int_handler)
    try:
        with pytest.raises(Stopped) as stop:
            sweep(tmp_path, on_event=signaled)
        assert signal.getsignal(signum) == signal.default_int_handler
    finally:
        signal.signal(signum, before)
    assert stop.value.signum == signum and isinstance(stop.value, KeyboardInterrupt)
    assert events[-1] == Interrupted(signum)
    assert len(list((tmp_path / "states").glob("*.state"))) == 1
    assert sweep(tmp_path).table().height == 3


def test_signal_that_is_ignored_stays_so(tmp_path):
    """As SIGHUP is under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def hanging_up(event):
        if isinstance(event, Evaluated):
            os.kill(os.getpid(), signal.SIGHUP)

    try:
        assert sweep(tmp_path, on_event=hanging_up).table().height == 3
    finally:
        signal.signal(signal.SIGHUP, before)


ELSEWHERE = """
import os, sys
import fnnet as fn, jax, polars, sklearn.datasets
del os.sched_getaffinity
os.process_cpu_count = os.cpu_count  # which Python 3.13 computes without affinity there
sys.modules["fcntl"] = None
data = fn.load_dataset("iris")
space = fn.grid(depth=0, learning_rate=0.1, seed=range(2))
results = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=2, store=sys.argv[1])
assert results.table().height == fn.open_results(sys.argv[1]).table().height == 2
sys.platform = "win32"
try:
    fn.sweep(fn.mlp_recipe(data), space, data, num_steps=2)
except fn.InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_system_without_affinity_and_fcntl_sweeps_and_windows_is_refused_in_one_line(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "fnnet runs on Linux and macOS; on Windows use WSL\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_signal_ends_the_command_in_one_line(tmp_path, signum, code):
    code_of_fnnet = "from fnnet.cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        code_of_fnnet,
        "sweep",
        "--dataset",
        "iris",
        "depth=1",
        "learning_rate=0.1",
    ]
    command += ["--steps", "9000000", "--eval-every", "100", "--out", str(tmp_path)]
    before = signal.signal(signum, signal.SIG_DFL)  # a process inherits what is ignored, as under nohup
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    signal.signal(signum, before)
    while not (tmp_path / "plan.json").exists():
        assert process.poll() is None
    process.send_signal(signum)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert "fnnet: stopped; finished runs are kept" in said and "Traceback" not in said
