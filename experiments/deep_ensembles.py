"""Networks that differ only in their seed are better together: more accurate, and better calibrated.

Deep ensembles (Lakshminarayanan et al. 2017) average the probabilities of networks trained from different
initial weights; error, NLL and Brier score fall with the number of members, most of it for the first five.
The paper shows it in a figure, on MNIST. This is a port to the MLP of the MNIST-1D benchmark (Greydanus &
Kobak 2024, whose notebook has it 65.1 % right), with that benchmark's data and settings, where a network is
wrong more often and much too sure.

Beside it stands temperature scaling (Guo et al. 2017), fitted to 1,000 signals of another seed of the
generator: of the average, or of each member and then of their average. One temperature calibrates a single
network better than four others beside it do, but makes it no more accurate. For the average of members that
are too sure it is no cure; for the average of calibrated members it is, and they are also the most accurate.

Means are over disjoint ensembles, with the 95 % interval of Student's t: over seeds, since all see the same
examples.

Run `python experiments/deep_ensembles.py`, or with `--smoke` for a few seconds' version.
"""

import tempfile
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

import fnnet as fn
from claiming import Claim, at_least, at_most, near
from drawing import intervals
from reporting import Findings, main

METRICS = {"accuracy": "accuracy", "nll": "NLL", "brier": "Brier score", "ece": "ECE"}
WAYS = ("as trained", "temperature of the average", "temperatures of members, then of the average")

Scores = dict[str, dict[str, Any]]
"""By way and metric: one number for each ensemble."""


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    num_members: the most that an ensemble has.
    size: members of the ensembles about which something is claimed.
    """

    num_ensembles: int = 8
    num_members: int = 15
    size: int = 5
    num_steps: int = 6000


SMOKE = Config(num_ensembles=2, num_members=3, size=2, num_steps=100)


def train(network: fn.Network, data: fn.Dataset, config: Config) -> Any:
    """Train all members of all ensembles as the benchmark does; return their parameters, stacked."""
    options: Any = {"optimizer": optax.adam(0.01), "batch_size": 100, "order": "sequential"}
    task = fn.supervised(network, "cross_entropy", **options)
    space = fn.grid(seed=range(config.num_ensembles * config.num_members))
    with tempfile.TemporaryDirectory() as store:
        kept: Any = {"store": store, "save_params": True}
        return fn.sweep(lambda: task, space, data, num_steps=config.num_steps, **kept).params()


def measure_ensemble(test: Any, validation: Any, targets: Any, validation_targets: Any) -> Scores:
    """Score an ensemble with and without temperatures, from its members' outputs `[members, n, classes]`."""
    average = fn.evaluation.ensembles.average

    def calibrated(test: Any, validation: Any) -> tuple[Any, Any]:
        temperature = fn.evaluation.calibration.fit_temperature(validation, validation_targets)
        scale = fn.evaluation.calibration.apply_temperature
        return scale(test, temperature), scale(validation, temperature)

    members, members_validation = jax.vmap(calibrated)(test, validation)
    ways = (
        average(test),
        calibrated(average(test), average(validation))[0],
        calibrated(average(members), average(members_validation))[0],
    )
    return {
        way: {name: fn.metrics.METRICS[name](outputs, targets) for name in METRICS}
        for way, outputs in zip(WAYS, ways, strict=True)
    }


def make_claims(alone: Scores, by_size: list[Scores], size: int) -> list[Claim]:
    """State what holds of ensembles; `alone` is the mean member of each ensemble of this size."""
    mean = fn.mean_interval
    trained, at_average, at_both = WAYS
    single, single_best = alone[trained], alone[at_average]
    one, five, most = (by_size[m - 1][trained] for m in (1, size, len(by_size)))
    best = by_size[size - 1][at_both]
    above_member = {name: np.max(five[name] - single[name]).item() for name in ("nll", "brier")}
    shares = {name: mean((one[name] - five[name]) / (one[name] - most[name])) for name in above_member}
    gain = mean(five["accuracy"] - single["accuracy"])
    moved = max(np.max(np.abs(m[trained]["accuracy"] - m[at_average]["accuracy"])).item() for m in by_size)
    gain_best, nll_best = mean(best["accuracy"] - five["accuracy"]), mean(single_best["nll"] - best["nll"])
    gains = f"{size} members bring more than half of what {len(by_size)} do"
    accurate = f"at both temperatures, {size} members are more accurate than as trained"
    likely = f"at both temperatures, {size} members have a lower NLL than the mean member at its own"
    ratio, ratio_single = single["ece"] / five["ece"], single["ece"] / single_best["ece"]
    return [
        near("a member is as accurate as the benchmark's", 0.651, mean(single["accuracy"]), 0.02),
        at_least(f"the gain in accuracy of {size} members over the mean member", 0.04, gain),
        at_least(f"the factor by which {size} members lower the mean member's ECE", 3, mean(ratio)),
        at_most(
            "the excess of an ensemble's NLL and Brier score over those of its mean member",
            0,
            above_member,
            0,
        ),
        Claim(gains, None, shares, all(share.low > 0.5 for share in shares.values())),
        Claim("one temperature changes no accuracy", 0, moved, moved == 0),
        at_least("the factor by which one temperature lowers the mean member's ECE", 3, mean(ratio_single)),
        Claim(accurate, None, gain_best, gain_best.low > 0),
        Claim(likely, None, nll_best, nll_best.low > 0),
    ]


def measure(config: Config) -> Findings:
    data, validation = fn.load_dataset("mnist1d"), fn.data.make_mnist1d(seed=43).test
    network = fn.mlp(40, [100, 100], 10, initializer="pytorch", residual=True)
    params = train(network, data, config)
    test, held_out = (
        fn.evaluate(network, params, examples, ["outputs"])["outputs"] for examples in (data.test, validation)
    )
    measure_all = jax.jit(jax.vmap(measure_ensemble, in_axes=(0, 0, None, None)))

    def measure_first(size: int, num_members: int) -> Scores:
        """Cut all networks into ensembles of some members, and measure the first few of each."""
        kept = (all_.reshape(-1, num_members, *all_.shape[1:])[:, :size] for all_ in (test, held_out))
        return jax.device_get(measure_all(*kept, data.test.targets, validation.targets))

    sizes = range(1, config.num_members + 1)
    by_size = [measure_first(size, config.num_members) for size in sizes]
    alone = jax.tree.map(
        lambda values: values.reshape(-1, config.num_members)[:, : config.size].mean(axis=1),
        measure_first(1, 1),
    )
    curves = {
        way: {name: intervals(np.stack([scores[way][name] for scores in by_size])) for name in METRICS}
        for way in WAYS
    }
    measured = {"mean_member": jax.tree.map(fn.mean_interval, alone), "by_size": curves}
    return make_claims(alone, by_size, config.size), measured


if __name__ == "__main__":
    main(measure, SMOKE)
