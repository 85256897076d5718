"""Optimizers in optax's protocol: `init(params)` and `update(grads, opt_state, params)`.

`updates` are added to `params`. fnnet accepts any optax transformation as an `Optimizer`, and `sgd` works in
`optax.chain`. All numbers may be traced, so new learning rates of a sweep need no compilation.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from fnnet import schedules
from fnnet.errors import InputError
from fnnet.hparams import check_range
from fnnet.schedules import Schedule, check_learning_rate, constant
from fnnet.types import Number, OptState, Params, PyTree, Updates


class Optimizer(NamedTuple):
    """A pair of pure functions, structurally an `optax.GradientTransformation`.

    init: maps `params` to the initial `opt_state`.
    update: maps `(grads, opt_state, params)` to `(updates, opt_state)`.

    Example:
        >>> def halve(grads, state, params):
        ...     return jax.tree.map(lambda g: -g / 2, grads), state
        >>> halving = Optimizer(lambda params: (), halve)
        >>> halving.update(jnp.array([4.0]), (), jnp.array([1.0]))[0].tolist()
        [-2.0]
    """

    init: Callable[[Params], OptState]
    update: Callable[..., tuple[Updates, OptState]]


@runtime_checkable
class Transformation(Protocol):
    """What tasks accept as an optimizer: an `Optimizer`, or any `optax.GradientTransformation`."""

    @property
    def init(self) -> Callable[..., OptState]:
        """As in `Optimizer`."""
        ...

    @property
    def update(self) -> Callable[..., tuple[Updates, OptState]]:
        """As in `Optimizer`."""
        ...


class SGDState(NamedTuple):
    """The state of `sgd`.

    step: number of updates so far; None without a schedule.
    velocity: decayed sum of gradients; None without momentum.
    """

    step: Int[Array, ""] | None
    velocity: Params | None


_UNIT = ("a number from 0 to below 1", lambda number: 0 <= number < 1)
_FROM_ZERO = ("a finite number of at least 0", lambda number: 0 <= number < math.inf)
RANGES: dict[str, tuple[str, Callable[[Any], object]]] = {
    **schedules.RANGES,
    **dict.fromkeys(("momentum", "b1", "b2", "b3", "decay", "rho"), _UNIT),
    **dict.fromkeys(("weight_decay", "eps", "eps_root"), _FROM_ZERO),
    "max_norm": ("a positive number", lambda norm: norm > 0),
}
"""What the numbers of optimizers and schedules must be, by name: in words, and as a function."""


def sgd(
    learning_rate: Number | Schedule,
    *,
    momentum: Number | None = None,
    nesterov: bool = False,
    weight_decay: Number | None = None,
    max_norm: Number | None = None,
) -> Optimizer:
    """Build (stochastic) gradient descent.

    With gradient `g`, learning rate `eta`, momentum `mu` and weight decay `lambda`:

        g <- g * min(1, max_norm / |g|)
        v <- g + mu * v
        updates = -eta * (v + lambda * params)                 plain and heavy-ball momentum
        updates = -eta * (g + mu * v + lambda * params)        Nesterov's

    Equivalent to `chain(clip_by_global_norm, trace, add_decayed_weights, scale)` of optax.

    Args:
        learning_rate: eta, or a schedule: a function from the step, counted from 0, to eta.
        momentum: mu (Polyak 1964), or None.
        nesterov: whether to use Nesterov momentum (Sutskever et al. 2013, eq. 3-4).
        weight_decay: lambda, decoupled from the loss (Loshchilov & Hutter 2019), or None.
        max_norm: the largest global norm of the gradient; None for no clipping.

    Raises:
        InputError: when `nesterov` is given without `momentum`, or a concrete number is out of range.

    Example:
        >>> optimizer = sgd(0.1)
        >>> w = jnp.array(5.0)  # predicts 2 w, the target is 6: loss 8, gradient 8
        >>> grad = jax.grad(lambda w: (w * 2 - 6) ** 2 / 2)(w)
        >>> updates, _ = optimizer.update(grad, optimizer.init(w), w)
        >>> round(float(w + updates), 6)
        4.2
    """
    if not isinstance(nesterov, bool):
        raise InputError(f"nesterov must be true or false, got {nesterov!r}")
    if nesterov and momentum is None:
        raise InputError("nesterov needs a momentum, such as momentum=0.9")
    check_learning_rate(learning_rate)
    for field, number in {"momentum": momentum, "weight_decay": weight_decay, "max_norm": max_norm}.items():
        check_range(field, number, *RANGES[field])
    is_scheduled = callable(learning_rate)
    rate: Schedule = learning_rate if callable(learning_rate) else constant(learning_rate)

    def init(params: Params) -> SGDState:
        step = jnp.zeros((), jnp.int32) if is_scheduled else None
        velocity = None if momentum is None else jax.tree.map(jnp.zeros_like, params)
        return SGDState(step, velocity)

    def update(grads: Updates, state: SGDState, params: Params = None) -> tuple[Updates, SGDState]:
        direction, velocity = grads, None
        if max_norm is not None:
            direction = clip_by_global_norm(direction, max_norm)
        if momentum is not None:
            clipped = direction
            velocity = _add_scaled(clipped, momentum, state.velocity)
            direction = velocity
            if nesterov:
                direction = _add_scaled(clipped, momentum, velocity)
        if weight_decay is not None:
            if params is None:
                raise InputError("weight_decay needs params: call update(grads, opt_state, params)")
            direction = _add_scaled(direction, weight_decay, params)
        eta = rate(jnp.zeros((), jnp.int32) if state.step is None else state.step)
        updates = jax.tree.map(lambda d: -_like(eta, d) * d, direction)
        return updates, SGDState(None if state.step is None else state.step + 1, velocity)

    return Optimizer(init, update)


def scale_updates(optimizer: Transformation, scales: PyTree) -> Optimizer:
    """Scale the learning rate of each parameter, but not its weight decay.

    Weight decay shrinks a parameter by the learning rate times the decay. Where the rate is multiplied by m, the decay
    is divided by m, so that their product is unchanged, as in the package of Yang et al. (2022).

    Args:
        optimizer: any optimizer whose weight decay is linear in the parameters.
        scales: a pytree like the parameters, with a positive number for each leaf, such as `network.update_scales` of an
            `mlp(..., parameterization=mup(64))`; None for the optimizer unchanged.

    Example:
        >>> optimizer = scale_updates(sgd(0.1, weight_decay=0.5), {"w": 4.0})
        >>> params, grads = {"w": jnp.array(2.0)}, {"w": jnp.array(1.0)}
        >>> updates, _ = optimizer.update(grads, optimizer.init(params), params)
        >>> round(float(updates["w"]), 6)  # -0.1 * (4 * 1 + 0.5 * 2)
        -0.5
    """
    if scales is None:
        return Optimizer(optimizer.init, optimizer.update)

    def update(grads: Updates, state: OptState, params: Params = None) -> tuple[Updates, OptState]:
        # The decay of 1/m of the parameters, times m.
        shrunk = None if params is None else jax.tree.map(lambda scale, p: p / scale, scales, params)
        updates, state = optimizer.update(grads, state, shrunk)
        return jax.tree.map(lambda scale, update: scale * update, scales, updates), state

    return Optimizer(optimizer.init, update)


def clip_by_global_norm(grads: Updates, max_norm: Number) -> Updates:
    """Scale gradients by `min(1, max_norm / norm)`, with the norm of all leaves together (Pascanu et al. 2013).

    Example:
        >>> clip_by_global_norm({"a": jnp.array([3.0]), "b": jnp.array([4.0])}, 1.0)["b"].tolist()
        [0.800000011920929]
    """
    norm = global_norm(grads)
    limit = _like(max_norm, norm)
    factor = limit / jnp.maximum(norm, limit)
    return jax.tree.map(lambda g: factor.astype(g.dtype) * g, grads)


def global_norm(tree: Updates) -> Float[Array, ""]:
    """Compute the Euclidean norm over all leaves of a pytree; its gradient at 0 is 0."""
    total = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree))
    is_zero = total == 0  # where the square root has no derivative
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, total)))


def apply_updates(params: Params, updates: Updates) -> Params:
    """Add `updates` to `params`, leaf by leaf.

    Example:
        >>> apply_updates({"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([-0.5, 0.0])})["w"].tolist()
        [0.5, 2.0]
    """
    return jax.tree.map(jnp.add, params, updates)


def _add_scaled(tree: Updates, number: Number, other: Params) -> Updates:
    """Return `tree + number * other`, leaf by leaf."""
    return jax.tree.map(lambda left, right: left + _like(number, right) * right, tree, other)


def _like(number: Number, array: Array) -> Array:
    """Cast a hyper-parameter to the array's dtype, for float32 rates of float64 weights."""
    return jnp.asarray(number).astype(array.dtype)
