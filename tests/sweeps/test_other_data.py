"""Data that change after a sweep, in any form."""

import jax
import pytest

import fnnet as fn


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


def changed(data):
    return jax.tree.map(lambda leaf: leaf[::-1], data)


@pytest.mark.parametrize(
    "form",
    [
        lambda data: data,
        lambda data: (data.train.inputs, data.train.targets),
        lambda data: {"x": jax.numpy.asarray(data.train.inputs), "y": data.train.targets},
    ],
    ids=["Dataset", "tuple", "dict of device arrays"],
)
def test_other_data_are_refused_in_whatever_form_they_come(data, tmp_path, form):
    def recipe():
        def loss(w, data):
            x, y = jax.tree.leaves(data)[:2]
            return jax.numpy.mean((x @ w - y.astype(x.dtype)) ** 2)

        def step(key, hp, w, batch):
            value, grad = jax.value_and_grad(loss)(w, batch)
            return w - hp["learning_rate"] * grad, {"loss": value}

        return fn.Task(
            lambda key, hp, data: jax.numpy.ones(4), step, lambda hp, w, data: {"train_loss": loss(w, data)}
        )

    space, options = fn.grid(learning_rate=[0.01, 0.02]), {"num_steps": 3, "store": tmp_path}
    first = fn.sweep(recipe, space, form(data), **options)
    assert fn.sweep(recipe, space, form(data), **options).table().equals(first.table())
    with pytest.raises(fn.InputError, match="data"):
        fn.sweep(recipe, space, changed(form(data)), **options)
