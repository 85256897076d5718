import subprocess
import sys

import jax
import jax.numpy as jnp
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


@pytest.mark.slow
def test_every_run_equals_training_it_alone(data, swept):
    recipe, space, results = swept
    for place in np.random.default_rng(0).choice(len(space), 8, replace=False):
        config = space[place]
        hparams = {name: value for name, value in config.items() if name != "depth"}
        alone = fn.train(recipe(depth=config["depth"]), hparams, data, num_steps=100, eval_every=30)
        np.testing.assert_allclose(results["train_loss"][place], alone.metrics["train_loss"], atol=1e-5)
        np.testing.assert_allclose(results["test_loss_curve"][place], alone.curves["test_loss"], atol=1e-5)
        np.testing.assert_array_equal(results["step_curve"][place], [30, 60, 90, 100])


@pytest.mark.slow
def test_seeds_and_orders_of_batches_matter(swept):
    _, space, results = swept
    assert len(np.unique(results["train_loss"])) > 0.9 * len(space)


def test_table_has_one_row_per_run(swept):
    _, space, results = swept
    table = results.table()
    assert table.select(space.axes.keys()).rows(named=True) == list(space)
    assert {"test_accuracy", "diverged", "diverged_at", "seconds"} <= set(table.columns)


def poisoned(rate, seed):
    """Make a network whose initial weights are NaN for one seed, and let the other seeds be healthy."""
    network = fn.mlp(4, [6], 3, "tanh")

    def of(hp):
        bad = jnp.where(hp["seed"] == seed, jnp.nan, 1.0)
        return network._replace(
            init=lambda key: jax.tree.map(lambda leaf: leaf * bad.astype(leaf.dtype), network.init(key))
        )

    return lambda: fn.supervised(
        of,
        "mse",
        optimizer=lambda hp: fn.sgd(jnp.where(hp["seed"] == rate, 1e30, hp["learning_rate"]), momentum=0.5),
        batch_size=16,
    )


@pytest.fixture(scope="module")
def healthy(data):
    return fn.sweep(poisoned(-1, -1), LANES, data, num_steps=30, eval_every=10, lanes=6)


LANES = fn.grid(learning_rate=[0.05], seed=range(12))


@pytest.mark.parametrize("poison", ["rate", "initialization"])
@pytest.mark.parametrize(
    "position", [0, 6, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11))]
)
def test_diverging_run_changes_no_bit_of_its_neighbors(data, healthy, position, poison):
    recipe = poisoned(position, -1) if poison == "rate" else poisoned(-1, position)
    hit = fn.sweep(recipe, LANES, data, num_steps=30, eval_every=10, lanes=6)
    others = np.arange(12) != position
    assert hit["diverged"].tolist() == (~others).tolist()
    assert hit["diverged_at"][position] == (0 if poison == "initialization" else 1)
    for name in ("test_loss", "test_accuracy", "batch_loss", "train_loss"):
        np.testing.assert_array_equal(hit[f"{name}_curve"][others], healthy[f"{name}_curve"][others])


@pytest.mark.slow
def test_bits_do_not_depend_on_lanes_devices_or_process(data, tmp_path):
    """8, 16 and 32 lanes a device; 1 and 2 devices; and another process."""
    code = """
import sys, jax, numpy as np
import fnnet as fn
devices, lanes, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
jax.config.update("jax_num_cpu_devices", devices)
data = fn.load_dataset("digits")
space = fn.grid(depth=[1, 2], width=[24], learning_rate=fn.logspace(1e-3, 1, 16), seed=range(4))
results = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=60, eval_every=20, lanes=lanes)
assert len(jax.devices()) == devices
np.savez(path, **{name: results[name] for name in results if name.endswith("_curve")})
"""
    curves = []
    for devices, lanes in ((2, 8), (2, 16), (2, 32), (1, 8), (1, 32), (2, 8)):
        path = tmp_path / f"{len(curves)}.npz"
        subprocess.run([sys.executable, "-c", code, str(devices), str(lanes), str(path)], check=True)
        curves.append(dict(np.load(path)))
    for other in curves[1:]:
        for name, curve in curves[0].items():
            if name == "batch_loss":  # its reduction may add in another order; the weights do not feel it
                np.testing.assert_allclose(other[name], curve, rtol=3e-7)
            else:
                np.testing.assert_array_equal(other[name], curve)


def test_two_weights_can_be_swept():
    """Anything that can be written as init, step and measure: here gradient descent on (ab - 1)^2 / 2."""

    def recipe(first):
        def step(key, hp, state, batch):
            a, b = state
            error = a * b - 1
            rate = hp["learning_rate"]
            return (a - rate * error * b, b - rate * error * a), {"loss": error**2 / 2}

        return fn.Task(
            init=lambda key, hp, data: (jax.numpy.asarray(first), hp["second"]),
            step=step,
            measure=lambda hp, state, data: {"product": state[0] * state[1]},
        )

    space = fn.grid(first=[0.5, 2.0], second=[0.1, 1.0], learning_rate=[0.1, 0.2])
    results = fn.sweep(recipe, space, None, num_steps=200)
    np.testing.assert_allclose(results["product"], 1, atol=1e-4)


@pytest.mark.parametrize("name", ["seconds", "product"])
def test_axis_named_like_a_column_is_refused(name):
    task = fn.Task(
        init=lambda key, hp, data: hp[name],
        step=lambda key, hp, state, batch: (state, {"loss": state}),
        measure=lambda hp, state, data: {"product": state},
    )
    with pytest.raises(fn.InputError, match=f"axis '{name}' has the name of a column"):
        fn.sweep(lambda: task, fn.grid(**{name: [1.0, 2.0]}), None, num_steps=1)


def test_impossible_sweeps_are_refused(data):
    with pytest.raises(fn.InputError, match="num_steps must be"):
        fn.sweep(fn.mlp_recipe(data), fn.grid(learning_rate=[0.1]), data, num_steps=0)
