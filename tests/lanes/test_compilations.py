"""Compiled programs: how many there are, and that a second process compiles none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT_COMPILATIONS = """
import jax, json, sys
import fnnet as fn
counts = {"hit": 0, "miss": 0}
def listen(event, **metadata):
    if event == "/jax/compilation_cache/cache_misses" : counts["miss"] += 1
    if event == "/jax/compilation_cache/cache_hits": counts["hit"] += 1
jax.monitoring.register_event_listener(listen)
data = fn.load_dataset("iris")
space = fn.grid(depth=[1, 2, 3, 4], width=[3, 5], learning_rate=fn.logspace(0.01, 1, 16), seed=range(4))
make, made = fn.mlp_recipe(data), []
results = fn.sweep(make, space, data, num_steps=20)
assert results.table().height == 512
print(json.dumps(counts))
"""


@pytest.mark.slow
def test_program_is_compiled_once_a_group_and_never_again(tmp_path):
    """Three programs a group (begin, steps, measure), none of them in a second process."""

    def counted():
        environment = os.environ | {"FNNET_CACHE": str(tmp_path)}
        run = subprocess.run(
            [sys.executable, "-c", COUNT_COMPILATIONS],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(run.stdout)

    first = counted()
    steps = [path for path in Path(tmp_path).rglob("jit_steps-*") if path.name.endswith("-cache")]
    assert len(steps) == 8
    second = counted()
    assert second["miss"] == 0 and second["hit"] == first["miss"] + first["hit"]
