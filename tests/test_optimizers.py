import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnet as fn
from fnnet import schedules
from fnnet.optimizers import clip_by_global_norm, sgd
from fnnet.training import first_batch

RATE = 0.02
CASES = {
    "sgd": (sgd(RATE), optax.sgd(RATE)),
    "momentum": (sgd(RATE, momentum=0.9), optax.sgd(RATE, momentum=0.9)),
    "nesterov": (
        sgd(RATE, momentum=0.9, nesterov=True),
        optax.sgd(RATE, momentum=0.9, nesterov=True),
    ),
    "weight_decay": (
        sgd(RATE, momentum=0.9, weight_decay=0.1),
        optax.chain(optax.trace(0.9), optax.add_decayed_weights(0.1), optax.scale(-RATE)),
    ),
    "clip": (sgd(RATE, max_norm=0.5), optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(RATE))),
    "schedule": (
        sgd(schedules.cosine(RATE, 150, 0.1), momentum=0.5),
        optax.sgd(optax.cosine_decay_schedule(RATE, 150, 0.1), momentum=0.5),
    ),
}


def descend(optimizer, num_steps=200):
    """Minimise a stretched quadratic with a quartic term; return the path of all parameters."""

    def loss(params):
        return jnp.sum(jnp.array([1.0, 3.0, 9.0]) * params["w"] ** 2) + jnp.sum(params["b"] ** 4)

    params = {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array([1.5, -0.5])}
    state, path = optimizer.init(params), []
    for _ in range(num_steps):
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        params = fn.apply_updates(params, updates)
        path.append(jnp.concatenate([params["w"], params["b"]]))
    return np.array(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_updates_match_optax(name):
    ours, theirs = CASES[name]
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        expected = descend(theirs)
    np.testing.assert_allclose(descend(ours), expected, atol=1e-6)


@pytest.mark.slow
def test_any_optax_transformation_fits_a_task(digits):
    task = fn.supervised(
        fn.mlp(64, [16], 10), "cross_entropy", optimizer=lambda hp: optax.adam(hp["learning_rate"])
    )
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        run = fn.train(task, {"learning_rate": jnp.array(0.01)}, digits, num_steps=150)
    assert run.metrics["test_accuracy"] > 0.9


def test_hyper_parameters_may_be_traced():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def one_update(rate, momentum, decay, norm):
        optimizer = sgd(rate, momentum=momentum, weight_decay=decay, max_norm=norm)
        params = jnp.array([3.0, 4.0])
        updates, _ = optimizer.update(params, optimizer.init(params), params)
        return updates

    # gradient (3, 4) of norm 5 clipped to 1, plus decay 0.5 * (3, 4)
    np.testing.assert_allclose(one_update(0.1, 0.9, 0.5, 1.0), [-0.21, -0.28], rtol=1e-6)
    np.testing.assert_allclose(one_update(0.2, 0.5, 0.5, 1.0), [-0.42, -0.56], rtol=1e-6)


def test_unused_state_takes_no_memory():
    params = jnp.zeros(3)
    assert jax.tree.leaves(sgd(0.1).init(params)) == []
    assert len(jax.tree.leaves(sgd(0.1, momentum=0.9).init(params))) == 1


def test_small_gradients_are_not_clipped():
    grads = {"a": jnp.array([0.3]), "b": jnp.array([0.4])}
    zero = {"a": jnp.zeros(2)}
    chex.assert_trees_all_close(clip_by_global_norm(grads, 1.0), grads, rtol=1e-7, atol=0)
    chex.assert_trees_all_equal(clip_by_global_norm(zero, 1.0), zero)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sgd(0.0), "learning_rate must be a positive finite number, got 0.0"),
        (lambda: sgd(float("nan")), "learning_rate must be"),
        (lambda: sgd(float("inf")), "learning_rate must be"),
        (lambda: sgd(0.1, momentum=-0.1), "momentum must be"),
        (lambda: sgd(0.1, weight_decay=float("nan")), "weight_decay must be"),
        (lambda: sgd(0.1, max_norm=0), "max_norm must be a positive number"),
        (lambda: sgd(0.1, nesterov=True), "needs a momentum"),
        (lambda: sgd(0.1, weight_decay=0.1).update(jnp.ones(1), sgd(0.1).init(None)), "needs params"),
    ],
)
def test_impossible_numbers_are_refused(make, message):
    with pytest.raises(fn.InputError, match=message):
        make()


def test_gradient_through_clipping_is_finite_where_all_gradients_are_zero():
    """Clipping is the identity around 0, so the derivative of a clipped gradient there is that of the gradient."""

    def clipped(scale):
        return jnp.sum(clip_by_global_norm({"a": scale * jnp.ones(3), "b": scale * jnp.ones(2)}, 1.0)["a"])

    assert jax.grad(clipped)(0.0) == 3
    assert jax.grad(clipped)(0.1) == pytest.approx(3)


@pytest.mark.slow
def test_gradient_through_training_with_dead_units_is_finite(digits):
    data = jax.tree.map(lambda leaf: leaf[:20], digits)
    network = fn.mlp(64, [7], 10, "relu", initializer="zeros", use_bias=False)

    def loss(rate, max_norm):
        task = fn.supervised(
            network, "cross_entropy", optimizer=lambda hp: sgd(hp["rate"], max_norm=max_norm), batch_size=5
        )
        return fn.train(task, {"rate": rate}, data, num_steps=2).metrics["train_loss"]

    assert jax.grad(loss)(0.1, 1.0) == jax.grad(loss)(0.1, None) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.0}, "momentum must be a number from 0 to below 1, got 1.0"),
        ({"momentum": np.float32(-0.5)}, "momentum must be a number from 0 to below 1, got -0.5"),
        ({"weight_decay": jnp.asarray(-1.0)}, "weight_decay must be a finite number of at least 0, got -1.0"),
        ({"weight_decay": float("nan")}, "weight_decay must be a finite number of at least 0, got nan"),
        ({"max_norm": 0.0}, "max_norm must be a positive number, got 0.0"),
        ({"momentum": "high"}, "momentum must be a number from 0 to below 1, got high"),
        ({"nesterov": "no", "momentum": 0.9}, "nesterov must be true or false, got 'no'"),
    ],
)
def test_concrete_numbers_are_checked(options, message):
    with pytest.raises(fn.InputError, match=message):
        inspect.unwrap(sgd)(0.1, **options)


def fit(optimizer, **hparams):
    """Plan a step of a small network, without computing it."""
    data = fn.from_arrays(np.ones((6, 3)), np.zeros((6, 2)), test=(np.ones((1, 3)), np.zeros((1, 2))))
    supervised = fn.supervised.__wrapped__  # as without type checks, which refuse before fnnet can
    task = supervised(fn.mlp(3, [7], 2), "mse", optimizer=optimizer, batch_size=5)

    def one_step(hparams):
        hparams = fn.Hparams(hparams)
        key = jax.random.key(0)
        return task.step(key, hparams, task.init(key, hparams, data), first_batch(task, data))

    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        return jax.eval_shape(one_step, hparams)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda hp: optax.lbfgs(), "needs more than gradients and parameters .*'value'"),
        (lambda hp: optax.polyak_sgd(), "needs more than gradients and parameters .*'value'"),
        (
            lambda hp: optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau()),
            "needs more than gradients and parameters .*'value'",
        ),
        (
            lambda hp: optax.lookahead(optax.sgd(0.1), 5, 0.5),
            "needs more than gradients and parameters .*'fast'",
        ),
        ("adm", "unknown optimizer 'adm'; did you mean 'adam'"),
        (0.1, "optimizer must be .*, got 0.1"),
        (lambda hp: hp["rate"], "optimizer must be .*, got a function that returns"),
        (
            lambda hp: optax.sgd(optax.warmup_cosine_decay_schedule(0.0, hp["rate"], 10, 40)),
            "branches on a traced hyper-parameter, .* use schedule=, fn.schedules",
        ),
    ],
)
def test_invalid_optimizers_raise_one_line(optimizer, message):
    with pytest.raises(fn.InputError, match=message) as error:
        fit(optimizer, rate=0.1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("optimizer", [fn.sgd(0.1, momentum=0.9), optax.adam(1e-3)])
def test_optimizer_or_a_function_is_accepted(optimizer):
    assert fit(optimizer) == fit(lambda hp: optimizer)
