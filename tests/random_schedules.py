"""Sweeps through the coordinator on a cluster in virtual time, where anything may happen to an order.

Workers are slow, hang, get lost, run out of memory or compute wrong bits, at random; answers come late, in any order,
and after the sweep was stopped. `python tests/random_schedules.py 5000` checks as many schedules.
"""

import argparse
import collections
import heapq
import random
import signal
import sys
import tempfile
import time
import warnings
from concurrent.futures import Future
from pathlib import Path
from queue import Empty
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from fnnet.engines import read_attempts
from fnnet.engines.engine import Engine
from fnnet.records.store import Store
from fnnet.sweeps import flights, worker
from fnnet.sweeps.coordinator import coordinate
from fnnet.sweeps.events import Committed, Failed
from fnnet.sweeps.interrupt import Stopped
from fnnet.sweeps.stage import Stage
from fnnet.sweeps.worker import Trained

EVERY, STEPS, LANES = 3, 7, 2
SPACE = fn.grid(power=[1, 2], start=[float(start) for start in range(1, 10)])
IDS = SPACE.ids().tolist()
COLUMNS = ("train_loss", "step_curve", "train_loss_curve", "batch_loss_curve", "diverged_at")
MAX_ATTEMPTS = 3
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Lost(Exception):
    """A worker is gone."""


def recipe(power):
    return fn.Task(
        init=lambda key, hparams, data: jnp.float32(hparams["start"]),
        step=lambda key, hparams, w, batch: (w * 0.5**power, {"loss": w}),
        measure=lambda hparams, w, data: {"train_loss": w},
    )


def train_by_hand(spec, leaves, first_step, stop, is_faulty):
    """Compute what training returns; a faulty worker's last bits are others."""
    start, power = np.array(spec.traced["start"], np.float32), spec.static["power"]

    def w(step):
        exact = start * np.float32(0.5) ** (power * step)
        return np.nextafter(exact, np.float32(np.inf)) if is_faulty else exact

    if first_step:
        assert (abs(leaves[0] / w(first_step) - 1) < 1e-6).all()
    points = []
    for step in range(first_step + 1, stop + 1):
        if spec.is_measured(step):
            since = range(spec.last_measured(step), step)
            mean = sum(map(w, since)) / np.float32(len(since))
            points.append(
                {"step": np.full(len(start), step, np.int32), "batch_loss": mean, "train_loss": w(step)}
            )
    return [w(stop), np.full(len(start), -1, np.int32), np.zeros(len(start), np.float32)], points


class Cluster:
    """Workers in virtual time."""

    def __init__(self, seed, stop_after=None):
        """Draw what kind of cluster it is.

        Args:
            seed: of all that happens.
            stop_after: how many answers before the sweep gets a signal; None for no signal.
        """
        self.random, self.stop_after = random.Random(seed), stop_after
        draw = self.random
        self.num_workers = draw.randint(2, 4)
        self.poison = set(draw.sample(IDS, draw.choice([0, 0, 0, 1, 2])))
        self.faulty = {0} if draw.random() < 0.3 else set()
        self.slowness = draw.choice([0.0, 0.2, 0.4])
        self.now, self.idle = 0.0, list(range(self.num_workers))
        self.waiting = collections.deque()  # calls without a worker
        self.training = []  # (when it ends, number of the call, future, what comes of it)
        self.there = collections.deque()  # futures that have ended
        self.keys, self.out = (
            {},
            collections.Counter(),
        )  # of orders, by future; and how many workers have each
        self.sent, self.losses, self.answers = collections.Counter(), collections.Counter(), {}
        self.num_received = self.num_lost = self.num_again = self.num_differing = self.most = 0
        self.engine = Engine(
            self.submit, None, self.num_workers, None, lambda error: isinstance(error, Lost), "virtual"
        )

    def submit(self, function, open_workspace, *arguments):
        assert function is worker.train
        _, _, spec, _, first_step, _, _ = arguments
        future, key = Future(), (spec.id, spec.lanes, first_step)
        self.keys[future] = key
        self.sent[key] += 1
        self.out[key] += 1
        self.num_again += self.out[key] > 1
        self.waiting.append((future, arguments))
        self.most = max(self.most, len(self.waiting) + len(self.training))
        self.begin()
        return future

    def begin(self):
        """Give calls that wait to idle workers."""
        while self.waiting and self.idle:
            future, arguments = self.waiting.popleft()
            if future.set_running_or_notify_cancel():
                number = self.idle.pop(self.random.randrange(len(self.idle)))
                seconds, become = self.draw_end(number, self.keys[future], *arguments)
                heapq.heappush(
                    self.training, (self.now + seconds, len(self.sent), id(future), future, number, become)
                )

    def draw_end(self, number, key, first, group, spec, leaves, first_step, segment, seconds):
        """Draw how long a call takes and what comes of it."""
        draw = self.random
        stop = draw.randint(first_step + 1, spec.stops[-1])
        taken = (stop - first_step) * draw.uniform(0.1, 0.4)
        if draw.random() < self.slowness:
            taken *= draw.uniform(10, 40)
        # A healthy run that is alone and three times unlucky would rightly be given up.
        is_spared = len(spec.run_ids) == 1 and self.losses[key] == MAX_ATTEMPTS - 1
        if self.poison.intersection(spec.run_ids) or (draw.random() < 0.12 and not is_spared):
            self.losses[key] += 1
            self.num_lost += 1
            return taken, Lost("gone")
        if spec.lanes > 1 and draw.random() < 0.01:
            return taken, MemoryError("RESOURCE_EXHAUSTED: out of memory")
        leaves, points = train_by_hand(spec, leaves, first_step, stop, number in self.faulty)
        return taken, Trained(leaves, stop, points, taken, f"worker:{number}")

    def end_next(self):
        """End the call that takes the least time."""
        ends, _, _, future, number, become = heapq.heappop(self.training)
        self.now = max(self.now, ends)
        self.idle.append(number)
        self.out[self.keys[future]] -= 1
        future.set_exception(become) if isinstance(become, Exception) else future.set_result(become)
        self.begin()

    def put(self, future):
        """Take note of a future that has ended, as the queue of the coordinator does."""
        self.there.append(future)

    def get(self, timeout):
        """Return the next one, as the queue of the coordinator does."""
        busy = self.random.choice([0.0, 0.0, 0.5])  # what the coordinator did meanwhile
        while self.training and self.training[0][0] <= self.now + (busy if self.there else timeout):
            self.end_next()
        if not self.there:
            self.now += timeout
            raise Empty
        self.num_received += 1
        if self.num_received == self.stop_after:
            signal.raise_signal(signal.SIGINT)
        future = self.there.popleft()
        if not future.cancelled() and future.exception() is None:
            self.receive(self.keys[future], future.result())
        return future

    def receive(self, key, answer):
        """Compare with an earlier answer to the same order, as far as both go."""
        first = self.answers.setdefault(key, answer)
        if first is not answer:
            pairs = list(zip(first.points, answer.points, strict=False))
            pairs += [(first.leaves, answer.leaves)] * (first.step == answer.step)
            self.num_differing += not all(
                np.array_equal(one, other)
                for pair in pairs
                for one, other in zip(*map(jax.tree.leaves, pair), strict=True)
            )

    def end_all(self):
        """End what is still training."""
        while self.training:
            self.end_next()


class Outcome(NamedTuple):
    """What came of a schedule."""

    cluster: Cluster
    events: list
    tables: list
    alarms: list
    is_stopped: bool
    ended_at: float


def run(prepared, cluster, *, stages=None, action="always"):
    """Train a prepared sweep on a cluster, in one stage if not said otherwise; `action` is what warnings do."""
    prepared = prepared._replace(crew=prepared.crew._replace(engine=cluster.engine))
    events, tables, is_stopped = [], [], False
    with (
        mock.patch.object(flights, "SimpleQueue", lambda: cluster),
        mock.patch.object(flights, "monotonic", lambda: cluster.now),
        warnings.catch_warnings(record=True) as alarms,
    ):
        warnings.simplefilter(action)
        try:
            with coordinate(prepared, events.append) as coordinator:
                for stage in stages or [Stage(prepared.runs, [STEPS])]:
                    tables += coordinator.train(stage)
        except Stopped:
            is_stopped = True
        num_events, ended_at = len(events), cluster.now
        cluster.end_all()
    assert len(events) == num_events, "nothing happens after the end"
    assert not cluster.waiting or all(future.cancelled() for future, _ in cluster.waiting)
    messages = [str(alarm.message) for alarm in alarms]
    return Outcome(cluster, events, tables, messages, is_stopped, ended_at)


def check(outcome, expected):
    """Check what holds under any schedule."""
    cluster, events = outcome.cluster, outcome.events
    committed = [run_id for event in events if isinstance(event, Committed) for run_id in event.rows["id"]]
    given_up = [run_id for event in events if isinstance(event, Failed) for run_id in event.spec.run_ids]
    assert len({*committed, *given_up}) == len(committed) + len(given_up), "each run once"
    assert cluster.poison.issuperset(given_up)
    assert outcome.is_stopped == (
        cluster.stop_after is not None and cluster.num_received >= cluster.stop_after
    )
    if not outcome.is_stopped:
        assert len(committed) + len(given_up) == len(SPACE) and cluster.poison == set(given_up)
    assert max(cluster.sent.values()) <= MAX_ATTEMPTS
    assert cluster.most <= 2 * cluster.num_workers, "twice as many orders as workers"
    assert len(outcome.alarms) == cluster.num_differing
    assert all("worker:0" in alarm and "different bits" in alarm for alarm in outcome.alarms)
    if outcome.tables:
        check_numbers(outcome.tables, expected)


def check_numbers(tables, expected):
    """Compare the rows of finished chunks with what they should be, up to the last bits of faulty workers."""
    place = {run_id: place for place, run_id in enumerate(expected["id"].tolist())}
    places = [place[run_id] for rows in tables for run_id in rows["id"]]
    for name in COLUMNS:
        column, wanted = np.concatenate([rows[name] for rows in tables]), expected[name][places]
        assert column.shape == wanted.shape and (abs(column - wanted) <= 1e-6 * abs(wanted)).all(), name


def prepare():
    """Return the prepared sweep, and its results as they are without any cluster."""
    prepared = fn.prepare(recipe, SPACE, None, num_steps=STEPS, eval_every=EVERY, lanes=LANES)
    return prepared, fn.execute(prepared)


def check_schedule(seed, prepared, expected):
    """Run one schedule and check it; one in four gets a signal, one in fifty has a store and is taken up again."""
    draw = random.Random(-seed)
    stop_after = draw.randint(1, 25) if seed % 4 == 3 else None
    if seed % 50 != 3:
        outcome = run(prepared, Cluster(seed, stop_after))
        check(outcome, expected)
        return outcome
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK) as folder:
        store = Store(folder)
        outcome = run(prepared._replace(store=store), Cluster(seed, stop_after))
        check(outcome, expected)
        rest = outcome
        while rest.is_stopped or len(fn.open_results(folder)) < len(SPACE):
            rest = run(prepared._replace(store=store), Cluster(seed := seed + 1))
            assert len(rest.alarms) == rest.cluster.num_differing
        results, attempts = fn.open_results(folder), read_attempts(folder)
        assert results["id"].tolist() == IDS
        for name in COLUMNS:
            np.testing.assert_allclose(results[name], expected[name], rtol=1e-6, err_msg=name)
        trained = attempts.filter(attempts["outcome"] == "trained")
        assert trained["runs"].sum() == len(SPACE) and trained["chunk"].is_unique().all()
    return outcome


def check_schedules(number):
    """Check schedules; returns what happened in them, counted."""
    prepared, expected = prepare()
    total = collections.Counter()
    for seed in range(number):
        try:
            outcome = check_schedule(seed, prepared, expected)
        except BaseException:
            print(f"schedule {seed}:", file=sys.stderr)
            raise
        cluster = outcome.cluster
        total["orders"] += sum(cluster.sent.values())
        total["losses"] += cluster.num_lost
        total["second_copies"] += cluster.num_again
        total["alarms"] += len(outcome.alarms)
        total["stopped"] += outcome.is_stopped
    return total


def main():
    """Check schedules and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    arguments = parser.parse_args()
    started, started_cpu = time.perf_counter(), time.process_time()
    total = check_schedules(arguments.number)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    print(f"{arguments.number} schedules in {seconds:.1f} s ({cpu_seconds:.1f} s of CPU): {dict(total)}")


if __name__ == "__main__":
    main()
