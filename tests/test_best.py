"""Parameters of the best evaluation, against lists of values and plain loops that remember the best."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnnet as fn
from fnnet.best import keep_best
from fnnet.keys import init_key, step_key

NAN, INF = np.nan, np.inf


def overfitting_data(validation_fraction=0.25):
    """Few examples, and labels with noise: the validation loss falls and rises again."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(90, 7))
    classes = np.where(rng.random(90) < 0.3, rng.integers(0, 3, 90), (inputs[:, 0] > 0) + (inputs[:, 1] > 0))
    return fn.from_arrays(inputs, classes, validation_fraction=validation_fraction)


def make_plain_loop(task, data, num_steps, stops, metric, is_better):
    """Return a function that trains step by step, and remembers the parameters where a metric was best."""
    data = jax.tree.map(jnp.asarray, data)
    rows = task.batches.draw(0, data, 0, num_steps)
    init = jax.jit(lambda hp: task.init(init_key(fn.Hparams(hp)), fn.Hparams(hp), data))
    measure = jax.jit(lambda hp, state: task.measure(fn.Hparams(hp), state, data)[metric])

    @jax.jit
    def step(hp, state, number):
        batch = task.batches.select(data, jax.tree.map(lambda leaf: leaf[number], rows))
        return task.step(step_key(fn.Hparams(hp), number), fn.Hparams(hp), state, batch)[0]

    def loop(hparams, length=num_steps):
        state, best = init(hparams), None
        for number in range(length):
            state = step(hparams, state, number)
            if number + 1 in stops:
                value = float(measure(hparams, state))
                if best is None or is_better(value, best[2]):
                    best = jax.device_get(task.params(state)), number + 1, value
        return best

    return loop


def follow(values):
    """A run whose parameters count its steps, and whose metrics after step n are the n-th of some values."""
    return fn.Task(
        init=lambda key, hp, data: {"count": jnp.zeros((), jnp.int32)},
        step=lambda key, hp, state, batch: ({"count": state["count"] + 1}, {"loss": jnp.zeros(())}),
        measure=lambda hp, state, data: {"seen": jnp.asarray(values, jnp.float32)[state["count"] - 1]},
    )


@pytest.mark.parametrize(
    ("values", "lowest", "highest"),
    [
        ([3.0, 1.0, 2.0], 2, 1),
        ([1.0, 2.0, 3.0], 1, 3),
        ([2.0, 1.0, 1.0, 2.0, 2.0], 2, 1),  # of equal values, the first
        ([0.0, -0.0], 1, 1),
        ([NAN, 4.0, NAN, 3.0, INF], 4, 2),
        ([5.0, -INF, INF, NAN], 1, 1),  # no infinity is better than a number
        ([INF, 7.0], 2, 2),
        ([NAN, INF, NAN], 3, 3),  # never finite: the last
        ([NAN], 1, 1),
    ],
)
@pytest.mark.parametrize("higher", [False, True])
def test_best_is_the_first_of_the_best_finite_values(values, lowest, highest, higher):
    task = keep_best(follow(values)._replace(higher_is_better={"seen": higher}), "seen")
    run = fn.train(task, {}, None, num_steps=len(values), eval_every=1)
    expected = highest if higher else lowest
    assert task.params(run.state)["count"] == run.state.params["count"] == expected
    assert run.metrics["best_step"] == expected
    np.testing.assert_array_equal(run.metrics["best_seen"], np.float32(values[expected - 1]))
    np.testing.assert_array_equal(run.curves["seen"], np.float32(values))
    assert run.state.last["count"] == len(values)
    assert task.higher_is_better["best_seen"] is higher


def test_curves_are_those_of_the_best_so_far():
    task = keep_best(
        follow([4.0, 5.0, 2.0, 3.0, 1.0, 0.0, 6.0])._replace(higher_is_better={"seen": False}), "seen"
    )
    run = fn.train(task, {}, None, num_steps=7, eval_every=2)  # after 2, 4, 6 and 7 steps
    assert run.curves["best_step"].tolist() == [2, 4, 6, 6]
    assert run.curves["best_seen"].tolist() == [5.0, 3.0, 0.0, 0.0]


def within_one(outputs, targets):
    return jnp.mean(abs(jnp.argmax(outputs, axis=1).astype(targets.dtype) - targets) < 1)


CHOICES = {
    "validation_loss": (float.__lt__, None),
    "validation_accuracy": (float.__gt__, None),  # of 18 examples, so that values are often equal
    "test_hits": (float.__gt__, {"hits": fn.metrics.Metric(within_one, higher_is_better=True)}),
    "train_misses": (float.__lt__, {"misses": lambda outputs, targets: 1 - within_one(outputs, targets)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("metric", CHOICES)
def test_parameters_are_those_that_a_plain_loop_remembers(metric):
    is_better, metrics = CHOICES[metric]
    data, steps = overfitting_data(), []
    network = fn.mlp(7, [16, 5], 3)

    def task(**options):
        return fn.supervised(
            network, "cross_entropy", optimizer="adam", batch_size=13, metrics=metrics, **options
        )

    train = jax.jit(lambda hp: fn.train(task(keep_best=metric), hp, data, num_steps=50, eval_every=4))
    loop = make_plain_loop(task(), data, 50, {*range(4, 50, 4), 50}, metric, is_better)
    for seed in range(3):
        hparams = {"learning_rate": 0.01, "seed": seed}
        run = train(hparams)
        params, step, value = loop(hparams)
        assert run.metrics["best_step"] == step
        np.testing.assert_allclose(run.metrics[f"best_{metric}"], value, rtol=1e-5)
        chex.assert_trees_all_close(run.state.params, params, rtol=1e-4, atol=1e-5)
        steps.append(step)
    assert len(set(steps)) > 1 and min(steps) < 50, steps


def test_keeping_the_best_changes_no_bit_of_training():
    data, hparams = overfitting_data(), {"learning_rate": 0.1, "momentum": 0.9}
    network = fn.mlp(7, [16], 3)
    plain, keeping = (
        fn.supervised(network, "cross_entropy", optimizer="sgd", keep_best=metric, batch_size=13)
        for metric in (None, "test_loss")
    )
    one, other = (fn.train(task, hparams, data, num_steps=30, eval_every=7) for task in (plain, keeping))
    assert set(other.curves) - set(one.curves) == {"best_step", "best_test_loss"}
    chex.assert_trees_all_close(other.state.last, one.state, rtol=1e-5, atol=1e-6)
    for name, curve in one.curves.items():
        np.testing.assert_allclose(other.curves[name], curve, rtol=1e-5, err_msg=name)


def test_diverged_run_keeps_its_best_parameters():
    """The rate jumps to where the loss grows without bound."""
    data = fn.load_dataset("wine")
    task = fn.autoencoder(
        fn.mlp(13, [2], 13, "identity"),
        optimizer=fn.sgd(lambda step: jnp.where(step < 12, 0.05, 500.0)),
        batch_size=32,
        keep_best="test_rmse",
    )
    run = fn.train(task, {}, data, num_steps=40, eval_every=3)
    best = int(np.nanargmin(run.curves["test_rmse"]))
    assert run.diverged and run.diverged_at > 12 and not np.isfinite(run.curves["test_rmse"][-1])
    assert run.metrics["best_step"] == run.curves["step"][best] == 12
    assert run.metrics["best_test_rmse"] == run.curves["test_rmse"][best]
    before = fn.train(task, {}, data, num_steps=12).state.params
    chex.assert_trees_all_close(run.state.params, before, rtol=1e-5)


def test_buffers_are_kept_with_the_parameters():
    """A network whose buffer counts the batches that it saw."""
    network = fn.mlp(7, [], 3)
    counting = fn.Network(
        init=lambda key: {"layers": network.init(key), "batches": jnp.zeros(())},
        apply=lambda params, x: network.apply(params["layers"], x),
        train=lambda params, inputs, key: (
            network.apply_batch(params["layers"], inputs),
            {**params, "batches": params["batches"] + 1},
        ),
        is_buffer={"layers": False, "batches": True},
    )
    task = fn.supervised(
        counting, "cross_entropy", optimizer=fn.sgd(0.5), batch_size=9, keep_best="validation_loss"
    )
    run = fn.train(task, {}, overfitting_data(), num_steps=45, eval_every=3)
    assert int(run.state.params["batches"]) == run.metrics["best_step"] < 45
    assert int(run.state.last.params["batches"]) == 45


def test_best_parameters_are_kept_in_float64(x64):
    values = [1.0, 1.0 - 1e-12, 1.0]
    task = follow(values)._replace(
        measure=lambda hp, state, data: {"seen": jnp.asarray(values)[state["count"] - 1]},
        higher_is_better={"seen": False},
    )
    run = fn.train(keep_best(task, "seen"), {}, None, num_steps=3, eval_every=1)
    assert run.metrics["best_step"] == 2 and run.metrics["best_seen"] == values[1]


@pytest.mark.parametrize(
    ("metric", "fraction", "message"),
    [
        ("val_loss", 0.25, "unknown metric to keep the best of 'val_loss'; did you mean 'validation_loss'?"),
        ("loss", 0.25, "unknown metric to keep the best of 'loss'; did you mean"),
        (
            "validation_r2",
            0.25,
            r"'validation_r2'; did you mean .*\(one of: test_accuracy, test_loss, train_acc",
        ),
        (
            "validation_loss",
            0.0,
            "keep_best='validation_loss' needs a validation split, which the data lack; ",
        ),
        ("test_acuracy", 0.0, "did you mean 'test_accuracy'"),
    ],
)
def test_metric_that_is_not_measured_is_refused_in_one_line(metric, fraction, message):
    data = overfitting_data(fraction)

    def recipe(width):
        return fn.supervised(
            fn.mlp(7, [width], 3), "cross_entropy", optimizer=fn.sgd(0.1), keep_best=metric, batch_size=9
        )

    with pytest.raises(fn.InputError, match=message) as caught:
        fn.train(recipe(5), {}, data, num_steps=2)
    assert "\n" not in str(caught.value)
    with pytest.raises(fn.InputError, match=message):
        fn.prepare(recipe, fn.grid(width=[5]), data, num_steps=2)
