"""Numbers of lanes on made-up machines, whose best number is known."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fnnet as fn
from fnnet.lanes.choice import CACHE_BYTES, MIN_LANES, WORTH_PROBING, choose_lanes, first_guess, most_lanes
from fnnet.lanes.cost import Cost
from fnnet.records.store import Store
from fnnet.sweeps import job

POWERS = st.integers(0, 10).map(lambda exponent: 2**exponent)


def machine(step_of, bytes_of=lambda lanes: lanes, limit=math.inf):
    """A `cost_of` whose lanes take what it is told, and the list of those that were asked for."""
    asked = []

    def cost_of(lanes):
        asked.append(lanes)
        fits = bytes_of(lanes) <= limit
        return Cost(lanes, bytes_of(lanes), 0.0, 0.0, step_of(lanes) if fits else math.inf, 0.0)

    return cost_of, asked


def step_seconds(cost):
    return cost.step


@given(best=POWERS, guess=POWERS, most=POWERS)
def test_fastest_number_of_lanes_is_found_from_either_side(best, guess, most):
    guess = min(guess, most)
    cost_of, asked = machine(lambda lanes: 100 * (1 + abs(math.log2(lanes / best))))
    assert choose_lanes(cost_of, step_seconds, guess, most, limit=1e9).lanes == min(best, most)
    assert max(asked) <= most, "more lanes than runs would be padding"
    assert len(asked) == len(set(asked)), "each number is a compilation"


@given(seconds=st.floats(0, 2 * WORTH_PROBING), guess=POWERS)
def test_short_sweep_times_no_other_number_of_lanes(seconds, guess):
    cost_of, asked = machine(lambda lanes: seconds)
    assert choose_lanes(cost_of, step_seconds, guess, most=4096, limit=1e9).lanes == guess
    tried = {guess} if seconds < WORTH_PROBING else {guess, 2 * guess, guess // 2} - {0}
    assert set(asked) == tried


def test_hardly_faster_lanes_are_not_chosen():
    cost_of, _ = machine(lambda lanes: 100 * 0.98 ** math.log2(lanes))
    assert choose_lanes(cost_of, step_seconds, 8, 64, limit=1e9).lanes == 8


@given(
    fixed=st.integers(0, 10**10),
    per_lane=st.integers(1, 10**9),
    limit=st.integers(0, 2 * 10**10),
    guess=st.sampled_from([1, 4, 64]),
)
@example(fixed=0, per_lane=10, limit=80, guess=64)
@example(fixed=5, per_lane=10, limit=84, guess=64)
def test_memory_is_extrapolated_linearly(fixed, per_lane, limit, guess):
    cost_of, asked = machine(lambda lanes: 0.1, lambda lanes: fixed + lanes * per_lane, limit)
    fitting = [2**e for e in range(7) if 2**e <= guess and fixed + 2**e * per_lane <= limit]
    if fitting:
        assert choose_lanes(cost_of, step_seconds, guess, 64, limit).lanes == max(fitting)
    else:
        with pytest.raises(fn.InputError) as refused:
            choose_lanes(cost_of, step_seconds, guess, 64, limit)
        assert f"{fixed + per_lane:,} bytes" in str(refused.value)
        assert f"{limit:,} may be used" in str(refused.value)
    assert len(asked) <= 3


def test_lanes_stop_growing_where_memory_ends():
    cost_of, _ = machine(lambda lanes: 1000 / lanes, lambda lanes: 10 * lanes, limit=200)
    assert choose_lanes(cost_of, step_seconds, 4, 64, limit=200).lanes == 16


@given(num_runs=st.integers(1, 10**6))
def test_most_lanes_is_the_next_power_of_two(num_runs):
    lanes = most_lanes(num_runs)
    assert math.log2(lanes).is_integer() and lanes / 2 < num_runs <= lanes


@given(bytes_per_run=st.integers(1, 10**9), num_runs=st.integers(1, 10**6))
def test_first_guess_fills_the_cache(bytes_per_run, num_runs):
    lanes = first_guess(bytes_per_run, num_runs)
    assert math.log2(lanes).is_integer() and lanes <= min(64, most_lanes(num_runs))
    if lanes > 8:
        assert lanes * bytes_per_run <= CACHE_BYTES
    if lanes < min(64, most_lanes(num_runs)):
        assert lanes >= MIN_LANES and 2 * lanes * bytes_per_run > CACHE_BYTES


def toy(first=1.0):
    """A recipe that compiles in no time: one number that shrinks."""
    return fn.Task(
        init=lambda key, hp, data: first + hp["seed"].astype(float),
        step=lambda key, hp, state, batch: (state * hp["decay"], {"loss": state}),
        measure=lambda hp, state, data: {"left": state},
    )


def test_three_runs_make_two_lanes_on_two_devices():
    space = fn.grid(decay=[0.5], seed=range(3))
    (estimate,) = fn.prepare(toy, space, None, num_steps=5).estimates
    assert (estimate.lanes, estimate.num_chunks) == (2, 1)


def lanes_in(folder):
    return [group["lanes"] for group in Store(folder).read_plan()["groups"]]


def test_group_keeps_its_lanes_until_it_grows(tmp_path, monkeypatch):
    def sweep(first, seeds, **options):
        space = fn.grid(first=first, decay=[0.25, 0.5, 0.75], seed=range(seeds))
        return fn.sweep(toy, space, None, num_steps=5, store=tmp_path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(job, "first_guess", lambda bytes_per_run, num_runs: 1)
        before = sweep([1.0], 4)
    assert lanes_in(tmp_path) == [1]
    sorted((tmp_path / "chunks").iterdir())[0].unlink()
    after = sweep([1.0, 2.0], 4)  # what is done again has the lanes of before, and a new group its own
    assert lanes_in(tmp_path) == [1, 8]
    assert after.where(first=1.0)["fingerprint"].tolist() == before["fingerprint"].tolist()
    sweep([1.0, 2.0], 8)
    assert lanes_in(tmp_path) == [8, 8], "as many as the new runs fill"
    with pytest.raises(fn.InputError, match="lanes: chosen -> 4"):
        sweep([1.0, 2.0], 9, lanes=4)
    sweep([1.0, 2.0], 9, lanes=4, accept_fingerprint=True)
    assert lanes_in(tmp_path) == [4, 4]
