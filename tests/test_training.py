"""One run, against the article, finite differences and an independent implementation."""

import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from jax.flatten_util import ravel_pytree

import fnnet as fn
from fnnet.activations import ACTIVATIONS
from fnnet.losses import LOSSES, quadratic

ONE_EXAMPLE = fn.from_arrays(
    np.array([[2.0]], np.float32), np.array([[6.0]], np.float32), test=(np.array([[2.0]]), np.array([[6.0]]))
)


def one_weight():
    """The worked example: a network of a single weight, w = 5, that should predict 6 for 2."""
    network = fn.mlp(1, [], 1, use_bias=False)
    network = network._replace(init=lambda key: [{"w": jnp.array([[5.0]])}])
    return network, fn.supervised(network, "quadratic", optimizer="sgd", batch_size=None)


def test_worked_example_of_gradient_descent():
    network, task = one_weight()
    params = network.init(None)
    x, y = jnp.array([2.0]), jnp.array([6.0])
    loss, grads = jax.value_and_grad(lambda params: quadratic(network.apply(params, x), y))(params)
    assert loss == 8 and grads[0]["w"] == 8
    after_one = fn.train(task, {"learning_rate": 0.1}, ONE_EXAMPLE, num_steps=1).state.params
    np.testing.assert_allclose(after_one[0]["w"], [[4.2]], rtol=1e-7)
    np.testing.assert_allclose(network.apply(after_one, x), [8.4], rtol=1e-6)
    run = fn.train(task, {"learning_rate": 0.1}, ONE_EXAMPLE, num_steps=100)
    np.testing.assert_allclose(run.state.params[0]["w"], [[3.0]], atol=1e-6)


def test_training_diverges_above_twice_the_inverse_curvature():
    """The loss has curvature x^2 = 4, so rates below 0.5 converge and rates above diverge."""
    _, task = one_weight()
    train = partial(fn.train, task, data=ONE_EXAMPLE, num_steps=3000)
    below, above = train({"learning_rate": 0.495}), train({"learning_rate": 0.505})
    assert below.metrics["train_loss"] < 1e-6 and not below.diverged and below.diverged_at == -1
    assert above.diverged and 0 < above.diverged_at < 3000


def test_gradient_through_training_matches_closed_form(x64):
    """Each step multiplies w - 3 by 1 - 4 rate, so the loss after n steps is 8 (1 - 4 rate)^2n."""
    _, task = one_weight()
    data = jax.tree.map(lambda leaf: leaf.astype(np.float64), ONE_EXAMPLE)

    def loss(rate):
        return fn.train(task, {"learning_rate": rate}, data, num_steps=10, eval_every=4).metrics["train_loss"]

    rate, factor = 0.02, 1 - 4 * 0.02
    value, slope = jax.jit(jax.value_and_grad(loss))(rate)
    np.testing.assert_allclose(value, 8 * factor**20, rtol=1e-12)
    np.testing.assert_allclose(slope, 8 * 20 * factor**19 * -4, rtol=1e-12)


def combinations():
    hidden = [name for name in ACTIVATIONS if name != "softmax"]
    parameterizations = {"standard": "standard", "ntk": "ntk", "mup": fn.mup(2, output_multiplier=1.5)}
    for activation, loss, name in itertools.product(hidden, LOSSES, parameterizations):
        yield pytest.param(
            activation, "identity", loss, parameterizations[name], id=f"{activation}-{loss}-{name}"
        )
    for loss in LOSSES:
        yield pytest.param("tanh", "softmax", loss, "standard", id=f"softmax-{loss}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "output_activation", "loss", "parameterization"), list(combinations())
)
def test_gradients_match_central_differences(x64, activation, output_activation, loss, parameterization):
    network = fn.mlp(
        3,
        [5, 4],
        2,
        activation,
        output_activation=output_activation,
        parameterization=parameterization,
        initializer="pytorch",
    )
    params, restore = ravel_pytree(network.init(jax.random.key(4)))
    rng = np.random.default_rng(0)
    x, target = jnp.array(rng.normal(size=3)), jnp.array([0.3, 0.7])

    def objective(flat):
        return LOSSES[loss](network.apply(restore(flat), x), target)

    step = 1e-5 * jnp.eye(len(params))
    values = jax.vmap(objective)
    expected = (values(params[None, :] + step) - values(params[None, :] - step)) / 2e-5
    grads = jax.grad(objective)(params)
    assert jnp.linalg.norm(grads) > 1e-3
    assert jnp.linalg.norm(grads - expected) / jnp.linalg.norm(expected) < 1e-6


def test_training_matches_numpy(x64):
    rng = np.random.default_rng(1)
    inputs, classes = rng.normal(size=(23, 3)), rng.integers(0, 2, 23).astype(np.int32)
    data = fn.from_arrays(inputs, classes, test=(inputs, classes))
    network = fn.mlp(3, [7, 4], 2, "tanh", initializer="pytorch")
    task = fn.supervised(
        network,
        "cross_entropy",
        optimizer="sgd",
        batch_size=5,
        order="sequential",
    )
    hparams = {"learning_rate": 0.3, "momentum": 0.8, "seed": 2}
    run = fn.train(task, hparams, data, num_steps=100, eval_every=1)
    losses, params = oracle.train(
        network.init(jax.random.key(2)),
        data.train.inputs,
        data.train.targets,
        learning_rate=0.3,
        momentum=0.8,
        batch_size=5,
        num_steps=100,
    )
    np.testing.assert_allclose(run.curves["batch_loss"], losses, atol=1e-9)
    final = oracle.cross_entropy(oracle.forward(params, inputs)[1], classes)[0]
    np.testing.assert_allclose(run.metrics["test_loss"], final, atol=1e-9)


def toy():
    """Counts its steps, so that what was seen when can be read off."""
    return fn.Task(
        init=lambda key, hp, data: jnp.zeros(()),
        step=lambda key, hp, state, t: (state + 1, {"loss": jnp.asarray(t, float)}),
        measure=lambda hp, state, data: {"updates": state},
        batches=fn.Batches(
            draw=lambda data_seed, data, first_step, num_steps: first_step + jnp.arange(num_steps),
            select=lambda data, t: t,
        ),
    )


@pytest.mark.parametrize(
    ("eval_every", "steps", "batch_losses"),
    [(None, [10], [4.5]), (5, [5, 10], [2, 7]), (4, [4, 8, 10], [1.5, 5.5, 8.5]), (99, [10], [4.5])],
)
def test_curves_are_measured_every_k_steps_and_at_the_end(eval_every, steps, batch_losses):
    run = fn.train(toy(), {}, None, num_steps=10, eval_every=eval_every)
    assert run.curves["step"].tolist() == steps == run.curves["updates"].tolist()
    assert run.curves["batch_loss"].tolist() == batch_losses
    assert run.metrics == {"updates": 10}


def test_first_divergence_is_recorded():
    task = toy()._replace(
        step=lambda key, hp, state, t: (state, {"loss": jnp.where((t == 3) | (t > 6), jnp.nan, 0.0)})
    )
    run = fn.train(task, {}, None, num_steps=9, eval_every=2)
    assert run.diverged and run.diverged_at == 3


def test_validation_is_measured_where_there_is_one():
    rng = np.random.default_rng(0)
    inputs, classes = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    data = fn.from_arrays(inputs, classes, validation_fraction=0.25)
    task = fn.supervised(fn.mlp(3, [], 2), "cross_entropy", optimizer=fn.sgd(0.1), batch_size=8)
    measured = fn.train(task, {}, data, num_steps=2).metrics
    expected = {
        f"{split}_{name}" for split in ("train", "validation", "test") for name in ("loss", "accuracy")
    }
    assert set(measured) == expected


def test_linear_autoencoder_finds_principal_components():
    """Baldi & Hornik 1989: the best linear code of size k spans the first k principal components."""
    data = fn.load_dataset("wine")
    task = fn.autoencoder(
        fn.mlp(13, [2], 13, "identity", initializer="glorot_normal"),
        optimizer=fn.sgd(0.5, momentum=0.9),
        batch_size=None,
    )
    run = fn.train(task, {}, data, num_steps=3000)
    values = np.linalg.svd(data.train.inputs, compute_uv=False)
    best = (values[2:] ** 2).sum() / data.train.inputs.size
    np.testing.assert_allclose(run.metrics["train_loss"], best, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 0}, "num_steps must be a positive integer, got 0"),
        ({"eval_every": 0}, "eval_every must be"),
        (
            {"hparams": {"rate": 0.1}},
            r"reads the hyper-parameter 'learning_rate', which is missing \(given: rate\)",
        ),
    ],
)
def test_invalid_run_lengths_are_refused(change, message):
    _, task = one_weight()
    arguments = {"hparams": {"learning_rate": 0.1}, "num_steps": 3} | change
    with pytest.raises(fn.InputError, match=message):
        fn.train(task, data=ONE_EXAMPLE, **arguments)


def test_network_that_does_not_fit_the_targets_is_refused(digits):
    task = fn.supervised(fn.mlp(64, [8], 3), "cross_entropy", optimizer=fn.sgd(0.1))
    with pytest.raises(fn.InputError, match="the network has 3 outputs"):
        fn.train(task, {}, digits, num_steps=1)
    task = fn.supervised(fn.mlp(63, [8], 10), "cross_entropy", optimizer=fn.sgd(0.1))
    with pytest.raises(fn.InputError, match=r"shape \(63,\), got \(64,\)"):
        fn.train(task, {}, digits, num_steps=1)


@pytest.mark.slow
def test_mnist_to_97_and_a_half_percent(mnist):
    """784-128-10 relu, SGD at batch 128, five epochs; the mean of four seeds."""
    task = fn.supervised(fn.mlp(784, [128], 10), "cross_entropy", optimizer="sgd")
    results = fn.sweep(lambda: task, fn.grid(learning_rate=0.5, seed=range(4)), mnist, num_steps=2340)
    assert results["test_accuracy"].mean() >= 0.975


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"seed": 2**32}, "seed is 4294967296, which does not fit int32"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647, got -1"),
        ({"seed": 0.5}, "seed must be an integer from 0 to 2147483647, got 0.5"),
        ({"seed": np.int64(2**32)}, "seed is 4294967296, which does not fit int32"),
        ({"seed": np.float32(3)}, "seed must be an integer from 0 to 2147483647, got "),
        ({"learning_rate": 1e-60}, "learning_rate is 1e-60, which is 0 in float32"),
        ({"learning_rate": -0.1}, "learning_rate must be a positive finite number, got -0.1"),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(hparams, message):
    data = fn.load_dataset("iris")
    task = fn.supervised(fn.mlp(4, [7], 3), "cross_entropy", optimizer="sgd", batch_size=5)
    with pytest.raises(fn.InputError, match=message):
        fn.train(task, {"learning_rate": 0.1} | hparams, data, num_steps=2)


ARRAYS = np.ones((6, 3), np.float32), np.arange(6, dtype=np.int32) % 2


@pytest.mark.parametrize(
    ("data", "kind"), [({"inputs": ARRAYS[0], "targets": ARRAYS[1]}, "dict"), (ARRAYS, "tuple")]
)
def test_arrays_instead_of_a_dataset_are_refused(data, kind):
    task = fn.supervised(fn.mlp(3, [], 2), "cross_entropy", optimizer=fn.sgd(0.1), batch_size=5)
    task = task._replace(init=task.init.__wrapped__)  # as without type checks
    with pytest.raises(fn.InputError, match=rf"needs a Dataset, got a {kind}; make one .*fn.from_arrays\("):
        fn.train(task, {}, data, num_steps=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"loss": lambda output, target: (output[0], {})},
            "a loss of one example must be a scalar, got a tuple",
        ),
        (
            {"loss": lambda output, target: output},
            r"a loss of one example must be a scalar, got shape \(2,\)",
        ),
        (
            {"metrics": {"aux": lambda o, t: (o[0, 0], {})}},
            "a metric of a run must be a number, got a tuple from 'aux'",
        ),
        ({"network": 3}, "network must be a Network, .* got int"),
        ({"network": lambda hp: [3]}, "network must be a Network, .* got list"),
        ({"batch_size": 7}, "batch_size is 7, larger than the 6 training examples"),
    ],
)
def test_invalid_parts_of_a_task_are_refused_in_one_line(change, message):
    data = fn.from_arrays(*ARRAYS, test=ARRAYS)
    parts = {"network": fn.mlp(3, [], 2), "loss": "cross_entropy", "optimizer": fn.sgd(0.1), "batch_size": 5}
    with pytest.raises(fn.InputError, match=message) as error:
        fn.train(fn.supervised.__wrapped__(**parts | change), {}, data, num_steps=1)
    assert "\n" not in str(error.value)


def test_metric_may_be_a_python_number():
    data = fn.from_arrays(*ARRAYS, test=ARRAYS)
    task = fn.supervised(
        fn.mlp(3, [], 2), "mse", optimizer=fn.sgd(0.1), batch_size=5, metrics={"one": lambda o, t: 1.0}
    )
    assert fn.train(task, {}, data, num_steps=1).metrics["test_one"] == 1


def test_every_metric_of_a_step_is_a_curve_of_means():
    task = toy()._replace(
        step=lambda key, hp, state, t: (
            state + 1,
            {"loss": 0.5, "number": t, "square": jnp.asarray(t * t, float)},
        )
    )
    run = fn.train(task, {}, None, num_steps=10, eval_every=4)
    assert run.curves["batch_number"].tolist() == [1.5, 5.5, 8.5]
    assert run.curves["batch_square"].tolist() == [14 / 4, 126 / 4, 145 / 2]
    assert run.curves["batch_loss"].tolist() == [0.5] * 3
    assert run.metrics.keys() == {"updates"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": lambda key, hp, s, t: (s, {"cost": 0.0})}, 'metrics with "loss", got cost'),
        (
            {"step": lambda key, hp, s, t: (s, {"loss": 0.0, "grads": jnp.ones(3)})},
            r"a step's metric must be a number, got the shape \(3,\) from 'grads'",
        ),
        ({"measure": lambda hp, s, data: {"batch_loss": s}}, "'batch_loss' is a curve of the step's own"),
    ],
)
def test_invalid_metrics_of_steps_are_refused(change, message):
    with pytest.raises(fn.InputError, match=message):
        fn.train(toy()._replace(**change), {}, None, num_steps=2)


def test_low_precision_metrics_become_float32():
    """A loss of 1/3 in bfloat16, 300 times: a sum in bfloat16 would stop at 64, where a third is rounded away."""
    third = jnp.asarray(1 / 3, jnp.bfloat16)
    task = toy()._replace(
        step=lambda key, hp, state, batch: (state + 1, {"loss": third}),
        measure=lambda hp, state, data: {"third": third, "half": jnp.float16(0.5), "count": jnp.int8(3)},
    )
    run = fn.train(task, {}, None, num_steps=300)
    chex.assert_type([run.curves["batch_loss"], run.metrics["third"], run.metrics["half"]], jnp.float32)
    chex.assert_type(run.metrics["count"], jnp.int32)
    np.testing.assert_allclose(run.curves["batch_loss"], float(third), rtol=1e-6)
