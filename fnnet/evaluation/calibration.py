"""Calibration: the temperature at which a network's probabilities are as large as they should be.

Calibration is measured by `ece` and `nll`. A temperature changes the confidence of a network, not its predictions.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from fnnet.errors import InputError
from fnnet.losses import one_hot
from fnnet.precision import widen

_COLDEST, _HOTTEST = 1e-3, 1e3  # temperatures between which the best one is looked for
_NUM_HALVINGS = 60  # of that interval's logarithm, 13.8, to below the last digit of float64


def fit_temperature(
    outputs: Float[Array | np.ndarray, "n classes"], targets: Int[Array | np.ndarray, " n"]
) -> Float[Array, ""]:
    """Find the temperature T that minimizes the NLL of `softmax(outputs / T)`.

    The NLL is convex in 1/T. Its derivative there, the mean of `sum_k p_k outputs_k - outputs_target` with
    `p = softmax(outputs / T)`, is followed to its zero by bisection, of the logarithm of T between those of 0.001
    and 1000. Where every guess is right, the NLL falls all the way to the lower end; where outputs tell less than
    nothing, to the upper one. An ensemble of overconfident networks is best calibrated twice: each member, and
    then their average.

    Args:
        outputs: logits on a validation split.
        targets: its classes.

    Returns:
        The temperature, above 1 for an overconfident network; NaN when an output is not finite, or a class has no
        output.

    Raises:
        InputError: when the shapes do not fit.

    Example:
        Right three times of four, and sure as if it were right 99 times of 100:

        >>> outputs, targets = jnp.log(jnp.array([[0.99, 0.01]] * 4)), jnp.array([0, 0, 0, 1])
        >>> temperature = fit_temperature(outputs, targets)
        >>> jax.nn.softmax(apply_temperature(outputs, temperature))[0].round(4).tolist()
        [0.75, 0.25]

    Source: Guo et al. (2017), section 4.2.
    """
    outputs, targets = widen(outputs), jnp.asarray(targets)
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise InputError(
            f"a temperature is fitted to logits [n, classes] and classes [n], got the shapes {outputs.shape} and "
            f"{targets.shape}; for many networks use jax.vmap(fit_temperature, in_axes=(0, None))"
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
    """Divide logits by a temperature: 1 leaves the probabilities, 2 takes their square roots, up to their sum.

    Args:
        outputs: logits.
        temperature: a positive number.

    Returns:
        The logits of the same guesses, ties included; each row's largest is 0.

    Example:
        >>> apply_temperature(jnp.array([4.0, 1.0]), 2.0).tolist()
        [0.0, -1.5]
    """
    outputs = jnp.asarray(outputs)
    # What is divided is how far each is below the largest, so that rounding makes no two of them equal.
    below = outputs - jnp.max(outputs, axis=-1, keepdims=True)
    return below / jnp.asarray(temperature).astype(outputs.dtype)
