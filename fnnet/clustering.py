"""Deep embedded clustering: group examples by a network's code, without targets (Xie et al. 2016).

Train an `autoencoder`, find centers of its codes with k-means, then train encoder and centers together with the task
`deep_clustering`. A `cluster_network` outputs one logit per cluster, so functions of a classifier's outputs, such as
`evaluate`, work on it too.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from fnnet.batches import make_batches
from fnnet.blocks import all_outputs
from fnnet.data import Dataset, Examples
from fnnet.errors import InputError
from fnnet.fitting import TrainState, descend, splits
from fnnet.hparams import Hparams
from fnnet.network import Network, batched, trained_part
from fnnet.optimizer_builders import OptimizerChoice, make_builder
from fnnet.task import Task
from fnnet.types import KeyArray, Metrics, Params


def cluster_network(encoder: Network, num_clusters: int, code_size: int) -> Network:
    """Build a network whose outputs are the logits of soft assignments to clusters.

    With code z and centers mu_j, output j is `-log(1 + |z - mu_j|^2)`. The softmax of the outputs is then the
    Student's t kernel with one degree of freedom, `q_j = (1 + |z - mu_j|^2)^-1 / sum_k (1 + |z - mu_k|^2)^-1`.

    Args:
        encoder: maps an example to its code `[code_size]`.
        num_clusters: number of centers.
        code_size: size of a code.

    Returns:
        The network. `params` is `{"encoder": the encoder's, "centers": [num_clusters, code_size]}`. `init` draws the
        centers from a standard normal distribution; replace them by those of k-means.

    Raises:
        InputError: when `num_clusters` is below 2.

    Example:
        >>> from fnnet import mlp
        >>> network = cluster_network(mlp(4, [8], 2), num_clusters=3, code_size=2)
        >>> params = network.init(jax.random.key(0))
        >>> params["centers"].shape, network.apply(params, jnp.ones(4)).shape
        ((3, 2), (3,))

    Source: Xie et al. (2016), eq. 1.
    """
    if num_clusters < 2:
        raise InputError(f"num_clusters must be at least 2, got {num_clusters}")

    def init(key: KeyArray) -> Params:
        encoder_key, centers_key = jax.random.split(key)
        centers = jax.random.normal(centers_key, (num_clusters, code_size))
        return {"encoder": encoder.init(encoder_key), "centers": centers}

    def logits(params: Params, code: Array) -> Array:
        return -jnp.log1p(jnp.sum(jnp.square(code[None] - params["centers"]), axis=-1))

    def apply(params: Params, x: ArrayLike) -> Array:
        return logits(params, encoder.apply(params["encoder"], jnp.asarray(x)))

    def apply_batch(params: Params, inputs: ArrayLike) -> Array:
        codes = batched(encoder)(params["encoder"], inputs)
        return jax.vmap(logits, in_axes=(None, 0))(params, codes)

    is_buffer = None if encoder.is_buffer is None else {"encoder": encoder.is_buffer, "centers": False}
    return Network(init, apply, apply_batch=apply_batch, is_buffer=is_buffer)


def sharpening_loss(outputs: Float[Array, "n clusters"]) -> Float[Array, ""]:
    """Compute the KL divergence of soft assignments q from a sharper target distribution p: `KL(p || q) / n`.

    With `q = softmax(outputs)` and cluster sizes `f_j = sum_i q_ij`, the target is
    `p_ij = (q_ij^2 / f_j) / sum_k (q_ik^2 / f_k)`, which favors confident assignments and normalizes by cluster size.
    No gradient flows through p.

    Args:
        outputs: the outputs of a `cluster_network`, for a batch large enough to estimate the cluster sizes.
            (Xie et al. compute p from all examples, at intervals.)

    Returns:
        The mean over examples, in nats.

    Example:
        >>> float(sharpening_loss(jnp.zeros((4, 3))))  # uniform assignments are not sharpened
        0.0

    Source: Xie et al. (2016), eq. 2 and 3.
    """
    log_q = jax.nn.log_softmax(outputs)
    log_sizes = jax.nn.logsumexp(log_q, axis=0, keepdims=True)
    log_p = jax.lax.stop_gradient(jax.nn.log_softmax(2 * log_q - log_sizes))
    return jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1))


def deep_clustering(
    network: Network,
    initial: Callable[[Hparams], Params],
    *,
    optimizer: OptimizerChoice,
    schedule: str = "constant",
    batch_size: int | None = 256,
    order: str = "shuffled",
    max_measured: int = 10_000,
) -> Task:
    """Build the task that trains encoder and centers on `sharpening_loss`, without targets.

    Args:
        network: a `cluster_network`.
        initial: maps hyper-parameters to the initial parameters, from an autoencoder and k-means. To select those of
            a seed, `lambda hp: jax.tree.map(lambda leaf: leaf[hp["seed"]], stacked)`.
        optimizer, schedule, batch_size, order, max_measured: as in `supervised`.

    Returns:
        The task. It measures "train_loss", "test_loss", and "validation_loss" if the data has that split.

    Example:
        >>> from fnnet import load_dataset, mlp, train
        >>> network = cluster_network(mlp(4, [8], 2), num_clusters=3, code_size=2)
        >>> task = deep_clustering(
        ...     network,
        ...     lambda hp: network.init(jax.random.key(hp["seed"])),
        ...     optimizer="sgd",
        ...     batch_size=60,
        ... )
        >>> run = train(task, {"learning_rate": 0.1, "seed": 0}, load_dataset("iris"), num_steps=50)
        >>> bool(run.metrics["test_loss"] > 0)
        True

    Source: Xie et al. (2016), section 3.1.
    """
    optimizer = make_builder(optimizer, schedule)

    def init(key: KeyArray, hparams: Hparams, data: Dataset) -> TrainState:
        params = initial(hparams)
        return TrainState(params, optimizer(hparams).init(trained_part(network, params)))

    def objective(outputs: Array, examples: Examples) -> Array:
        return sharpening_loss(outputs)

    def measure(hparams: Hparams, state: TrainState, data: Dataset) -> Metrics:
        return {
            f"{split}_loss": sharpening_loss(all_outputs(network, state.params, examples.inputs))
            for split, examples in splits(data, max_measured).items()
        }

    def predict(hparams: Hparams, params: Params, inputs: Array) -> Array:
        return batched(network)(params, inputs)

    return Task(
        init,
        step=descend(lambda hparams: network, objective, optimizer),
        measure=measure,
        batches=make_batches(batch_size, order),
        predict=predict,
        params=lambda state: state.params,
        check=optimizer,
    )


def clustering_accuracy(clusters: Int[np.ndarray, " n"], targets: Int[np.ndarray, " n"]) -> float:
    """Compute the accuracy of clusters as classes, under the best one-to-one matching.

    Args:
        clusters: the cluster of each example.
        targets: the class of each example.

    Returns:
        The accuracy, in [0, 1]. Examples of clusters without a class count as errors.

    Raises:
        InputError: when there are no examples, or the shapes differ.

    Example:
        >>> clustering_accuracy(np.array([2, 2, 0, 0, 1]), np.array([0, 0, 1, 1, 1]))
        0.8

    Source: Yang et al. (2010), section 4.2; matching by Kuhn (1955).
    """
    from scipy.optimize import linear_sum_assignment

    if clusters.shape != targets.shape or not len(targets):
        raise InputError(
            f"clusters and targets must not be empty and have the same shape, got {clusters.shape} and {targets.shape}"
        )
    rows, columns = (np.unique(labels, return_inverse=True)[1] for labels in (clusters, targets))
    counts = np.zeros((rows.max() + 1, columns.max() + 1), int)
    np.add.at(counts, (rows, columns), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(targets))
