import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

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
}


@pytest.mark.parametrize("name", CASES)
def test_schedules_are_optax_s(name):
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


def test_lengths_may_be_traced_too():
    for make in (
        lambda length: schedules.cosine(1.0, length, 0.0),
        lambda length: schedules.step_decay(1.0, 0.5, length),
        lambda length: schedules.linear_warmup(1.0, length),
    ):
        traced = jax.jit(lambda length, make=make: make(length)(jnp.array(3)))(jnp.array(6))
        np.testing.assert_allclose(traced, make(6)(jnp.array(3)), rtol=1e-6)
