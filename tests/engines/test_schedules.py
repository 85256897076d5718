"""The coordinator under random schedules, see `random_schedules`: each run is trained once, whatever workers do."""

import subprocess
import sys

import pytest
import random_schedules


def test_every_run_is_trained_once_whatever_workers_do():
    total = random_schedules.check_schedules(60)
    assert min(total[name] for name in ("losses", "second_copies", "stopped", "alarms")) > 0
    assert total["orders"] > 15 * 60


@pytest.mark.slow
def test_thousands_of_schedules():
    """In a process of its own, without the shape checks of the tests."""
    ended = subprocess.run(
        [sys.executable, random_schedules.__file__, "5000"], capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
