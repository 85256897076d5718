"""Sweeps that go on to more steps from the states that they kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.errors import InputError
from fnnet.records.store import Store
from fnnet.sweeps.compatibility import lanes_before
from fnnet.sweeps.events import Segment
from fnnet.sweeps.execution import describe_stored

DATA = fn.load_dataset("iris", validation_fraction=0.2)
SPACE = fn.grid(depth=[0, 1], learning_rate=[0.03, 0.3], seed=range(3))


def recipe(depth):
    network = fn.mlp(4, [5] * depth, 3, activation="tanh")
    return fn.supervised(
        network, "cross_entropy", optimizer=fn.from_hparams(fn.sgd, "learning_rate"), batch_size=7
    )


def sweep(num_steps, store, space=SPACE, recipe=recipe, **options):
    return fn.sweep(
        recipe, space, DATA, num_steps=num_steps, **{"eval_every": 6, "store": store, "lanes": 2} | options
    )


def assert_same_bits(one, other):
    assert one.space == other.space
    for name in one:
        if name not in ("seconds", "chunk", "lane", "id"):
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    for a, b in zip(map(one.params, range(len(one))), map(other.params, range(len(other))), strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Sweeps trained from the start to their last step."""
    folder = tmp_path_factory.mktemp("whole")
    return {num_steps: sweep(num_steps, folder / str(num_steps)) for num_steps in (17, 22)}


@pytest.mark.parametrize("first", [12, 10], ids=["at an evaluation", "between evaluations"])
def test_sweep_that_goes_on_equals_a_longer_one(tmp_path, whole, first):
    trained = []

    def note(event):
        trained.append((event.first_step, event.step) if isinstance(event, Segment) else None)

    sweep(first, tmp_path, keep_states=True)
    for num_steps in (17, 22):  # neither is an evaluation, and the second goes on from the first
        trained.clear()
        results = sweep(num_steps, tmp_path, keep_states=True, on_event=note)
        assert min(filter(None, trained)) == (first, min(first // 6 * 6 + 6, num_steps))
        assert results["step_curve"][0].tolist() == [6, 12, num_steps] if num_steps == 17 else [6, 12, 18, 22]
        assert_same_bits(results, whole[num_steps])
        assert fn.open_results(tmp_path).table(records=True).equals(results.table(records=True))
        first = num_steps


def test_only_what_the_last_sweep_needs_is_left(tmp_path):
    sweep(5, tmp_path, keep_states=True)
    store = Store(tmp_path)
    before = set(store.state_ids())
    assert len(before) == 4
    sweep(8, tmp_path, keep_states=True)
    after = set(store.state_ids())
    assert len(after) == 4 and not before & after
    assert (
        {path.stem for path in store.list_files("chunks")}
        == after
        == {path.stem for path in store.list_files("params")}
    )
    sweep(9, tmp_path)
    assert not store.state_ids() and len(store.list_files("chunks")) == 4
    with pytest.raises(InputError, match="only a sweep with keep_states=True"):
        sweep(11, tmp_path)


def test_interrupted_continuation_resumes(tmp_path, whole):
    """At any moment each run is there whole, short or long."""
    sweep(12, tmp_path, keep_states=True)

    class Stop(Exception):
        pass

    def stop_at(number):
        seen = []

        def note(event):
            seen.append(event)
            if len([each for each in seen if isinstance(each, Segment)]) == number:
                raise Stop

        return note

    for number, lengths in ((1, {12}), (3, {12, 22})):
        with pytest.raises(Stop):
            sweep(22, tmp_path, keep_states=True, state_every=0, on_event=stop_at(number))
        with pytest.warns(UserWarning, match=r"of 12 runs in .* have not been trained for 22 steps yet"):
            partial = fn.open_results(tmp_path)
        assert len(partial) == 12 and set(np.nanmax(partial["step_curve"], axis=1)) == lengths
        assert jax.tree.all(jax.tree.map(lambda leaf: np.isfinite(leaf).all(), partial.params(11)))
    with pytest.raises(InputError, match="num_steps=22, got 12"):
        sweep(12, tmp_path)
    assert_same_bits(sweep(22, tmp_path), whole[22])


def test_sweep_grows_in_both_ways_at_once(tmp_path):
    more = fn.grid(depth=[0, 1], learning_rate=[0.03, 0.3], seed=range(5))
    sweep(7, tmp_path / "grown", keep_states=True)
    grown = sweep(13, tmp_path / "grown", more)
    assert_same_bits(grown, sweep(13, tmp_path / "whole", more))


def test_lost_states_are_trained_again(tmp_path, whole):
    sweep(12, tmp_path, keep_states=True)
    for chunk_id in Store(tmp_path).state_ids()[:4]:
        Store(tmp_path).state_path(chunk_id).write_bytes(b"damaged")
    assert_same_bits(sweep(17, tmp_path), whole[17])


def test_missing_runs_and_steps_are_reported(tmp_path):
    sweep(100, tmp_path, keep_states=True)
    space, options = SPACE, {"eval_every": 6, "store": tmp_path, "lanes": 2}
    on = fn.prepare(recipe, space, DATA, num_steps=104, **options)
    assert "12 go on from step 100 to 104" in describe_stored(on)
    fresh = fn.prepare(recipe, space, DATA, num_steps=104, **options | {"store": None})
    assert sum(each.flops for each in on.estimates) == sum(each.flops for each in fresh.estimates) * 4 / 104


def decaying():
    return fn.supervised(fn.mlp(4, [5], 3), "cross_entropy", optimizer="sgd", schedule="cosine", batch_size=7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda store: sweep(9, store, fn.grid(learning_rate=0.1), decaying, keep_states=True), "reads num_steps"),
        (lambda store: sweep(None, store, fn.grid(num_steps=[3, 5], depth=0, learning_rate=0.1), keep_states=True), "axis"),
        (lambda store: sweep(9, None, keep_states=True), "pass its folder"),
        (
            lambda store: fn.successive_halving(
                recipe, SPACE, DATA, rungs=[2, 5], metric="train_loss", store=store, keep_states=True
            ),
            "a search",
        ),
    ],
)  # fmt: skip
def test_sweep_that_cannot_continue_is_refused(tmp_path, call, words):
    with pytest.raises(InputError, match=words):
        call(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_task_that_has_come_to_read_its_length_is_refused(tmp_path):
    def task(scale=1):
        def step(key, hparams, number, batch):
            rate = hparams["rate"] * (hparams["num_steps"] if reads else 1)
            return number - rate, {"loss": number}

        return fn.Task(
            lambda key, hparams, data: jnp.ones(()), step, lambda hparams, number, data: {"number": number}
        )

    reads = False
    fn.sweep(task, fn.grid(rate=[0.1]), DATA, num_steps=3, store=tmp_path, keep_states=True)
    reads = True
    with pytest.raises(InputError, match="cannot continue from num_steps=3 to 4"):
        fn.sweep(task, fn.grid(rate=[0.1]), DATA, num_steps=4, store=tmp_path, accept_fingerprint=True)


@pytest.mark.parametrize(("num_steps", "lanes"), [(6, None), (8, 4)])
def test_only_runs_that_go_on_keep_the_lanes_of_a_smaller_group(num_steps, lanes):
    stored = {
        "settings": {"num_steps": 6},
        "options": {"keep_states": True},
        "groups": [{"static": {}, "axes": [], "num_runs": 3, "lanes": 4}],
    }
    described = {
        "settings": {"num_steps": num_steps},
        "groups": [{"static": {}, "axes": [], "num_runs": 5, "reads_num_steps": False}],
    }
    assert lanes_before(described, stored) == [lanes]
