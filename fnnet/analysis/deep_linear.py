"""Deep linear networks: how gradient descent learns the modes of a linear map.

A network of D matrices learns the map `sum of s * left * right^T`, with one mode per singular value s, by gradient
descent on half the squared error for whitened inputs. With decoupled initial weights, the modes are learned
independently. For small learning rates, the strength u of a mode in the network's map follows

    du/dt = D u^(2 - 2/D) (s - u)

where time t is the number of updates times the learning rate.

Source: Saxe, McClelland & Ganguli (2013), "Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks", equations 12 and 15.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from fnnet.network import Network, mlp
from fnnet.stacked_layers import stack


def trajectories(
    strengths: Float[np.ndarray, " modes"] | Sequence[float],
    num_matrices: int,
    start: float,
    times: Float[np.ndarray, " times"],
) -> Float[np.ndarray, "modes times"]:
    """Compute the strength of each mode over time: in closed form for 2 matrices, else by numerical integration.

    Args:
        strengths: s of each mode, above 0.
        num_matrices: D, at least 1.
        start: u of all modes at time 0, above 0.
        times: updates times learning rate, ascending.

    Returns:
        u of each mode at each time.

    Example:
        >>> trajectories([3.0, 1.0], 2, start=1e-3, times=np.array([1.5, 5.0])).round(3).tolist()
        [[2.19, 3.0], [0.02, 0.957]]
    """
    s = np.asarray(strengths, float)
    if num_matrices == 2:
        return s[:, None] / (1 + (s[:, None] / start - 1) * np.exp(-2 * s[:, None] * times))

    def slope(time: float, u: np.ndarray) -> np.ndarray:
        return num_matrices * u ** (2 - 2 / num_matrices) * (s - u)

    begin = np.full(len(s), start)
    if times[-1] == 0:
        return np.repeat(begin[:, None], len(times), axis=1)
    return solve_ivp(slope, (0, times[-1]), begin, "LSODA", times, rtol=1e-9, atol=1e-12).y


def decoupled_network(
    left: Float[np.ndarray, "size size"],
    right: Float[np.ndarray, "size size"],
    num_matrices: int,
    start: float,
    seed: int = 0,
) -> Network:
    """Build a deep linear network with decoupled initial weights, which learns the modes of a map independently.

    Each matrix is orthogonal times `start^(1/D)`; their product maps the right singular vectors to `start` times the
    left ones; the bases in between are random.

    Args:
        left: orthogonal matrix of the map's left singular vectors, as columns.
        right: orthogonal matrix of its right singular vectors.
        num_matrices: D, at least 1.
        start: the initial strength of all modes.
        seed: the seed of the bases in between; the key passed to `init` is ignored.

    Returns:
        The network, without biases.

    Example:
        >>> network = decoupled_network(np.eye(3), np.eye(3), num_matrices=4, start=0.5)
        >>> params = network.init(jax.random.key(0))
        >>> network.apply(params, np.array([1.0, 2.0, 3.0])).round(5).tolist()
        [0.5, 1.0, 1.5]
    """
    size = len(left)
    network = mlp(size, [size] * (num_matrices - 1), size, "identity", use_bias=False, initializer="zeros")
    bases = np.linalg.qr(np.random.default_rng(seed).normal(size=(num_matrices + 1, size, size)))[0]
    bases[0], bases[-1] = right, left
    weights = start ** (1 / num_matrices) * bases[:-1] @ bases[1:].swapaxes(1, 2)
    params = stack([{"w": matrix} for matrix in weights], network)
    return network._replace(init=lambda key: jax.tree.map(jnp.asarray, params))  # in JAX's default dtype
