"""Sweeps on Ray, on a cluster of this machine."""

import os
import signal

import numpy as np
import pytest

import fnnet as fn
from fnnet import engines

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [
    pytest.mark.slow,
    # Of Ray itself: sockets and processes that it leaves to the end of the process.
    pytest.mark.filterwarnings("ignore"),
]
DATA = fn.load_dataset("iris")
SPACE = fn.grid(depth=[0, 1], learning_rate=[0.03, 0.1, 0.3], seed=range(2))
OPTIONS = {"num_steps": 12, "eval_every": 4, "lanes": 2}


@pytest.fixture(scope="module")
def engine():
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield engines.ray(2)
    ray.shutdown()


def recipe(depth):
    network = fn.mlp(DATA.num_features, [5] * depth, DATA.num_outputs)
    return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)


def test_ray_trains_to_the_same_numbers(engine, tmp_path):
    results = fn.sweep(recipe, SPACE, DATA, engine=engine, store=tmp_path, **OPTIONS)
    expected = fn.sweep(recipe, SPACE, DATA, **OPTIONS)
    for name in expected:
        if name not in ("seconds", "chunk", "lane"):
            np.testing.assert_array_equal(results[name], expected[name], err_msg=name)
    attempts = engines.read_attempts(tmp_path)
    here = f"{os.uname().nodename}:{os.getpid()}"
    assert here not in set(attempts["worker"]) and attempts["runs"].sum() == len(SPACE)


def test_lost_worker_is_replaced_and_a_run_that_kills_is_given_up(engine, tmp_path):
    import jax
    import jax.numpy as jnp

    killed = tmp_path / "killed"

    def poisonous():
        def kill(rate):
            once = rate == 0.25 and not killed.exists()
            killed.touch() if once else None
            if rate == 2.0 or once:
                os.kill(os.getpid(), signal.SIGKILL)
            return rate

        def step(key, hparams, w, batch):
            shape = jax.ShapeDtypeStruct((), "float32")
            return w - jax.pure_callback(kill, shape, hparams["rate"], vmap_method="sequential"), {"loss": w}

        return fn.Task(lambda key, hparams, data: jnp.ones(()), step, lambda hparams, w, data: {"left": w})

    space = fn.grid(rate=[0.25, 0.5, 1.0, 2.0, 4.0])
    # What is not measured is not run before it trains.
    results = fn.sweep(poisonous, space, None, num_steps=1, lanes=4, engine=engine, store=tmp_path / "s")
    assert results["rate"].tolist() == [0.25, 0.5, 1.0, 4.0]
    np.testing.assert_array_equal(results["left"], [0.75, 0.5, 0.0, -3.0])
    attempts = engines.read_attempts(tmp_path / "s")
    failed = attempts.filter(attempts["outcome"] == "failed")
    assert failed["runs"].to_list() == [1] and "ActorDied" in failed["reason"][0]
    assert killed.exists() and (attempts["outcome"] == "lost").sum() >= 3


def test_cluster_without_room_for_a_worker_is_refused(engine):
    with pytest.raises(fn.InputError, match="too few for a worker with cpus=64"):
        engines.ray(cpus=64)
    with pytest.raises(fn.InputError, match="0 GPUs, too few"):
        engines.ray(gpus=1)
