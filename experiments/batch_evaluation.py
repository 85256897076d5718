"""A thousand networks on ten thousand examples: how near to the machine's peak, in how much memory, how exactly.

1,000 networks 784-128-10 see the 10,000 test images of MNIST. Speed counts the products alone, 2 m k n operations each,
and every round stands beside the peak that was measured just before and after it: products of 2048 x 2048 matrices by
XLA on all cores. Memory is the most that the process held resident while it evaluated, Python, data and parameters
included, before the matrices of the peak were there. The same networks one at a time must give the same classes, and
logits within 1e-5.

Run `python experiments/batch_evaluation.py`, or with `--smoke` for a few seconds' version.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import fnnet as fn
from peers.peak import FLOPS, prepare
from peers.report import describe_commit, describe_machine, describe_versions, spread

METRICS = ["accuracy", "nll", "brier", "ece"]


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    num_networks: evaluated in each round.
    num_rounds: of which median, lowest and highest are told.
    smoke: few networks on digits; writes nothing.
    """

    num_networks: int = 1000
    num_rounds: int = 5
    smoke: bool = False


def resident_bytes(field: str) -> int:
    """Read the process's resident memory: VmRSS now, or VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def draw_networks(network: fn.Network, num_networks: int) -> fn.types.Params:
    """Draw parameters, as numpy arrays, a few networks at a time."""
    draw = jax.jit(jax.vmap(lambda seed: network.init(jax.random.key(seed))))
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.empty((num_networks, *leaf.shape), leaf.dtype), shapes)
    for seeds in np.split(np.arange(num_networks), range(100, num_networks, 100)):
        for all_of_leaf, some in zip(jax.tree.leaves(params), jax.tree.leaves(draw(seeds)), strict=True):
            all_of_leaf[seeds] = some
    return params


def timed(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def measure_memory(network: fn.Network, params, examples: fn.Examples) -> dict:
    """Evaluate twice, the first time with compilation."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    before = resident_bytes("VmRSS")
    seconds = [timed(lambda: fn.evaluate(network, params, examples, METRICS)) for _ in range(2)]
    return {
        "bytes_before": before,
        "bytes_at_most": resident_bytes("VmHWM"),
        "seconds_of_first_call": float(f"{seconds[0]:.4g}"),
    }


def measure_speed(network: fn.Network, params, examples: fn.Examples, flops: float, num_rounds: int) -> dict:
    """Measure rounds of evaluation, each between two measurements of the peak."""
    multiply = prepare()
    multiply()

    def peak() -> float:
        return float(np.median([FLOPS / timed(multiply) for _ in range(3)]))

    peaks, speeds, fractions = [peak()], [], []
    for _ in range(num_rounds):
        speeds.append(flops / timed(lambda: fn.evaluate(network, params, examples, METRICS)))
        peaks.append(peak())
        fractions.append(speeds[-1] / np.mean(peaks[-2:]))
    return {
        "peak_gflops": spread(np.array(peaks) / 1e9),
        "gflops": spread(np.array(speeds) / 1e9),
        "fraction_of_peak": spread(np.array(fractions)),
    }


def compare(network: fn.Network, params, examples: fn.Examples) -> dict:
    """Compare classes and logits with those of one network at a time, by a plain `vmap` and by `evaluate`."""
    plain = jax.jit(jax.vmap(network.apply, in_axes=(None, 0)))
    num_networks = len(jax.tree.leaves(params)[0])
    differing, differing_bits, largest = 0, 0, 0.0
    for first in range(0, num_networks, 20):
        some = jax.tree.map(lambda leaf: leaf[first : first + 20], params)  # noqa: B023
        together = fn.evaluate(network, some, examples, ["outputs"])["outputs"]
        for place, logits in enumerate(together):
            one = jax.tree.map(lambda leaf: leaf[place], some)  # noqa: B023
            alone = np.asarray(plain(one, examples.inputs))
            differing += int((logits.argmax(axis=1) != alone.argmax(axis=1)).sum())
            largest = max(largest, float(np.abs(logits - alone).max()))
        one = jax.tree.map(lambda leaf: leaf[:1], some)
        alone = fn.evaluate(network, one, examples, ["outputs"])["outputs"]
        differing_bits += int((alone.view(np.uint32) != together[:1].view(np.uint32)).sum())
    return {
        "predictions": num_networks * len(examples.inputs),
        "other_classes": differing,
        "largest_logit_difference": float(f"{largest:.3g}"),
        "other_bits_of_every_20th_by_evaluate": differing_bits,
    }


def main(config: Config) -> None:
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    test = fn.load_dataset("digits" if config.smoke else "mnist").test
    num_networks = 24 if config.smoke else config.num_networks
    sizes = [test.inputs.shape[1], 16 if config.smoke else 128, 10]
    network = fn.mlp(sizes[0], sizes[1:-1], sizes[-1])
    params = draw_networks(network, num_networks)
    flops = 2.0 * num_networks * len(test.inputs) * (sizes[0] * sizes[1] + sizes[1] * sizes[2])
    found = measure_memory(network, params, test)
    found |= measure_speed(network, params, test, flops, 1 if config.smoke else config.num_rounds)
    found |= compare(network, params, test)

    table = Table(title=f"{num_networks} networks {'-'.join(map(str, sizes))} on {len(test.inputs)} examples")
    for heading in ("", "median", "lowest", "highest"):
        table.add_column(heading, justify="right")
    for name in ("peak_gflops", "gflops", "fraction_of_peak"):
        table.add_row(name, *(f"{found[name][key]:.3g}" for key in ("median", "min", "max")))
    Console().print(table)
    print(
        f"memory: {found['bytes_at_most'] / 1e6:.0f} MB at most, {found['bytes_before'] / 1e6:.0f} MB before"
    )
    print(
        f"one at a time: {found['other_classes']} of {found['predictions']:,} classes are others, logits differ by "
        f"at most {found['largest_logit_difference']:.1e}"
    )
    if not config.smoke:
        about = {"machine": describe_machine(), "versions": describe_versions(), "commit": describe_commit()}
        report = about | {"num_networks": num_networks, "sizes": sizes, "metrics": METRICS} | found
        path = Path(__file__).parent / "results" / "batch_evaluation.json"
        path.write_text(json.dumps(report, indent=1) + "\n")
        print(f"wrote {path}")


if __name__ == "__main__":
    main(tyro.cli(Config))
