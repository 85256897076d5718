"""A Flax CNN sweeps like a network of our own, and beats an MLP of as many parameters on MNIST.

The same small CNN is written in `flax.linen` and in `flax.nnx`: two strided convolutions and a Dense layer,
7,074 parameters. 8 learning rates x 2 seeds of each train in one program, as do those of an MLP with about as
many parameters, and of one with 14 times as many. All see the same batches for 240 steps.

Then the CNNs' 16 runs train again for 40 steps, in one program and each in a plain loop of Flax and optax,
and are compared parameter by parameter. This is in float64, since at the better rates training multiplies a
rounding error a hundred thousand times, in either program.

Run `python experiments/flax_cnn.py`, or with `--smoke` for a short version on digits.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import fnnet as fn
from claiming import Claim, at_most
from fnnet.interop.flax import linen_network, nnx_network
from peers.flax_cnn import LinenCNN, NnxCNN, to_float64
from peers.flax_cnn import train as train_plainly
from reporting import Findings, main

RATES = (0.003, 0.3)


@dataclass(frozen=True)
class Config:
    dataset: str = "mnist"
    image_shape: tuple[int, int, int] = (28, 28, 1)
    kernels: tuple[int, int] = (4, 3)
    features: tuple[int, int] = (8, 16)
    widths: tuple[int, ...] = (9, 128)
    num_rates: int = 8
    num_seeds: int = 2
    num_steps: int = 240
    num_compared_steps: int = 40
    batch_size: int = 128


SMOKE = Config(
    dataset="digits",
    image_shape=(8, 8, 1),
    kernels=(2, 2),
    features=(2, 3),
    num_rates=2,
    num_seeds=1,
    num_steps=10,
    num_compared_steps=5,
    batch_size=32,
    widths=(2,),
)


def make_cnn(library: str, config: Config, rngs: nnx.Rngs) -> Any:
    """Build the CNN; `nnx` initializes its modules at once, `linen` later."""
    if library == "linen":
        return LinenCNN(config.kernels, config.features)
    return NnxCNN(config.image_shape, config.kernels, config.features, rngs)


def make_networks(data: fn.Dataset, config: Config) -> dict[str, Callable[[], fn.Network]]:
    """List what is compared; a sweep builds each when it needs it."""
    linen_cnn = make_cnn("linen", config, nnx.Rngs(0))
    return {
        "CNN, linen": lambda: linen_network(linen_cnn, config.image_shape),
        "CNN, nnx": lambda: nnx_network(partial(make_cnn, "nnx", config), config.image_shape),
    } | {
        f"MLP, width {width}": partial(fn.mlp, data.num_features, [width], data.num_outputs)
        for width in config.widths
    }


def sweep(build: Callable[[], fn.Network], data: fn.Dataset, config: Config) -> tuple[int, fn.Results, Any]:
    """Train with every rate and seed; return the number of programs, the results and stacked parameters."""

    def recipe() -> fn.Task:
        optimizer = fn.from_hparams(optax.sgd, "learning_rate", momentum=0.9)
        options: Any = {"batch_size": config.batch_size, "order": "sequential"}
        return fn.supervised(build(), "cross_entropy", optimizer=optimizer, **options)

    space = fn.grid(learning_rate=fn.logspace(*RATES, config.num_rates), seed=range(config.num_seeds))
    with tempfile.TemporaryDirectory() as store:
        options: Any = {"store": Path(store), "save_params": True, "lanes": 8, "show_progress": True}
        prepared = fn.prepare(recipe, space, data, num_steps=config.num_steps, **options)
        results = fn.execute(prepared)
        return len(prepared.estimates), results, results.params()


def largest_distance(name: str, data: fn.Dataset, config: Config) -> float:
    """Compare the parameters of a CNN's runs in one program with those of plain loops, in float64."""
    with jax.enable_x64(True):
        exact, config = to_float64(data), replace(config, num_steps=config.num_compared_steps)
        _, results, stacked = sweep(make_networks(exact, config)[name], exact, config)
        images, classes = exact.train.inputs.reshape(-1, *config.image_shape), exact.train.targets
        distances = []
        for run, (rate, seed) in enumerate((each["learning_rate"], each["seed"]) for each in results.space):
            model = make_cnn(name.removeprefix("CNN, "), config, nnx.Rngs(jax.random.key(seed)))
            plain = train_plainly(model, images, classes, rate, seed, config.num_steps, config.batch_size)
            ours = [leaf[run] for leaf in jax.tree.leaves(stacked)]
            distances += [np.max(np.abs(one - other)) for one, other in zip(ours, plain, strict=True)]
    return float(max(distances))


def make_claims(rows: dict[str, dict[str, Any]]) -> list[Claim]:
    cnns = {name: row for name, row in rows.items() if name.startswith("CNN")}
    best = {name: row["best"]["interval"]["mean"] for name, row in rows.items()}
    worst, most = min(best[name] for name in cnns), max(best[name] for name in rows.keys() - cnns.keys())
    num_programs, num_runs = (
        max(row[name] for row in cnns.values()) for name in ("num_programs", "num_runs")
    )
    distance = max(row["largest_distance"] for row in cnns.values())
    return [
        Claim(f"the {num_runs} runs of a Flax CNN are one program", None, num_programs, num_programs == 1),
        Claim(
            "the best mean test accuracy of either CNN is above that of both MLPs",
            None,
            {"lower of the CNNs": worst, "higher of the MLPs": most},
            worst > most,
        ),
        at_most("in float64, the distance of parameters from a plain loop of Flax and optax", 1e-5, distance),
    ]


def measure(config: Config) -> Findings:
    data = fn.load_dataset(config.dataset)
    rows: dict[str, dict[str, Any]] = {}
    for name, build in make_networks(data, config).items():
        num_programs, results, params = sweep(build, data, config)
        best = results.best("test_accuracy")
        rows[name] = {
            "num_parameters": sum(leaf[0].size for leaf in jax.tree.leaves(params)),
            "num_runs": len(results.space),
            "num_programs": num_programs,
            "seconds": float(results["seconds"].sum()),
            "test_accuracy": results["test_accuracy"].reshape(config.num_rates, config.num_seeds),
            "best": {**best._asdict(), "interval": best.interval._asdict()},
        }
        if name.startswith("CNN"):
            rows[name]["largest_distance"] = largest_distance(name, data, config)
    return make_claims(rows), {"rates": fn.logspace(*RATES, config.num_rates), "networks": rows}


if __name__ == "__main__":
    main(measure, SMOKE)
