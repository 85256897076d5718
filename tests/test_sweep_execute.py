import jax
import numpy as np
import pytest

import fnnet as fn


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


@pytest.fixture(scope="module")
def swept(data):
    space = fn.grid(depth=[0, 2], data_seed=[0, 1], learning_rate=fn.logspace(0.001, 0.1, 4), seed=range(5))
    recipe = fn.mlp_recipe(data)
    return recipe, space, fn.sweep(recipe, space, data, num_steps=100, eval_every=30)


def test_every_run_equals_training_it_alone(data, swept):
    recipe, space, results = swept
    for place in np.random.default_rng(0).choice(len(space), 8, replace=False):
        config = space[place]
        hparams = {name: value for name, value in config.items() if name != "depth"}
        alone = fn.train(recipe(depth=config["depth"]), hparams, data, num_steps=100, eval_every=30)
        np.testing.assert_allclose(
            results.columns["train_loss"][place], alone.metrics["train_loss"], atol=1e-5
        )
        np.testing.assert_allclose(results.curves["test_loss"][place], alone.curves["test_loss"], atol=1e-5)
        np.testing.assert_array_equal(results.curves["step"][place], [30, 60, 90, 100])


def test_seeds_and_orders_of_batches_matter(swept):
    _, space, results = swept
    assert len(np.unique(results.columns["train_loss"])) > 0.9 * len(space)


def test_the_table_has_a_row_a_run(swept):
    _, space, results = swept
    table = results.table()
    assert table.select(space.axes.keys()).rows(named=True) == list(space)
    assert {"test_accuracy", "diverged", "diverged_at", "seconds"} <= set(table.columns)


def test_a_diverging_run_changes_no_bit_of_its_neighbours(data):
    recipe = fn.mlp_recipe(data)

    def losses(rates):
        results = fn.sweep(recipe, fn.grid(loss=["mse"], learning_rate=rates), data, num_steps=50)
        return results.columns["test_loss"], results.columns["diverged"]

    healthy, none = losses([0.01, 0.02, 0.03, 0.04])
    poisoned, diverged = losses([0.01, 1e30, 0.03, 1e20])
    assert not none.any() and diverged.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(healthy[[0, 2]], poisoned[[0, 2]])


def test_two_weights_can_be_swept():
    """Anything that can be written as init, step and measure: here gradient descent on (ab - 1)^2 / 2."""

    def recipe(first):
        def step(hp, state, data, t):
            a, b = state
            error = a * b - 1
            rate = hp["learning_rate"]
            return (a - rate * error * b, b - rate * error * a), {"loss": error**2 / 2}

        return fn.Task(
            init=lambda hp, data: (jax.numpy.asarray(first), hp["second"]),
            step=step,
            measure=lambda hp, state, data: {"product": state[0] * state[1]},
        )

    space = fn.grid(first=[0.5, 2.0], second=[0.1, 1.0], learning_rate=[0.1, 0.2])
    results = fn.sweep(recipe, space, None, num_steps=200)
    np.testing.assert_allclose(results.columns["product"], 1, atol=1e-4)


def test_impossible_sweeps_are_refused(data):
    with pytest.raises(fn.InputError, match="num_steps must be"):
        fn.sweep(fn.mlp_recipe(data), fn.grid(learning_rate=[0.1]), data, num_steps=0)
