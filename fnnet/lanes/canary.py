"""The canary: a hash of what a small program computes on this device.

JAX calls every CPU "cpu", but the last bits of sums, products and functions depend on its instruction set,
and a program compiled for one CPU can crash on another.
"""

import functools
import hashlib
import math

import jax
import jax.numpy as jnp
import numpy as np


@functools.cache
def canary() -> str:
    """Hash the bits of a product, a sum, tanh, exp and erf_inv on this device to 8 hexadecimal digits.

    Random draws need no test of their own: they are exact integers up to erf_inv, which makes them normal.

    Example:
        >>> len(canary())
        8
    """
    device = jax.local_devices()[0]
    numbers = np.linspace(-3, 3, 33 * 65, dtype=np.float32).reshape(33, 65)
    # Autotuning picks the algorithm of a product by time, which would change the hash from one process to the next.
    options = {"xla_gpu_autotune_level": 0} if device.platform == "gpu" else None
    compute = jax.jit(_compute, compiler_options=options)
    # A program that is never written to a persistent cache is never read from one, where another CPU may have left it.
    seconds = jax.config.values["jax_persistent_cache_min_compile_time_secs"]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    try:
        results = jax.device_get(compute(jax.device_put(numbers, device)))
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)
    return hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest()[:8]


def _compute(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    # One elementwise function, since each further one is compiled for 0.1 s.
    h = jnp.exp(jax.lax.erf_inv(jnp.tanh(x)))
    product = h @ h.T
    return product, jnp.sum(product, axis=1)
