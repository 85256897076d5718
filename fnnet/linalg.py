"""Decompositions that never wait for each other.

On a CPU, XLA splits the decompositions of a batch of matrices over its threads, and the thread that splits them waits
for the others. With jaxlib 0.10, two batches at once, from two layers or two devices, can so wait for each other
forever. Here, under `vmap`, a batch is decomposed one matrix after the other, which nothing waits for; derivatives are
those of `jax.numpy.linalg`.
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
    def differentiate(
        primals: Any, tangents: Any
    ) -> Any:  # for what is mapped in sequence has no reverse mode
        return jax.jvp(function, primals, tangents)

    return decompose


qr = _one_by_one(lambda matrix: tuple(jnp.linalg.qr(matrix)))
"""Maps a matrix `[m, n]` to q and r, as `jax.numpy.linalg.qr` does."""

eigvalsh = _one_by_one(lambda matrix: jnp.linalg.eigvalsh(matrix, UPLO="L", symmetrize_input=False))
"""Maps a symmetric matrix, of which the lower triangle is read, to its eigenvalues, the smallest first."""

singular_values = _one_by_one(lambda matrix: jnp.linalg.svd(matrix, compute_uv=False))
"""Maps a matrix `[m, n]` to its min(m, n) singular values, the largest first."""

solve_positive = _one_by_one(lambda matrix, right: jax.scipy.linalg.solve(matrix, right, assume_a="pos"))
"""Maps a positive definite matrix A and right-hand sides b `[n, k]` to A^-1 b."""
