"""Representations of layers: activations, linear probes, similarity, effective rank, principal components.

A representation is a matrix `[n, features]` of a layer's activations, one row per example. All functions are pure and
take one network or one or two representations; use `jax.vmap` over stacked parameters or representations for many.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from fnnet import linalg
from fnnet.blocks import map_examples
from fnnet.data import Dataset
from fnnet.errors import InputError
from fnnet.losses import one_hot
from fnnet.metrics import METRICS, find_metrics
from fnnet.network import Network
from fnnet.precision import widen
from fnnet.types import Params

AnyArray = Array | np.ndarray


def activations(network: Network, params: Params, inputs: Shaped[Any, "n ..."]) -> list[Float[Array, "n _"]]:
    """Compute the activations of each layer.

    Args:
        network: a network with `intermediates`, such as an `mlp`.
        params: the network's parameters.
        inputs: the examples, such as `data.test.inputs`.

    Returns:
        The activations h `[n, fan_out]` of each layer, in order; the last are the network's outputs.

    Raises:
        InputError: when the network has no `intermediates`.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("iris"), mlp(4, [8, 5], 3)
        >>> layers = activations(network, network.init(jax.random.key(0)), data.test.inputs)
        >>> [layer.shape for layer in layers]
        [(30, 8), (30, 5), (30, 3)]
    """
    intermediates = network.intermediates
    if intermediates is None:
        raise InputError("network must have intermediates, as an mlp has, got None")
    return map_examples(lambda x: [values.h for values in intermediates(params, x)], jnp.asarray(inputs))


def fit_probe(
    features: Float[AnyArray, "n features"],
    targets: Shaped[Any, "n ..."],
    num_classes: int = 0,
    penalty: float = 1.0,
) -> dict[str, Array]:
    """Fit a linear probe from a representation to targets by ridge regression.

    With X and Y centered, classes as one-hot rows, and the penalty lambda:

        w = (X^T X + lambda I)^-1 X^T Y            b = mean of the targets - mean of the features @ w

    The solution is unique and in closed form, for classes and for numbers. A logistic probe would need a learning rate
    and a number of steps, and on separable classes would depend on when it was stopped.

    Args:
        features: the representation.
        targets: classes `[n]`, or numbers `[n, outputs]`.
        num_classes: number of classes, if targets are classes.
        penalty: lambda, relative to the sum over examples. With 0, features must be linearly independent.

    Returns:
        `{"w": [features, outputs], "b": [outputs]}`, the parameters of the one layer of `mlp(features, [], outputs)`;
        predictions are `features @ w + b`.

    Raises:
        InputError: when targets are classes and `num_classes` is missing, or the penalty is negative.

    Example:
        >>> probe = fit_probe(jnp.array([[-1.0], [0.0], [1.0]]), jnp.array([[1.0], [3.0], [5.0]]), penalty=0.0)
        >>> round(float(probe["w"][0, 0]), 4), round(float(probe["b"][0]), 4)
        (2.0, 3.0)

    Source: Hoerl and Kennard (1970), eq. 2.1; for probes, Alain and Bengio (2016), section 3.
    """
    if isinstance(penalty, int | float) and not penalty >= 0:
        raise InputError(f"penalty must be at least 0, got {penalty}")
    features, numbers = widen(features), jnp.asarray(targets)
    if jnp.issubdtype(numbers.dtype, jnp.integer):
        if num_classes < 1:
            raise InputError(f"num_classes must be positive if targets are classes, got {num_classes}")
        numbers = one_hot(numbers, num_classes, features.dtype)
    numbers = numbers.astype(features.dtype)
    mean_features, mean_numbers = jnp.mean(features, axis=0), jnp.mean(numbers, axis=0)
    centered = features - mean_features[None]
    gram = centered.T @ centered + penalty * jnp.eye(features.shape[1], dtype=features.dtype)
    w = linalg.solve_positive(gram, centered.T @ (numbers - mean_numbers[None]))
    return {"w": w, "b": mean_numbers - mean_features @ w}


def probe_layers(
    network: Network, params: Params, data: Dataset, penalty: float = 1.0
) -> Float[Array, " layers"]:
    """Measure how well a linear probe decodes the targets from each layer.

    Probes are fitted to each layer's activations on the training split and evaluated on the test split.

    Args:
        network: a network with `intermediates`, such as an `mlp`.
        params: the network's parameters.
        data: the examples.
        penalty: as in `fit_probe`.

    Returns:
        The test accuracy (classes) or R2 (numbers) of each layer's probe, `[layers]`.

    Raises:
        InputError: when the network has no `intermediates`, or the penalty is negative.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("iris"), mlp(4, [20, 20], 3)
        >>> params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 6))
        >>> jax.vmap(lambda params: probe_layers(network, params, data))(params).shape
        (6, 3)
    """
    (metric,) = find_metrics(None, data.test.targets, METRICS).values()

    def measure(train: Array, test: Array) -> Array:
        probe = fit_probe(train, data.train.targets, data.num_outputs, penalty)
        return metric(test @ probe["w"] + probe["b"][None], jnp.asarray(data.test.targets))

    layers = (activations(network, params, examples.inputs) for examples in (data.train, data.test))
    return jnp.stack([measure(train, test) for train, test in zip(*layers, strict=True)])


def linear_cka(x: Float[AnyArray, "n features"], y: Float[AnyArray, "n others"]) -> Float[Array, ""]:
    """Compute the linear centered kernel alignment (CKA) of two representations of the same examples.

    With the columns of X and Y centered:

        |Y^T X|^2 / (|X^T X| |Y^T Y|)            |.| the Frobenius norm

    CKA is invariant to rotation and to isotropic scaling.

    Args:
        x: a representation.
        y: another one, possibly with another number of features.

    Returns:
        The similarity, in [0, 1]: 1 for representations that are equal up to rotation and scale. NaN if one of them
        is the same for all examples.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> round(float(linear_cka(x, -3.0 * x)), 6), round(float(linear_cka(x, x[:, :1])), 6)
        (1.0, 0.790569)

    Source: Kornblith et al. (2019), eq. 5 and section 3.
    """
    x, y = _centered(x), _centered(y)
    return _hsic(x, y) / (jnp.sqrt(_hsic(x, x)) * jnp.sqrt(_hsic(y, y)))


def cka_matrix(
    xs: Sequence[Float[AnyArray, "n _"]], ys: Sequence[Float[AnyArray, "n _"]]
) -> Float[Array, "xs ys"]:
    """Compute the `linear_cka` of all pairs of representations, such as the layers of two networks.

    Args:
        xs: representations, as returned by `activations`.
        ys: representations of the same examples.

    Returns:
        The similarity of `xs[i]` and `ys[j]` in row i and column j.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> similarities = cka_matrix([x, x[:, :1]], [x])
        >>> similarities.shape, round(float(similarities[1, 0]), 4)
        ((2, 1), 0.7906)
    """
    return jnp.stack([jnp.stack([linear_cka(x, y) for y in ys]) for x in xs])


def effective_rank(matrix: Float[AnyArray, "rows columns"]) -> Float[Array, ""]:
    """Compute the effective rank of a matrix: the exponential of the entropy of its singular values.

    With singular values s and p = s / sum(s), it is `exp(-sum_k p_k log p_k)`.

    Args:
        matrix: a representation or weights. It is not centered.

    Returns:
        A number from 1 to the rank, which it equals if all nonzero singular values are equal; 0 for a matrix of zeros.

    Example:
        >>> round(float(effective_rank(jnp.diag(jnp.array([2.0, 2.0, 2.0, 0.0])))), 4)
        3.0

    Source: Roy and Vetterli (2007), section 2.
    """
    values = linalg.singular_values(jnp.asarray(matrix))
    total = jnp.sum(values)
    shares = values / jnp.where(total == 0, 1, total)
    return jnp.where(total == 0, 0, jnp.exp(jnp.sum(jax.scipy.special.entr(shares))))


def explained_variance(features: Float[AnyArray, "n features"]) -> Float[Array, " components"]:
    """Compute the cumulative share of a representation's variance explained by its principal components.

    Args:
        features: the representation. It is centered first.

    Returns:
        The share of the first k components, in [0, 1], for k = 1, 2, ... min(n, features). NaN if the representation
        is the same for all examples.

    Example:
        >>> shares = explained_variance(jnp.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
        >>> [round(float(share), 4) for share in shares]
        [0.9, 1.0]

    Source: Pearson (1901).
    """
    variances = jnp.square(linalg.singular_values(_centered(features)))
    return jnp.cumsum(variances) / jnp.sum(variances)


def _centered(features: AnyArray) -> Array:
    """Subtract the mean over examples and scale the largest entry to 1, so that fourth powers stay in range."""
    halves = widen(features) / 2  # a difference may be twice as large
    # Subtracting the first example makes features that are the same for all examples exactly 0. It comes before
    # scaling, since XLA may fuse the two into one rounding.
    features = _scaled(halves - halves[:1])
    return _scaled(features - jnp.mean(features, axis=0, keepdims=True))


def _scaled(matrix: Array) -> Array:
    largest = jnp.max(jnp.abs(matrix))
    return matrix / jnp.where(largest == 0, 1, largest)


def _hsic(x: Array, y: Array) -> Array:
    """Compute |Y^T X|^2, from the Gram matrices X X^T and Y Y^T where that is cheaper."""
    num_examples, num_x, num_y = len(x), x.shape[1], y.shape[1]
    if num_x * num_y <= num_examples * (num_x + num_y):
        return jnp.sum(jnp.square(y.T @ x))
    return jnp.sum((x @ x.T) * (y @ y.T))
