"""The coordinator under random schedules: answers late and out of order, workers lost, runs that kill their worker."""

import collections
import random
from concurrent.futures import Future

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.engines.engine import Engine
from fnnet.sweeps import coordinator, worker
from fnnet.sweeps.events import Committed, Failed
from fnnet.sweeps.worker import Trained

EVERY, STEPS, LANES = 3, 7, 2
SPACE = fn.grid(power=[1, 2], start=[float(start) for start in range(1, 10)])


class Lost(Exception):
    """A worker is gone."""


def recipe(power):
    return fn.Task(
        init=lambda key, hparams, data: jnp.float32(hparams["start"]),
        step=lambda key, hparams, w, batch: (w * 0.5**power, {"loss": w}),
        measure=lambda hparams, w, data: {"train_loss": w},
    )


def trained(group, spec, leaves, first_step, stop):
    """Compute what training would return, by hand."""
    start, power = np.array(spec.traced["start"], np.float32), spec.static["power"]
    assert first_step == 0 or np.array_equal(leaves[0], start * np.float32(0.5) ** (power * first_step))

    def w(step):
        return start * np.float32(0.5) ** (power * step)

    points = []
    for step in range(first_step + 1, stop + 1):
        if spec.is_measured(step):
            since = range(spec.last_measured(step), step)
            mean = sum(w(each) for each in since) / np.float32(len(since))
            points.append(
                {"step": np.full(len(start), step, np.int32), "batch_loss": mean, "train_loss": w(step)}
            )
    leaves = [w(stop), np.full(len(start), -1, np.int32), np.zeros(len(start), np.float32)]
    return leaves, points


class Cluster:
    """Workers that answer when a random schedule says so."""

    def __init__(self, seed, poison=()):
        self.random, self.poison = random.Random(seed), set(poison)
        self.calls, self.unlucky, self.num_lost, self.most = {}, {}, 0, 0
        self.engine = Engine(self.submit, None, 2, None, lambda error: isinstance(error, Lost), "fake")

    def submit(self, function, open_workspace, first, *arguments):
        assert function is worker.train
        future = Future()
        self.calls[future] = arguments
        self.most = max(self.most, len(self.calls))
        return future

    def answer_some(self):
        """Answer some of the calls that wait, at random."""
        ended = self.random.sample(sorted(self.calls, key=id), self.random.randint(1, len(self.calls)))
        for future in ended:
            self.answer(future, *self.calls.pop(future))

    def answer(self, future, group, spec, leaves, first_step, segment, seconds):
        # A healthy run that is alone and three times unlucky would rightly be given up.
        is_spared = len(spec.run_ids) == 1 and self.unlucky.get(spec.id, 0) == 2
        if self.poison.intersection(spec.run_ids) or (not is_spared and self.random.random() < 0.15):
            self.num_lost += 1
            self.unlucky[spec.id] = self.unlucky.get(spec.id, 0) + 1
            future.set_exception(Lost("gone"))
            return
        self.unlucky[spec.id] = 0
        stop = self.random.randint(first_step + 1, STEPS)
        leaves, points = trained(group, spec, leaves, first_step, stop)
        future.set_result(Trained(leaves, stop, points, 0.1, "fake:1"))


@pytest.fixture(scope="module")
def prepared():
    return fn.prepare(recipe, SPACE, None, num_steps=STEPS, eval_every=EVERY, lanes=LANES)


@pytest.fixture(scope="module")
def expected(prepared):
    return fn.execute(prepared)


def run(prepared, cluster, monkeypatch, **options):
    """Execute a prepared sweep on a cluster; returns the results and the events."""
    events = []

    class Ended(collections.deque):
        """The queue of answers, which come when the coordinator waits for one."""

        put = collections.deque.append

        def get(self, timeout):
            if not self:
                cluster.answer_some()
            return self.popleft()

    monkeypatch.setattr(coordinator, "SimpleQueue", Ended)
    crew = prepared.crew._replace(engine=cluster.engine)
    options = prepared.options.__class__(**{**vars(prepared.options), "on_event": events.append, **options})
    return fn.execute(prepared._replace(crew=crew, options=options)), events


def assert_all_there_once(results, events, expected, poison):
    committed = [run_id for event in events if isinstance(event, Committed) for run_id in event.rows["id"]]
    failed = [run_id for event in events if isinstance(event, Failed) for run_id in event.spec.run_ids]
    assert sorted(failed) == sorted(poison)
    assert sorted([*committed, *failed]) == sorted(SPACE.ids().tolist())
    there = np.isin(expected["id"], results["id"])
    assert there.sum() == len(results) == len(committed)
    for name in ("train_loss", "step_curve", "train_loss_curve", "batch_loss_curve", "diverged_at"):
        np.testing.assert_allclose(results[name], expected[name][there], rtol=1e-6, err_msg=name)


def poison_of(seed):
    chosen = random.Random(-seed)
    return chosen.sample(SPACE.ids().tolist(), chosen.choice([0, 0, 0, 1, 2]))


@pytest.mark.parametrize(
    "seeds", [range(100), pytest.param(range(100, 2000), marks=pytest.mark.slow)], ids=len
)
def test_every_run_is_trained_once_whatever_workers_do(prepared, expected, monkeypatch, seeds):
    num_lost = 0
    for seed in seeds:
        cluster, poison = Cluster(seed, poison_of(seed)), poison_of(seed)
        results, events = run(prepared, cluster, monkeypatch)
        assert_all_there_once(results, events, expected, poison)
        assert cluster.most == 4 and not cluster.calls, "twice as many orders as workers"
        num_lost += cluster.num_lost
    assert num_lost > len(seeds)
