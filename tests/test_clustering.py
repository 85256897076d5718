"""Clustering, against formulas in float64 numpy, finite differences, and all matchings."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

import fnnet as fn
from fnnet import clustering

RNG = np.random.default_rng(0)
CODES, CENTERS = RNG.normal(size=(7, 2)), RNG.normal(size=(3, 2))


def soft_assignments(codes, centers):
    kernel = np.array([[1 / (1 + np.sum((code - center) ** 2)) for center in centers] for code in codes])
    return kernel / kernel.sum(axis=1, keepdims=True)


def sharper(q):
    weights = q**2 / q.sum(axis=0)
    return weights / weights.sum(axis=1, keepdims=True)


def test_outputs_are_logits_of_soft_assignments(x64):
    encoder = fn.mlp(5, [], 2, use_bias=False)
    network = clustering.cluster_network(encoder, 3, 2)
    matrix, inputs = RNG.normal(size=(5, 2)), RNG.normal(size=(7, 5))
    params = {"encoder": [{"w": jnp.array(matrix)}], "centers": jnp.array(CENTERS)}
    outputs = jax.vmap(network.apply, in_axes=(None, 0))(params, inputs)
    np.testing.assert_allclose(
        jax.nn.softmax(outputs), soft_assignments(inputs @ matrix, CENTERS), rtol=1e-12
    )
    drawn = network.init(jax.random.key(0))
    chex.assert_trees_all_equal_shapes_and_dtypes(drawn, params)


def test_sharpening_loss_is_the_kl_divergence(x64):
    outputs = np.log(q := soft_assignments(CODES, CENTERS))
    p = sharper(q)
    expected = np.mean(np.sum(p * np.log(p / q), axis=1))
    np.testing.assert_allclose(clustering.sharpening_loss(jnp.array(outputs)), expected, rtol=1e-12)


def test_no_gradient_flows_through_the_target_distribution(x64):
    outputs = np.log(soft_assignments(CODES, CENTERS))
    p = sharper(np.exp(outputs))

    def loss(outputs):
        log_q = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        return np.mean(np.sum(p * (np.log(p) - log_q), axis=1))

    found = jax.grad(clustering.sharpening_loss)(jnp.array(outputs))
    for place in np.ndindex(outputs.shape):
        step = np.zeros_like(outputs)
        step[place] = 1e-6
        slope = (loss(outputs + step) - loss(outputs - step)) / 2e-6
        np.testing.assert_allclose(found[place], slope, atol=1e-9)


@pytest.mark.slow
def test_training_sharpens_clusters_in_a_sweep(tmp_path):
    inputs, classes = make_blobs(
        150, centers=[[0, 0, 0], [4, 0, 0], [0, 4, 0]], cluster_std=0.5, random_state=0
    )
    data = fn.from_arrays(inputs.astype(np.float32), classes)
    network = clustering.cluster_network(fn.mlp(3, [], 2, use_bias=False), 3, 2)
    matrix = np.array([[0.8, 0.3], [-0.3, 0.8], [0.5, 0.5]], np.float32)
    examples = [np.flatnonzero(data.train.targets == target)[:4] for target in range(3)]
    begin = {
        "encoder": [{"w": np.stack([matrix] * 4)}],
        "centers": np.stack([data.train.inputs[some] @ matrix for some in np.transpose(examples)]),
    }

    def recipe():
        return clustering.deep_clustering(
            network,
            lambda hp: jax.tree.map(lambda leaf: jnp.asarray(leaf)[hp["seed"]], begin),
            optimizer="sgd",
            batch_size=60,
        )

    space = fn.grid(learning_rate=[0.1], seed=range(4))
    results = fn.sweep(recipe, space, data, num_steps=200, eval_every=100, store=tmp_path, save_params=True)
    outputs = fn.evaluate_results(recipe, results, data.test, ["outputs"])["outputs"]
    for seed in range(4):
        alone = fn.train(recipe(), {"learning_rate": 0.1, "seed": seed}, data, num_steps=200)
        np.testing.assert_allclose(results["test_loss"][seed], alone.metrics["test_loss"], rtol=1e-4)
        q = np.exp(outputs[seed].astype(float))
        q /= q.sum(axis=1, keepdims=True)
        p = sharper(q)
        expected = np.mean(np.sum(p * np.log(p / q), axis=1))
        np.testing.assert_allclose(results["test_loss"][seed], expected, rtol=1e-3)
        assert clustering.clustering_accuracy(outputs[seed].argmax(axis=1), data.test.targets) > 0.9
    losses = results.curves("train_loss")
    assert (losses.isel(step=1) < losses.isel(step=0)).all()


labels = st.lists(st.tuples(st.integers(-1, 3), st.integers(5, 8)), min_size=1, max_size=30)


@given(labels)
def test_accuracy_uses_the_best_matching(pairs):
    clusters, targets = np.array(pairs).T
    best = max(
        sum(dict(zip(range(-1, 4), paired, strict=False)).get(c) == t for c, t in pairs)
        for paired in itertools.permutations([5, 6, 7, 8, None])
    )
    assert clustering.clustering_accuracy(clusters, targets) == best / len(pairs)


def test_invalid_arguments_are_refused():
    with pytest.raises(fn.InputError, match="num_clusters must be at least 2, got 1"):
        clustering.cluster_network(fn.mlp(3, [], 2), 1, 2)
    with pytest.raises(fn.InputError, match=r"not be empty .* got \(0,\) and \(0,\)"):
        clustering.clustering_accuracy(np.zeros(0, int), np.zeros(0, int))
