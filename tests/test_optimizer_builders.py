import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnet as fn
from fnnet import Hparams
from fnnet.names import OPTIMIZERS
from fnnet.optimizer_builders import from_hparams, make_builder

# Numbers unlike the defaults, for names that take more than a rate.
NUMBERS = {
    "adam": {"b1": 0.8, "b2": 0.99, "eps": 1e-3},
    "adamw": {"weight_decay": 0.1},
    "adagrad": {"initial_accumulator_value": 0.5},
    "rmsprop": {"decay": 0.8, "momentum": 0.5},
    "lion": {"b2": 0.9, "weight_decay": 0.05},
    "rprop": {"eta_plus": 1.1},
}
RATES = np.array([0.003, 0.02], np.float32)


def reference(name, rate):
    """The optimizer by optax alone, with plain numbers."""
    return getattr(optax, name)(rate, **NUMBERS.get(name, {}))


def descend(optimizer, num_steps):
    """Return the path of three weights, whose gradients change their signs, but seldom come near 0.

    Where they do, steps that divide by the gradient's size amplify rounding.
    """
    size = jnp.array([1.0, 3.0, 9.0])

    def step(carry, time):
        params, state = carry
        grads = size * (0.2 + jnp.sin(0.3 * time + size)) + 0.1 * params
        updates, state = optimizer.update(grads, state, params)
        return (params + updates, state), params + updates

    params = jnp.array([1.0, -2.0, 0.5])
    return jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(1.0 * num_steps))[1]


def paths(names, num_steps=200):
    """Compile the paths of all names as lanes, and those of optax alone with plain numbers; return both."""

    def lane(rate, numbers):
        build = {name: make_builder(name) for name in names}
        return {
            name: descend(build[name](Hparams({"learning_rate": rate, **numbers.get(name, {})})), num_steps)
            for name in names
        }

    def both(rates, numbers):
        lanes = jax.vmap(lane, in_axes=(0, None))(rates, numbers)
        return lanes, {name: [descend(reference(name, float(r)), num_steps) for r in RATES] for name in names}

    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        return jax.jit(both)(RATES, {name: NUMBERS.get(name, {}) for name in names})


def check_paths(names):
    lanes, alone = paths(names)
    for name in names:
        np.testing.assert_allclose(lanes[name], alone[name], rtol=1e-6, atol=1e-6, err_msg=name)
        assert np.abs(lanes[name][0] - lanes[name][1]).max() > 1e-3 or name in ("rprop",), name


def test_named_optimizers_equal_optax_alone():
    check_paths(["sgd", "adam", "adamw", "rmsprop", "lion"])


@pytest.mark.slow
def test_every_named_optimizer_equals_optax_alone():
    check_paths(OPTIMIZERS)


def test_schedule_of_a_lane_equals_optax_alone():
    def lane(rate, warmup, length):
        build = from_hparams("adam", schedule="cosine")
        hparams = {"learning_rate": rate, "warmup_fraction": warmup, "final_factor": 0.1, "num_steps": length}
        return descend(build(Hparams(hparams)), 200)

    def alone(rate, warmup_steps):
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, warmup_steps, 200, end_value=0.1 * rate)
        return descend(optax.adam(schedule), 200)

    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        lanes = jax.jit(jax.vmap(lane))(RATES, np.array([0.1, 0.25], np.float32), np.array([200, 200]))
        expected = jax.jit(lambda: [alone(float(RATES[0]), 20), alone(float(RATES[1]), 50)])()
    np.testing.assert_allclose(lanes, expected, rtol=1e-6, atol=1e-6)


def traced(optimizer, **hparams):
    """Return the program of one update, as text."""

    def update(hparams, params):
        chosen = make_builder(optimizer)(Hparams(hparams))
        return chosen.update(params, chosen.init(params), params)

    hparams = {name: jnp.float32(value) for name, value in hparams.items()}
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        return str(jax.make_jaxpr(update)(hparams, jnp.ones(3)))


SAME = [
    ("sgd", lambda hp: fn.sgd(hp["learning_rate"], momentum=hp["momentum"]), ["momentum"]),
    (from_hparams("sgd", momentum=0.9), lambda hp: fn.sgd(hp["learning_rate"], momentum=0.9), []),
    (
        from_hparams(optax.adam, "learning_rate", b1=0.5),
        lambda hp: optax.adam(hp["learning_rate"], b1=0.5),
        [],
    ),
    (from_hparams(lambda power: fn.sgd(2.0**power)), lambda hp: fn.sgd(2.0 ** hp["power"]), ["power"]),
    (
        from_hparams("sgd", "learning_rate", "max_norm"),
        lambda hp: fn.sgd(hp["learning_rate"], max_norm=hp["max_norm"]),
        ["max_norm"],
    ),
]


@pytest.mark.parametrize(("one", "other", "others"), SAME)
def test_name_is_the_same_program_as_a_function(one, other, others):
    numbers = {"learning_rate": 0.1} | dict.fromkeys(others, 0.5)
    assert traced(one, **numbers) == traced(other, **numbers)


def test_gradients_are_clipped_before_any_optimizer():
    by_name = make_builder("adagrad")(Hparams({"learning_rate": 0.1, "max_norm": 0.5}))
    chained = optax.chain(optax.clip_by_global_norm(0.5), optax.adagrad(0.1))
    grads = jnp.array([3.0, 4.0])
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        updates, expected = (o.update(grads, o.init(grads), grads)[0] for o in (by_name, chained))
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


def test_only_the_numbers_of_an_optimizer_and_its_schedule_are_read():
    def names_read(name, schedule):
        hparams = Hparams({"learning_rate": 0.1, "num_steps": 10})
        from_hparams(name, schedule=schedule)(hparams)
        return hparams.names_read - {"learning_rate", "max_norm", "warmup_fraction"}

    assert names_read("sgd", "constant") == {"momentum", "weight_decay"}
    assert names_read("adam", "constant") == {"b1", "b2", "eps", "eps_root"}
    assert names_read("adamw", "cosine") == {
        *("b1", "b2", "eps", "eps_root", "weight_decay", "num_steps", "final_factor")
    }
    assert names_read("sign_sgd", "step") == {"num_steps", "step_factor", "step_fraction"}


def test_without_a_schedule_the_length_of_the_run_is_not_read():
    hparams = Hparams({"learning_rate": 0.1})
    assert make_builder("sgd")(hparams).init(jnp.ones(2)).step is None
    with pytest.raises(fn.InputError, match="'num_steps', which is missing"):
        make_builder("sgd", "cosine")(hparams)
    with pytest.raises(fn.InputError, match="'num_steps', which is missing"):
        make_builder("sgd")(Hparams({"learning_rate": 0.1, "warmup_fraction": 0.5}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_hparams("Adam"), "unknown optimizer 'Adam'; did you mean 'adam'"),
        (lambda: from_hparams("adam", schedule="cosin"), "unknown schedule 'cosin'; did you mean 'cosine'?"),
        (lambda: from_hparams("adam", "learning_rate", "momentum"), "unknown argument of adam 'momentum'"),
        (lambda: from_hparams("lion", nesterov=True), "unknown argument of lion 'nesterov'"),
        (
            lambda: from_hparams(optax.sgd, "rate"),
            "unknown argument of sgd 'rate'; did you mean 'learning_rate'",
        ),
        (
            lambda: from_hparams(optax.adam(0.1)),
            "needs a name or a function such as optax.adam, got Gradient",
        ),
        (lambda: make_builder(optax.adam(0.1), "cosine"), "schedule 'cosine' is for an optimizer by name"),
    ],
)
def test_unknown_names_are_refused(make, message):
    with pytest.raises(fn.InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate must be a positive finite number, got -1.0"),
        ({"b1": 1.0}, "b1 must be a number from 0 to below 1, got 1.0"),
        ({"eps": -1e-8}, "eps must be a finite number of at least 0"),
        ({"weight_decay": float("inf")}, "weight_decay must be a finite number of at least 0, got inf"),
        ({"max_norm": 0}, "max_norm must be a positive number, got 0"),
        ({"warmup_fraction": 1.5}, "warmup_fraction must be a number from 0 to 1, got 1.5"),
        ({"final_factor": -1}, "final_factor must be a finite number of at least 0, got -1"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers, message):
    build = from_hparams("adamw", schedule="linear")
    with pytest.raises(fn.InputError, match=message):
        build(Hparams({"learning_rate": 0.1} | numbers))


@pytest.mark.slow
def test_grid_of_optimizers_schedules_and_warmups_is_one_sweep():
    """Each run is that of training alone, and no two are the same."""
    data = fn.load_dataset("iris")
    axes = {"optimizer": ["sgd", "adam"], "schedule": ["constant", "linear"], "warmup_fraction": [0.0, 0.3]}
    space = fn.grid(**axes, learning_rate=0.05, depth=0, seed=3)
    results = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=20)
    for run in range(len(space)):
        config = space[run]
        static = {name: config.pop(name) for name in ("optimizer", "schedule", "depth")}
        alone = fn.train(fn.mlp_recipe(data)(**static), config, data, num_steps=20)
        np.testing.assert_allclose(results["train_loss"][run], alone.metrics["train_loss"], rtol=1e-5)
    assert len(np.unique(results["train_loss"])) == len(space) == 8
