"""Curvature of one run's objective: Hessian-vector products, top eigenvalues, trace, gradient noise.

An objective is a function of `params` alone that gives a number; `make_objective(network, loss)` makes one that takes
examples as well. Nothing here holds the Hessian: all that is known of it is its product with a vector, which is exact
and costs one to two gradients. Each function does a fixed number of these, so it can be under `jax.jit`, under
`jax.vmap` over the stacked parameters of a sweep, and in a task's `measure`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from fnnet import linalg
from fnnet.data import Examples
from fnnet.errors import InputError, check_integer
from fnnet.losses import LOSSES, Loss, mean_loss
from fnnet.names import lookup
from fnnet.network import Network
from fnnet.types import KeyArray, Params

Objective = Callable[[Params], Array]


class Trace(NamedTuple):
    """An estimate of a trace, and the standard error of it that is due to its few samples."""

    mean: Float[Array, ""]
    standard_error: Float[Array, ""]


class NoiseScale(NamedTuple):
    """How noisy gradients are.

    scale: `gradient_variance / squared_gradient`, in examples: up to about this batch size, larger batches help.
    gradient_variance: tr(Sigma), the summed variance of the gradient of one example.
    squared_gradient: |G|^2 of the true gradient. An unbiased estimate, so noise can make it negative, and the scale
        with it; average both over steps before dividing where that happens.
    """

    scale: Float[Array, ""]
    gradient_variance: Float[Array, ""]
    squared_gradient: Float[Array, ""]


def make_objective(network: Network, loss: str | Loss) -> Callable[[Params, Examples], Float[Array, ""]]:
    """Build the function of parameters and examples that training lowers: the mean loss.

    Args:
        network: what is trained.
        loss: of one example, a name in `LOSSES` or a function of output and target.

    Returns:
        A function `(params, examples) -> mean loss`.

    Raises:
        InputError: when the name of the loss is unknown.

    Example:
        >>> from fnnet import load_dataset, mlp
        >>> data, network = load_dataset("iris"), mlp(4, [8], 3)
        >>> objective = make_objective(network, "cross_entropy")
        >>> grads = jax.grad(objective)(network.init(jax.random.key(0)), data.train)
        >>> grads[0]["w"].shape
        (4, 8)
    """
    loss_function = lookup("loss", loss, LOSSES)

    def objective(params: Params, examples: Examples) -> Float[Array, ""]:
        outputs = jax.vmap(network.apply, in_axes=(None, 0))(params, examples.inputs)
        return mean_loss(loss_function, outputs, examples.targets)

    return objective


def hvp(objective: Objective, params: Params, vector: Params) -> Params:
    """Multiply the Hessian of an objective with a vector.

    Exact up to rounding: `H v` is the derivative of the gradient in the direction `v`.

    Args:
        objective: a function of params that gives a number.
        params: where the Hessian is taken.
        vector: v, a pytree like params.

    Returns:
        H v, a pytree like params.

    Example:
        >>> float(hvp(lambda w: w**3, jnp.array(2.0), jnp.array(1.0)))  # 6 w
        12.0

    Source: Pearlmutter (1994), section 2.
    """
    return jax.jvp(jax.grad(objective), (params,), (vector,))[1]


def top_eigenvalues(
    objective: Objective,
    params: Params,
    key: KeyArray,
    num_eigenvalues: int = 1,
    num_iterations: int = 30,
) -> Float[Array, " num_eigenvalues"]:
    """Compute the largest eigenvalues of the Hessian; the first of them is the sharpness.

    Largest means most positive, not largest in magnitude. Lanczos builds an orthonormal basis Q of the vectors
    r, H r, H^2 r, ... of a random r, and gives the eigenvalues of `Q^T H Q`. These are never above the Hessian's own,
    come closer with each iteration, and are exact after as many iterations as there are parameters.

    It takes memory for `num_iterations` copies of the parameters. With n parameters of an `mlp`, N examples and m
    iterations it needs up to `12 n N m + 12 n m^2` FLOPs, where a gradient needs up to `6 n N`.

    Args:
        objective: a function of params that gives a number.
        params: where the Hessian is taken.
        key: from which r is drawn.
        num_eigenvalues: how many.
        num_iterations: m; no more are done than there are parameters. 30 gave the sharpness of networks of 70 to
            3,500 parameters to 1e-6 of its value, before, in and after training, where 10 were often enough and
            sometimes wrong by a fifth. Further eigenvalues lie closer together and need more.

    Returns:
        The eigenvalues, the largest first; NaN where the objective is not finite.

    Raises:
        InputError: when a number is not positive, or more eigenvalues are asked for than there are iterations or
            parameters.

    Example:
        Sharpness along training, as one more curve of each run of a sweep:

        >>> from fnnet import load_dataset, mlp, sgd, supervised, train
        >>> data, network = load_dataset("iris"), mlp(4, [8], 3, "tanh")
        >>> task = supervised(network, "cross_entropy", optimizer=lambda hp: sgd(0.5), batch_size=None)
        >>> objective = make_objective(network, "cross_entropy")
        >>> def measure(hparams, state, data):
        ...     values = top_eigenvalues(lambda params: objective(params, data.train), state.params, jax.random.key(0))
        ...     return {**task.measure(hparams, state, data), "sharpness": values[0]}
        >>> run = train(task._replace(measure=measure), {}, data, num_steps=60, eval_every=20)
        >>> run.curves["sharpness"].shape
        (3,)

    Source: Lanczos (1950); each vector is made orthogonal to all before it, as in Paige (1970) and Parlett (1998),
        section 6.11.
    """
    flat, product = _flat_hessian(objective, params)
    for field, value in {"num_eigenvalues": num_eigenvalues, "num_iterations": num_iterations}.items():
        check_integer(field, value)
    num_iterations = min(num_iterations, flat.size)
    if num_eigenvalues > num_iterations:
        raise InputError(
            f"num_eigenvalues is {num_eigenvalues}, more than the {num_iterations} iterations that num_iterations "
            f"and {flat.size} parameters allow"
        )
    projected = _project(product, jax.random.normal(key, flat.shape, flat.dtype), num_iterations)
    return linalg.eigvalsh(projected)[::-1][:num_eigenvalues]


def hessian_trace(objective: Objective, params: Params, key: KeyArray, num_samples: int = 16) -> Trace:
    """Estimate the trace of the Hessian: the sum of its eigenvalues.

    The mean of `v^T H v` over vectors v of random signs, which is unbiased and has the variance
    `2 sum_{i != j} H_ij^2 / num_samples`. With n parameters and N examples it needs up to `12 n N num_samples` FLOPs.

    Args:
        objective: a function of params that gives a number.
        params: where the Hessian is taken.
        key: from which the signs are drawn.
        num_samples: how many vectors.

    Returns:
        The mean, and its standard error.

    Raises:
        InputError: when there are fewer than two samples.

    Example:
        >>> estimate = hessian_trace(lambda w: w @ w, jnp.ones(5), jax.random.key(0))
        >>> float(estimate.mean), float(estimate.standard_error)  # of a diagonal matrix each sample is exact
        (10.0, 0.0)

    Source: Hutchinson (1990), proposition 1.
    """
    check_integer("num_samples", num_samples, minimum=2)
    flat, product = _flat_hessian(objective, params)

    def sample(key: KeyArray) -> Array:
        signs = jax.random.rademacher(key, flat.shape, flat.dtype)
        return signs @ product(signs)

    samples = jax.lax.map(sample, jax.random.split(key, num_samples))
    return Trace(jnp.mean(samples), jnp.std(samples, ddof=1) / num_samples**0.5)


def gradient_noise_scale(
    objective: Callable[[Params, Any], Array], params: Params, examples: Any, batch_size: int = 1
) -> NoiseScale:
    """Estimate the simple noise scale tr(Sigma) / |G|^2 from the gradients of small batches.

    Of K batches of b examples with gradients `g_k` of mean `g`:

        tr(Sigma) = b / (K - 1) sum_k |g_k - g|^2            |G|^2 = |g|^2 - tr(Sigma) / (K b)

    which are unbiased, and are those of two batch sizes, b and K b.

    Args:
        objective: maps params and a batch of examples to their mean loss; see `make_objective`.
        params: where the gradients are taken.
        examples: in random order, such as `data.train`; those that fill no last batch are left out.
        batch_size: b. 1, a gradient for each example, is the most precise; larger batches are computed faster.

    Returns:
        The noise scale with its two parts.

    Raises:
        InputError: when the batch size is not positive or there are fewer than two batches.

    Example:
        >>> examples = jnp.array([[0.0], [2.0], [4.0]])  # gradients of (w - x)^2 / 2 at w = 4: 4, 2 and 0
        >>> found = gradient_noise_scale(lambda w, x: jnp.mean((w - x) ** 2) / 2, jnp.array(4.0), examples)
        >>> [round(float(value), 4) for value in found]  # 4, and 2^2 - 4 / 3
        [1.5, 4.0, 2.6667]

    Source: McCandlish et al. (2018), eq. 2.9, and appendix A.1 for the unbiased estimates.
    """
    check_integer("batch_size", batch_size)
    num_examples = len(jax.tree.leaves(examples)[0])
    num_batches = num_examples // batch_size
    if num_batches < 2:
        raise InputError(
            f"the noise of gradients shows between two batches or more; {num_examples} examples give {num_batches} "
            f"of batch_size={batch_size}"
        )
    batches = jax.tree.map(
        lambda leaf: leaf[: num_batches * batch_size].reshape(num_batches, batch_size, *leaf.shape[1:]),
        examples,
    )
    flat, restore = ravel_pytree(params)

    # Welford's sums: the squares are of distances from the mean so far, so that no large numbers cancel.
    def add(sums: tuple[Array, Array], item: tuple[Array, Any]) -> tuple[tuple[Array, Array], None]:
        mean, squares = sums
        number, batch = item
        grad = jax.grad(lambda flat: objective(restore(flat), batch))(flat)
        new_mean = mean + (grad - mean) / number
        return (new_mean, squares + (grad - mean) @ (grad - new_mean)), None

    numbers = jnp.arange(1, num_batches + 1, dtype=flat.dtype)
    zeros = jnp.zeros_like(flat), jnp.zeros((), flat.dtype)
    (mean, squares), _ = jax.lax.scan(add, zeros, (numbers, batches))
    variance = squares * batch_size / (num_batches - 1)
    squared_gradient = mean @ mean - variance / (num_batches * batch_size)
    return NoiseScale(variance / squared_gradient, variance, squared_gradient)


def _flat_hessian(objective: Objective, params: Params) -> tuple[Array, Callable[[Array], Array]]:
    """Return the parameters as a vector, and the Hessian as a linear function of such vectors."""
    flat, restore = ravel_pytree(params)
    # jvp(grad) cut in two: what does not depend on the vector, the gradient itself, is computed once for all products.
    return flat, jax.linearize(jax.grad(lambda flat: objective(restore(flat))), flat)[1]


def _project(product: Callable[[Array], Array], start: Array, num_iterations: int) -> Array:
    """Compute the lower triangle of `Q^T H Q` for the basis Q of Lanczos' method.

    It is tridiagonal but for rounding. All of it is kept, so that it is a projection of H, whose eigenvalues are
    bounds, whatever the basis. Where the next vector of a basis lies in the span of those before it, the basis goes on
    with another random direction: H then has no other eigenvalues in that span, but may have equal ones outside.
    """
    tolerance = 10 * jnp.finfo(start.dtype).eps

    def step(carry: tuple[Array, Array, Array], index: Array) -> tuple[tuple[Array, Array, Array], Array]:
        basis, image, products = carry
        rest = image - products @ basis
        size = jnp.max(jnp.abs(rest))  # not the norm, since squares of what rounding leaves may underflow
        is_new = size > tolerance * jnp.max(jnp.abs(image))
        vector = jnp.where(is_new, rest / size, jnp.roll(start, index))
        for _ in range(2):  # for rounding leaves a little each time
            vector = vector - (basis @ vector) @ basis
        vector = vector / jnp.linalg.norm(vector)
        basis = basis.at[index].set(vector)
        image = product(vector)
        products = basis @ image
        return (basis, image, products), products

    nothing = (
        jnp.zeros((num_iterations, start.size), start.dtype),
        start,
        jnp.zeros(num_iterations, start.dtype),
    )
    return jax.lax.scan(step, nothing, jnp.arange(num_iterations, dtype=jnp.int32))[1]
