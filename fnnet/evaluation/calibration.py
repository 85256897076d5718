"""Calibration: the temperature that makes a network's probabilities match its accuracy.

A temperature changes the confidence of a network, not its predictions. `ece` and `nll` measure calibration.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from fnnet.errors import InputError
from fnnet.losses import one_hot
from fnnet.precision import widen

_COLDEST, _HOTTEST = 1e-3, 1e3  # the interval that is searched
_NUM_HALVINGS = 60  # of the interval's logarithm, 13.8, to below the last digit of float64


def fit_temperature(
    outputs: Float[Array | np.ndarray, "n classes"], targets: Int[Array | np.ndarray, " n"]
) -> Float[Array, ""]:
    """Find the temperature T that minimizes the NLL of `softmax(outputs / T)`.

    The NLL is convex in 1/T. The zero of its derivative, the mean of `sum_k p_k outputs_k - outputs_target` with
    `p = softmax(outputs / T)`, is found by bisection of log T between T = 0.001 and 1000. The result is the lower end
    if all predictions are right, and the upper end if the outputs predict worse than chance. Calibrate an ensemble of
    overconfident networks twice: each member, then their average.

    Args:
        outputs: logits on a validation split.
        targets: its classes.

    Returns:
        The temperature, above 1 for an overconfident network; NaN if an output is not finite or a class has no output.

    Raises:
        InputError: when the shapes do not match.

    Example:
        A network is right in three of four examples, with a confidence of 0.99:

        >>> outputs, targets = jnp.log(jnp.array([[0.99, 0.01]] * 4)), jnp.array([0, 0, 0, 1])
        >>> temperature = fit_temperature(outputs, targets)
        >>> jax.nn.softmax(apply_temperature(outputs, temperature))[0].round(4).tolist()
        [0.75, 0.25]

    Source: Guo et al. (2017), section 4.2.
    """
    outputs, targets = widen(outputs), jnp.asarray(targets)
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise InputError(
            f"outputs must be logits [n, classes] and targets classes [n], got the shapes {outputs.shape} and "
            f"{targets.shape}; for many networks, use jax.vmap(fit_temperature, in_axes=(0, None))"
        )
    truth = one_hot(targets, outputs.shape[-1], outputs.dtype)
    lead = outputs - jnp.sum(truth * outputs, axis=-1, keepdims=True)

    def halve(_: Array, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) / 2
        probabilities = jax.nn.softmax(apply_temperature(outputs, jnp.exp(middle)))
        is_too_cold = jnp.sum(probabilities * lead) > 0
        return jnp.where(is_too_cold, middle, low), jnp.where(is_too_cold, high, middle)

    ends = jnp.log(jnp.array([_COLDEST, _HOTTEST], outputs.dtype))
    low, high = jax.lax.fori_loop(0, _NUM_HALVINGS, halve, (ends[0], ends[1]))
    return jnp.where(jnp.all(jnp.isfinite(lead)), jnp.exp((low + high) / 2), jnp.nan)


def apply_temperature(
    outputs: Float[Array | np.ndarray, "*examples classes"], temperature: float | Float[Array, ""]
) -> Float[Array, "*examples classes"]:
    """Divide logits by a temperature: 1 keeps the probabilities, 2 takes their square roots and normalizes.

    Args:
        outputs: logits.
        temperature: a positive number.

    Returns:
        Logits with the same predictions, ties included; the largest of each row is 0.

    Example:
        >>> apply_temperature(jnp.array([4.0, 1.0]), 2.0).tolist()
        [0.0, -1.5]
    """
    outputs = jnp.asarray(outputs)
    # Dividing the distances to the largest logit keeps rounding from making two of them equal.
    below = outputs - jnp.max(outputs, axis=-1, keepdims=True)
    return below / jnp.asarray(temperature).astype(outputs.dtype)
