"""Ensembles: combined predictions of several networks, and their disagreement.

An ensemble is a `Network` whose parameters are its members', stacked. All other functions take the members' logits
`[members, ..., classes]` on the same examples, as `evaluate(..., ["outputs"])` and `evaluate_results(..., ["outputs"])`
return them. If a member's outputs are not finite, neither is the average, which metrics count as wrong.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from fnnet.confusion import is_finite
from fnnet.errors import InputError, check_integer
from fnnet.losses import cross_entropy
from fnnet.network import Network, batched
from fnnet.precision import widen
from fnnet.types import KeyArray, Params

Combine = Callable[[Array], Array]
"""Maps the outputs of all members for one input `[members, outputs]` to the ensemble's `[outputs]`."""

MemberOutputs = Float[Array | np.ndarray, "members *examples classes"]
Weights = Float[Array | np.ndarray, " members"]


def average(outputs: MemberOutputs, weights: Weights | None = None) -> Float[Array, "*examples classes"]:
    """Average the members' probabilities, as logits: `log sum_r weights_r softmax(outputs_r)`.

    By convexity, the average has at most the mean NLL and the mean Brier score of the members.

    Args:
        outputs: logits of the members.
        weights: one per member, at least 0, normalized by their sum. A member of weight 0 is ignored, even if its
            outputs are not finite. None: equal weights.

    Raises:
        InputError: when there are fewer than two classes, or the numbers of weights and members differ.

    Example:
        >>> outputs = jnp.log(jnp.array([[0.9, 0.1], [0.3, 0.7]]))
        >>> [round(float(p), 4) for p in jnp.exp(average(outputs))]
        [0.6, 0.4]

    Source: Lakshminarayanan et al. (2017), section 2.4.
    """
    outputs = _check_outputs(outputs)
    return jax.scipy.special.logsumexp(jax.nn.log_softmax(outputs), axis=0, b=_shares(weights, outputs))


def vote(outputs: MemberOutputs) -> Float[Array, "*examples classes"]:
    """Compute each class's share of the members' votes, one per member for its largest output.

    Args:
        outputs: logits or probabilities of the members. A member abstains where its outputs are not finite.

    Returns:
        Shares of the votes; NaN where all abstain. They are probabilities, not logits: use them with `accuracy`, not
        with `nll`.

    Raises:
        InputError: when there are fewer than two classes.

    Example:
        >>> vote(jnp.array([[3.0, 1.0], [2.0, 1.0], [9.0, 8.0], [0.0, 9.0], [jnp.nan, 0.0]])).tolist()
        [0.75, 0.25]
    """
    outputs = _check_outputs(outputs)
    votes = jax.nn.one_hot(_guesses(outputs), outputs.shape[-1], dtype=outputs.dtype)
    counts = jnp.sum(votes, axis=0)
    return counts / jnp.sum(counts, axis=-1, keepdims=True)


def ensemble(network: Network, num_members: int, combine: Combine = average) -> Network:
    """Build one network from several of the same shape.

    Args:
        network: the network of each member.
        num_members: number of members.
        combine: maps the members' outputs for one input to the ensemble's: `average`, `vote`,
            `lambda outputs: average(outputs, weights)` with the weights of `greedy_selection`, or
            `lambda outputs: jnp.mean(outputs, axis=0)` for regression.

    Returns:
        The ensemble, for use like any network. Its `params` are the members', stacked, `[num_members, ...]` in each
        leaf, as `results.params()` returns them.

    Raises:
        InputError: when `num_members` is not a positive integer, or, while tracing, when the parameters have another
            number of members.

    Example:
        The five best runs of a sweep predict as one:

        >>> import tempfile
        >>> from fnnet import evaluate, grid, load_dataset, mlp, sgd, supervised, sweep
        >>> data, network = load_dataset("iris", validation_fraction=0.25), mlp(4, [8], 3)
        >>> def recipe():
        ...     return supervised(network, "cross_entropy", optimizer="sgd", batch_size=16)
        >>> space = grid(learning_rate=[0.1, 0.3], seed=range(4))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = sweep(recipe, space, data, num_steps=60, store=folder, save_params=True)
        ...     params = results.top("validation_loss", 5).params()
        >>> best_five = ensemble(network, 5)
        >>> best_five.apply(params, data.test.inputs[0]).shape
        (3,)

        `evaluate` takes many networks, here one ensemble:

        >>> members = evaluate(network, params, data.test, ["nll"])["nll"]
        >>> together = evaluate(best_five, jax.tree.map(lambda leaf: leaf[None], params), data.test, ["nll"])["nll"]
        >>> bool(together[0] <= members.mean())
        True
    """
    check_integer("num_members", num_members)

    def init(key: KeyArray) -> Params:
        return jax.vmap(network.init)(jax.random.split(key, num_members))

    def check(params: Params) -> None:
        for leaf in jax.tree.leaves(params):
            if np.shape(leaf)[:1] != (num_members,):
                raise InputError(
                    f"each leaf of the params of {num_members} members must have the shape ({num_members}, ...), "
                    f"got {np.shape(leaf)}; results.top(metric, {num_members}).params() returns such params"
                )

    def apply(params: Params, x: ArrayLike) -> Array:
        check(params)
        return combine(jax.vmap(network.apply, in_axes=(0, None))(params, jnp.asarray(x)))

    def apply_batch(params: Params, inputs: ArrayLike) -> Array:
        check(params)
        outputs = jax.vmap(batched(network), in_axes=(0, None))(params, jnp.asarray(inputs))
        return jax.vmap(combine, in_axes=1)(outputs)

    return network._replace(init=init, apply=apply, apply_batch=apply_batch, intermediates=None, train=None)


def greedy_selection(
    outputs: Float[Array | np.ndarray, "members n classes"],
    targets: Int[Array | np.ndarray, " n"],
    num_picks: int = 50,
) -> Float[Array, " members"]:
    """Choose members and weights that minimize the average's NLL on a validation split.

    Starting from the best member, each step picks the member, with replacement, that gives the average of all picks
    the lowest NLL. The result is the best average along the way, which is at least as good as the best member.

    Args:
        outputs: logits of the members on a validation split.
        targets: its classes.
        num_picks: number of picks.

    Returns:
        Weights for `average`: each member's share of the picks. A member whose outputs are not finite has weight 0;
        all weights are NaN if no member's outputs are finite.

    Raises:
        InputError: when `num_picks` is not a positive integer, or the shapes do not match.

    Example:
        Each of the first two members knows one class, the third knows none:

        >>> outputs = jnp.log(jnp.array([[[0.9, 0.1], [0.5, 0.5]], [[0.5, 0.5], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]]]))
        >>> greedy_selection(outputs, jnp.array([0, 1])).tolist()
        [0.5, 0.5, 0.0]

    Source: Caruana et al. (2004), sections 2 and 2.1.
    """
    outputs, targets = _check_outputs(outputs, "n"), jnp.asarray(targets)
    if targets.shape != outputs.shape[1:2]:
        raise InputError(
            f"targets must be the classes of the {outputs.shape[1]} examples, got the shape {targets.shape}"
        )
    check_integer("num_picks", num_picks)
    # The NLL depends only on each member's probability of the right class.
    log_right = -jax.vmap(jax.vmap(cross_entropy), in_axes=(0, None))(outputs, targets)

    def pick(
        carry: tuple[Array, Array], num_picked: Array
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        log_sum, counts = carry
        log_sums = jnp.logaddexp(log_sum[None], log_right)
        nlls = jnp.log(num_picked) - jnp.mean(log_sums, axis=1)
        nlls = jnp.where(jnp.isnan(nlls), jnp.inf, nlls)
        chosen = jnp.argmin(nlls)
        counts = counts.at[chosen].add(1)
        return (log_sums[chosen], counts), (nlls[chosen], counts)

    nothing = jnp.full_like(log_right[0], -jnp.inf), jnp.zeros_like(log_right[:, 0])
    _, (nlls, counts) = jax.lax.scan(pick, nothing, jnp.arange(1, num_picks + 1, dtype=outputs.dtype))
    best = counts[jnp.argmin(nlls)]
    return jnp.where(jnp.min(nlls) < jnp.inf, best / jnp.sum(best), jnp.nan)


def predictive_entropy(outputs: MemberOutputs, weights: Weights | None = None) -> Float[Array, "*examples"]:
    """Compute the entropy of the average's probabilities, in nats: the total uncertainty.

    Args:
        outputs: logits of the members.
        weights: as in `average`.

    Returns:
        The entropies, from 0 to the logarithm of the number of classes.

    Example:
        >>> round(float(predictive_entropy(jnp.array([[50.0, 0.0], [0.0, 50.0]]))), 4)  # log 2
        0.6931
    """
    return _entropy(average(outputs, weights))


def mutual_information(outputs: MemberOutputs, weights: Weights | None = None) -> Float[Array, "*examples"]:
    """Compute the part of the predictive entropy that comes from the members' disagreement, in nats.

    It is the entropy of the average minus the average of the members' entropies.

    Args:
        outputs: logits of the members.
        weights: as in `average`.

    Returns:
        The mutual information, from 0 to the logarithm of the number of members.

    Example:
        >>> sure_but_different, alike_but_unsure = jnp.array([[50.0, 0.0], [0.0, 50.0]]), jnp.zeros((2, 2))
        >>> [round(float(mutual_information(o)), 4) for o in (sure_but_different, alike_but_unsure)]
        [0.6931, 0.0]

    Source: Houlsby et al. (2011), eq. 2.
    """
    outputs = _check_outputs(outputs)
    shares = _shares(weights, outputs[..., 0])
    own = jnp.where(shares > 0, shares * _entropy(jax.nn.log_softmax(outputs)), 0)
    # Rounding takes it below 0 where members agree.
    return jnp.maximum(predictive_entropy(outputs, weights) - jnp.sum(own, axis=0), 0)


def disagreement(
    outputs: Float[Array | np.ndarray, "members n classes"],
) -> Float[Array, "members members"]:
    """Compute the share of examples on which the predictions of each pair of members differ.

    Args:
        outputs: logits or probabilities of the members; rows that are not finite count as one more class.

    Returns:
        A symmetric matrix of shares in [0, 1], with 0 on the diagonal.

    Raises:
        InputError: when the outputs do not have three axes.

    Example:
        >>> one, other = jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> disagreement(jnp.stack([one, other])).tolist()
        [[0.0, 0.5], [0.5, 0.0]]

    Source: Fort, Hu & Lakshminarayanan (2019), who divide it by the members' error.
    """
    outputs = _check_outputs(outputs, "n")
    guesses = _guesses(outputs)
    # One member at a time, so that all pairs of all examples need not fit in memory.
    return jax.lax.map(lambda one: jnp.mean(one[None] != guesses, axis=1, dtype=outputs.dtype), guesses)


def _entropy(log_probabilities: Array) -> Array:
    entropy = jnp.sum(jax.scipy.special.entr(jnp.exp(log_probabilities)), axis=-1)
    return jnp.maximum(entropy, 0)  # a probability may round to a little more than 1


def _guesses(outputs: Array) -> Array:
    """Return the predicted classes; -1 for rows that are not finite."""
    return jnp.where(is_finite(outputs), jnp.argmax(outputs, axis=-1), -1)


def _shares(weights: Weights | None, values: Array) -> Array:
    """Return weights that sum to 1, broadcast to values `[members, ...]`."""
    num_members = len(values)
    given = jnp.ones(num_members) if weights is None else jnp.asarray(weights)
    if given.shape != (num_members,):
        raise InputError(
            f"weights must have one number for each of the {num_members} members, got the shape {given.shape}"
        )
    given = given.astype(values.dtype)
    shares = jnp.expand_dims(given / jnp.sum(given), range(1, values.ndim))
    return jnp.broadcast_to(shares, values.shape)


def _check_outputs(outputs: Array | np.ndarray, examples: str = "...") -> Array:
    """Check the shape of logits `[members, *examples, classes]`; return them in at least 32 bits."""
    shape = np.shape(outputs)
    if len(shape) < 2 or shape[-1] < 2 or (examples == "n" and len(shape) != 3):
        raise InputError(
            f"outputs must be logits [members, {examples}, classes] of at least two classes, got the shape {shape}"
        )
    return widen(outputs)
