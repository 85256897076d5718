"""Memory: what may be used, and what happens when there is less."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import fnnet as fn
from fnnet import memory
from fnnet.records.store import Store
from fnnet.sweeps import worker
from fnnet.sweeps.events import Segment

LANES = fn.grid(depth=0, learning_rate=[0.1, 0.2, 0.3, 0.4, 0.5], seed=range(7))


def meminfo(name):
    (line,) = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith(name)]
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="another system than Linux")
def test_most_of_the_available_memory_may_be_used(monkeypatch):
    monkeypatch.setattr(memory, "_left_of_limits", lambda root: iter(()))
    assert 0.5 < memory.usable_bytes() / meminfo("MemAvailable:") < 0.7
    assert memory.usable_bytes() < meminfo("MemTotal:")


def test_smallest_limit_counts(monkeypatch):
    monkeypatch.setattr(memory, "_left_of_limits", lambda root: iter([3000.0, 1000.0, 2000.0]))
    assert memory.usable_bytes() == 600


def test_devices_with_memory_of_their_own_are_asked(monkeypatch):
    def gpu(in_use):
        stats = {"bytes_limit": 1000, "bytes_in_use": in_use}
        return SimpleNamespace(platform="gpu", memory_stats=lambda: stats)

    monkeypatch.setattr(jax, "local_devices", lambda: [gpu(300), gpu(500)])
    assert memory.usable_bytes() == 0.6 * 1200
    monkeypatch.setattr(memory, "_left_of_limits", lambda root: iter([1000.0]))
    for stats in (None, {}, {"bytes_in_use": 5}):
        silent = SimpleNamespace(platform="tpu", memory_stats=lambda stats=stats: stats)
        monkeypatch.setattr(jax, "local_devices", lambda silent=silent: [gpu(300), silent])
        assert memory.usable_bytes() == 600


def write_tree(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, []),
        ({"proc/self/cgroup": ""}, []),
        ({"proc/self/cgroup": "0::/\n"}, []),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{V2}/a/b/memory.max": "max\n",
                f"{V2}/a/b/memory.current": "5\n",
                f"{V2}/a/memory.max": "700\n",
                f"{V2}/a/memory.current": "100\n",
                f"{V2}/memory.current": "9\n",
            },
            [600],
        ),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{V2}/a/b/memory.max": "500\n",
                f"{V2}/a/b/memory.current": "30\n",
                f"{V2}/a/memory.max": "700\n",
                f"{V2}/a/memory.current": "600\n",
                f"{V2}/memory.max": "9000\n",
                f"{V2}/memory.current": "2000\n",
            },
            [470, 100, 7000],
        ),
        (  # of 400 bytes in use, 350 are files that can be dropped
            {
                "proc/self/cgroup": "0::/a\n",
                f"{V2}/a/memory.max": "500\n",
                f"{V2}/a/memory.current": "400\n",
                f"{V2}/a/memory.stat": "anon 50\nfile 350\ninactive_file 200\nactive_file 150\n",
            },
            [450],
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,memoryless:/c\n4:hugetlb,memory:/a\n1:name=systemd:/s\n0::/\n",
                f"{V1}/a/memory.limit_in_bytes": "800\n",
                f"{V1}/a/memory.usage_in_bytes": "300\n",
                f"{V1}/a/memory.stat": "inactive_file 1\ntotal_inactive_file 20\ntotal_active_file 3\n",
                f"{V1}/memory.limit_in_bytes": "9223372036854771712\n",
                f"{V1}/memory.usage_in_bytes": "0\n",
                f"{V1}/c/memory.limit_in_bytes": "1\n",
                f"{V1}/c/memory.usage_in_bytes": "1\n",
            },
            [523, 9223372036854771712],
        ),
        (  # inside a container the path is the host's, and the group is the root of what is mounted
            {
                "proc/self/cgroup": "4:memory:/docker/0123\n",
                f"{V1}/memory.limit_in_bytes": "800\n",
                f"{V1}/memory.usage_in_bytes": "300\n",
            },
            [500],
        ),
    ],
    ids=["nothing", "empty", "no limit", "max", "nested", "files", "version 1", "container"],
)
def test_limits_of_control_groups_are_read(tmp_path, files, left):
    write_tree(tmp_path, files)
    assert sorted(memory._left_of_limits(tmp_path)) == sorted(left)


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 160 bytes"), True),
        (MemoryError(), True),
        (np._core._exceptions._ArrayMemoryError((10,), np.dtype(float)), True),
        (jax.errors.JaxRuntimeError("INTERNAL: something"), False),
        (fn.InputError("out of bounds"), False),
        (KeyboardInterrupt(), False),
    ],
    ids=repr,
)
def test_out_of_memory_is_told_from_other_errors(error, is_it):
    assert memory.is_out_of_memory(error) == is_it


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


def sweep(data, folder, **options):
    return fn.sweep(
        fn.mlp_recipe(data), LANES, data, **{"num_steps": 20, "lanes": 16, "store": folder, **options}
    )


@pytest.fixture(scope="module")
def undisturbed(data):
    return sweep(data, None)


def running_out(monkeypatch, most_lanes, until=0):
    """Let segments of more lanes on a device fail but for the first; returns a list of the lanes of all."""
    train_segment, lanes_tried = worker.train_segment, []

    def small_only(program, spec, *arguments):
        lanes_tried.append(spec.lanes)
        if spec.lanes > most_lanes and len(lanes_tried) > until:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return train_segment(program, spec, *arguments)

    monkeypatch.setattr(worker, "train_segment", small_only)
    return lanes_tried


def test_out_of_memory_halves_the_lanes_until_it_fits(data, undisturbed, tmp_path, monkeypatch):
    lanes_tried = running_out(monkeypatch, 4)
    results = sweep(data, tmp_path)
    assert sorted(set(lanes_tried)) == [4, 8, 16] and lanes_tried[:3] == [16, 8, 4]
    assert [group["lanes"] for group in Store(tmp_path).read_plan()["groups"]] == [4]
    assert len(set(results["id"])) == len(results["id"]) == len(LANES) == 35
    assert len(list((tmp_path / "chunks").iterdir())) == 5
    for name in ("train_loss", "test_loss", "test_accuracy"):
        np.testing.assert_allclose(results[name], undisturbed[name], rtol=1e-6, atol=1e-6)
    assert fn.open_results(tmp_path).table().equals(results.table())


@pytest.mark.slow
def test_out_of_memory_at_one_lane_says_what_a_run_needs_and_keeps_the_rest(
    data, undisturbed, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch, pytest.raises(fn.InputError) as refused:
        running_out(patch, 0, until=1)
        sweep(data, tmp_path, lanes=2)
    needed, usable = (
        int(number.replace(",", "")) for number in re.findall(r"\d[\d,]+(?= bytes| may)", str(refused.value))
    )
    one_run, examples = 4 * (4 * 3 + 3), sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    assert 2 * (one_run + examples) < needed < 10 * (one_run + examples), "on two devices"
    assert math.isclose(usable, memory.usable_bytes(), rel_tol=0.2)
    kept = fn.open_results(tmp_path)
    assert kept.table().height == 4, "the first chunk, two lanes on two devices"
    rows = kept["id"].tolist()
    assert sweep(data, tmp_path, lanes=2)["id"][:4].tolist() == rows


def test_other_errors_are_raised(data, tmp_path):
    def failing(event):
        if isinstance(event, Segment):
            raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        sweep(data, tmp_path, on_event=failing)


TOO_LARGE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (40 * 2**30,) * 2)
import fnnet as fn
from fnnet.lanes import cost
from fnnet.sweeps import worker
def refused(*args):
    raise AssertionError("nothing may be run")
cost._timed = worker.train_segment = refused
data = fn.load_dataset("iris")
space = fn.grid(width=200_000, depth=2, learning_rate=[0.1], seed=range(2))
try:
    fn.sweep(fn.mlp_recipe(data), space, data, num_steps=5, store=sys.argv[1])
except fn.InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_too_large_network_is_refused_before_training(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", TOO_LARGE, str(tmp_path / "store")],
        env=os.environ | {"FNNET_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    found = re.search(r"needs ([\d,]+) bytes with its data, and ([\d,]+) may be used", run.stdout)
    assert found, run.stdout + run.stderr
    needed, usable = (int(number.replace(",", "")) for number in found.groups())
    assert needed > 4 * 200_000**2 > usable
    assert not (tmp_path / "store").exists()
