"""Representations, against scikit-learn, float64 numpy and the properties that define them."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import scipy.stats
import sklearn.decomposition
import sklearn.linear_model
from hypothesis import given, settings
from hypothesis import strategies as st

import fnnet as fn
from fnnet.analysis import representations as rep

RNG = np.random.default_rng(0)
FEATURES, CLASSES, NUMBERS = RNG.normal(size=(40, 7)), RNG.integers(0, 4, 40), RNG.normal(size=(40, 2))


@pytest.mark.slow
def test_activations_match_a_forward_pass_in_numpy(x64):
    network = fn.mlp(3, [7, 7, 7, 5], 2, "tanh", stack_from=2)
    params, inputs = network.init(jax.random.key(0)), RNG.normal(size=(2003, 3))  # more than fit in one block
    hidden, logits = oracle.forward(jax.device_get(fn.unstack(params)), inputs)
    found = rep.activations(network, params, inputs)
    assert len(found) == 5
    for ours, theirs in zip(found, [*hidden[1:], logits], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_network_without_intermediates_is_refused():
    network = fn.mlp(3, [], 2)._replace(intermediates=None)
    with pytest.raises(fn.InputError, match="must have intermediates"):
        rep.activations(network, network.init(jax.random.key(0)), jnp.ones((5, 3)))


@pytest.mark.parametrize("penalty", [0.0, 1.0, 30.0])
def test_probes_match_scikit_learn(x64, penalty):
    features = FEATURES * 3 + 5  # away from the origin, where the intercept matters
    probe = rep.fit_probe(jnp.array(features), NUMBERS, penalty=penalty)
    expected = sklearn.linear_model.Ridge(alpha=penalty).fit(features, NUMBERS)
    np.testing.assert_allclose(probe["w"].T, expected.coef_, atol=1e-10)
    np.testing.assert_allclose(probe["b"], expected.intercept_, atol=1e-10)
    probe = rep.fit_probe(jnp.array(features), CLASSES, num_classes=4, penalty=penalty)
    classifier = sklearn.linear_model.RidgeClassifier(alpha=penalty).fit(features, CLASSES)
    # scikit-learn's targets are 1 and -1, ours 1 and 0
    np.testing.assert_allclose(2 * probe["w"].T, classifier.coef_, atol=1e-10)
    np.testing.assert_allclose(2 * probe["b"] - 1, classifier.intercept_, atol=1e-10)


@pytest.mark.slow
def test_probes_of_layers_match_scikit_learn(digits):
    network = fn.mlp(64, [12, 6], 10, "relu")
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 3))
    found = jax.jit(jax.vmap(lambda params: rep.probe_layers(network, params, digits, penalty=2.0)))(params)
    assert found.shape == (3, 3)
    for run in range(3):
        one = jax.tree.map(lambda leaf: np.float64(leaf[run]), params)  # noqa: B023
        h = {split: [getattr(digits, split).inputs] for split in ("train", "test")}
        for split, layers in h.items():
            for index, layer in enumerate(one):
                z = layers[-1] @ layer["w"] + layer["b"]
                h[split] = layers = [*layers, np.maximum(z, 0) if index < 2 else z]
        for layer in range(3):
            probe = sklearn.linear_model.RidgeClassifier(alpha=2.0)
            probe.fit(h["train"][layer + 1], digits.train.targets)
            expected = probe.score(h["test"][layer + 1], digits.test.targets)
            assert abs(found[run, layer] - expected) < 1.5 / len(digits.test.inputs)
    assert found[:, 0].min() > found[:, 1].max()  # random layers lose what there is to be read off


@pytest.mark.slow
def test_probes_of_numbers_are_measured_by_r2():
    inputs = RNG.normal(size=(60, 3))
    data = fn.from_arrays(inputs, inputs @ RNG.normal(size=(3, 2)) + 1)
    network = fn.mlp(3, [7], 2, "identity")
    found = rep.probe_layers(network, network.init(jax.random.key(0)), data, penalty=1e-4)
    np.testing.assert_allclose(found[0], 1, atol=1e-4)


def test_impossible_probes_are_refused():
    with pytest.raises(fn.InputError, match="num_classes must be positive"):
        rep.fit_probe(jnp.array(FEATURES), CLASSES)
    with pytest.raises(fn.InputError, match="penalty must be at least 0, got -1"):
        rep.fit_probe(jnp.array(FEATURES), NUMBERS, penalty=-1.0)


def kernel_alignment(x, y):
    """The definition: HSIC of n x n kernels, centered by H = I - 1/n."""
    n = len(x)
    centring = np.eye(n) - 1 / n

    def hsic(k, m):
        return np.trace(k @ centring @ m @ centring)

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@st.composite
def pairs(draw):
    """Two representations that share something, with fewer features than examples, or more."""
    num_examples, num_x, num_y = draw(st.sampled_from([(11, 3, 5), (6, 20, 9), (8, 1, 40)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(num_examples, num_x)) * rng.lognormal(size=num_x) + rng.normal(size=num_x)
    return x, x @ rng.normal(size=(num_x, num_y)) + draw(st.sampled_from([0.0, 1.0, 9.0])) * rng.normal(
        size=(num_examples, num_y)
    )


cka = jax.jit(rep.linear_cka)


@settings(max_examples=50)
@given(pairs())
def test_cka_matches_centered_kernels_and_is_invariant(pair):
    x, y = pair
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(x.shape[1], x.shape[1])))[0]
    with jax.enable_x64(True):
        found = cka(x, y)
        np.testing.assert_allclose(found, kernel_alignment(x, y), rtol=1e-9)
        np.testing.assert_allclose(cka(-3 * x @ rotation + 2, y), found, rtol=1e-9)
        np.testing.assert_allclose(cka(x, x @ rotation), 1, rtol=1e-9)
        np.testing.assert_allclose(cka(y, x), found, rtol=1e-9)
        assert 0 <= found <= 1 + 1e-12


def test_cka_forms_no_gram_matrix_of_many_examples():
    """30,000 examples would have one of 3.6 GB."""
    shapes = [jax.ShapeDtypeStruct((30_000, width), jnp.float32) for width in (20, 30)]
    memory = jax.jit(rep.linear_cka).lower(*shapes).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 30_000 * 50 * 4 * 3


@pytest.mark.slow
def test_layers_and_runs_are_compared_with_each_other(x64):
    network = fn.mlp(7, [6, 5], 2, "tanh")
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 3))
    layers = jax.vmap(lambda params: rep.activations(network, params, FEATURES))(params)
    first, second = ([layer[run] for layer in layers] for run in (0, 1))
    matrix = rep.cka_matrix(first, second)
    for i, j in np.ndindex(3, 3):
        np.testing.assert_allclose(matrix[i, j], kernel_alignment(first[i], second[j]), rtol=1e-9)
    runs = jax.vmap(jax.vmap(rep.linear_cka, (None, 0)), (0, None))(layers[0], layers[0])
    np.testing.assert_allclose(jnp.diag(runs), 1, rtol=1e-12)
    np.testing.assert_allclose(runs[0, 1], kernel_alignment(layers[0][0], layers[0][1]), rtol=1e-9)


def test_effective_rank_is_the_exponential_of_the_entropy_of_singular_values(x64):
    matrix = RNG.normal(size=(9, 5)) * np.array([1, 1, 0.1, 3, 0])
    shares = np.linalg.svd(matrix, compute_uv=False)
    expected = np.exp(scipy.stats.entropy(shares / shares.sum()))
    np.testing.assert_allclose(rep.effective_rank(matrix), expected, rtol=1e-12)
    np.testing.assert_allclose(rep.effective_rank(1e-3 * matrix.T), expected, rtol=1e-12)
    orthogonal = np.linalg.qr(RNG.normal(size=(9, 5)))[0]
    np.testing.assert_allclose(rep.effective_rank(orthogonal), 5, rtol=1e-12)
    np.testing.assert_allclose(rep.effective_rank(np.outer(matrix[:, 0], matrix[0])), 1, rtol=1e-9)
    assert rep.effective_rank(np.zeros((4, 3))) == 0
    assert np.isnan(rep.effective_rank(np.full((4, 3), np.nan)))


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_explained_variance_matches_scikit_learn(x64, shape):
    features = FEATURES.reshape(shape) * RNG.lognormal(size=shape[1]) + 5
    expected = sklearn.decomposition.PCA().fit(features).explained_variance_ratio_
    np.testing.assert_allclose(rep.explained_variance(features), np.cumsum(expected), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-9, 1e6, 1e20, 1e37])
def test_similarity_and_variance_shares_do_not_depend_on_scale_in_float32(scale):
    x = RNG.normal(size=(60, 5)).clip(-3, 3).astype(np.float32)
    y = (x[:, :4] + RNG.normal(size=(60, 4))).astype(np.float32)
    scaled = x * np.float32(scale)
    np.testing.assert_allclose(cka(scaled, scaled), 1, rtol=1e-5)
    np.testing.assert_allclose(cka(scaled, y), kernel_alignment(np.float64(x), np.float64(y)), rtol=1e-5)
    np.testing.assert_allclose(rep.cka_matrix([scaled], [scaled, y])[0], [1, cka(x, y)], rtol=1e-5)
    expected = np.cumsum(sklearn.decomposition.PCA().fit(np.float64(x)).explained_variance_ratio_)
    np.testing.assert_allclose(rep.explained_variance(scaled), expected, rtol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30])
def test_similarity_of_constant_features_is_nan(constant):
    same = np.full((50, 3), constant, np.float32)
    assert np.isnan(cka(same, FEATURES[:, :3].astype(np.float32)[np.arange(50) % 40]))
    assert np.isnan(rep.explained_variance(same)).all()


def test_low_precision_representations_are_compared_in_float32():
    x = jnp.asarray(FEATURES, jnp.bfloat16)
    found = rep.linear_cka(x, x[:, :3])
    assert found.dtype == jnp.float32
    exact = np.asarray(x.astype(jnp.float32), np.float64)
    np.testing.assert_allclose(found, kernel_alignment(exact, exact[:, :3]), rtol=1e-5)
