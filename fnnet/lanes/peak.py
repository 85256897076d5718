"""The peak of a machine: the floating-point operations per second of large matrix products."""

import time

import jax
import numpy as np
from jax.sharding import Mesh

from fnnet.lanes.program import lanes_sharding

CPU_SIZE, OTHER_SIZE = 2048, 8192  # of the matrices: large enough that a device is busy
NUM_PRODUCTS = 2  # timed, after one that compiles


def measure_peak(mesh: Mesh) -> float:
    """Return the floating-point operations per second of all devices together, in about half a second on a CPU.

    Each device multiplies matrices of its own in float32, at JAX's default precision; the better of two times counts,
    since other load only adds time.

    Args:
        mesh: the devices.

    Example:
        >>> from fnnet.lanes.program import make_mesh
        >>> measure_peak(make_mesh()) > 1e8
        True
    """
    size = CPU_SIZE if mesh.devices.flat[0].platform == "cpu" else OTHER_SIZE
    ones = np.ones((mesh.size, size, size), np.float32)
    matrices = jax.device_put(ones, lanes_sharding(mesh))
    multiply = jax.jit(lambda x: x @ x)
    jax.block_until_ready(multiply(matrices))
    seconds = []
    for _ in range(NUM_PRODUCTS):
        started = time.perf_counter()
        jax.block_until_ready(multiply(matrices))
        seconds.append(time.perf_counter() - started)
    return mesh.size * 2 * size**3 / min(seconds)
