"""A worker in another process, which is given only bytes, trains a chunk to the same bits."""

import json
import os
import pickle
import subprocess
import sys

import chex
import cloudpickle
import jax
import numpy as np
import pytest

import fnnet as fn
from fnnet.lanes.chunk import ChunkSpec, train_segment
from fnnet.lanes.program import make_mesh, make_program, shared_sharding
from fnnet.sweeps.job import cut_chunks

WORKER = """
import json, pickle, sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
from fnnet.lanes.chunk import ChunkSpec, train_segment
from fnnet.lanes.program import make_mesh, make_program, shared_sharding
recipe, data, spec, state, first_step, stop = pickle.load(sys.stdin.buffer)
spec, mesh = ChunkSpec.from_json(json.loads(spec)), make_mesh()
program = make_program(pickle.loads(recipe)(**spec.static), mesh, max_steps=20)
progress, points = train_segment(program, spec, jax.device_put(data, shared_sharding(mesh)), state, first_step, stop)
host = jax.tree.map(lambda leaf: leaf[: len(spec.run_ids)], jax.device_get(progress))
pickle.dump((host, points), sys.stdout.buffer)
"""


@pytest.fixture(scope="module")
def chunk():
    """A chunk of five runs of a closure over the data, as a sweep cuts it."""
    data = fn.load_dataset("iris")

    def recipe(depth=1, activation="tanh"):
        network = fn.mlp(4, [7] * depth, 3, activation=activation)
        optimizer = fn.from_hparams("sgd", momentum=0.5)
        return fn.supervised(network, "cross_entropy", optimizer=optimizer, batch_size=16)

    space = fn.grid(depth=[2], learning_rate=[0.01, 0.1, 0.3, 1.0, 3.0], data_seed=[4])
    prepared = fn.prepare(recipe, space, data, num_steps=40, eval_every=10, lanes=4)
    (job,) = prepared.jobs
    ((spec, _),) = cut_chunks(
        prepared.plan, prepared.plan.space.ids(), job, prepared.crew.worker.num_devices, job.runs, 10, [40]
    )
    return recipe, data, spec, prepared


def elsewhere(recipe, data, spec, state, first_step, stop):

    sent = (cloudpickle.dumps(recipe), data, json.dumps(spec.to_json()), state, first_step, stop)
    ended = subprocess.run(
        [sys.executable, "-c", WORKER],
        input=pickle.dumps(sent),
        capture_output=True,
        env={**os.environ, "FNNET_CACHE": os.environ["FNNET_CACHE"]},
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return pickle.loads(ended.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [[], [7, 25]], ids=str)
def test_worker_that_gets_bytes_trains_the_same_bits(chunk, cuts):
    recipe, data, spec, prepared = chunk
    program = make_program(recipe(**spec.static), make_mesh(), max_steps=20)
    progress, expected = train_segment(
        program, spec, jax.device_put(data, shared_sharding(make_mesh())), None, 0, 40
    )
    state, points, first_step = None, [], 0
    for stop in [*cuts, 40]:
        state, more = elsewhere(recipe, data, spec, state, first_step, stop)
        points, first_step = points + more, stop
    chex.assert_trees_all_equal(state, jax.tree.map(lambda leaf: leaf[:5], jax.device_get(progress)))
    chex.assert_trees_all_equal(points, expected)
    assert [point["step"][0] for point in points] == [10, 20, 30, 40]
    assert ChunkSpec.from_json(spec.to_json()) == spec
    results = fn.execute(prepared)
    np.testing.assert_array_equal(results["test_loss"], points[-1]["test_loss"])
