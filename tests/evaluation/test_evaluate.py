"""Evaluation of many networks: the same as one at a time, in the order asked for, and refusals before any work."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import fnnet as fn
from fnnet import metrics
from fnnet.errors import InputError
from fnnet.evaluation import evaluate as evaluation
from fnnet.evaluation import stacks
from fnnet.lanes import choice
from fnnet.lanes.cost import peak_bytes

FEATURES, CLASSES, NETWORKS = 6, 3, 11
RNG = np.random.default_rng(0)
DATA = fn.from_arrays(RNG.normal(size=(90, FEATURES)), RNG.integers(0, CLASSES, 90))
NAMES = ["accuracy", "nll", "brier", "ece", "confusion_matrix", "outputs"]


def examples_of(num_examples: int) -> fn.Examples:
    rng = np.random.default_rng(num_examples)
    inputs = rng.normal(size=(num_examples, FEATURES)).astype(np.float32)
    return fn.Examples(inputs, rng.integers(0, CLASSES, num_examples).astype(np.int32))


def stacked(network: fn.Network, num_networks: int = NETWORKS) -> Any:
    return jax.device_get(jax.vmap(network.init)(jax.random.split(jax.random.key(1), num_networks)))


def of_one(params: Any, place: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[place], params)


def plain_outputs(params: Any, inputs: np.ndarray) -> np.ndarray:
    """Relu networks in float64 numpy."""
    *hidden, last = [{name: np.asarray(leaf, np.float64) for name, leaf in layer.items()} for layer in params]
    for layer in hidden:
        inputs = np.maximum(inputs @ layer["w"] + layer["b"], 0)
    return inputs @ last["w"] + last["b"]


@pytest.mark.slow
# Fewer examples than a block, some more than blocks hold, and equal blocks.
@pytest.mark.parametrize("num_examples", [37, 1303, 1200])
def test_many_networks_match_one_at_a_time(num_examples):
    network, examples = fn.mlp(FEATURES, [7, 5], CLASSES), examples_of(num_examples)
    params = stacked(network)
    found = fn.evaluate(network, params, examples, NAMES)
    assert list(found) == NAMES

    @jax.jit
    def one_at_a_time(params, examples):
        outputs = jax.vmap(network.apply, in_axes=(None, 0))(params, examples.inputs)
        scalars = {name: metrics.METRICS[name](outputs, examples.targets) for name in NAMES[:4]}
        return scalars | {"outputs": outputs}

    for place in range(NETWORKS):
        for name, expected in one_at_a_time(of_one(params, place), examples).items():
            np.testing.assert_allclose(found[name][place], expected, rtol=0, atol=1e-5, err_msg=name)
        outputs = found["outputs"][place]
        np.testing.assert_allclose(outputs, plain_outputs(of_one(params, place), examples.inputs), atol=1e-5)
        confusion, classes = np.zeros((CLASSES, CLASSES), int), outputs.argmax(axis=1)
        np.add.at(confusion, (examples.targets, classes), 1)
        np.testing.assert_array_equal(found["confusion_matrix"][place], confusion)


@pytest.mark.slow
@pytest.mark.parametrize("widths", [[], [7], [130, 9]])
def test_bits_do_not_depend_on_the_number_of_networks(widths, monkeypatch):
    network, examples = fn.mlp(FEATURES, widths, CLASSES), examples_of(1200)
    params = stacked(network)
    found = fn.evaluate(network, params, examples, NAMES)
    alone = fn.evaluate(network, jax.tree.map(lambda leaf: leaf[4:5], params), examples, NAMES)
    # As for an evaluation that takes so long that other numbers of networks are tried.
    monkeypatch.setattr(choice, "WORTH_PROBING", 0.0)
    monkeypatch.setattr(evaluation, "first_guess", lambda num_bytes, most: 4)
    tried = fn.evaluate(network, params, examples, NAMES)
    for name in NAMES:
        assert found[name][4:5].tobytes() == alone[name].tobytes(), name
        assert found[name].tobytes() == tried[name].tobytes(), name


def test_any_pytree_can_be_parameters_and_any_array_an_input():
    class Two(NamedTuple):
        w: Any
        a: Any

    def init(key):
        return Two(jax.random.normal(key, (FEATURES, 2, CLASSES)), (jnp.ones(CLASSES), {}))

    network = fn.Network(init, lambda params, x: jnp.einsum("fg,fgc->c", x, params.w) + params.a[0])
    params = stacked(network)
    inputs = RNG.normal(size=(13, FEATURES, 2)).astype(np.float32)
    examples = fn.Examples(inputs, np.zeros(13, np.int32))
    expected = np.einsum("nfg,rfgc->rnc", inputs, params.w) + 1
    as_stored = {"a": [params.a[0]], "w": params.w}  # nested lists and dicts, as a store gives them
    for given in (params, as_stored, jax.tree.map(jnp.asarray, params)):
        found = fn.evaluate(network, given, examples, ["outputs"])["outputs"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_depths_and_numbers_are_evaluated():
    network = fn.mlp(FEATURES, [5] * 12, 2)
    inputs, targets = examples_of(40).inputs, RNG.normal(size=(40, 2)).astype(np.float32)
    params = stacked(network, 3)
    found = fn.evaluate(network, params, fn.Examples(inputs, targets), ["r2", "rmse"])
    for place in range(3):
        error = plain_outputs(fn.unstack(of_one(params, place)), inputs) - targets
        np.testing.assert_allclose(found["rmse"][place], np.sqrt((error**2).mean()), rtol=1e-5)
        share = (error**2).sum(axis=0) / ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
        np.testing.assert_allclose(found["r2"][place], np.mean(1 - share), rtol=0, atol=1e-6)
    assert fn.evaluate(network, params, fn.Examples(inputs, targets)).keys() == {"r2"}


def recipe(depth, width=4):
    network = fn.mlp(FEATURES, [width] * depth, CLASSES)
    return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=9)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    # Depth varies fastest, so that groups alternate in the order of the space.
    space = fn.grid(learning_rate=[0.1, 0.5], seed=range(3), width=[4, 7], depth=[0, 2])
    folder = tmp_path_factory.mktemp("evaluated")
    return fn.sweep(recipe, space, DATA, num_steps=15, store=folder, save_params=True, lanes=2)


@pytest.mark.slow
@pytest.mark.parametrize("loaded_bytes", [1, stacks.LOADED_BYTES])
def test_networks_of_all_shapes_come_in_the_order_of_the_space(results, loaded_bytes, monkeypatch):
    monkeypatch.setattr(stacks, "LOADED_BYTES", loaded_bytes)
    found = fn.evaluate_results(recipe, results, DATA.test, ["accuracy", "nll", "outputs"])
    np.testing.assert_array_equal(found["accuracy"], results["test_accuracy"])
    np.testing.assert_allclose(found["nll"], results["test_loss"], rtol=1e-5)
    for run in range(len(results.space)):
        expected = plain_outputs(results.params(run), DATA.test.inputs)
        np.testing.assert_allclose(found["outputs"][run], expected, rtol=0, atol=1e-5)


def test_some_runs_of_a_sweep(results):
    some = results.where(seed=[2, 0], depth=2)
    found = fn.evaluate_results(recipe, some, DATA.train, ["accuracy"])["accuracy"]
    np.testing.assert_array_equal(found, some["train_accuracy"])


def test_networks_may_read_hyper_parameters(tmp_path):
    """What is no parameter but a traced number of the network has to reach each network as well."""
    linear = fn.mlp(FEATURES, [], CLASSES)

    def scaled_recipe():
        def network_of(hp):
            return linear._replace(
                apply=lambda params, x: hp["gain"] * linear.apply(params, x), apply_batch=None
            )

        return fn.supervised(network_of, "cross_entropy", optimizer=fn.sgd(0.1), batch_size=9)

    space = fn.grid(gain=[0.5, 1.0, 3.0], seed=range(2))
    results = fn.sweep(scaled_recipe, space, DATA, num_steps=5, store=tmp_path, save_params=True)
    found = fn.evaluate_results(scaled_recipe, results, DATA.test, ["outputs"])["outputs"]
    for run, config in enumerate(space):
        expected = config["gain"] * plain_outputs(results.params(run), DATA.test.inputs)
        np.testing.assert_allclose(found[run], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_less_memory_means_fewer_networks_together(monkeypatch):
    network, examples = fn.mlp(FEATURES, [7], CLASSES), examples_of(50)
    params = stacked(network)
    expected = fn.evaluate(network, params, examples, NAMES)
    asked = []

    def noted(lowered):
        width = jax.tree.leaves(lowered.args_info)[0].shape[0]
        asked.append((width, jax.local_device_count() * peak_bytes(lowered)))
        return peak_bytes(lowered)

    monkeypatch.setattr(evaluation, "peak_bytes", noted)
    fn.evaluate(network, params, examples, NAMES)
    (width, whole) = asked.pop(0)
    monkeypatch.setattr(evaluation, "usable_bytes", lambda: 0.9 * whole)
    asked.clear()
    found = fn.evaluate(network, params, examples, NAMES)
    assert [each for each, _ in asked][:2] == [width, width // 2]
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    monkeypatch.setattr(evaluation, "usable_bytes", lambda: 10.0)
    with pytest.raises(InputError, match=r"needs [\d,]+ bytes with its data, and 10 may be used"):
        fn.evaluate(network, params, examples, NAMES)


def test_results_that_do_not_fit_raise_with_their_size(monkeypatch):
    network, examples = fn.mlp(FEATURES, [7], CLASSES), examples_of(50)
    monkeypatch.setattr(evaluation, "usable_host_bytes", lambda: 1000.0)
    num_bytes = NETWORKS * 50 * CLASSES * 4
    with pytest.raises(
        InputError, match=f"the outputs of 11 networks need {num_bytes:,} bytes, and 1,000 may"
    ):
        fn.evaluate(network, stacked(network), examples, ["outputs"])
    assert math.isfinite(fn.evaluate(network, stacked(network), examples)["accuracy"][3])


def without_one_leaf(params):
    return [{"w": params[0]["w"]}, params[1]]


def of_unequal_numbers(params):
    return [params[0], jax.tree.map(lambda leaf: leaf[1:], params[1])]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda params: of_one(params, 0),
            r"params 0/b of stacked networks must have the shape \(networks, 7\)",
        ),
        (
            without_one_leaf,
            r"params must have the leaves 0/b, 0/w, 1/b, 1/w of the network, got 0/w, 1/b, 1/w",
        ),
        (of_unequal_numbers, r"params 1/b .* got \(10, 3\)"),
        (lambda params: jax.tree.map(lambda leaf: leaf[:0], params), r"params 0/b .* got \(0, 7\)"),
    ],
)
def test_parameters_of_other_networks_are_refused(change, message):
    network = fn.mlp(FEATURES, [7], CLASSES)
    with pytest.raises(InputError, match=message):
        fn.evaluate(network, change(stacked(network)), examples_of(5))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["acuracy"], "unknown metric 'acuracy'; did you mean 'accuracy'"),
        (["rmse"], r"metric 'rmse' cannot compare outputs of shape \(5, 3\) with targets int32 \(5,\)"),
        (["ece", metrics.ece], "called 'ece'"),
    ],
)
def test_metrics_that_do_not_fit_are_refused(chosen, message):
    network = fn.mlp(FEATURES, [7], CLASSES)
    with pytest.raises(InputError, match=message):
        fn.evaluate(network, stacked(network), examples_of(5), chosen)


def test_examples_that_do_not_fit_are_refused():
    network, five = fn.mlp(FEATURES, [7], CLASSES), examples_of(5)
    with pytest.raises(InputError, match=r"one target per input, got the shapes \(5, 6\) and \(4,\)"):
        fn.evaluate(network, stacked(network), fn.Examples(five.inputs, five.targets[:4]))
    with pytest.raises(InputError, match=r"examples of shape \(6,\), got \(5,\)"):
        fn.evaluate(network, stacked(network), fn.Examples(five.inputs[:, 1:], five.targets))
    with pytest.raises(InputError, match=r"such as data\.test"):
        evaluation._check_examples(DATA)


def test_results_that_cannot_be_evaluated_are_refused(results, tmp_path):
    def narrow_recipe(depth, width=4):
        return recipe(depth, width - 1)

    def forgetful_recipe(depth, width=4):
        return recipe(depth, width)._replace(predict=None)

    def needy_recipe(depth, activation):
        return recipe(depth)

    with pytest.raises(InputError, match="params 0/b of stacked networks"):
        fn.evaluate_results(narrow_recipe, results.where(depth=2), DATA.test)
    with pytest.raises(InputError, match="the recipe's task has no predict"):
        fn.evaluate_results(forgetful_recipe, results, DATA.test)
    with pytest.raises(InputError, match="argument 'activation' has no default"):
        fn.evaluate_results(needy_recipe, results, DATA.test)
    space = fn.grid(depth=0, learning_rate=0.1, seed=range(2))
    unkept = fn.sweep(recipe, space, DATA, num_steps=2)
    with pytest.raises(InputError, match="the parameters of run 0 were not kept"):
        fn.evaluate_results(recipe, unkept, DATA.test)
    named = fn.Results(fn.grid(depth=0, order=["one"], learning_rate=0.1), {})
    with pytest.raises(InputError, match="axis 'order' is not an argument of the recipe"):
        fn.evaluate_results(recipe, named, DATA.test)


@pytest.mark.parametrize("unknown", [3, -1])
def test_targets_that_networks_have_no_output_for_are_refused(unknown):
    network = fn.mlp(4, [7], 3)
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 2))
    examples = fn.Examples(np.ones((5, 4), np.float32), np.array([0, 1, 2, 1, unknown], np.int32))
    with pytest.raises(
        fn.InputError, match=rf"the targets hold class {unknown}, but the networks have 3 outputs"
    ):
        fn.evaluate(network, params, examples, ["nll"])
    # Codes are no logits: what is no class to them may be computed from them all the same.
    assert fn.evaluate(network, params, examples, ["outputs"])["outputs"].shape == (2, 5, 3)


def test_low_precision_networks_are_measured_in_float32():
    network = fn.mlp(4, [7], 3)
    narrow = network._replace(
        apply=lambda params, x: network.apply(params, x).astype(jnp.bfloat16), apply_batch=None
    )
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 2))
    examples = fn.Examples(RNG.normal(size=(400, 4)).astype(np.float32), np.arange(400) % 3)
    mean = {"mean": lambda outputs, targets: jnp.mean(outputs), "nll": "nll", "outputs": "outputs"}
    found = fn.evaluate(narrow, params, examples, mean)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    wide = found["outputs"].astype(np.float64)
    np.testing.assert_allclose(found["mean"], wide.mean(axis=(1, 2)), rtol=1e-5)
    log_p = wide - scipy.special.logsumexp(wide, axis=2, keepdims=True)
    nll = -log_p[:, np.arange(400), examples.targets].mean(axis=1)
    np.testing.assert_allclose(found["nll"], nll, rtol=1e-5)
