"""Runs of different lengths, and tasks that read how long they train."""

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.sweeps.events import Committed

DATA = np.zeros(1, np.float32)  # which no task here uses


def decaying():
    """A number that falls by a rate, which decays linearly to 0 at the end of the run."""

    def step(key, hp, state, batch):
        number, count = state
        rate = hp["rate"] * (1 - count / jnp.asarray(hp["num_steps"], float))
        return (number - rate, count + 1), {"loss": number}

    return fn.Task(
        init=lambda key, hp, data: (jnp.ones(()), jnp.zeros(())),
        step=step,
        measure=lambda hp, state, data: {"number": state[0], "count": state[1]},
    )


def left(rate, num_steps, updates):
    return 1 - rate * sum(1 - k / num_steps for k in range(updates))


def test_lengths_are_an_axis_and_curves_end_with_their_runs():
    space = fn.grid(num_steps=[6, 3, 8], rate=[0.1, 0.5])
    prepared = fn.prepare(decaying, space, None, eval_every=4)
    assert len(prepared.jobs) == 1 and prepared.plan.num_steps is None
    assert prepared.jobs[0].estimate.num_chunks == 3
    results = fn.execute(prepared)
    for run, config in enumerate(space):
        length = config["num_steps"]
        steps = [step for step in (4, 8) if step < length] + [length]
        np.testing.assert_array_equal(results["count_curve"][run], [*steps, *[np.nan] * (2 - len(steps))])
        expected = [left(config["rate"], length, step) for step in steps]
        np.testing.assert_allclose(results["number_curve"][run][: len(steps)], expected, rtol=1e-5, atol=1e-6)
        assert results["number"][run] == results["number_curve"][run][len(steps) - 1]
        alone = fn.train(decaying(), config, None, num_steps=length)
        np.testing.assert_allclose(results["number"][run], alone.metrics["number"], atol=1e-6)


@pytest.mark.parametrize(
    ("axes", "options", "words"),
    [({"num_steps": [4, 7]}, {}, "up to 7 steps"), ({}, {"num_steps": 7}, "for 7 steps")],
)
def test_prepared_sweep_says_how_long_runs_are(axes, options, words):
    prepared = fn.prepare(decaying, fn.grid(rate=[0.1, 0.2], **axes), DATA, **options)
    assert words in repr(prepared) and words.removeprefix("for ") == prepared.steps


def test_longer_runs_are_added_to_a_store(tmp_path):
    trained = []

    def sweep(*lengths):
        space, note = fn.grid(num_steps=lengths, rate=[0.1, 0.5]), trained.append
        return fn.sweep(decaying, space, DATA, eval_every=2, lanes=1, store=tmp_path, on_event=note)

    first = sweep(2, 4)
    trained.clear()
    second = sweep(2, 4, 6)
    committed = [event for event in trained if isinstance(event, Committed)]
    assert [event.num_steps for event in committed] == [6] and len(committed[0].rows["id"]) == 2
    assert second["number"][:4].tolist() == first["number"].tolist()
    assert fn.verify(decaying, tmp_path, DATA, num_runs=6)["number"] < 1e-6


def test_length_of_a_stopped_run_is_that_of_a_whole_one():
    """A schedule is not shorter for the runs that a search stops."""
    space = fn.grid(rate=[0.1, 0.5, 0.2])
    found = fn.successive_halving(
        decaying, space, None, rungs=[2, 5], metric="number", factor=3, higher_is_better=False
    )
    for run, config in enumerate(space):
        updates = 5 if config["rate"] == 0.5 else 2
        np.testing.assert_allclose(found["number"][run], left(config["rate"], 5, updates), atol=1e-6)


@pytest.mark.parametrize(
    ("axes", "options", "message"),
    [
        (
            {"num_steps": [2, 3]},
            {"num_steps": 4},
            "num_steps is both an axis of the space and the argument 4",
        ),
        ({}, {}, "num_steps is missing: pass num_steps=1000, or make it an axis"),
        ({"num_steps": [2, 0]}, {}, "num_steps must be a positive integer, got 0"),
        ({"num_steps": [2.5]}, {}, "num_steps must be a positive integer, got 2.5"),
    ],
)
def test_each_run_has_one_length(axes, options, message):
    with pytest.raises(fn.InputError, match=message):
        fn.prepare(decaying, fn.grid(rate=0.1, **axes), None, **options)
    some = fn.grid(rate=0.1) | fn.grid(rate=0.5, num_steps=[2])
    with pytest.raises(fn.InputError, match="num_steps is an axis of some runs of the space but not of all"):
        fn.prepare(decaying, some, None)
