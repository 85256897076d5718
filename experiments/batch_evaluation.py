"""A thousand networks on ten thousand examples: how near to the peak, in how much memory, how exactly.

1,000 networks 784-128-10 evaluate the 10,000 test images of MNIST. Speed counts the matrix products alone, 2
m k n operations each, and every round is compared with the peak measured just before and after it: products
of 2048 x 2048 matrices by XLA on all cores. Memory is the most that the process held resident while it
evaluated, Python, data and parameters included. The same networks one at a time must give the same classes,
and logits within 1e-5.

Run `python experiments/batch_evaluation.py`, or with `--smoke` for a few seconds' version.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import fnnet as fn
from measuring import main, markdown_table, num_cores, reset_peak, resident_bytes, spread
from peers.peak import FLOPS, prepare

METRICS = ["accuracy", "nll", "brier", "ece"]


@dataclass(frozen=True)
class Config:
    """Settings of the measurement.

    images: the data set.
    width: of the hidden layer.
    num_rounds: in which speed is measured.
    """

    images: str = "mnist"
    width: int = 128
    num_networks: int = 1000
    num_rounds: int = 5


SMOKE = Config("digits", width=16, num_networks=24, num_rounds=1)


def draw_networks(network: fn.Network, num_networks: int) -> fn.types.Params:
    """Draw parameters, as numpy arrays, a few networks at a time."""
    draw = jax.jit(jax.vmap(lambda seed: network.init(jax.random.key(seed))))
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.empty((num_networks, *leaf.shape), leaf.dtype), shapes)
    for seeds in np.split(np.arange(num_networks), range(100, num_networks, 100)):
        for all_of_leaf, some in zip(jax.tree.leaves(params), jax.tree.leaves(draw(seeds)), strict=True):
            all_of_leaf[seeds] = some
    return params


def timed(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def measure_memory(evaluate: Callable[[], Any]) -> dict[str, float]:
    """Evaluate twice, the first time with compilation."""
    reset_peak()
    before = resident_bytes("VmRSS")
    seconds = [timed(evaluate) for _ in range(2)]
    return {
        "bytes_before": before,
        "bytes_at_most": resident_bytes("VmHWM"),
        "seconds_of_first_call": float(f"{seconds[0]:.4g}"),
    }


def measure_speed(evaluate: Callable[[], Any], flops: float, num_rounds: int) -> dict[str, dict[str, float]]:
    """Measure rounds of evaluation, each between two measurements of the peak."""
    multiply = prepare()
    multiply()

    def peak() -> float:
        return float(np.median([FLOPS / timed(multiply) for _ in range(3)]))

    peaks, speeds, fractions = [peak()], [], []
    for _ in range(num_rounds):
        speeds.append(flops / timed(evaluate))
        peaks.append(peak())
        fractions.append(speeds[-1] / np.mean(peaks[-2:]))
    return {
        "peak_gflops": spread(np.array(peaks) / 1e9),
        "gflops": spread(np.array(speeds) / 1e9),
        "fraction_of_peak": spread(np.array(fractions)),
    }


def take(params: fn.types.Params, networks: int | slice) -> fn.types.Params:
    return jax.tree.map(lambda leaf: leaf[networks], params)


def compare(network: fn.Network, params: fn.types.Params, examples: fn.Examples) -> dict[str, Any]:
    """Compare classes and logits with those of one network at a time, by a plain `vmap` and by `evaluate`."""
    plain = jax.jit(jax.vmap(network.apply, in_axes=(None, 0)))
    num_networks = len(jax.tree.leaves(params)[0])
    differing, differing_bits, largest = 0, 0, 0.0
    for first in range(0, num_networks, 20):
        some = take(params, slice(first, first + 20))
        together = fn.evaluate(network, some, examples, ["outputs"])["outputs"]
        for place, logits in enumerate(together):
            alone = np.asarray(plain(take(some, place), examples.inputs))
            differing += int((logits.argmax(axis=1) != alone.argmax(axis=1)).sum())
            largest = max(largest, float(np.abs(logits - alone).max()))
        alone = fn.evaluate(network, take(some, slice(1)), examples, ["outputs"])["outputs"]
        differing_bits += int((alone.view(np.uint32) != together[:1].view(np.uint32)).sum())
    return {
        "predictions": num_networks * len(examples.inputs),
        "other_classes": differing,
        "largest_logit_difference": float(f"{largest:.3g}"),
        "other_bits_of_every_20th_by_evaluate": differing_bits,
    }


def measure(config: Config) -> dict[str, Any]:
    jax.config.update("jax_num_cpu_devices", num_cores())
    test = fn.load_dataset(config.images).test
    sizes = [test.inputs.shape[1], config.width, 10]
    network = fn.mlp(sizes[0], sizes[1:-1], sizes[-1])
    params = draw_networks(network, config.num_networks)
    flops = 2.0 * config.num_networks * len(test.inputs) * (sizes[0] * sizes[1] + sizes[1] * sizes[2])

    def evaluate() -> dict[str, Any]:
        return fn.evaluate(network, params, test, METRICS)

    report = {"num_networks": config.num_networks, "sizes": sizes, "metrics": METRICS}
    report |= measure_memory(evaluate)
    return report | measure_speed(evaluate, flops, config.num_rounds) | compare(network, params, test)


def to_markdown(report: dict[str, Any]) -> str:
    names = ("peak_gflops", "gflops", "fraction_of_peak")
    rows = [[name, *(f"{report[name][key]:.3g}" for key in ("median", "min", "max"))] for name in names]
    title = f"{report['num_networks']} networks {'-'.join(map(str, report['sizes']))}"
    most, before = report["bytes_at_most"] / 1e6, report["bytes_before"] / 1e6
    return (
        f"{markdown_table([title, 'median', 'lowest', 'highest'], rows)}\n\n"
        f"Memory: at most {most:.0f} MB, before evaluation {before:.0f} MB. One network at a time: "
        f"{report['other_classes']} of {report['predictions']:,} classes differ, and logits by at most "
        f"{report['largest_logit_difference']:.1e}.\n"
    )


if __name__ == "__main__":
    main(measure, to_markdown, SMOKE)
