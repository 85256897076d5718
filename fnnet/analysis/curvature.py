"""Curvature of an objective: Hessian-vector products, top eigenvalues, trace, gradient noise.

An objective maps `params` to a scalar; `make_objective` builds one that also takes examples. The Hessian is never
formed: it is accessed through its products with vectors, which are exact and cost one to two gradients each. Every
function computes a fixed number of products, so it works under `jax.jit`, under `jax.vmap` over the stacked parameters
of a sweep, and in a task's `measure`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from fnnet import linalg
from fnnet.data import Examples
from fnnet.errors import InputError, check_integer
from fnnet.losses import LOSSES, Loss, mean_loss
from fnnet.names import lookup
from fnnet.network import Network, batched, join_parts, trained_part
from fnnet.types import KeyArray, Params, PyTree

Objective = Callable[[Params], Array]


class Trace(NamedTuple):
    """An estimate of a trace, and its standard error over the samples."""

    mean: Float[Array, ""]
    standard_error: Float[Array, ""]


class NoiseScale(NamedTuple):
    """Estimates of the noise of gradients.

    scale: `gradient_variance / squared_gradient`, the batch size, in examples, up to which larger batches help.
    gradient_variance: tr(Sigma), the trace of the covariance of one example's gradient.
    squared_gradient: |G|^2 of the true gradient. The estimate is unbiased, so it may be negative, and `scale` with it.
        In that case, average numerator and denominator over several steps before dividing.
    """

    scale: Float[Array, ""]
    gradient_variance: Float[Array, ""]
    squared_gradient: Float[Array, ""]


def make_objective(network: Network, loss: str | Loss) -> Callable[[Params, Examples], Float[Array, ""]]:
    """Build the training objective: the mean loss as a function of parameters and examples.

    Buffers, such as batch statistics, are treated as constants: their gradients are 0.

    Args:
        network: the network to train.
        loss: the loss of one example, a name in `LOSSES` or a function of output and target.

    Raises:
        InputError: when the loss is unknown.

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
        params = join_parts(network, trained_part(network, params), jax.lax.stop_gradient(params))
        return mean_loss(loss_function, batched(network)(params, examples.inputs), examples.targets)

    return objective


def hvp(objective: Objective, params: Params, vector: Params) -> Params:
    """Compute a Hessian-vector product: the derivative of the gradient in the direction of the vector.

    Args:
        objective: a function from params to a scalar.
        params: the point at which to take the Hessian.
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
    """Compute the largest eigenvalues of the Hessian with Lanczos' method; the first is the sharpness.

    Largest means most positive, not largest in magnitude. From a random vector r, Lanczos builds an orthonormal basis Q
    of r, H r, H^2 r, ... and returns the eigenvalues of `Q^T H Q`. They are lower bounds that improve with each
    iteration and are exact after as many iterations as there are parameters.

    Memory: `num_iterations` copies of the parameters. For an `mlp` with n parameters, N examples and m iterations, this
    takes up to `12 n N m + 12 n m^2` FLOPs; a gradient takes up to `6 n N`.

    Args:
        objective, params: as in `hvp`.
        key: a JAX random key, for r.
        num_eigenvalues: number of eigenvalues.
        num_iterations: m, at most the number of parameters. For networks of 70 to 3,500 parameters, before, during and
            after training, 30 gave the sharpness to a relative error of 1e-6; with 10, the error reached 20 %. Further
            eigenvalues lie closer together and need more.

    Returns:
        The eigenvalues in descending order; NaN where the objective is not finite.

    Raises:
        InputError: when `num_eigenvalues` or `num_iterations` is not a positive integer, or `num_eigenvalues` exceeds
            the number of iterations or of parameters.

    Example:
        Sharpness during training, as another curve of each run of a sweep:

        >>> from fnnet import load_dataset, mlp, sgd, supervised, train
        >>> data, network = load_dataset("iris"), mlp(4, [8], 3, "tanh")
        >>> task = supervised(network, "cross_entropy", optimizer=sgd(0.5), batch_size=None)
        >>> objective = make_objective(network, "cross_entropy")
        >>> def measure(hparams, state, data):
        ...     values = top_eigenvalues(lambda params: objective(params, data.train), state.params, jax.random.key(0))
        ...     return {**task.measure(hparams, state, data), "sharpness": values[0]}
        >>> run = train(task._replace(measure=measure), {}, data, num_steps=60, eval_every=20)
        >>> run.curves["sharpness"].shape
        (3,)

    Source: Lanczos (1950), with full reorthogonalization as in Paige (1970) and Parlett (1998), section 6.11.
    """
    flat, product = _flat_hessian(objective, params)
    for field, value in {"num_eigenvalues": num_eigenvalues, "num_iterations": num_iterations}.items():
        check_integer(field, value)
    num_iterations = min(num_iterations, flat.size)
    if num_eigenvalues > num_iterations:
        raise InputError(
            f"num_eigenvalues must be at most {num_iterations}, the smaller of num_iterations and the "
            f"{flat.size} parameters, got {num_eigenvalues}"
        )
    projected = _project(product, jax.random.normal(key, flat.shape, flat.dtype), num_iterations)
    return linalg.eigvalsh(projected)[::-1][:num_eigenvalues]


def hessian_trace(objective: Objective, params: Params, key: KeyArray, num_samples: int = 16) -> Trace:
    """Estimate the trace of the Hessian: the sum of its eigenvalues.

    The estimate is the mean of `v^T H v` over vectors v of random signs. It is unbiased, with variance
    `2 sum_{i != j} H_ij^2 / num_samples`, and takes up to `12 n N num_samples` FLOPs for n parameters and N examples.

    Args:
        objective, params: as in `hvp`.
        key: a JAX random key, for the signs.
        num_samples: number of vectors.

    Raises:
        InputError: when `num_samples` is below 2.

    Example:
        >>> estimate = hessian_trace(lambda w: w @ w, jnp.ones(5), jax.random.key(0))
        >>> float(estimate.mean), float(estimate.standard_error)  # exact for a diagonal matrix
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
    objective: Callable[[Params, PyTree], Array], params: Params, examples: PyTree, batch_size: int = 1
) -> NoiseScale:
    """Estimate the simple noise scale tr(Sigma) / |G|^2 from the gradients of small batches.

    The unbiased estimates from K batches of b examples, with gradients `g_k` of mean `g`:

        tr(Sigma) = b / (K - 1) sum_k |g_k - g|^2            |G|^2 = |g|^2 - tr(Sigma) / (K b)

    Args:
        objective: maps params and a batch of examples to their mean loss; see `make_objective`.
        params: the point at which to take the gradients.
        examples: the examples in random order, such as `data.train`; the incomplete last batch is dropped.
        batch_size: b. The estimate is most precise with 1 (per-example gradients); larger batches are faster.

    Raises:
        InputError: when `batch_size` is not positive or there are fewer than two batches.

    Example:
        >>> examples = jnp.array([[0.0], [2.0], [4.0]])  # gradients of (w - x)^2 / 2 at w = 4: 4, 2 and 0
        >>> found = gradient_noise_scale(lambda w, x: jnp.mean((w - x) ** 2) / 2, jnp.array(4.0), examples)
        >>> [round(float(value), 4) for value in found]  # 4, and 2^2 - 4 / 3
        [1.5, 4.0, 2.6667]

    Source: McCandlish et al. (2018), eq. 2.9 and, for the unbiased estimates, appendix A.1.
    """
    check_integer("batch_size", batch_size)
    num_examples = len(jax.tree.leaves(examples)[0])
    num_batches = num_examples // batch_size
    if num_batches < 2:
        raise InputError(
            f"examples must fill at least two batches of batch_size={batch_size}, got {num_examples} examples"
        )
    batches = jax.tree.map(
        lambda leaf: leaf[: num_batches * batch_size].reshape(num_batches, batch_size, *leaf.shape[1:]),
        examples,
    )
    flat, restore = ravel_pytree(params)

    # Welford's algorithm: squared distances from the running mean avoid the cancellation of large numbers.
    def add(sums: tuple[Array, Array], item: tuple[Array, PyTree]) -> tuple[tuple[Array, Array], None]:
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
    """Return the parameters as a vector, and the Hessian as a linear function of vectors."""
    flat, restore = ravel_pytree(params)
    # linearize computes the gradient once for all products; jvp would compute it for each.
    return flat, jax.linearize(jax.grad(lambda flat: objective(restore(flat))), flat)[1]


def _project(product: Callable[[Array], Array], start: Array, num_iterations: int) -> Array:
    """Compute the lower triangle of `Q^T H Q` for the basis Q of Lanczos' method.

    It is tridiagonal up to rounding, but all of it is kept: as a projection of H its eigenvalues are bounds for any
    basis. Where the next vector lies in the span of the previous ones, the basis continues with another random
    direction, since H may have equal eigenvalues outside that span.
    """
    tolerance = 10 * jnp.finfo(start.dtype).eps

    def step(carry: tuple[Array, Array, Array], index: Array) -> tuple[tuple[Array, Array, Array], Array]:
        basis, image, products = carry
        rest = image - products @ basis
        size = jnp.max(jnp.abs(rest))  # not the norm: squares of rounding errors may underflow
        is_new = size > tolerance * jnp.max(jnp.abs(image))
        vector = jnp.where(is_new, rest / size, jnp.roll(start, index))
        for _ in range(2):  # once is not enough, because of rounding
            vector = vector - (basis @ vector) @ basis
        vector = vector / jnp.linalg.norm(vector)
        basis = basis.at[index].set(vector)
        image = product(vector)
        products = basis @ image
        return (basis, image, products), products

    initial = (
        jnp.zeros((num_iterations, start.size), start.dtype),
        start,
        jnp.zeros(num_iterations, start.dtype),
    )
    return jax.lax.scan(step, initial, jnp.arange(num_iterations, dtype=jnp.int32))[1]
