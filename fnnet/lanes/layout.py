"""The memory layout of a state during its steps.

All lanes multiply their first weights by the same batch, which makes one large product,
`[lanes * fan_out, fan_in] x [fan_in, batch]`. If each lane stores its weights as `[fan_out, fan_in]`, together they
are the left factor as it stands. Stored as `[fan_in, fan_out]`, they and their gradients are transposed at every step,
which takes a quarter of the time of narrow networks.
"""

from itertools import repeat
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from fnnet.types import PyTree

Origin = frozenset[int] | None
"""The leaves of the state that a value is computed from elementwise; None if all lanes share the value."""


def find_transposed(step: Jaxpr, hparams: PyTree, state: PyTree) -> PyTree:
    """Find the matrices of a state that are contracted along their first axis with an array all lanes share.

    Leaves that are combined elementwise with such a matrix, like its momentum, are included. The result has a boolean
    for each leaf.

    Args:
        step: jaxpr of one lane's step, a function of `(hparams, state, *shared)`.
        hparams: hyper-parameters of one lane, arrays or shapes.
        state: state of one lane, arrays or shapes.

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


def transpose_some(tree: PyTree, is_transposed: PyTree) -> PyTree:
    """Swap the last two axes of the leaves that are marked.

    Example:
        >>> transpose_some([jnp.ones((2, 3)), jnp.ones((2, 3))], [True, False])[0].shape
        (3, 2)
    """
    return jax.tree.map(lambda leaf, turn: jnp.swapaxes(leaf, -1, -2) if turn else leaf, tree, is_transposed)


def _follow(jaxpr: Jaxpr, origins: list[Origin], found: set[int], met: set[frozenset[int]]) -> list[Origin]:
    """Trace origins through a function: return those of its results, and add to `found` and `met`."""
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
    """Return the function of an equation that does nothing but call it."""
    if equation.primitive.name in ("scan", "while", "cond"):
        return None
    for name in ("jaxpr", "call_jaxpr"):
        if isinstance(inner := equation.params.get(name), Jaxpr | ClosedJaxpr):
            return inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
    return None


def _shared_factor(equation: JaxprEqn, inputs: list[Origin]) -> frozenset[int]:
    """Return the leaf that a product contracts along its first axis with an array all lanes share, if any."""
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
