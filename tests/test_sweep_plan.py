import numpy as np
import pytest

import fnnet as fn
from fnnet.sweep.plan import make_plan


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
        "seed": pytest.approx([0, 2]),
        "learning_rate": pytest.approx([0.1, 0.2]),
    }


def test_a_sweep_without_static_axes_is_one_group(data):
    plan = make_plan(fn.mlp_recipe(data), fn.grid(learning_rate=[0.1, 0.2]), data)
    assert len(plan.groups) == 1 and plan.groups[0].static == {}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"learnig_rate": [0.1]}, "unknown axis 'learnig_rate'; did you mean 'learning_rate'"),
        ({"learning_rate": [0.1], "dept": [1]}, "unknown axis 'dept'; did you mean 'depth'"),
        ({"learning_rate": [0.1], "activaton": ["relu"]}, "did you mean 'activation'"),
        ({"learning_rate": [0.1], "activation": ["relu", "tahn"]}, "unknown activation 'tahn'"),
        ({"learning_rate": [0.1], "momentum": ["high"]}, "axis 'momentum' .* numbers; got 'high'"),
        ({"learning_rate": [0.1, -0.1]}, "learning_rate must be a positive finite number, got -0.1"),
        ({"learning_rate": [0.1], "depth": [1, -1]}, "depth must be .*; got -1"),
        ({"learning_rate": [0.1], "batch_size": [121]}, "larger than the 120 training examples"),
        ({"seed": [0]}, "reads the hyper-parameter 'learning_rate', which is missing"),
    ],
)
def test_mistakes_are_found_before_any_work(data, axes, message):
    with pytest.raises(fn.InputError, match=message):
        make_plan(fn.mlp_recipe(data), fn.grid(**axes), data)


def test_a_recipe_s_missing_argument_is_named(data):
    with pytest.raises(fn.InputError, match="argument 'depth' has no default"):
        make_plan(lambda depth: None, fn.grid(seed=[0]), data)


def test_an_axis_may_exist_only_where_another_has_a_value(data):
    """Plain runs and runs with momentum, in one sweep: two programs, and no momentum where there is none."""
    space = fn.grid(width=4, learning_rate=[0.1, 0.2]) | fn.grid(
        width=4, nesterov=True, momentum=[0.5, 0.9], learning_rate=0.1
    )
    plan = make_plan(fn.mlp_recipe(data), space, data)
    assert [group.static for group in plan.groups] == [{"width": 4}, {"width": 4, "nesterov": True}]
    plain, heavy = (plan.hparams(group.runs) for group in plan.groups)
    assert set(plain) == {"learning_rate"} and heavy["momentum"].tolist() == [0.5, 0.9]
    results = fn.sweep(fn.mlp_recipe(data), space, data, num_steps=5)
    assert len(np.unique(results.columns["test_loss"])) == 4
