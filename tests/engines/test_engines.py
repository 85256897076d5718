"""Sweeps and searches on workers in other processes: the same results as here, and refusals that say what to do."""

import dataclasses
import multiprocessing
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet import engines
from fnnet.engines.engine import Failure, RemoteError, call, result_of
from fnnet.sweeps.events import Committed, Failed

DATA = fn.load_dataset("iris")
SPACE = fn.grid(depth=[0, 1], learning_rate=[0.03, 0.1, 0.3], seed=range(2))
OPTIONS = {"num_steps": 12, "eval_every": 4, "lanes": 2}


def recipe_of(data, power=1.0):
    """A closure over data and a number, which has to travel by value."""

    def recipe(depth):
        network = fn.mlp(data.num_features, [5] * depth, data.num_outputs)

        def loss(output, target):
            return fn.losses.cross_entropy(output, target) ** power

        return fn.supervised(network, loss, optimizer="sgd", batch_size=16)

    return recipe


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def expected():
    return fn.sweep(recipe_of(DATA), SPACE, DATA, **OPTIONS)


def assert_same(one, other):
    assert one.space == other.space
    for name in other:
        if name not in ("seconds", "fingerprint", "chunk", "lane"):
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.slow
def test_processes_train_to_the_same_bits(pool, expected, tmp_path):
    engine = engines.executor(pool, cores=2)
    results = fn.sweep(recipe_of(DATA), SPACE, DATA, engine=engine, store=tmp_path / "s", **OPTIONS)
    assert_same(results, expected)
    here = fn.sweep(recipe_of(DATA), SPACE, DATA, store=tmp_path / "here", **OPTIONS)
    for run in range(len(SPACE)):
        jax.tree.map(np.testing.assert_array_equal, results.params(run), here.params(run))
    assert here.table(records=True)["fingerprint"].equals(results.table(records=True)["fingerprint"])
    attempts = engines.read_attempts(tmp_path / "s")
    assert set(attempts["outcome"]) == {"trained"} and attempts["runs"].sum() == len(SPACE)
    assert set(attempts["worker"]).isdisjoint({f"{os.uname().nodename}:{os.getpid()}"})
    here = engines.read_attempts(tmp_path / "here")
    assert set(here["worker"]) == {f"{os.uname().nodename}:{os.getpid()}"} and here["runs"].sum() == len(
        SPACE
    )

    def halving(**options):
        return fn.successive_halving(
            recipe_of(DATA), SPACE, DATA, rungs=[3, 6, 12], metric="test_loss", factor=2, lanes=2, **options
        )

    assert_same(halving(engine=engine), halving())


@pytest.mark.slow
def test_sweep_resumes_on_another_engine(pool, expected, tmp_path, stop_at_evaluation):
    options = {**OPTIONS, "store": tmp_path, "state_every": 0.0}
    with pytest.raises(RuntimeError, match="stopped"):
        fn.sweep(recipe_of(DATA), SPACE, DATA, on_event=stop_at_evaluation(5)[0], **options)
    assert 0 < len(fn.open_results(tmp_path)) < len(SPACE)
    assert_same(
        fn.sweep(recipe_of(DATA), SPACE, DATA, engine=engines.executor(pool, cores=2), **options), expected
    )


@pytest.mark.slow
def test_error_of_the_recipe_is_raised_unchanged(pool):
    def recipe():
        def step(key, hparams, state, batch):
            if os.environ.get("FNNET_TEST_HERE"):
                return state, {"loss": hparams["rate"] * state}
            raise KeyError("only there")

        return fn.Task(
            lambda key, hparams, data: jnp.ones(()), step, lambda hparams, state, data: {"number": state}
        )

    os.environ["FNNET_TEST_HERE"] = "1"
    try:
        with pytest.raises(RemoteError, match="KeyError: 'only there'") as error:
            fn.sweep(recipe, fn.grid(rate=[0.1]), None, num_steps=2, lanes=1, engine=away(pool))
    finally:
        del os.environ["FNNET_TEST_HERE"]
    assert "on a worker" in str(error.value.__cause__) and "KeyError: 'only there'" in str(
        error.value.__cause__
    )


def away(pool):
    """An engine whose workers have no variable FNNET_TEST_HERE."""
    engine = engines.executor(pool, cores=2)

    def submit(function, *args):
        return engine.submit(_without_variable, function, *args)

    return engine._replace(submit=submit)


def _without_variable(function, *args):
    os.environ.pop("FNNET_TEST_HERE", None)
    return function(*args)


@pytest.mark.slow
def test_another_recipe_on_a_worker_is_refused_with_both_programs(pool):
    def recipe():
        factor = 2.0 if os.environ.get("FNNET_TEST_HERE") else 3.0
        return fn.Task(
            lambda key, hparams, data: jnp.ones(()),
            lambda key, hparams, state, batch: (state, {"loss": hparams["rate"] * factor}),
            lambda hparams, state, data: {"number": state},
        )

    os.environ["FNNET_TEST_HERE"] = "1"
    try:
        with pytest.raises(
            fn.InputError, match=r"computes something else on the worker .*\(program [0-9a-f]{16}\) than"
        ):
            fn.sweep(recipe, fn.grid(rate=[0.1]), None, num_steps=2, lanes=1, engine=away(pool))
    finally:
        del os.environ["FNNET_TEST_HERE"]


@pytest.mark.slow
def test_broken_pool_ends_the_sweep_and_keeps_what_is_finished(tmp_path):
    marker = tmp_path / "kill"

    def recipe(start):
        def kill(rate):
            if marker.exists() and rate > 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return rate

        def step(key, hparams, state, batch):
            shape = jax.ShapeDtypeStruct((), "float32")
            rate = jax.pure_callback(kill, shape, hparams["rate"], vmap_method="sequential")
            return state, {"loss": rate}

        return fn.Task(
            lambda key, hparams, data: jnp.full((), start),
            step,
            lambda hparams, state, data: {"number": state},
        )

    def arm(event):
        if isinstance(event, Committed):
            marker.touch()

    space = fn.grid(start=[1.0], rate=[0.5]) | fn.grid(start=[2.0], rate=[1.5])
    options = {"num_steps": 2, "lanes": 1, "store": tmp_path / "s", "on_event": arm}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        # As many orders in flight as workers, so that the first chunk is committed before the second one is sent.
        engine = engines.executor(pool, cores=2)._replace(num_workers=0.5)
        with pytest.raises(fn.InputError, match=r"lost a worker and is broken.*the same call continues"):
            fn.sweep(recipe, space, None, engine=engine, **options)
    assert fn.open_results(tmp_path / "s")["rate"].tolist() == [0.5]
    marker.unlink()
    assert fn.sweep(recipe, space, None, **options | {"on_event": None})["rate"].tolist() == [0.5, 1.5]


@pytest.mark.parametrize("name", ["device", "versions", "flags", "number of devices", "matmul precision"])
def test_worker_of_another_kind_is_refused_by_name(name):
    prepared = fn.prepare(recipe_of(DATA), SPACE, DATA, **OPTIONS)
    first = prepared.crew.worker
    other = first._replace(name="elsewhere:7", environment=first.environment | {name: "another"})
    if name == "number of devices":
        other = first._replace(name="elsewhere:7", num_devices=first.num_devices + 1)
    if name == "matmul precision":
        other = first._replace(name="elsewhere:7", matmul_precision="float32")
    with pytest.raises(fn.InputError, match=f"differs from elsewhere:7, .* in its {name}: .* instead of "):
        fn.execute(prepared._replace(crew=prepared.crew._replace(worker=other)))


def _compute_precisely():
    jax.config.update("jax_default_matmul_precision", "float32")


@pytest.mark.slow
def test_worker_of_another_precision_is_refused_before_its_program_is(pool):
    other = ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_compute_precisely
    )
    with (
        other,
        pytest.raises(
            fn.InputError, match=r"differs from .*, the first worker of the sweep, in its matmul precision: "
        ),
    ):
        engine = engines.executor(pool, cores=2)
        prepared = fn.prepare(recipe_of(DATA), SPACE, DATA, engine=engine, **OPTIONS)
        crew = prepared.crew._replace(engine=engines.executor(other, cores=2))
        fn.execute(prepared._replace(crew=crew))


@pytest.mark.parametrize("num_lost", [2, 3])
def test_worker_that_is_lost_before_training_is_asked_again(num_lost, expected):
    here, lost, before = engines.local(), [], signal.getsignal(signal.SIGINT)

    def submit(function, *args):
        if len(lost) < num_lost:
            lost.append(function)
            failed: Future = Future()
            failed.set_exception(ConnectionError("gone"))
            return failed
        return here.submit(function, *args)

    def share(arrays):
        return lambda: arrays

    engine = here._replace(
        submit=submit,
        share=share,
        is_in_process=False,
        is_lost=lambda error: isinstance(error, ConnectionError),
    )
    if num_lost == 3:
        with pytest.raises(ConnectionError, match="gone"):
            fn.sweep(recipe_of(DATA), SPACE, DATA, engine=engine, **OPTIONS)
    else:
        assert_same(fn.sweep(recipe_of(DATA), SPACE, DATA, engine=engine, **OPTIONS), expected)
    assert [function.__name__ for function in lost] == num_lost * ["describe"]
    assert signal.getsignal(signal.SIGINT) is before, "only workers ignore it"


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_error_stops_a_sweep_or_leaves_its_chunk_out(on_error, expected):
    prepared = fn.prepare(recipe_of(DATA), SPACE, DATA, **OPTIONS)
    local, calls = prepared.crew.engine, []

    def submit(function, *args):
        calls.append(function)
        if len(calls) == 2:
            failed: Future = Future()
            failed.set_exception(ZeroDivisionError("unlucky"))
            return failed
        return local.submit(function, *args)

    crew = prepared.crew._replace(engine=local._replace(submit=submit))
    events = []
    options = dataclasses.replace(prepared.options, on_error=on_error, on_event=events.append)
    prepared = prepared._replace(crew=crew, options=options)
    if on_error == "stop":
        with pytest.raises(ZeroDivisionError, match="unlucky"):
            fn.execute(prepared)
        return
    results = fn.execute(prepared)
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert failed.reason == "ZeroDivisionError: unlucky"
    there = ~np.isin(expected["id"], failed.spec.run_ids)
    assert there.sum() == len(results) == len(SPACE) - 4
    np.testing.assert_array_equal(results["test_loss"], expected["test_loss"][there])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: engines.executor(ThreadPoolExecutor(2)), "threads of one process share its devices"),
        (
            lambda: engines.executor(ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))),
            r'mp_context=multiprocessing.get_context\("spawn"\)',
        ),
        (
            lambda: engines.executor(Mystery()),
            "Mystery does not say how many workers it has; pass num_workers",
        ),
    ],
)
def test_engine_that_cannot_train_is_refused(make, words):
    with pytest.raises(fn.InputError, match=words):
        make()


class Mystery(ThreadPoolExecutor.__mro__[1]):
    """An executor of an unknown kind."""


def test_data_are_read_from_a_shared_file_whose_content_is_checked(tmp_path):
    pool = Mystery()
    share = engines.executor(pool, num_workers=2, folder=tmp_path).share
    shared = share({"x": np.arange(6.0).reshape(2, 3)})
    np.testing.assert_array_equal(shared()["x"], [[0, 1, 2], [3, 4, 5]])
    assert share({"x": np.arange(6.0).reshape(2, 3)}) == shared and len(list(tmp_path.iterdir())) == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(fn.InputError, match="has other content on a worker"):
        shared()
    file.unlink()
    with pytest.raises(fn.InputError, match=r"cannot be read on a worker .*as folder="):
        shared()


def test_any_exception_of_a_worker_comes_back():
    class Local(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    def fail(error):
        raise error

    for error, kind in [
        (Local(1, 2), RemoteError),
        (fn.InputError("x"), fn.InputError),
        (MemoryError("y"), MemoryError),
    ]:
        future: Future = Future()
        future.set_result(call(fail, error))
        assert isinstance(future.result(), Failure)
        with pytest.raises(kind, match=str(error)) as raised:
            result_of(future)
        assert "in fail" in str(raised.value.__cause__)
