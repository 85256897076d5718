"""Ensembles: exact inequalities, references in numpy, and networks of networks."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import fnnet as fn
from fnnet import metrics
from fnnet.errors import InputError
from fnnet.evaluation import ensembles

RNG = np.random.default_rng(0)
OUTPUTS, CLASSES = 3 * RNG.normal(size=(4, 13, 5)), RNG.integers(0, 5, 13)
SHAPES = [(1, 1, 2), (4, 13, 5), (7, 40, 3)]  # few, for each is compiled


@st.composite
def classified(draw):
    """Logits of members and classes: alike and unlike members, unsure and overconfident ones, ties among votes."""
    shape = draw(st.sampled_from(SHAPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    common, own = rng.normal(size=shape[1:]), rng.normal(size=shape)
    logits = draw(st.sampled_from([0.01, 1.0, 100.0])) * (
        common + draw(st.sampled_from([0.0, 1e-6, 1.0])) * own
    )
    return np.round(logits, draw(st.sampled_from([0, 15]))), rng.integers(0, shape[2], shape[1])


def every_member(metric):
    return jax.vmap(metric, in_axes=(0, None))


@jax.jit
def measured(outputs, targets):
    together = ensembles.average(outputs)
    return {
        "nll": (metrics.nll(together, targets), every_member(metrics.nll)(outputs, targets)),
        "brier": (metrics.brier(together, targets), every_member(metrics.brier)(outputs, targets)),
        "ece": [metrics.ece(together, targets, 15, adaptive) for adaptive in (False, True)],
        "average": together,
        "vote": ensembles.vote(outputs),
        "entropy": ensembles.predictive_entropy(outputs),
        "information": ensembles.mutual_information(outputs),
        "disagreement": ensembles.disagreement(outputs),
    }


@pytest.mark.slow
@settings(max_examples=100)
@given(classified())
def test_invariants_of_ensembles(example):
    logits, classes = example
    with jax.enable_x64(True):
        found = jax.device_get(measured(jnp.array(logits), jnp.array(classes)))
    for name in ("nll", "brier"):
        together, members = found[name]
        assert together <= np.mean(members) + 1e-12, name
    assert all(0 <= error <= 1 + 1e-12 for error in found["ece"])

    probabilities = scipy.special.softmax(logits, axis=2)
    mean = probabilities.mean(axis=0)
    np.testing.assert_allclose(np.exp(found["average"]), mean, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(found["entropy"], scipy.stats.entropy(mean, axis=1), rtol=0, atol=1e-12)
    information = found["information"]
    distances = scipy.special.rel_entr(probabilities, mean).sum(axis=2)  # of members from their mean
    np.testing.assert_allclose(information, distances.mean(axis=0), rtol=0, atol=1e-12)
    assert np.all(information >= -1e-12) and np.all(information <= np.log(len(logits)) + 1e-12)

    guesses = logits.argmax(axis=2)
    assert np.argmax(found["vote"], axis=1).tolist() == scipy.stats.mode(guesses, axis=0).mode.tolist()
    np.testing.assert_allclose(
        np.max(found["vote"], axis=1) * len(logits), scipy.stats.mode(guesses, axis=0).count
    )
    matrix = np.asarray(found["disagreement"])
    np.testing.assert_allclose(matrix, [[np.mean(a != b) for b in guesses] for a in guesses], rtol=1e-15)
    assert np.array_equal(matrix, matrix.T) and not matrix.diagonal().any()


def test_weights_are_normalized_and_members_of_weight_0_ignored(x64):
    outputs, weights = OUTPUTS.copy(), np.array([3.0, 0.0, 1.0, 4.0])
    probabilities = scipy.special.softmax(outputs, axis=2)
    mean = np.tensordot(weights / 8, probabilities, axes=1)
    own = np.tensordot(weights / 8, scipy.stats.entropy(probabilities, axis=2), axes=1)
    outputs[1] = np.nan
    np.testing.assert_allclose(np.exp(ensembles.average(outputs, weights)), mean, rtol=1e-12)
    information = ensembles.mutual_information(outputs, weights)
    np.testing.assert_allclose(information, scipy.stats.entropy(mean, axis=1) - own, atol=1e-12)
    assert (
        np.isnan(ensembles.average(outputs)).all() and np.isnan(ensembles.mutual_information(outputs)).all()
    )


def test_averages_of_confident_members_are_finite():
    """In float32 the probabilities themselves would be 0 and 1, and their logarithms -inf and 0."""
    outputs = jnp.array([[1000.0, 0.0, -1000.0], [0.0, 1000.0, -1000.0]])
    np.testing.assert_allclose(ensembles.average(outputs), [np.log(0.5), np.log(0.5), -2000], rtol=1e-6)


def test_impossible_classes_add_nothing_to_the_entropy():
    outputs = jnp.array([[0.0, 0.0, -jnp.inf]] * 2)
    np.testing.assert_allclose(ensembles.predictive_entropy(outputs), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(ensembles.mutual_information(outputs), 0, atol=1e-6)


def test_diverged_members_do_not_vote():
    outputs = jnp.array(OUTPUTS, jnp.float32).at[1].set(jnp.nan)
    some = outputs[jnp.array([0, 2, 3])]
    np.testing.assert_array_equal(ensembles.vote(outputs), ensembles.vote(some))
    assert np.isnan(ensembles.vote(outputs[1:2])).all()
    matrix = ensembles.disagreement(outputs)
    assert matrix[1].tolist() == [1, 0, 1, 1] and matrix[:, 1].tolist() == [1, 0, 1, 1]


NETWORK = fn.mlp(3, [7], 2)
INPUTS = RNG.normal(size=(5, 3)).astype(np.float32)


@pytest.mark.slow
def test_ensemble_is_a_network():
    keys = jax.random.split(jax.random.key(0), 4)
    members = [NETWORK.init(key) for key in keys]
    together = fn.ensemble(NETWORK, 4)
    params = together.init(jax.random.key(0))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    chex.assert_trees_all_close(params, stacked, rtol=1e-6, atol=0)
    outputs = np.stack([[NETWORK.apply(member, x) for x in INPUTS] for member in members])
    mean = scipy.special.softmax(outputs.astype(float), axis=2).mean(axis=0)
    found = jax.vmap(together.apply, in_axes=(None, 0))(params, INPUTS)
    np.testing.assert_allclose(found, np.log(mean), rtol=1e-5)
    by_vote = jax.vmap(fn.ensemble(NETWORK, 4, ensembles.vote).apply, in_axes=(None, 0))(params, INPUTS)
    np.testing.assert_allclose(by_vote[:, 1], outputs.argmax(axis=2).mean(axis=0))


@pytest.mark.slow
def test_many_ensembles_are_evaluated_at_once():
    together, examples = fn.ensemble(NETWORK, 4), fn.Examples(INPUTS, jnp.array([0, 1, 1, 0, 1]))
    params = jax.vmap(together.init)(jax.random.split(jax.random.key(1), 6))
    found = fn.evaluate(together, params, examples, ["nll", "ece", "outputs"])
    flat = jax.tree.map(lambda leaf: leaf.reshape(24, *leaf.shape[2:]), params)
    outputs = fn.evaluate(NETWORK, flat, examples, ["outputs"])["outputs"].reshape(6, 4, 5, 2)
    expected = jax.vmap(ensembles.average)(jnp.asarray(outputs))
    np.testing.assert_allclose(found["outputs"], expected, atol=1e-6)
    np.testing.assert_allclose(
        found["nll"], jax.vmap(metrics.nll, (0, None))(expected, examples.targets), rtol=1e-5
    )


def test_ensemble_trains_with_its_members_learning_rates():
    network = fn.mlp(3, [7], 2, parameterization=fn.mup(2))
    together = fn.ensemble(network, 4)
    assert together.update_scales == network.update_scales is not None
    data = fn.from_arrays(RNG.normal(size=(60, 3)), RNG.integers(0, 2, 60))
    task = fn.supervised(together, "cross_entropy", optimizer=fn.sgd(0.1), batch_size=8)
    run = fn.train(task, {}, data, num_steps=50, eval_every=25)
    assert run.curves["train_loss"][1] < run.curves["train_loss"][0]


def plain_selection(outputs, targets, num_picks):
    """Greedy selection by definition: try every member and keep the best."""
    right = scipy.special.softmax(outputs, axis=2)[:, np.arange(len(targets)), targets]
    picks, losses = [], []
    for _ in range(num_picks):
        tried = [-np.log(right[[*picks, member]].mean(axis=0)).mean() for member in range(len(right))]
        picks.append(int(np.argmin(tried)))
        losses.append(min(tried))
    best = picks[: int(np.argmin(losses)) + 1]
    return np.bincount(best, minlength=len(right)) / len(best), min(losses)


@partial(jax.jit, static_argnums=2)
def selected(outputs, targets, num_picks):
    weights = ensembles.greedy_selection(outputs, targets, num_picks)
    return (
        weights,
        metrics.nll(ensembles.average(outputs, weights), targets),
        every_member(metrics.nll)(outputs, targets),
    )


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 12]))
def test_greedy_selection_matches_numpy(seed, num_picks):
    rng = np.random.default_rng(seed)
    outputs, targets = 2 * rng.normal(size=(6, 20, 3)), rng.integers(0, 3, 20)
    weights, loss = plain_selection(outputs, targets, num_picks)
    with jax.enable_x64(True):
        found, reached, alone = jax.device_get(selected(jnp.array(outputs), jnp.array(targets), num_picks))
    np.testing.assert_allclose(found, weights, rtol=1e-15)
    np.testing.assert_allclose(reached, loss, rtol=1e-12)
    assert reached <= alone.min() + 1e-12


@pytest.mark.slow
def test_greedy_selection_ignores_diverged_members(x64):
    outputs = OUTPUTS.copy()
    outputs[2] = np.nan
    weights = ensembles.greedy_selection(outputs, CLASSES, 8)
    expected, _ = plain_selection(np.delete(OUTPUTS, 2, axis=0), CLASSES, 8)
    np.testing.assert_allclose(weights, np.insert(expected, 2, 0.0))
    both = jnp.stack([jnp.array(outputs), jnp.array(OUTPUTS)])
    many = jax.vmap(lambda outputs: ensembles.greedy_selection(outputs, CLASSES, 8))(both)
    np.testing.assert_array_equal(many[0], weights)
    assert np.isnan(ensembles.greedy_selection(np.full_like(OUTPUTS, np.nan), CLASSES, 8)).all()


@pytest.mark.slow
def test_best_runs_make_an_ensemble(tmp_path):
    data, network = fn.load_dataset("iris", validation_fraction=0.25), fn.mlp(4, [6], 3)

    def recipe():
        return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)

    space = fn.grid(learning_rate=[0.03, 0.3], seed=range(3))
    results = fn.sweep(recipe, space, data, num_steps=40, store=tmp_path, save_params=True)
    best = results.top("validation_loss", 4)
    losses = results["validation_loss"]
    assert best["validation_loss"].tolist() == sorted(losses)[:4]
    order = np.argsort(losses)[:4]
    third = jax.tree.map(lambda leaf: leaf[2], best.params())
    chex.assert_trees_all_equal(third, results.params(order[2]))
    one = jax.tree.map(lambda leaf: leaf[None], best.params())
    found = fn.evaluate(fn.ensemble(network, 4), one, data.validation, ["nll"])["nll"]
    assert found[0] <= best["validation_loss"].mean() + 1e-6
    assert results.top("test_accuracy", 1)["test_accuracy"] == results["test_accuracy"].max()


def test_top_compares_what_was_fully_trained():
    columns = {"test_loss": np.array([0.1, 0.4, 0.3]), "steps": np.array([5, 20, 20])}
    results = fn.Results(fn.grid(seed=range(3)), columns)
    assert [run["seed"] for run in results.top("test_loss", 2).space] == [2, 1]
    with pytest.raises(InputError, match="num_runs must be from 1 to 2, the runs with a test_loss; got 3"):
        results.top("test_loss", 3)
    with pytest.raises(InputError, match="did you mean 'test_loss'"):
        results.top("test_los", 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: fn.ensemble(NETWORK, 0), "num_members must be a positive integer, got 0"),
        (
            lambda: fn.ensemble(NETWORK, 4).apply(NETWORK.init(jax.random.key(0)), INPUTS[0]),
            r"\(4, \.\.\.\), got",
        ),
        (lambda: ensembles.average(np.zeros((4, 5, 1))), "of at least two classes"),
        (
            lambda: ensembles.average.__wrapped__(np.zeros((4, 5, 2)), np.ones(3)),
            r"each of the 4 members, got the shape \(3,\)",
        ),
        (lambda: ensembles.vote.__wrapped__(np.zeros(3)), r"got the shape \(3,\)"),
        (lambda: ensembles.disagreement.__wrapped__(np.zeros((5, 2))), r"\[members, n, classes\]"),
        (
            lambda: ensembles.greedy_selection(OUTPUTS, CLASSES, 0),
            "num_picks must be a positive integer, got 0",
        ),
        (
            lambda: ensembles.greedy_selection.__wrapped__(OUTPUTS, CLASSES[1:]),
            "targets must be the classes of the .* examples, got the shape",
        ),
    ],
)
def test_invalid_arguments_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        wrong()


@pytest.mark.slow
def test_information_and_entropy_are_never_negative():
    one = 3 * jax.random.normal(jax.random.key(2), (1, 500, 10))
    outputs = jnp.tile(one, (5, 1, 1)) + 1e-4 * jax.random.normal(jax.random.key(3), (5, 500, 10))
    assert ensembles.mutual_information(outputs).min() >= 0
    sure = jnp.concatenate([jnp.full((2, 50, 1), 40.0), outputs[:2, :50, :3]], axis=-1)
    assert ensembles.predictive_entropy(sure).min() >= 0
    assert jnp.isnan(ensembles.mutual_information(jnp.full((2, 4, 3), jnp.nan))).all()
