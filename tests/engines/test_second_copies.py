"""Orders that take too long are sent a second time; the answers are compared, and the end waits for no loser."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from random_schedules import SPACE, STEPS, Cluster, Lost, check_numbers, prepare, run, train_by_hand

import fnnet as fn
from fnnet import engines
from fnnet.engines import read_attempts
from fnnet.records.store import Store
from fnnet.sweeps import flights
from fnnet.sweeps.events import Committed
from fnnet.sweeps.stage import Stage
from fnnet.sweeps.worker import Trained

NUM_CHUNKS = 6  # 9 runs for each of two programs, 2 lanes on each of 2 devices


class Scripted(Cluster):
    """Workers that take a second for a chunk, but for some calls, by number."""

    def __init__(self, num_workers, seconds, faulty=(), lost=()):
        super().__init__(0)
        self.num_workers, self.idle = num_workers, list(range(num_workers))
        self.engine = self.engine._replace(num_workers=num_workers)
        self.seconds, self.faulty, self.lost = seconds, faulty, lost
        self.begun, self.slowness = [], 0.0  # when each call began, and what it was

    def draw_end(self, number, key, first, group, spec, leaves, first_step, segment, seconds):
        call = len(self.begun)
        self.begun.append((self.now, spec.id, f"worker:{number}"))
        taken = self.seconds.get(call, 1.0)
        if call in self.lost:
            return taken, Lost("gone")
        stop = spec.stops[-1]
        leaves, points = train_by_hand(spec, leaves, first_step, stop, call in self.faulty)
        return taken, Trained(leaves, stop, points, taken, f"worker:{number}")


@pytest.fixture(scope="module")
def planned():
    return prepare()


def assert_all_trained(outcome, expected):
    ids = [run_id for event in outcome.events if isinstance(event, Committed) for run_id in event.rows["id"]]
    assert sorted(ids) == sorted(SPACE.ids().tolist())
    check_numbers(outcome.tables, expected)


def test_hanging_worker_delays_nothing(planned):
    prepared, expected = planned
    cluster = Scripted(2, {4: 1000.0})
    outcome = run(prepared, cluster)
    assert_all_trained(outcome, expected)
    assert len(cluster.begun) == NUM_CHUNKS + 1 and not outcome.alarms
    (hung_at, hung, hung_worker), (again_at, again, worker) = cluster.begun[4], cluster.begun[6]
    assert again == hung and worker != hung_worker
    # Orders waited until 2 s; three times the second that the others took, and two in which to compile.
    assert hung_at == 2.0 and 7.0 < again_at <= 8.0
    assert outcome.ended_at == again_at + 1


def test_no_second_copy_while_other_orders_wait(planned):
    prepared, expected = planned
    cluster = Scripted(2, {0: 1000.0, 2: 6.0, 3: 6.0, 4: 6.0, 5: 6.0})
    assert_all_trained(run(prepared, cluster), expected)
    # All orders but the first one train on the other worker.
    assert [at for at, _, _ in cluster.begun[:6]] == [0.0, 0.0, 1.0, 7.0, 13.0, 19.0]
    ((at, chunk, _),) = cluster.begun[6:]
    assert at > 25.0 and chunk == cluster.begun[0][1]


def test_no_second_copy_where_nothing_is_known_of_its_kind(planned):
    prepared, _ = planned
    prepared = prepared._replace(runs=prepared.runs[[0, 1, 9]])  # a chunk of each program
    cluster = Scripted(2, {1: 500.0})
    run(prepared, cluster)
    assert len(cluster.begun) == 2


LATE = {4: 9.0, 5: 30.0, 7: 6.0}  # with three workers, call 6 repeats call 4, and 7 repeats 5


@pytest.mark.parametrize("faulty", [(), (4,), (6,), (4, 6)])
def test_second_answer_is_compared_with_the_first(planned, tmp_path, faulty):
    prepared, expected = planned
    cluster = Scripted(3, LATE, faulty=faulty)
    outcome = run(prepared._replace(store=Store(tmp_path)), cluster)
    (_, chunk, slow), (_, again, fast), (_, other, _) = cluster.begun[4], cluster.begun[6], cluster.begun[7]
    assert again == chunk != other == cluster.begun[5][1] and len(cluster.begun) == 8
    assert 10.0 < outcome.ended_at < 20.0, "the answer of the slow one came before the end"
    attempts = read_attempts(tmp_path).filter(pl.col("chunk") == chunk)
    rows = attempts.select("worker", "outcome", "reason").rows()
    assert rows[0] == (fast, "trained", "")
    if len(faulty) == 1:
        assert sorted(rows[1:]) == sorted(
            [
                (slow, "differed", f"{fast} trained it to other bits"),
                (fast, "differed", f"{slow} trained it to other bits"),
            ]
        )
        (alarm,) = outcome.alarms
        assert alarm.startswith(
            f"the workers {fast} and {slow} trained the same chunk {chunk} to different bits ("
        )
        assert "(evaluation after step 3)" in alarm and f"the first answer, of {fast}, is kept" in alarm
    else:
        assert rows[1:] == [(slow, "late", f"{fast} was faster")] and not outcome.alarms
    results = fn.open_results(tmp_path)
    rows = np.isin(results["chunk"], [chunk])
    exact = expected["train_loss"][rows]
    kept = np.nextafter(exact, np.float32(np.inf)) if 6 in faulty else exact
    np.testing.assert_array_equal(results["train_loss"][rows], kept)


def test_alarm_can_end_the_sweep(planned):
    with pytest.raises(UserWarning, match="different bits"):
        run(planned[0], Scripted(3, LATE, faulty=(4,)), action="error")


def test_answer_of_one_rung_is_compared_during_the_next(planned):
    prepared, expected = planned
    cluster = Scripted(2, {5: 12.0, 7: 10.0}, faulty=(5,))
    stages = [Stage(prepared.runs, [3], 0), Stage(prepared.runs[:4], [3, STEPS], 1)]
    outcome = run(prepared, cluster, stages=stages)
    (slow_at, chunk, slow), (_, again, fast), (next_at, _, _), *_ = cluster.begun[5:]
    assert again == chunk and slow_at == 2.0 and next_at < 14.0 < outcome.ended_at
    (alarm,) = outcome.alarms
    assert f"the workers {fast} and {slow} trained the same chunk {chunk}" in alarm
    reached = [rows for rows in outcome.tables if rows["rung"][0] == 1]
    np.testing.assert_array_equal(
        np.concatenate([rows["train_loss"] for rows in reached]), expected["train_loss"][:4]
    )


def test_lost_copy_leaves_the_other_one(planned, tmp_path):
    prepared, _ = planned
    # The second copy is lost, a third one is sent, the first one is lost, and the third one answers.
    cluster = Scripted(3, {4: 12.0, 5: 60.0, 6: 0.5, 7: 7.0}, lost=(4, 6))
    outcome = run(prepared._replace(store=Store(tmp_path)), cluster)
    calls = [call for call, (_, chunk, _) in enumerate(cluster.begun) if chunk == cluster.begun[4][1]]
    assert calls == [4, 6, 7]
    attempts = read_attempts(tmp_path).filter(pl.col("chunk") == cluster.begun[4][1])
    assert attempts["outcome"].to_list() == ["lost", "lost", "trained"] and not outcome.alarms
    assert len(fn.open_results(tmp_path)) == len(SPACE)


def test_nothing_is_sent_twice_in_process(planned, monkeypatch):
    prepared, expected = planned
    local, calls, now = engines.local(), [], iter(range(0, 10**9, 10_000))

    def submit(function, *args):
        calls.append(args[3])
        return local.submit(function, *args)

    monkeypatch.setattr(flights, "monotonic", lambda: next(now))
    engine = local._replace(submit=submit)
    results = fn.execute(prepared._replace(crew=prepared.crew._replace(engine=engine)))
    np.testing.assert_array_equal(results["train_loss"], expected["train_loss"])
    orders = [(spec.id) for spec in calls]
    assert len(set(orders)) == NUM_CHUNKS and len(orders) <= NUM_CHUNKS * STEPS


@pytest.mark.slow
def test_hanging_process_delays_nothing(tmp_path):
    hung, others = tmp_path / "hung", multiprocessing.active_children()

    def recipe():
        def hang_once(rate):
            if rate == 0.5 and not hung.exists():
                hung.touch()
                time.sleep(300)
            return rate

        def step(key, hparams, w, batch):
            shape = jax.ShapeDtypeStruct((), "float32")
            return w - jax.pure_callback(hang_once, shape, hparams["rate"], vmap_method="sequential"), {
                "loss": w
            }

        return fn.Task(lambda key, hparams, data: jnp.ones(()), step, lambda hparams, w, data: {"left": w})

    space = fn.grid(rate=[0.25, 0.5, 1.0, 2.0, 4.0])
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    started = time.monotonic()
    try:
        # What is not measured is not run before it trains.
        options = {"num_steps": 1, "lanes": 1, "store": tmp_path / "s"}
        results = fn.sweep(recipe, space, None, engine=engines.executor(pool, cores=1), **options)
    finally:
        for process in set(multiprocessing.active_children()) - set(others):
            process.kill()
        pool.shutdown()
    assert hung.exists() and time.monotonic() - started < 200
    np.testing.assert_array_equal(results["left"], [0.75, 0.5, 0.0, -1.0, -3.0])
    assert read_attempts(tmp_path / "s")["outcome"].to_list() == ["trained"] * 5
