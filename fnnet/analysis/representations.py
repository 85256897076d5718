"""What the layers of a network represent: activations, linear probes, similarity, effective rank, principal components.

A representation is a matrix `[n, features]` with a row for each of n examples: what one layer makes of a data set.
Each function is pure and takes one network or one or two representations; `jax.vmap` over stacked parameters or
representations gives many.
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
    """Compute what each layer makes of a data set.

    Args:
        network: with `intermediates`, such as an `mlp`.
        params: of one network.
        inputs: such as `data.test.inputs`.

    Returns:
        For each layer in order, its activations h `[n, fan_out]`; the last are the network's outputs.

    Raises:
        InputError: when the network does not show its layers.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("iris"), mlp(4, [8, 5], 3)
        >>> layers = activations(network, network.init(jax.random.key(0)), data.test.inputs)
        >>> [layer.shape for layer in layers]
        [(30, 8), (30, 5), (30, 3)]
    """
    intermediates = network.intermediates
    if intermediates is None:
        raise InputError(
            "the network does not show its layers: its intermediates are None, as an mlp's are not"
        )
    return map_examples(lambda x: [values.h for values in intermediates(params, x)], jnp.asarray(inputs))


def fit_probe(
    features: Float[AnyArray, "n features"],
    targets: Shaped[Any, "n ..."],
    num_classes: int = 0,
    penalty: float = 1.0,
) -> dict[str, Array]:
    """Fit a linear map from a representation to targets, by ridge regression.

    With X and Y centered, classes as one-hot rows, and the penalty lambda:

        w = (X^T X + lambda I)^-1 X^T Y            b = mean of the targets - mean of the features @ w

    This has one solution, found in one step, for classes as for numbers. A logistic probe would need a rate and a
    number of steps, and, where classes can be told apart, would depend on when it was stopped.

    Args:
        features: the representation.
        targets: classes `[n]`, or numbers `[n, outputs]`.
        num_classes: how many classes there are, where targets are classes.
        penalty: lambda, on the sum over examples. At 0 features must be linearly independent.

    Returns:
        `{"w": [features, outputs], "b": [outputs]}`, of which `features @ w + b` predicts: the parameters of the one
        layer of `mlp(features, [], outputs)`.

    Raises:
        InputError: when targets are classes and their number is not given, or the penalty is negative.

    Example:
        >>> probe = fit_probe(jnp.array([[-1.0], [0.0], [1.0]]), jnp.array([[1.0], [3.0], [5.0]]), penalty=0.0)
        >>> round(float(probe["w"][0, 0]), 4), round(float(probe["b"][0]), 4)
        (2.0, 3.0)

    Source: Hoerl and Kennard (1970), eq. 2.1; probes of layers, Alain and Bengio (2016), section 3.
    """
    if isinstance(penalty, int | float) and not penalty >= 0:
        raise InputError(f"penalty must be at least 0, got {penalty}")
    features, numbers = widen(features), jnp.asarray(targets)
    if jnp.issubdtype(numbers.dtype, jnp.integer):
        if num_classes < 1:
            raise InputError(f"num_classes must be given where targets are classes, got {num_classes}")
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
    """Measure how well the targets can be read off each layer by a linear map.

    A probe is fitted to each layer's activations on the training split and measured on the test split.

    Args:
        network: with `intermediates`, such as an `mlp`.
        params: of one network.
        data: whose targets are read off.
        penalty: as in `fit_probe`.

    Returns:
        By layer, the probe's accuracy for classes or its R2 for numbers.

    Raises:
        InputError: when the network does not show its layers, or the penalty is negative.

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
    """Compare two representations of the same examples by linear centered kernel alignment.

    With the columns of X and Y centered:

        |Y^T X|^2 / (|X^T X| |Y^T Y|)            |.| the Frobenius norm

    Rotations and a common scale of all features change nothing.

    Args:
        x: a representation.
        y: another; it may have another number of features.

    Returns:
        The similarity, in [0, 1]: 1 for the same up to rotation and scale. NaN where a representation is the same for
        all examples.

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
    """Compare representations with each other by `linear_cka`: layers of one network, or of two.

    Args:
        xs: representations, such as `activations` gives.
        ys: others of the same examples, or the same again.

    Returns:
        In row i and column j, the similarity of `xs[i]` and `ys[j]`.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> similarities = cka_matrix([x, x[:, :1]], [x])
        >>> similarities.shape, round(float(similarities[1, 0]), 4)
        ((2, 1), 0.7906)
    """
    return jnp.stack([jnp.stack([linear_cka(x, y) for y in ys]) for x in xs])


def effective_rank(matrix: Float[AnyArray, "rows columns"]) -> Float[Array, ""]:
    """Compute how many dimensions a matrix uses: the exponential of the entropy of its singular values.

    With singular values s and p = s / sum(s), `exp(-sum_k p_k log p_k)`.

    Args:
        matrix: a representation or weights, taken as it is; subtract the mean first to pass over it.

    Returns:
        A number from 1 to the rank; the rank if all singular values are equal, and 0 for a matrix of zeros.

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
    """Compute what share of a representation's variance its first principal components hold.

    Args:
        features: the representation.

    Returns:
        For k = 1, 2, ... min(n, features), the share of the first k, in [0, 1]: how much is kept when the
        representation is compressed to k numbers an example. NaN where it is the same for all examples.

    Example:
        >>> shares = explained_variance(jnp.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
        >>> [round(float(share), 4) for share in shares]
        [0.9, 1.0]

    Source: Pearson (1901).
    """
    variances = jnp.square(linalg.singular_values(_centered(features)))
    return jnp.cumsum(variances) / jnp.sum(variances)


def _centered(features: AnyArray) -> Array:
    """Subtract the mean over examples and scale to a largest entry of 1, so that fourth powers stay in range."""
    features = _scaled(widen(features))
    # Less the first example: what is the same for all examples is then exactly 0, and stays 0.
    features = features - features[:1]
    return _scaled(features - jnp.mean(features, axis=0, keepdims=True))


def _scaled(matrix: Array) -> Array:
    largest = jnp.max(jnp.abs(matrix))
    return matrix / jnp.where(largest == 0, 1, largest)


def _hsic(x: Array, y: Array) -> Array:
    """Compute |Y^T X|^2, which is the sum over pairs of examples of products of their inner products."""
    num_examples, num_x, num_y = len(x), x.shape[1], y.shape[1]
    if num_x * num_y <= num_examples * (num_x + num_y):
        return jnp.sum(jnp.square(y.T @ x))
    return jnp.sum((x @ x.T) * (y @ y.T))
