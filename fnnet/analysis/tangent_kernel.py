"""Networks to first order in their parameters: linearization and neural tangent kernels."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from fnnet.network import Network, batched
from fnnet.types import Params


def linearize(network: Network, start: Params) -> Network:
    """Linearize a network in its parameters.

    Args:
        network: a network with outputs f(x, params).
        start: the parameters to expand around.

    Returns:
        The network with outputs `f(x, start) + df(x, start)/dparams (params - start)` and the same `init`. It has no
        dropout.

    Example:
        >>> from fnnet import mlp
        >>> network = mlp(2, [8], 1)
        >>> start = network.init(jax.random.key(0))
        >>> x = jnp.ones(2)
        >>> bool(linearize(network, start).apply(start, x) == network.apply(start, x))
        True

    Source: Lee et al. (2019), "Wide neural networks of any depth evolve as linear models under gradient descent",
    eq. 5.
    """

    def linear(apply: Callable[[Params, Array], Array]) -> Callable[[Params, ArrayLike], Array]:
        def first_order(params: Params, x: ArrayLike) -> Array:
            change = jax.tree.map(jnp.subtract, params, start)
            output, slope = jax.jvp(lambda params: apply(params, jnp.asarray(x)), (start,), (change,))
            return jnp.asarray(output + slope)

        return first_order

    return network._replace(
        apply=linear(network.apply), apply_batch=linear(batched(network)), intermediates=None, train=None
    )


def tangent_kernels(network: Network, params: Params, inputs: Float[ArrayLike, "n ..."]) -> Any:
    """Compute the tangent kernel of each parameter array. They sum to the network's tangent kernel.

    A small step of gradient descent with learning rate r, on half the squared error summed over n examples, multiplies
    the errors by `1 - r * kernel`; with one learning rate per array, by 1 minus the sum of rate times kernel.

    Args:
        network: a network with outputs `[outputs]`.
        params: the point at which to compute the kernels.
        inputs: the examples.

    Returns:
        A pytree like `params` with leaves `[n, outputs, n, outputs]`: inner products of the outputs' derivatives with
        respect to the array.

    Example:
        >>> from fnnet import mlp
        >>> network = mlp(2, [], 1, use_bias=False)
        >>> params = network.init(jax.random.key(0))
        >>> kernel = tangent_kernels(network, params, jnp.array([[1.0, 2.0], [3.0, 4.0]]))[0]["w"]
        >>> kernel.reshape(2, 2).tolist()  # for a linear network, the inner products of inputs
        [[5.0, 11.0], [11.0, 25.0]]

    Source: Jacot et al. (2018), "Neural tangent kernel: convergence and generalization in neural networks", section 4.
    """
    derivatives = jax.vmap(jax.jacobian(network.apply), in_axes=(None, 0))(params, jnp.asarray(inputs))

    def kernel(derivative: Array) -> Array:
        num, outputs = derivative.shape[:2]
        flat = derivative.reshape(num * outputs, -1)
        return (flat @ flat.T).reshape(num, outputs, num, outputs)

    return jax.tree.map(kernel, derivatives)
