"""What a sweep says it is going to take, against counting by hand and against what it then takes."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnnet as fn
from fnnet.lanes.cost import Cost
from fnnet.sweeps import job, worker
from fnnet.sweeps.estimate import chunk_seconds, segment_steps


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


def batch(data):
    return data.train.num_examples // 8


def recipe_of(data, activation="relu"):
    """One hidden layer of 7 between iris's 4 features and 3 classes."""

    def recipe(depth=1):
        network = fn.mlp(4, [7] * depth, 3, activation)
        optimizer = "sgd"
        return fn.supervised(network, "cross_entropy", optimizer=optimizer, batch_size=batch(data))

    return recipe


@pytest.mark.slow
def test_estimate_says_what_the_sweep_takes(data):
    space = fn.grid(depth=[0, 1], learning_rate=[0.1, 0.2], seed=range(7))
    options = {"num_steps": 20, "eval_every": 6, "lanes": 2}
    prepared = fn.prepare(recipe_of(data), space, data, **options)
    assert [estimate.static for estimate in prepared.estimates] == [{"depth": 0}, {"depth": 1}]
    for estimate in prepared.estimates:
        assert (estimate.num_runs, estimate.num_missing, estimate.lanes) == (14, 14, 2)
        assert estimate.num_chunks == 4, "14 runs, 2 lanes on each of 2 devices"
    affine = 4 * 3 * 2  # forward and dW; nobody asks for dx
    hidden = 4 * 7 * 2 + 7 * 3 * 3
    assert [estimate.flops for estimate in prepared.estimates] == [
        14 * 20 * 2 * batch(data) * products for products in (affine, hidden)
    ]
    results = fn.execute(prepared)
    arrays = [results[name] for name in results if name.endswith("_curve")]
    assert {array.shape for array in arrays} == {(28, 4)}
    said = sum(estimate.curve_bytes for estimate in prepared.estimates)
    assert said == pytest.approx(sum(array.nbytes for array in arrays), rel=0.05)


@pytest.mark.slow
def test_every_order_of_batches_has_chunks_of_its_own(data):
    space = fn.grid(data_seed=range(3), learning_rate=[0.1, 0.2], seed=range(7))
    (estimate,) = fn.prepare(recipe_of(data), space, data, num_steps=5, lanes=2).estimates
    assert (estimate.num_runs, estimate.num_chunks) == (42, 3 * 4)
    (estimate,) = fn.prepare(recipe_of(data), space, data, num_steps=5).estimates
    assert (estimate.lanes, estimate.num_chunks) == (8, 3), "more lanes than 14 runs need would be padding"


@pytest.mark.slow
def test_estimate_is_about_what_is_missing(data, tmp_path):
    def space(seeds):
        return fn.grid(depth=[0, 1], learning_rate=[0.1, 0.2], seed=range(seeds))

    options = {"num_steps": 5, "lanes": 2, "store": tmp_path}
    fn.sweep(recipe_of(data), space(3).take(range(6)), data, **options)
    done, new = fn.prepare(recipe_of(data), space(3), data, **options).estimates
    assert (done.num_runs, done.num_missing, done.num_chunks, done.seconds) == (6, 0, 0, 0)
    assert (done.num_bytes, done.curve_bytes, done.flops) == (0, 0, 0)
    assert (new.num_runs, new.num_missing, new.num_chunks) == (6, 6, 2)
    grown, _ = fn.prepare(recipe_of(data), space(5), data, **options).estimates
    assert (grown.num_runs, grown.num_missing, grown.num_chunks) == (10, 4, 1)
    assert grown.flops == 4 * 5 * 2 * batch(data) * 4 * 3 * 2
    assert not list((tmp_path / "states").iterdir()) and len(list((tmp_path / "chunks").iterdir())) == 2


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Measure nothing: a step takes 0.5 s, a call 0.125 s, whatever the number of lanes; lists what was asked."""
    asked = []

    def measure(program, hparams, data_seed, data, limit, is_timed):
        lanes = len(hparams["seed"]) // program.mesh.size
        asked.append(lanes)
        return Cost(lanes, 1000 * lanes, begin=2.0, segment=0.125, step=0.5, measure=0.25)

    monkeypatch.setattr(worker, "measure_cost", measure)
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path / "cache"))
    return asked


SPACE = fn.grid(learning_rate=[0.1, 0.2], seed=range(7))


def test_estimated_time_is_that_of_all_chunks(data, measured):
    options = {"num_steps": 9, "eval_every": 5, "lanes": 3}
    (estimate,) = fn.prepare(recipe_of(data), SPACE, data, **options).estimates
    # Segments of 4 steps, two and one of them; 14 runs are three chunks of 6 lanes at most.
    assert estimate.seconds == pytest.approx(3 * (2 + 3 * 0.125 + 9 * 0.5 + 2 * 0.25 + 0.01))
    assert estimate.num_bytes == 3000


@pytest.mark.slow
def test_measured_costs_are_reused(data, measured):
    def estimates(activation="relu", **options):
        measured.clear()
        recipe = recipe_of(data, activation)
        return fn.prepare(recipe, SPACE, data, **{"num_steps": 9, **options}).estimates

    first = estimates()
    assert measured == [8]
    assert estimates() == first and measured == []
    assert estimates(lanes=8) == first and measured == []
    estimates(lanes=2)
    assert measured == [2]
    estimates("tanh")
    assert measured == [8], "another program"
    estimates(num_steps=4)
    assert measured == [8], "batches are drawn for another number of steps"


def test_measured_costs_are_ignored_when_less_memory_is_left(data, measured, monkeypatch):
    fn.prepare(recipe_of(data), SPACE, data, num_steps=9)
    monkeypatch.setattr(worker, "usable_bytes", lambda: 7999.0)
    measured.clear()
    fn.prepare(recipe_of(data), SPACE, data, num_steps=9)
    assert measured == [8]


@given(step=st.floats(1e-9, 1e4), max_steps=st.integers(1, 1000))
def test_segment_is_at_most_seconds_long(step, max_steps):
    steps = segment_steps(Cost(8, 1, 1.0, 1.0, step, 1.0), max_steps)
    assert 1 <= steps <= max_steps
    assert steps == 1 or steps * step <= 2.0
    assert steps == max_steps or (steps + 1) * step > 2.0


def test_unmeasured_groups_have_the_longest_segments():
    assert segment_steps(Cost(8, 1, *[math.inf] * 4), 77) == 77


def test_time_of_a_chunk_adds_up():
    cost = Cost(8, 1, begin=3.0, segment=0.25, step=1.0, measure=0.5)
    # Measured after 7, 14 and 20 steps, in segments of 2: 4 + 4 + 3 of them.
    seconds = chunk_seconds(cost, 20, 7, 7)
    assert seconds == pytest.approx(3 + 11 * 0.25 + 20 * 1.0 + 3 * 0.5 + 0.01)
    seconds = chunk_seconds(cost._replace(step=0.01), 20, None, 20)
    assert seconds == pytest.approx(3 + 0.25 + 20 * 0.01 + 0.5 + 0.01)
    assert chunk_seconds(Cost(8, 1, *[math.inf] * 4), 20, None, 20) == math.inf


def shrinking(power=1):
    """A recipe that compiles in no time: a number that is multiplied by a power of `decay` at each step."""

    def recipe(first=1.0):
        return fn.Task(
            init=lambda key, hp, data: first + hp["seed"].astype(float),
            step=lambda key, hp, state, batch: (state * hp["decay"] ** power, {"loss": state}),
            measure=lambda hp, state, data: {"left": state},
        )

    return recipe


def test_changed_recipe_is_refused(tmp_path):
    def sweep(power, firsts=(1.0,), **options):
        space = fn.grid(first=list(firsts), decay=[0.25, 0.5], seed=range(3))
        return fn.sweep(shrinking(power), space, None, num_steps=2, store=tmp_path, **options)

    old = sweep(1)
    with pytest.raises(
        fn.InputError, match=r"recipe: it computes something other than before for first=1\.0"
    ):
        sweep(3)
    assert sweep(1, firsts=(1.0, 3.0)).where(first=1.0).table().equals(old.table())
    for path in (tmp_path / "chunks").iterdir():
        path.unlink()
    new = sweep(3, accept_fingerprint=True)
    starts, decays = 1 + new.space.column("seed"), new.space.column("decay")
    np.testing.assert_allclose(old["left"], starts * decays**2, rtol=1e-6)
    np.testing.assert_allclose(new["left"], starts * decays**6, rtol=1e-6)
    assert sweep(3).table().equals(new.table()), "the plan now tells of the new recipe"


def test_runs_of_a_changed_recipe_are_marked(tmp_path):
    def sweep(power, seeds, **options):
        space = fn.grid(decay=[0.25, 0.5], seed=range(seeds))
        return fn.sweep(shrinking(power), space, None, num_steps=2, lanes=2, store=tmp_path, **options)

    sweep(1, 2)
    mixed = sweep(3, 5, accept_fingerprint=True)
    is_new = mixed.space.column("seed") >= 2
    old, new = (set(mixed["fingerprint"][rows]) for rows in (~is_new, is_new))
    assert len(old) == len(new) == 1 and old != new


def test_rows_tell_the_number_of_lanes_that_was_chosen(tmp_path, monkeypatch):
    def names(lanes):
        monkeypatch.setattr(job, "first_guess", lambda bytes_per_run, num_runs: lanes)
        space = fn.grid(decay=[0.25, 0.5], seed=range(5))
        store = tmp_path / str(lanes)
        results = fn.sweep(shrinking(), space, None, num_steps=2, store=store)
        return set(results["fingerprint"])

    two, four = names(2), names(4)
    assert len(two) == len(four) == 1 and two != four
    assert names(2) == two


def test_sweep_needs_no_traced_axis(tmp_path):
    def recipe(first, decay):
        return fn.Task(
            init=lambda key, hp, data: jnp.full((3,), first),
            step=lambda key, hp, state, batch: (state * decay, {"loss": state[0]}),
            measure=lambda hp, state, data: {"left": state[2]},
        )

    space = fn.grid(first=[1.0, 3.0], decay=[0.25, 0.5])
    prepared = fn.prepare(recipe, space, None, num_steps=5, eval_every=2, store=tmp_path)
    assert [(estimate.num_runs, estimate.lanes) for estimate in prepared.estimates] == [(1, 1)] * 4
    results = fn.execute(prepared)
    expected = [[config["first"] * config["decay"] ** n for n in (2, 4, 5)] for config in space]
    np.testing.assert_allclose(results["left_curve"], expected, rtol=1e-6)
    assert fn.open_results(tmp_path).table().equals(results.table())
