"""Results that several tests of records look at."""

import functools

import jax
import numpy as np
import pytest

import fnnet as fn

OPTIONS = {"num_steps": 20, "eval_every": 6}


@pytest.fixture
def results():
    """Return results without a store: three rates, three seeds each, of which two diverged."""
    accuracy = np.array([0.8, 0.9, 0.7, 0.95, 0.97, 0.93, 0.2, 0.1, 0.0])
    columns = {"test_accuracy": accuracy, "test_loss": -accuracy, "diverged": accuracy < 0.15}
    return fn.Results(fn.grid(depth=[1], learning_rate=[0.1, 0.3, 0.9], seed=range(3)), columns)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a sweep of two shapes in chunks that mix rates and seeds, with its parameters."""
    data = fn.load_dataset("iris")
    space = fn.grid(depth=[0, 2], learning_rate=[0.05, 0.1, 0.2], seed=range(5))
    folder = tmp_path_factory.mktemp("trained")
    return fn.sweep(fn.mlp_recipe(data), space, data, store=folder, lanes=4, save_params=True, **OPTIONS)


@pytest.fixture(scope="session")
def alone():
    """Return a function that trains one run of `trained` without a sweep."""
    data = fn.load_dataset("iris")

    @functools.cache
    def trainer(depth):
        task = fn.mlp_recipe(data)(depth=depth)
        return jax.jit(lambda hparams: fn.train(task, hparams, data, **OPTIONS))

    return lambda depth, **hparams: trainer(depth)(hparams)
