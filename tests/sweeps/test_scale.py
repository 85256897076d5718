"""What a coordinator costs, through workers that answer at once."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import fnnet as fn
from fnnet.space.groups import traced_columns


def through_coordinator(num_runs, sync):
    """Sweep in chunks of 8 runs in a process that does nothing else."""
    code = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[1])\n"
        "from peers.coordinator import through_coordinator\n"
        f"print(json.dumps(through_coordinator({num_runs}, 8, 5, 0.0, {sync})._asdict()))"
    )
    command = [sys.executable, "-c", code, json.dumps(sys.path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
def test_65_536_runs_in_a_store_take_less_than_150_mb():
    spent = through_coordinator(65_536, False)
    # Besides the libraries, of which more or less is resident.
    assert spent["chunks"] == 8192 and 0 < spent["peak_bytes"] - spent["prepared_bytes"] < 150e6


def bytes_of_a_chunk(num_runs):
    """Take 8 runs from a random design, whose values are all different; return the memory that it takes."""
    space = fn.random_design(num_runs, seed=0, start=fn.Uniform(0.5, 2), factor=fn.LogUniform(0.1, 0.9))

    def take(runs):
        columns = traced_columns(space, ("start", "factor"), runs)
        assert columns["start"].tolist() == space.take(runs).column("start").tolist()

    take(np.arange(8))  # what is kept for the next chunks is not theirs
    tracemalloc.start()
    take(np.arange(8, 16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_chunk_of_a_large_design_costs_no_more_than_one_of_a_small_design():
    assert bytes_of_a_chunk(80_000) < 2 * bytes_of_a_chunk(800)
