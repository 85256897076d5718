"""Flax modules as networks, against Flax itself and a plain loop of optax."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import fnnet as fn
from fnnet.hparams import Hparams
from fnnet.interop.flax import linen_network, nnx_network, nnx_state
from fnnet.keys import step_key
from fnnet.network import trained_part
from fnnet.sweeps.plan import make_plan

IMAGE, BATCH, STEPS = (8, 8, 1), 24, 12
IN, WIDTH, OUT = 3, 7, 2


class LinenCNN(linen.Module):
    """Written as Flax's examples are: for a batch, which it flattens."""

    features: int = 3

    @linen.compact
    def __call__(self, x):
        x = linen.relu(linen.Conv(self.features, (3, 3), strides=2)(x))
        return linen.Dense(10)(x.reshape(x.shape[0], -1))


class NnxCNN(nnx.Module):
    def __init__(self, rngs, features=3):
        # A list with a gap: the activation in the middle has no parameters.
        self.layers = nnx.Sequential(
            nnx.Conv(1, features, (3, 3), strides=2, rngs=rngs),
            nnx.relu,
            nnx.Conv(features, 4, (2, 2), strides=2, rngs=rngs),
        )
        self.head = nnx.Linear(16, 10, rngs=rngs)

    def __call__(self, x):
        x = self.layers(x)
        return self.head(x.reshape(x.shape[0], -1))


NETWORKS = {
    "linen": lambda features=3: linen_network(LinenCNN(features), IMAGE),
    "nnx": lambda features=3: nnx_network(lambda rngs: NnxCNN(rngs, features), IMAGE),
}


def plain_loop(kind, data, learning_rate, seed):
    """Train as Flax's and optax's own documentation do; returns the leaves of the parameters."""
    key, optimizer = jax.random.key(seed), optax.sgd(learning_rate, momentum=0.9)
    if kind == "linen":
        params, call = LinenCNN().init(key, jnp.zeros((1, *IMAGE))), LinenCNN().apply
    else:
        definition, params = nnx.split(NnxCNN(nnx.Rngs(key)))

        def call(params, x):
            return nnx.merge(definition, params)(x)

    @jax.jit
    def step(params, opt_state, images, classes):
        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(call(params, images), classes).mean()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    opt_state = optimizer.init(params)
    for number in range(STEPS):
        rows = np.arange(number * BATCH, (number + 1) * BATCH)
        images = data.train.inputs[rows].reshape(-1, *IMAGE)
        params, opt_state = step(params, opt_state, images, data.train.targets[rows])
    return jax.tree.leaves(params)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_cnn_runs_match_a_plain_loop(kind, digits, tmp_path):
    def recipe():
        return fn.supervised(
            NETWORKS[kind](),
            "cross_entropy",
            optimizer=fn.from_hparams(optax.sgd, "learning_rate", momentum=0.9),
            batch_size=BATCH,
            order="sequential",
        )

    space = fn.grid(learning_rate=[0.01, 0.05], seed=range(2))
    prepared = fn.prepare(recipe, space, digits, num_steps=STEPS, store=tmp_path / "s", save_params=True)
    assert len(prepared.estimates) == 1, "one program"
    results = fn.execute(prepared)
    for run, hparams in enumerate(space):
        plain = plain_loop(kind, digits, **hparams)
        chex.assert_trees_all_close(jax.tree.leaves(results.params(run)), plain, rtol=0, atol=1e-5)
    # What a store gives back is used as it is, though nnx numbers the layers of a list by a dict, with gaps.
    network, params = NETWORKS[kind](), results.params(0)
    assert jax.tree.structure(params) == jax.tree.structure(network.init(jax.random.key(0)))
    one = jax.vmap(network.apply, in_axes=(None, 0))(params, digits.test.inputs)
    classes = jnp.argmax(one, axis=1)
    assert abs(np.mean(classes == digits.test.targets) - results["test_accuracy"][0]) < 1e-6


@pytest.mark.parametrize("kind", NETWORKS)
def test_module_fields_are_static_axes(kind, digits):
    def recipe(features):
        network = NETWORKS[kind](features)
        return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=8)

    space = fn.grid(features=[2, 5], learning_rate=[0.1, 0.2, 0.3])
    assert [group.static for group in make_plan(recipe, space, digits).groups] == [
        {"features": 2},
        {"features": 5},
    ]


@pytest.mark.slow
def test_batches_match_flax(digits):
    images = digits.test.inputs[:5]
    network, key = NETWORKS["linen"](), jax.random.key(1)
    variables = LinenCNN().init(key, jnp.zeros((1, *IMAGE)))
    ours = jax.vmap(network.apply, in_axes=(None, 0))(network.init(key), images)
    np.testing.assert_allclose(ours, LinenCNN().apply(variables, images.reshape(-1, *IMAGE)), rtol=1e-5)
    network, module = NETWORKS["nnx"](), NnxCNN(nnx.Rngs(key))
    ours = jax.vmap(network.apply, in_axes=(None, 0))(network.init(key), images)
    np.testing.assert_allclose(ours, module(images.reshape(-1, *IMAGE)), rtol=1e-5)


def test_nnx_module_takes_parameters_of_a_network():
    network, module = NETWORKS["nnx"](), NnxCNN(nnx.Rngs(0))
    params = network.init(jax.random.key(5))
    nnx.update(module, nnx_state(params, nnx.state(module, nnx.Param)))
    image = jnp.linspace(0, 1, 64)
    np.testing.assert_allclose(module(image.reshape(1, *IMAGE))[0], network.apply(params, image), rtol=1e-5)


# --- dropout and batch statistics -----------------------------------------------------------------------


class LinenNormed(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool):
        x = linen.BatchNorm(use_running_average=not train, momentum=0.9)(linen.Dense(WIDTH)(x))
        x = linen.Dropout(0.4, deterministic=not train)(linen.tanh(x))
        return linen.Dense(3)(x)


class NnxNormed(nnx.Module):
    def __init__(self, rngs):
        self.first, self.last = nnx.Linear(4, WIDTH, rngs=rngs), nnx.Linear(WIDTH, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(WIDTH, momentum=0.9, rngs=rngs)
        self.drop = nnx.Dropout(0.4, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(nnx.tanh(self.norm(self.first(x)))))


NORMED = {
    "linen": lambda: linen_network(LinenNormed(), (4,)),
    "nnx": lambda: nnx_network(NnxNormed, (4,)),
}


def linen_loop(data, hparams, num_steps):
    """Train as Flax's guides do; returns the variables and the outputs for the test split."""
    model, rate, seed = LinenNormed(), hparams["learning_rate"], Hparams(hparams)
    optimizer = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate, momentum=0.9))
    variables = model.init(jax.random.key(hparams["seed"]), jnp.zeros((1, 4)), train=False)
    params, stats = variables["params"], variables["batch_stats"]
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params, stats, opt_state, key, x, y):
        def loss(params):
            logits, updated = model.apply(
                {"params": params, "batch_stats": stats},
                x,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), updated["batch_stats"]

        grads, stats = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), stats, opt_state

    for number in range(num_steps):
        rows = np.arange(number * 16, (number + 1) * 16) % len(data.train.inputs)
        batch = data.train.inputs[rows], data.train.targets[rows]
        params, stats, opt_state = step(params, stats, opt_state, step_key(seed, number), *batch)
    variables = {"params": params, "batch_stats": stats}
    return variables, model.apply(variables, data.test.inputs, train=False)


def nnx_loop(data, hparams, num_steps):
    """As in Flax's guides, too; the dropout layer gets a new key at each step."""
    model, rate, seed = NnxNormed(nnx.Rngs(hparams["seed"])), hparams["learning_rate"], Hparams(hparams)
    transformation = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate, momentum=0.9))
    optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)
    model.train()

    @nnx.jit
    def step(model, optimizer, x, y):
        def loss(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

        optimizer.update(model, nnx.grad(loss)(model))

    for number in range(num_steps):
        rows = np.arange(number * 16, (number + 1) * 16) % len(data.train.inputs)
        nnx.reseed(model, default=step_key(seed, number))
        step(model, optimizer, data.train.inputs[rows], data.train.targets[rows])
    model.eval()
    variables = nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.RngState)))
    return variables, model(data.test.inputs)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "loop"), [("linen", linen_loop), ("nnx", nnx_loop)])
@pytest.mark.parametrize("num_lanes", [1, 8])
def test_dropout_and_batch_statistics_match_a_plain_loop(kind, loop, num_lanes, tmp_path):
    data = fn.load_dataset("iris")
    options = {"batch_size": 16, "order": "sequential"}

    def recipe():
        optimizer = optax.chain(optax.add_decayed_weights(0.1))
        return fn.supervised(
            NORMED[kind](),
            "cross_entropy",
            optimizer=lambda hp: optax.chain(optimizer, optax.sgd(hp["learning_rate"], momentum=0.9)),
            **options,
        )

    space = (
        fn.grid(learning_rate=[0.02, 0.1], seed=range(4))
        if num_lanes == 8
        else fn.grid(learning_rate=[0.1], seed=[3])
    )
    results = fn.sweep(
        recipe, space, data, num_steps=50, store=tmp_path / "s", save_params=True, lanes=num_lanes
    )
    for run in (0, len(space) - 1):
        variables, outputs = loop(data, list(space)[run], 50)
        kept = results.params(run)
        chex.assert_trees_all_close(kept, variables, rtol=0, atol=1e-5)
        ours = NORMED[kind]().apply_batch(kept, data.test.inputs)
        np.testing.assert_allclose(ours, outputs, rtol=0, atol=1e-5)
        accuracy = np.mean(np.argmax(outputs, axis=1) == data.test.targets)
        assert abs(results["test_accuracy"][run] - accuracy) < 1e-6


@pytest.mark.parametrize("kind", NORMED)
def test_evaluation_uses_the_running_statistics(kind):
    network = NORMED[kind]()
    params = network.init(jax.random.key(0))
    batch = jnp.asarray(np.random.default_rng(0).normal(5, 2, (6, 4)), jnp.float32)
    outputs, trained = network.train(params, batch, jax.random.key(1))
    kept = trained_part(network, params)
    chex.assert_trees_all_equal(trained_part(network, trained), kept)
    assert len(jax.tree.leaves(kept)) == 6 and len(jax.tree.leaves(params)) == 8
    one_by_one = jnp.stack([network.apply(trained, x) for x in batch])
    np.testing.assert_allclose(network.apply_batch(trained, batch), one_by_one, rtol=1e-5, atol=1e-6)
    assert not np.allclose(outputs, one_by_one, atol=0.1)
    assert not np.allclose(network.apply_batch(params, batch), one_by_one, atol=0.01)


# --- an mlp's weights -----------------------------------------------------------------------------------


# --- what a network cannot be ---------------------------------------------------------------------------


class Normed(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.BatchNorm(use_running_average=False)(linen.Dense(4)(x))


class Dropped(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dropout(0.5, deterministic=False)(linen.Dense(4)(x))


class NnxNoise(nnx.Module):
    def __init__(self, rngs):
        self.stream = rngs.noise.fork()

    def __call__(self, x):
        return x + jax.random.normal(self.stream(), x.shape)


class Summed(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(4)(x).sum()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: linen_network(Normed(), (IN,)),
            "Normed updates its statistics in evaluation .* use_running_average=not train",
        ),
        (
            lambda: linen_network(Dropped(), (IN,)),
            "Dropped draws random numbers in evaluation .* argument train",
        ),
        (
            lambda: nnx_network(NnxNoise, (IN,)),
            r"NnxNoise draws random numbers in evaluation; .* module\.eval",
        ),
        (lambda: linen_network(Summed(), (IN,)), r"must return outputs of shape \[1, \.\.\.\]"),
        (
            lambda: linen_network(linen.Dense(4), (IN, 0)),
            r"input_shape\[1\] must be a positive integer, got 0",
        ),
        (lambda: nnx_network(lambda rngs: rngs, (IN,)), "must return a flax.nnx module"),
        (
            lambda: linen_network(linen.Dense(4), (IN,)).apply({}, jnp.zeros((5, IN))),
            r"takes examples of shape \(3,\), got \(5, 3\)",
        ),
    ],
)
def test_invalid_modules_are_refused(build, message):
    with pytest.raises(fn.InputError, match=message):
        build()


def test_module_instance_is_refused():
    module = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    with pytest.raises(fn.InputError, match=r"function from nnx\.Rngs to a module, .* got the module Linear"):
        nnx_network(module, (3,))


def test_bfloat16_modules_give_float32_curves():
    module = linen.Dense(3, dtype=jnp.bfloat16)
    data = fn.load_dataset("iris")
    task = fn.supervised(
        linen_network(module, (4,)), "cross_entropy", optimizer=lambda hp: fn.sgd(hp["rate"]), batch_size=16
    )
    results = fn.sweep(lambda: task, fn.grid(rate=[0.1, 0.3]), data, num_steps=20)
    assert results["test_loss"].dtype == results["batch_loss_curve"].dtype == np.float32
    assert (results["test_accuracy"] > 0.5).all()
