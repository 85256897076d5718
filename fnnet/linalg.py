"""Matrix decompositions that cannot deadlock.

On a CPU, XLA splits a batched decomposition over its threads, and the thread that splits it blocks until the others are
done. With jaxlib 0.10, two batches at once, of two layers or two devices, can deadlock. Under `vmap`, these functions
decompose one matrix after the other instead. Derivatives are those of `jax.numpy.linalg`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    in_sequence = sequential_vmap(function)

    @jax.custom_jvp
    def decompose(*arrays: jax.Array) -> Any:
        return in_sequence(*arrays)

    @decompose.defjvp
    def differentiate(primals: Any, tangents: Any) -> Any:  # sequential_vmap has no reverse mode
        return jax.jvp(function, primals, tangents)

    return decompose


qr: Callable[..., Any] = _one_by_one(lambda matrix: tuple(jnp.linalg.qr(matrix)))
"""Return q and r of a matrix `[m, n]`, as `jax.numpy.linalg.qr`."""

eigvalsh: Callable[..., Any] = _one_by_one(
    lambda matrix: jnp.linalg.eigvalsh(matrix, UPLO="L", symmetrize_input=False)
)
"""Return the eigenvalues of a symmetric matrix in ascending order; only its lower triangle is read."""

singular_values: Callable[..., Any] = _one_by_one(lambda matrix: jnp.linalg.svd(matrix, compute_uv=False))
"""Return the min(m, n) singular values of a matrix `[m, n]` in descending order."""

solve_positive: Callable[..., Any] = _one_by_one(
    lambda matrix, right: jax.scipy.linalg.solve(matrix, right, assume_a="pos")
)
"""Return A^-1 b for a positive definite matrix A and right-hand sides b `[n, k]`."""
