"""Mistakes of people who write their own recipes: what they are told."""

import functools
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnnet as fn
from fnnet.sweeps.mistakes import check_used
from fnnet.sweeps.plan import make_plan
from fnnet.sweeps.tracing import find_hparams


def toy(**functions):
    """Return the task of three weights, with some of its functions replaced."""
    usual = {
        "init": lambda key, hp, data: jnp.ones(3),
        "step": lambda key, hp, w, batch: (w - hp["rate"] * w, {"loss": jnp.sum(w)}),
        "measure": lambda hp, w, data: {"train_loss": jnp.sum(w)},
    }
    return fn.Task(**usual | functions)


def refusal(task, **axes):
    """Return the line that refuses a sweep of a task, and the error behind it."""
    with pytest.raises(fn.InputError) as caught:
        make_plan(lambda: task, fn.grid(**({"rate": [0.1, 0.3]} | axes)), None)
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.__cause__


def change_dtype(key, hp, w, batch):
    return jax.lax.fori_loop(0, 3, lambda i, c: c.astype(jnp.int32), w), {"loss": 0.0}


SHAPES = {
    "in init of the task .*: dot_general requires .* got (3,) and (4,)": {
        "init": lambda key, hp, data: jnp.ones(3) @ jnp.ones(4)
    },
    "in step of the task .*: .*incompatible shapes for broadcasting: (3,), (4,)": {
        "step": lambda key, hp, w, batch: (w * hp["rate"] + jnp.ones(4), {"loss": 0.0})
    },
    "in step of the task .*: .*must have equal types, but they differ: .* float32": {"step": change_dtype},
    "in measure of the task .*: .*cannot reshape": {"measure": lambda hp, w, data: {"x": jnp.reshape(w, 5)}},
}


@pytest.mark.parametrize("message", SHAPES)
def test_shape_errors_of_jax_become_one_line_with_the_place(message):
    line, cause = refusal(toy(**SHAPES[message]))
    assert re.fullmatch(message.replace("(", r"\(").replace(")", r"\)") + ".*", line), line
    assert re.search(r"\(test_mistakes.py, line \d+\)", line) and isinstance(cause, TypeError | ValueError)


def test_jax_errors_in_a_recipe_become_one_line():
    def recipe(width):
        return toy(init=jnp.ones(width) @ jnp.ones(width + 1))

    with pytest.raises(
        fn.InputError, match=r"in the recipe \(test_mistakes.py, line \d+\): dot_general .*\(3,\)"
    ):
        make_plan(recipe, fn.grid(width=3, rate=0.1), None)


def test_errors_of_the_user_pass_unchanged():
    def init(key, hp, data):
        raise ValueError("no such weights")

    with pytest.raises(ValueError, match="no such weights") as caught:
        make_plan(lambda: toy(init=init), fn.grid(rate=[0.1]), None)
    assert not isinstance(caught.value, fn.InputError)


@pytest.mark.parametrize("use", [lambda x: x if x < 0.2 else 0.2, float, lambda x: np.asarray(x) + 1])
def test_python_code_that_needs_a_number_gets_advice(use):
    line, cause = refusal(toy(init=lambda key, hp, data: use(hp["rate"])))
    assert re.search(r"init of the task uses a traced number .*\(test_mistakes.py, line \d+\)", line)
    assert "use jnp.where and fn.schedules, or make the axis static" in line
    assert isinstance(cause, jax.errors.JAXTypeError)


def test_schedule_of_optax_that_needs_a_number_gets_advice():
    def step(key, hp, w, batch):
        rate = optax.warmup_cosine_decay_schedule(0.0, hp["rate"], 10, 40)
        return w - rate(3) * w, {"loss": jnp.sum(w)}

    line, _ = refusal(toy(step=step))
    assert "step of the task uses a traced number" in line and "fn.schedules" in line


def test_argument_that_the_recipe_never_uses_is_no_axis():
    def recipe(num_epochs, depth=1, *, width=5):
        return (lambda: width), depth

    check_used(recipe, ("depth", "width"))
    with pytest.raises(fn.InputError, match="axis 'num_epochs' changes nothing: the recipe never uses its"):
        check_used(recipe, ("depth", "num_epochs"))
    with pytest.raises(fn.InputError, match="axis 'num_epochs' changes nothing"):
        make_plan(functools.partial(recipe, depth=2), fn.grid(num_epochs=[10, 20], rate=0.1), None)


@pytest.mark.parametrize(
    "recipe",
    [
        lambda first, second: (first, second),  # read by one instruction where Python has it
        lambda first, second: {"first": first} | {second: 1},
        lambda first, second: locals(),
        lambda first, second: [first for _ in range(second)],
        print,
    ],
)
def test_arguments_that_are_used_are_not_refused(recipe):
    check_used(recipe, ("first", "second"))


def test_axis_that_only_some_runs_read_is_named_with_them():
    data = fn.load_dataset("iris")
    space = fn.grid(optimizer=["sgd", "adam"], learning_rate=0.1, momentum=[0.5])
    with pytest.raises(
        fn.InputError,
        match=r"axis 'momentum' is read where optimizer=sgd, but not where optimizer=adam; .* union",
    ):
        make_plan(fn.mlp_recipe(data), space, data)


def test_arguments_of_another_kind_are_named():
    train, evaluate = inspect.unwrap(fn.train), inspect.unwrap(fn.evaluate_results)  # without type checks
    with pytest.raises(fn.InputError, match="train takes a Task, got a function; of a recipe, the task"):
        train(toy, {"rate": 0.1}, None, num_steps=3)
    with pytest.raises(
        fn.InputError, match="a recipe, results and examples, in this order; got function and"
    ):
        evaluate(toy, None, None)


def test_hyper_parameters_of_a_task_are_found():
    data = fn.load_dataset("iris")
    task = fn.mlp_recipe(data)(depth=0, optimizer="lion", schedule="step")
    required, optional = find_hparams(task, data)
    assert required == ["learning_rate"]
    assert {"b1", "b2", "weight_decay", "max_norm", "step_factor", "warmup_fraction", "seed"} <= {*optional}
    assert "num_steps" not in optional and "momentum" not in optional
