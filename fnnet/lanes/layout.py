"""Layouts: the memory layout of a state while its steps run.

All lanes multiply their first weights with the same batch, so that the lanes' products are one large product,
`[lanes * fan_out, fan_in] x [fan_in, batch]`. The weights of all lanes are its left factor as they lie if each lane
holds its own as `[fan_out, fan_in]`. Held as `[fan_in, fan_out]` they are rearranged at every step, and so is their
gradient, which for narrow networks takes a quarter of the time.
"""

from itertools import repeat
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

Origin = frozenset[int] | None
"""The leaves of the state that a value was computed from elementwise; None for what all lanes share."""


def find_transposed(step: Jaxpr, hparams: Any, state: Any) -> Any:
    """Find the matrices of a state that are multiplied along their first axis with what all lanes share.

    Leaves that are combined with such a matrix elementwise, like its momentum, are found too.

    Args:
        step: one lane's, traced; of `(hparams, state, *shared)`, where all lanes share the rest.
        hparams: of one lane; arrays or their shapes.
        state: of one lane.

    Returns:
        A pytree like `state` of booleans.

    Example:
        >>> def step(hparams, w, x):
        ...     return jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w["first"]) @ w["second"]))(w)
        >>> w = {"first": jnp.ones((3, 2)), "second": jnp.ones((2, 2))}
        >>> traced = jax.make_jaxpr(step)({}, w, jnp.ones((5, 3)))
        >>> find_transposed(traced.jaxpr, {}, w)
        {'first': True, 'second': False}
    """
    leaves, structure = jax.tree.flatten(state)
    origins: list[Origin] = [frozenset()] * len(jax.tree.leaves(hparams))
    origins += [frozenset([number]) for number in range(len(leaves))]
    origins += repeat(None, len(step.invars) - len(origins))
    found: set[int] = set()
    met: set[frozenset[int]] = set()
    _follow(step, origins, found, met)
    while more := set().union(*(leaves for leaves in met if leaves & found)) - found:
        found |= more
    return jax.tree.unflatten(structure, [number in found for number in range(len(leaves))])


def transpose_some(tree: Any, is_transposed: Any) -> Any:
    """Exchange the last two axes of some leaves.

    Example:
        >>> transpose_some([jnp.ones((2, 3)), jnp.ones((2, 3))], [True, False])[0].shape
        (3, 2)
    """
    return jax.tree.map(lambda leaf, turn: jnp.swapaxes(leaf, -1, -2) if turn else leaf, tree, is_transposed)


def _follow(jaxpr: Jaxpr, origins: list[Origin], found: set[int], met: set[frozenset[int]]) -> list[Origin]:
    """Follow leaves through a traced function; adds to `found` and `met`, and returns the results' origins."""
    known: dict[Any, Origin] = dict.fromkeys(jaxpr.constvars)
    known.update(zip(jaxpr.invars, origins, strict=True))

    def origin_of(atom: Any) -> Origin:
        return None if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        inputs = [origin_of(atom) for atom in equation.invars]
        inner = _called(equation)
        if inner is not None and len(inner.invars) == len(inputs):
            outputs = _follow(inner, inputs, found, met)
        elif all(origin is None for origin in inputs):
            outputs = [None] * len(equation.outvars)
        elif equation.primitive.name == "dot_general":
            found |= _shared_factor(equation, inputs)
            outputs = [frozenset()]
        else:
            outputs = [_elementwise(equation, inputs, variable) for variable in equation.outvars]
            met.update(origin for origin in outputs if origin)
        known.update(zip(equation.outvars, outputs, strict=True))
    return [origin_of(atom) for atom in jaxpr.outvars]


def _called(equation: JaxprEqn) -> Jaxpr | None:
    """Return the function of an equation that only calls a function."""
    if equation.primitive.name in ("scan", "while", "cond"):
        return None
    for name in ("jaxpr", "call_jaxpr"):
        if isinstance(inner := equation.params.get(name), Jaxpr | ClosedJaxpr):
            return inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
    return None


def _shared_factor(equation: JaxprEqn, inputs: list[Origin]) -> frozenset[int]:
    """Find the leaf that a product contracts along its first axis with what all lanes share, if there is one."""
    contracted, batched = equation.params["dimension_numbers"]
    for side, other in ((0, 1), (1, 0)):
        leaf = inputs[side]
        is_matrix = len(_shape(equation.invars[side])) == 2
        if leaf and inputs[other] is None and is_matrix and contracted[side] == (0,) and not any(batched):
            return leaf
    return frozenset()


def _elementwise(equation: JaxprEqn, inputs: list[Origin], result: Any) -> Origin:
    """Join the origins of the inputs that have the result's shape."""
    origins = zip(inputs, equation.invars, strict=True)
    return frozenset().union(
        *(origin for origin, atom in origins if origin and _shape(atom) == _shape(result))
    )


def _shape(atom: Any) -> tuple[int, ...]:
    return getattr(atom.aval, "shape", ())
