"""Tasks from a function to minimize, and from a whole training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnet as fn

DATA = np.zeros(1, np.float32)  # which no training here uses
X = np.linspace(-1, 1, 5, dtype=np.float32)


def penalized(optimizer="sgd"):
    def objective(key, params, x, hp):
        noisy = x + hp["noise"] * jax.random.normal(key, x.shape)
        penalty = jnp.square(params["slope"])
        return jnp.mean(jnp.square(params["slope"] * noisy - x)) + 0.1 * penalty, {"penalty": penalty}

    return fn.objective_task(
        lambda key, hp, x: {"slope": jax.random.normal(key)},
        objective,
        optimizer=optimizer,
        measure=lambda hp, params, x: {"slope": params["slope"]},
        predict=lambda hp, params, inputs: params["slope"] * inputs,
        higher_is_better={"slope": True},
    )


def test_objective_is_minimized_with_the_keys_of_the_steps():
    """Equals a loop with optax and numpy's gradient; the other metrics are curves."""
    run = fn.train(
        penalized("adam"), {"noise": 0.5, "learning_rate": 0.1, "seed": 2}, X, num_steps=3, eval_every=1
    )
    key = jax.random.key(2)
    slope, adam, curve = jax.random.normal(key), optax.adam(0.1), []
    state = adam.init(slope)
    for step in range(3):
        of_step = jax.random.fold_in(jax.random.fold_in(key, 0x73746570), step)
        noisy = X + 0.5 * np.asarray(jax.random.normal(of_step, X.shape))
        grad = np.mean(2 * noisy * (float(slope) * noisy - X)) + 0.2 * float(slope)
        curve.append(float(slope) ** 2)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = adam.update(jnp.float32(grad), state, slope)
        slope = slope + updates
    np.testing.assert_allclose(run.metrics["slope"], slope, rtol=1e-5)
    np.testing.assert_allclose(run.curves["batch_penalty"], curve, rtol=1e-5)


def shrinking(key, hp, data):
    """A training of four steps that somebody wrote as one function."""
    start = jax.random.uniform(key) + hp.get("shift", 0.0)
    end, curve = jax.lax.scan(lambda x, _: (x * hp["decay"], x), start, length=4)
    return {"end": end, "size": curve, "steps_made": 4}


def test_whole_training_is_swept_stored_and_resumed(tmp_path):
    space = fn.grid(decay=[0.5, 1.0], seed=range(3))
    options = {"num_steps": 1, "lanes": 1, "store": tmp_path}
    part = fn.sweep(lambda: fn.function_task(shrinking), fn.grid(decay=[0.5], seed=range(3)), DATA, **options)
    results = fn.sweep(lambda: fn.function_task(shrinking), space, DATA, **options)
    for run, config in enumerate(space):
        alone = shrinking(jax.random.key(config["seed"]), fn.Hparams(config), None)
        np.testing.assert_allclose(results["size_curve"][run], alone["size"], rtol=1e-6)
        np.testing.assert_allclose(results["end"][run], alone["end"], rtol=1e-6)
        assert results["size"][run] == results["size_curve"][run][-1]
    assert results["step_curve"].tolist() == [[1, 2, 3, 4]] * 6
    assert set(results["steps_made"]) == {4}
    assert results["end"][:3].tolist() == part["end"].tolist()
    same = fn.open_results(tmp_path)
    np.testing.assert_array_equal(same["size_curve"], results["size_curve"])
    assert fn.verify(lambda: fn.function_task(shrinking), tmp_path, DATA)["size"] < 1e-6


def test_whole_training_is_not_timed_in_advance():
    """It runs once, whether lanes are given or chosen."""
    calls = []

    def train(key, hp, data):
        jax.debug.callback(calls.append, hp["value"])
        return {"end": hp["value"]}

    space = fn.grid(value=[0.5, 1.5, 2.5, 3.5])
    for options in ({}, {"lanes": 1}):
        prepared = fn.prepare(lambda: fn.function_task(train), space, None, num_steps=1, **options)
        assert not calls
        assert fn.tables.estimates(prepared.estimates, prepared.steps).columns[-1]._cells == ["not measured"]
        assert repr(prepared).endswith("to train for 1 step in 1 program")
        fn.execute(prepared)
        jax.effects_barrier()
        assert sorted(float(value) for value in calls) == [0.5, 1.5, 2.5, 3.5]
        calls.clear()


def test_training_that_ends_in_nan_has_diverged():
    def train(key, hp, data):
        return {"curve": hp["value"] * jnp.array([1.0, 2.0])}

    results = fn.sweep(lambda: fn.function_task(train), fn.grid(value=[1.0, 1e38, 3e38]), None, num_steps=1)
    assert results["diverged"].tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        (shrinking, {"num_steps": 7}, "is one step: num_steps must be 1, got 7"),
        (
            lambda key, hp, data: {"a": jnp.ones((2, 3)) * hp["decay"]},
            {"num_steps": 1},
            r"the shape \(2, 3\) from 'a'",
        ),
        (
            lambda key, hp, data: {"a": jnp.ones(2) * hp["decay"], "b": jnp.ones(3)},
            {"num_steps": 1},
            r"curves of one length; got the lengths \[2, 3\]",
        ),
        (lambda key, hp, data: {}, {"num_steps": 1}, "numbers and curves by name, got none"),
    ],
)
def test_invalid_return_of_a_training_is_refused(train, options, message):
    with pytest.raises(fn.InputError, match=message):
        fn.prepare(lambda: fn.function_task(train), fn.grid(decay=[0.5]), None, **options)


def test_unused_seed_of_a_training_is_refused():
    def train(key, hp, data):
        return {"end": hp["decay"]}

    with pytest.raises(fn.InputError, match="axis 'seed' changes nothing"):
        fn.prepare(lambda: fn.function_task(train), fn.grid(decay=[0.5], seed=range(2)), None, num_steps=1)
