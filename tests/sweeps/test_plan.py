import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.sweeps.plan import make_plan


@pytest.fixture(scope="module")
def data():
    return fn.load_dataset("iris")


def test_arguments_of_the_recipe_are_static_and_all_else_is_traced(data):
    space = fn.grid(seed=range(3), depth=[2, 0], learning_rate=[0.1, 0.2], width=[4])
    plan = make_plan(fn.mlp_recipe(data), space, data)
    assert plan.static_axes == ("depth", "width") and plan.traced_axes == ("seed", "learning_rate")
    assert [group.static for group in plan.groups] == [{"depth": 2, "width": 4}, {"depth": 0, "width": 4}]
    every_run = np.concatenate([group.runs for group in plan.groups])
    assert sorted(every_run) == list(range(12))
    for group in plan.groups:
        assert all(space[run]["depth"] == group.static["depth"] for run in group.runs)
    assert plan.hparams(np.array([0, 11])) == {
        "num_steps": pytest.approx([1, 1]),
        "seed": pytest.approx([0, 2]),
        "learning_rate": pytest.approx([0.1, 0.2]),
    }


def test_sweep_without_static_axes_is_one_group(data):
    plan = make_plan(fn.mlp_recipe(data), fn.grid(learning_rate=[0.1, 0.2]), data)
    assert len(plan.groups) == 1 and plan.groups[0].static == {}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"learnig_rate": [0.1]}, "unknown axis 'learnig_rate'; did you mean 'learning_rate'"),
        ({"learning_rate": [0.1], "dept": [1]}, "unknown axis 'dept'; did you mean 'depth'"),
        ({"learning_rate": [0.1], "activaton": ["relu"]}, "did you mean 'activation'"),
        ({"learning_rate": [0.1], "activation": ["relu", "tahn"]}, "unknown activation 'tahn'"),
        ({"learning_rate": [0.1], "momentum": ["high"]}, "axis 'momentum' takes numbers, got 'high'"),
        ({"learning_rate": [0.1, -0.1]}, "learning_rate must be a positive finite number, got -0.1"),
        ({"learning_rate": [0.1], "depth": [1, -1]}, "depth must be .*; got -1"),
        ({"learning_rate": [0.1], "batch_size": [121]}, "larger than the 120 training examples"),
        ({"seed": [0]}, "reads the hyper-parameter 'learning_rate', which is missing"),
    ],
)
def test_invalid_sweep_is_refused_before_training(data, axes, message):
    with pytest.raises(fn.InputError, match=message):
        make_plan(fn.mlp_recipe(data), fn.grid(**axes), data)


def test_missing_argument_of_the_recipe_is_named(data):
    with pytest.raises(fn.InputError, match="argument 'depth' has no default"):
        make_plan(lambda depth: None, fn.grid(seed=[0]), data)


@pytest.mark.slow
def test_axis_may_exist_only_where_another_has_a_value(data):
    """Plain runs and runs with momentum, in one sweep: two programs, and no momentum where there is none."""
    space = fn.grid(width=4, learning_rate=[0.1, 0.2]) | fn.grid(
        width=4, nesterov=True, momentum=[0.5, 0.9], learning_rate=0.1
    )
    plan = make_plan(fn.mlp_recipe(data), space, data)
    assert [group.static for group in plan.groups] == [{"width": 4}, {"width": 4, "nesterov": True}]
    plain, heavy = (plan.hparams(group.runs) for group in plan.groups)
    assert set(plain) == {"learning_rate", "num_steps"} and heavy["momentum"].tolist() == [0.5, 0.9]
    results = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=5)
    assert len(np.unique(results["test_loss"])) == 4


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"momentum": [0.5, 1.5]}, "momentum must be a number from 0 to below 1, got 1.5"),
        ({"momentum": [-0.5]}, "momentum must be a number from 0 to below 1, got -0.5"),
        ({"weight_decay": [0.1, -1]}, "weight_decay must be a finite number of at least 0, got -1"),
        ({"max_norm": [1.0, 0]}, "max_norm must be a positive number, got 0"),
        ({"seed": [0, -1]}, "seed must be an integer from 0 to 2147483647, got -1"),
        ({"seed": [0.5]}, "seed must be an integer .* got 0.5"),
        ({"seed": [0, 4.0]}, "seed must be an integer .* got 4.0"),
        ({"data_seed": [2, -3]}, "data_seed must be an integer .* got -3"),
        ({"seed": [*range(1500), 0.5]}, "seed must be an integer .* got 0.5"),
        ({"seed": [0, 2**32]}, "seed is 4294967296, which does not fit int32"),
        ({"learning_rate": [1e-60, 0.1]}, "learning_rate is 1e-60, which is 0 in float32"),
        ({"learning_rate": [1e39]}, r"learning_rate is 1e\+39, which is infinite in float32"),
        ({"use_bias": [True, "no"]}, "axis 'use_bias' takes true or false, got 'no'"),
        ({"use_bias": [0.5]}, "axis 'use_bias' takes true or false, got 0.5"),
        ({"nesterov": ["no"], "momentum": 0.5}, "axis 'nesterov' takes true or false, got 'no'"),
        ({"depth": [1, 2.5]}, "axis 'depth' takes an integer, got 2.5"),
        ({"depth": [10_001]}, "depth must be .* from 0 to 10000; got 10001"),
        ({"width": [5, 0]}, "width must be a positive integer, got 0"),
        ({"activation": [3]}, "axis 'activation' takes a name, got 3"),
        ({"batch_size": ["half"]}, "batch_size must be a positive integer or 'full', got 'half'"),
        ({"width": [10**9]}, r"needs .* bytes .* use a smaller network"),
    ],
)
def test_values_that_no_run_may_have_are_refused_before_any_work(data, axes, message):
    with pytest.raises(fn.InputError, match=message):
        make_plan(fn.mlp_recipe(data), fn.grid(**({"learning_rate": [0.1]} | axes)), data)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"batch_size": ["full"]}, "axis 'data_seed' changes nothing: the batches of the task are not drawn"),
        ({"order": ["sequential"]}, "axis 'data_seed' changes nothing"),
        (
            {"order": ["shuffled", "sequential"]},
            "axis 'data_seed' is read where order=shuffled, but not where order=sequential",
        ),
        ({"order": ["shuffled", "with_replacement"]}, None),
    ],
)
def test_data_seed_that_draws_no_batch_is_refused(data, axes, message):
    space = fn.grid(learning_rate=0.1, data_seed=[4, 5], **axes)
    if message is None:
        assert make_plan(fn.mlp_recipe(data), space, data).traced_axes == ("learning_rate", "data_seed")
        return
    with pytest.raises(fn.InputError, match=message):
        make_plan(fn.mlp_recipe(data), space, data)


@pytest.mark.parametrize("reads", [True, False])
def test_data_seed_may_be_read_by_the_task_itself(reads):
    task = fn.Task(
        init=lambda key, hp, data: jnp.float32(hp["data_seed"] if reads else 0),
        step=lambda key, hp, w, batch: (w, {"loss": w}),
        measure=lambda hp, w, data: {"w": w},
    )
    space = fn.grid(data_seed=[4, 5])
    if reads:
        assert make_plan(lambda: task, space, None).traced_axes == ("data_seed",)
        return
    with pytest.raises(fn.InputError, match="axis 'data_seed' changes nothing"):
        make_plan(lambda: task, space, None)


def test_task_checks_every_value_of_every_traced_axis_once(data):
    checked = []

    def recipe(depth):
        network, optimizer = fn.mlp(4, [7] * depth, 3), lambda hp: fn.sgd(hp["rate"])
        task = fn.supervised(network, "cross_entropy", optimizer=optimizer, batch_size=5)
        return task._replace(check=lambda hparams: checked.append((depth, hparams["rate"], hparams["seed"])))

    make_plan(recipe, fn.grid(depth=[0, 2], rate=[0.1, 0.2, 0.3], seed=range(2)), data)
    assert checked == [(depth, *run) for depth in (0, 2) for run in [(0.1, 0), (0.1, 1), (0.2, 0), (0.3, 0)]]


def test_axis_that_the_message_does_not_name_is_found_by_the_run(data):
    def recipe():
        optimizer = lambda hp: fn.sgd(0.1, momentum=hp["mu"])  # noqa: E731
        return fn.supervised(fn.mlp(4, [7], 3), "cross_entropy", optimizer=optimizer, batch_size=5)

    with pytest.raises(fn.InputError, match=r"momentum must be .* got 2.0 \(in the run mu=2.0, seed=0\)"):
        make_plan(recipe, fn.grid(mu=[0.5, 2.0], seed=range(3)), fn.load_dataset("iris"))


@pytest.mark.slow
def test_full_batch_is_a_value_of_the_axis_batch_size(data):
    space = fn.grid(batch_size=["full", 120, 30], learning_rate=0.1, depth=0, order="sequential")
    losses = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=3)["train_loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and abs(losses[0] - losses[2]) > 1e-4


def test_invalid_recipe_is_refused_in_one_line(data):
    task = fn.supervised(fn.mlp(4, [7], 3), "mse", optimizer=lambda hp: fn.sgd(hp["rate"]))
    space = fn.grid(rate=[0.1])
    plain = inspect.unwrap(make_plan)
    with pytest.raises(fn.InputError, match="the recipe is a Task; pass a function that returns one"):
        plain(task, space, data)
    with pytest.raises(
        fn.InputError, match="a recipe, a space and data, in this order; got Space and function"
    ):
        plain(space, lambda: task, data)
    with pytest.raises(fn.InputError, match="the recipe must return a Task, got None"):
        plain(lambda: None, space, data)
    with pytest.raises(fn.InputError, match=r"'depth' has no default .*; is the axis 'dpeth' misspelled"):
        plain(lambda depth: task, fn.grid(dpeth=[1]), data)


def test_numbers_of_64_bits_survive_where_x64_is_on(x64):
    def recipe():
        return fn.Task(
            init=lambda key, hp, data: hp["n"] * 1,
            step=lambda key, hp, state, batch: (state, {"loss": hp["rate"]}),
            measure=lambda hp, state, data: {"seen": state, "rate_seen": hp["rate"]},
        )

    results = fn.sweep(recipe, fn.grid(n=[1, 2**32 + 7], rate=[1e-60, 1e39]), None, num_steps=2)
    assert results["seen"].tolist() == [1, 1, 2**32 + 7, 2**32 + 7]
    assert results["rate_seen"].tolist() == [1e-60, 1e39] * 2


def test_other_annotations_of_the_recipe_are_ignored(data):
    def recipe(widths: tuple[int, int], rate: float = 0.1, name: "str" = "relu", scale: int | None = None):
        optimizer = fn.sgd(rate * (scale or 1))
        return fn.supervised(fn.mlp(4, widths, 3, name), "cross_entropy", optimizer=optimizer, batch_size=5)

    space = fn.grid(widths=[(7, 5), (3, 2)], rate=[1, 0.5], name="tanh", scale=[2], seed=0)
    assert len(make_plan(recipe, space, data).groups) == 4
    with pytest.raises(fn.InputError, match=r"axis .scale. takes an integer or None, got 2\.5"):
        make_plan(recipe, fn.grid(widths=[(7, 5)], scale=2.5), data)
    with pytest.raises(fn.InputError, match=r"axis .widths. takes a tuple, got 7"):
        make_plan(recipe, fn.grid(widths=[7]), data)
