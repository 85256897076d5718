"""Short versions of what `make faults` does at length."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["store_faults.py", "--seeds", "2", "--damages", "100", "--chunks", "25"],
        ["kill_sweep.py", "--kills", "5"],
    ],
    ids=lambda command: command[0],
)
def test_stores_survive_faults(command):
    """In a process of its own, with the environment a user would have."""
    environment = {name: value for name, value in os.environ.items() if name != "FNNET_CACHE"}
    run = subprocess.run(
        [sys.executable, *command], cwd=FAULTS, env=environment, capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stdout + run.stderr
