"""Decompositions under vmap, against jax.numpy's of each matrix alone, and against the clock."""

import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import pytest

from fnnet import linalg

FUNCTIONS = {
    "qr": (linalg.qr, lambda a: tuple(jnp.linalg.qr(a))),
    "eigvalsh": (lambda a: linalg.eigvalsh(a @ a.T), lambda a: jnp.linalg.eigvalsh(a @ a.T)),
    "singular_values": (linalg.singular_values, lambda a: jnp.linalg.svd(a, compute_uv=False)),
    "solve_positive": (lambda a: linalg.solve_positive(a @ a.T, a), lambda a: jnp.linalg.solve(a @ a.T, a)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_derivatives_match_jax(x64, name):
    ours, theirs = FUNCTIONS[name]
    matrices = jax.random.normal(jax.random.key(0), (5, 3, 3))

    def total(function):
        return lambda a: sum(jnp.sum(leaf**3) for leaf in jax.tree.leaves(function(a)))

    for found, expected in (
        (jax.vmap(ours)(matrices), [theirs(a) for a in matrices]),
        (jax.vmap(jax.grad(total(ours)))(matrices), [jax.grad(total(theirs))(a) for a in matrices]),
        (jax.grad(lambda a: jnp.sum(jax.vmap(total(ours))(a)))(matrices), [jax.grad(total(theirs))(a) for a in matrices]),
    ):  # fmt: skip
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected)
        chex.assert_trees_all_close(found, stacked, rtol=1e-8, atol=1e-8)


PROGRAM = """
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from fnnet import linalg

jax.config.update("jax_num_cpu_devices", 2)


def draw(seed):
    halves = jax.random.normal(jax.random.key(seed), (2, 15, 32, 32))
    return [jax.vmap(linalg.qr)(half) for half in halves]


mesh = Mesh(np.array(jax.devices()), ("lanes",))
lanes = PartitionSpec("lanes")
both = jax.shard_map(lambda seeds: jax.lax.map(draw, seeds), mesh=mesh, in_specs=lanes, out_specs=lanes, check_vma=False)
for first in range(40):
    jax.block_until_ready(jax.jit(both)(jnp.arange(8) + first))
"""


def test_batches_on_two_devices_do_not_deadlock():
    """With jaxlib 0.10.2 on two cores, `jnp.linalg.qr` in place of `linalg.qr` never returns from this."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
