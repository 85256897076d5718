import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnet as fn
from fnnet import schedules

CASES = {
    "cosine": (schedules.cosine(0.3, 20, 0.1), optax.cosine_decay_schedule(0.3, 20, 0.1)),
    "step_decay": (schedules.step_decay(0.3, 0.5, 7), optax.exponential_decay(0.3, 7, 0.5, staircase=True)),
    "warmup": (
        schedules.linear_warmup(schedules.cosine(0.3, 20), 5),
        optax.join_schedules(
            [optax.linear_schedule(0.0, 0.3, 5), optax.cosine_decay_schedule(0.3, 20)], boundaries=[5]
        ),
    ),
    "constant": (schedules.constant(0.3), optax.constant_schedule(0.3)),
    "linear": (schedules.linear(0.3, 20, 0.1), optax.linear_schedule(0.3, 0.03, 20)),
    "whole cosine": (
        schedules.whole_run("cosine", 0.3, 25, 0.2, final_factor=0.1),
        optax.warmup_cosine_decay_schedule(0.0, 0.3, 5, 25, end_value=0.03),
    ),
    "whole step": (
        schedules.whole_run("step", 0.3, 25, step_factor=0.5),
        optax.exponential_decay(0.3, 8, 0.5, staircase=True),
    ),
    "whole step after warmup": (
        schedules.whole_run("step", 0.3, 25, 0.2, step_fraction=0.25),
        optax.join_schedules(
            [optax.linear_schedule(0.0, 0.3, 5), optax.exponential_decay(0.3, 5, 0.1, staircase=True)], [5]
        ),
    ),
    "whole constant": (schedules.whole_run("constant", 0.3, 25, 0.4), optax.linear_schedule(0.0, 0.3, 10)),
}


@pytest.mark.parametrize("name", CASES)
def test_schedules_match_optax(name):
    ours, theirs = CASES[name]
    for step in range(30):
        np.testing.assert_allclose(ours(jnp.array(step)), theirs(step), rtol=1e-5, atol=1e-7)


def test_schedules_take_traced_numbers():
    rates = jnp.array([0.1, 0.2])
    for make in (
        lambda rate: schedules.cosine(rate, 10, 0.0),
        lambda rate: schedules.step_decay(rate, 0.5, 2),
        lambda rate: schedules.linear_warmup(rate, 3),
    ):
        first, second = jax.jit(jax.vmap(lambda rate, make=make: make(rate)(jnp.array(2))))(rates)
        np.testing.assert_allclose(second, 2 * first, rtol=1e-6)


def test_schedule_lengths_may_be_traced():
    for make in (
        lambda length: schedules.cosine(1.0, length, 0.0),
        lambda length: schedules.step_decay(1.0, 0.5, length),
        lambda length: schedules.linear(1.0, length, 0.5),
        lambda length: schedules.whole_run("cosine", 1.0, length, 0.5),
        lambda length: schedules.linear_warmup(1.0, length),
    ):
        traced = jax.jit(lambda length, make=make: make(length)(jnp.array(3)))(jnp.array(6))
        np.testing.assert_allclose(traced, make(6)(jnp.array(3)), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.3, 1])
def test_schedules_of_python_numbers_are_float64_with_x64(x64, rate):
    step = jnp.array(3, jnp.int32)
    expected = {
        schedules.cosine(rate, 10, 0.1): rate * (0.1 + 0.9 * (1 + np.cos(np.pi * 0.3)) / 2),
        schedules.linear_warmup(rate, 7): rate * 3 / 7,
        schedules.linear_warmup(schedules.cosine(rate, 10), 1): rate * (1 + np.cos(np.pi * 0.2)) / 2,
        schedules.step_decay(rate, 0.7, 2): rate * 0.7,
    }
    for schedule, value in expected.items():
        assert schedule(step).dtype == jnp.float64
        np.testing.assert_allclose(schedule(step), value, rtol=1e-14)


def test_run_and_lane_have_the_same_rate(x64):
    step = jnp.array(3, jnp.int32)
    assert schedules.cosine(0.3, 10)(step) == schedules.cosine(jnp.full((), 0.3, jnp.float64), 10)(step)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.cosine(0.1, 0), "num_steps must be at least 1, got 0"),
        (lambda: schedules.cosine(0.1, -3), "num_steps must be at least 1, got -3"),
        (lambda: schedules.cosine(0.1, np.int64(0)), "num_steps must be at least 1, got 0"),
        (lambda: schedules.cosine(-0.1, 10), "learning_rate must be a positive finite number, got -0.1"),
        (lambda: schedules.cosine(0.1, 10, float("nan")), "final_factor must be at least 0, got nan"),
        (lambda: schedules.cosine(0.1, 10, -0.5), "final_factor must be at least 0, got -0.5"),
        (lambda: schedules.linear_warmup(0.1, -1), "num_steps must be at least 0, got -1"),
        (lambda: schedules.linear_warmup(0.0, 3), "learning_rate must be a positive finite number, got 0.0"),
        (lambda: schedules.step_decay(0.1, 0.5, 0), "every must be at least 1, got 0"),
        (lambda: schedules.linear(0.1, 10, -0.5), "final_factor must be at least 0, got -0.5"),
        (
            lambda: schedules.whole_run("cosine", 0.1, 10, 1.2),
            "warmup_fraction must be a number from 0 to 1, got 1.2",
        ),
        (lambda: schedules.whole_run("step", 0.1, 10, step_fraction=0.0), "step_fraction must be .* got 0.0"),
        (lambda: schedules.whole_run("exponential", 0.1, 10), "unknown schedule 'exponential'"),
        (lambda: schedules.step_decay(0.1, -0.5, 5), "factor must be at least 0, got -0.5"),
    ],
)
def test_impossible_schedules_are_refused(make, message):
    with pytest.raises(fn.InputError, match=message):
        make()


def test_warmup_of_zero_steps_is_no_warmup():
    assert schedules.linear_warmup(0.3, 0)(jnp.array(0)) == jnp.float32(0.3)
