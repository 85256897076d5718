"""Layouts: which matrices of a state multiply what all lanes share, and that turning them changes no result."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fnnet import mlp, sgd, supervised, train
from fnnet.data import Dataset, from_arrays
from fnnet.fitting import autoencoder
from fnnet.hparams import Hparams
from fnnet.lanes.layout import find_transposed
from fnnet.lanes.program import lanes_sharding, make_mesh, make_program
from fnnet.training import first_batch, init_state

FEATURES, WIDTH, BATCH = 6, 6, 6  # equal on purpose: shapes alone do not tell which matrix is the first


@pytest.fixture(autouse=True)
def promotion():
    with jax.numpy_dtype_promotion("standard"):  # optax's adam adds Python floats to integers
        yield


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    return from_arrays(rng.normal(size=(40, FEATURES)), rng.integers(0, 3, 40))


def turned_leaves(task, data: Dataset) -> list[str]:
    hparams = {"learning_rate": 0.1}
    state, key = init_state(task, Hparams(hparams), data), jax.random.key(0)
    batch = first_batch(task, data)
    step = jax.make_jaxpr(lambda hp, *rest: task.step(key, Hparams(hp), *rest))(hparams, state, batch)
    turned = find_transposed(step.jaxpr, hparams, state)
    leaves, _ = jax.tree_util.tree_flatten_with_path(turned)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, is_turned in leaves if is_turned]


OPTIMIZERS = {
    "plain": (lambda hp: sgd(hp["learning_rate"]), ["params/0/w"]),
    "momentum": (
        lambda hp: sgd(hp["learning_rate"], momentum=0.9, max_norm=1.0),
        ["params/0/w", "opt_state/velocity/0/w"],
    ),
    "adam": (
        lambda hp: optax.adam(hp["learning_rate"]),
        ["params/0/w", "opt_state/0/mu/0/w", "opt_state/0/nu/0/w"],
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [BATCH, None])
def test_first_weights_and_their_optimizer_state_are_transposed(name, batch_size, data):
    optimizer, expected = OPTIMIZERS[name]
    network = mlp(FEATURES, [WIDTH, WIDTH], 3)
    task = supervised(network, "cross_entropy", optimizer=optimizer, batch_size=batch_size)
    assert turned_leaves(task, data) == expected


def test_last_weights_of_an_autoencoder_are_not_transposed(data):
    task = autoencoder(mlp(FEATURES, [2], FEATURES), optimizer=sgd(0.1), batch_size=BATCH)
    assert turned_leaves(task, data) == ["params/0/w"]


def test_weights_in_the_order_of_their_products_are_not_transposed():
    """Weights `[fan_out, fan_in]` of somebody else's task."""

    def step(hparams, weights, batch):
        return weights - hparams["learning_rate"] * jax.grad(lambda w: jnp.sum(jnp.tanh(w @ batch)))(weights)

    weights, batch, hparams = jnp.ones((3, 5)), jnp.ones((5, 4)), {"learning_rate": jnp.ones(())}
    traced = jax.make_jaxpr(step)(hparams, weights, batch)
    assert find_transposed(traced.jaxpr, hparams, weights) is False


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_lanes_train_as_single_runs_do(name, data):
    network = mlp(FEATURES, [WIDTH, WIDTH], 3)
    task = supervised(network, "cross_entropy", optimizer=OPTIMIZERS[name][0], batch_size=BATCH)
    mesh, steps = make_mesh(), 20
    rates = np.linspace(0.01, 0.1, 4 * mesh.size, dtype=np.float32)
    hparams = jax.device_put({"learning_rate": rates}, lanes_sharding(mesh))
    program = make_program(task, mesh, steps)
    selections = program.draw(np.int32(0), data, np.int32(0), steps)
    progress = program.begin(hparams, data)
    progress = program.steps(hparams, progress, selections, data, np.int32(0), np.int32(steps))
    for lane, rate in enumerate(rates):
        alone = train(task, {"learning_rate": jnp.asarray(rate)}, data, num_steps=steps).state
        for ours, theirs in zip(jax.tree.leaves(progress.state), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(ours[lane], theirs, rtol=1e-4, atol=1e-6)


def test_no_layer_is_transposed_in_a_step():
    """Neither forward nor backward: the examples come last, from the first product to the loss."""
    rng = np.random.default_rng(0)
    data = from_arrays(rng.normal(size=(40, 5)), rng.integers(0, 3, 40))
    task = supervised(mlp(5, [7, 8], 3), "cross_entropy", optimizer="sgd", batch_size=11)
    mesh = make_mesh()
    program = make_program(task, mesh, 4)
    hparams = {"learning_rate": np.full(2 * mesh.size, 0.1, np.float32)}
    progress = jax.eval_shape(program.begin, hparams, data)
    batches = np.zeros((4, 11), np.int32)
    compiled = program.steps.lower(hparams, progress, batches, data, np.int32(0), np.int32(4)).compile()
    moved = re.findall(r"= \w+\[([\d,]+)\]\S* (?:transpose|copy)\(", compiled.as_text())
    lanes = [shape.split(",") for shape in moved if shape.startswith("2,")]
    assert lanes and not [shape for shape in lanes if "11" in shape]
