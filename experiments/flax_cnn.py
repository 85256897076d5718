"""A Flax CNN sweeps like a network of our own, and beats an MLP of as many parameters on MNIST.

The same small CNN is written in `flax.linen` and in `flax.nnx`: two strided convolutions and a Dense layer, 7,074
parameters. 8 learning rates x 2 seeds of each train in one program. So do an MLP of about as many parameters, and
one of 14 times as many. All see the same batches for 240 steps.

Then the CNNs' 16 runs train again for 40 steps, in one program and each in a plain loop of Flax and optax, and are
compared parameter by parameter: in float64, since at the better rates training multiplies a difference in rounding a
hundred thousand times, of either program.

Run `python experiments/flax_cnn.py`, or with `--smoke` for a short version on digits.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from flax import linen, nnx
from matplotlib.figure import Figure

import fnnet as fn
from drawing import label_ticks, panels
from fnnet.interop.flax import linen_network, nnx_network
from reporting import Claim, publish

METRIC = "test_accuracy"
RATES = (0.003, 0.3)


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    smoke: few runs of few steps on small images; writes nothing.
    """

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
    smoke: bool = False


class LinenCNN(linen.Module):
    """Two convolutions with stride 2 and a Dense layer to 10 classes."""

    kernels: tuple[int, int]
    features: tuple[int, int]

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        dtype = jnp.result_type(float)
        for size, features in zip(self.kernels, self.features, strict=True):
            x = linen.relu(
                linen.Conv(features, (size, size), strides=2, padding="VALID", param_dtype=dtype)(x)
            )
        return linen.Dense(10, param_dtype=dtype)(x.reshape(len(x), -1))


class NnxCNN(nnx.Module):
    """The same."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        kernels: tuple[int, int],
        features: tuple[int, int],
        rngs: nnx.Rngs,
    ):
        options: Any = {"param_dtype": jnp.result_type(float), "rngs": rngs}
        height, width, channels = image_shape
        convolutions = []
        for size, num_features in zip(kernels, features, strict=True):
            convolutions.append(
                nnx.Conv(channels, num_features, (size, size), strides=2, padding="VALID", **options)
            )
            height, width, channels = (height - size) // 2 + 1, (width - size) // 2 + 1, num_features
        self.convolutions = nnx.List(convolutions)
        self.head = nnx.Linear(height * width * channels, 10, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        for convolution in self.convolutions:
            x = nnx.relu(convolution(x))
        return self.head(x.reshape(len(x), -1))


def networks(data: fn.Dataset, config: Config) -> dict[str, Callable[[], fn.Network]]:
    """List what is compared, each built when a sweep asks for it."""
    linen_cnn = LinenCNN(config.kernels, config.features)
    return {
        "CNN, linen": lambda: linen_network(linen_cnn, config.image_shape),
        "CNN, nnx": lambda: nnx_network(
            lambda rngs: NnxCNN(config.image_shape, config.kernels, config.features, rngs),
            config.image_shape,
        ),
        **{
            f"MLP, width {width}": partial(fn.mlp, data.num_features, [width], data.num_outputs)
            for width in config.widths
        },
    }


def sweep(
    build: Callable[[], fn.Network], data: fn.Dataset, config: Config, store: Path
) -> tuple[int, fn.Results]:
    """Train every rate and seed of one network; returns in how many programs, and the results."""

    def recipe() -> fn.Task:
        return fn.supervised(
            build(),
            "cross_entropy",
            optimizer=fn.from_hparams(optax.sgd, "learning_rate", momentum=0.9),
            batch_size=config.batch_size,
            order="sequential",
        )

    rates = fn.logspace(*RATES, config.num_rates)
    space = fn.grid(learning_rate=rates, seed=range(config.num_seeds))
    options: dict[str, Any] = {"store": store, "save_params": True, "lanes": 8, "show_progress": True}
    prepared = fn.prepare(recipe, space, data, num_steps=config.num_steps, **options)
    return len(prepared.estimates), fn.execute(prepared)


def plain_run(name: str, hparams: dict[str, Any], data: fn.Dataset, config: Config) -> list[np.ndarray]:
    """Train one CNN as one would without fnnet; returns the leaves of its parameters."""
    key, optimizer = jax.random.key(hparams["seed"]), optax.sgd(hparams["learning_rate"], momentum=0.9)
    images = data.train.inputs.reshape(-1, *config.image_shape)
    if name.endswith("linen"):
        model = LinenCNN(config.kernels, config.features)
        params, call = model.init(key, images[:1]), model.apply
    else:
        module = NnxCNN(config.image_shape, config.kernels, config.features, nnx.Rngs(key))
        definition, params = nnx.split(module)

        def call(params: Any, x: Any) -> jax.Array:
            return nnx.merge(definition, params)(x)

    @jax.jit
    def step(params: Any, opt_state: Any, images: Any, classes: Any) -> tuple[Any, Any]:
        def loss(params: Any) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(call(params, images), classes).mean()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    opt_state = optimizer.init(params)
    for number in range(config.num_steps):
        rows = np.arange(number * config.batch_size, (number + 1) * config.batch_size) % len(images)
        params, opt_state = step(params, opt_state, images[rows], data.train.targets[rows])
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params)]


def largest_distance(name: str, data: fn.Dataset, config: Config) -> float:
    """Train all runs of a CNN in one program and each in a plain loop, in float64, and compare their parameters."""
    with jax.enable_x64(True), tempfile.TemporaryDirectory() as folder:
        config = replace(config, num_steps=config.num_compared_steps)
        exact = jax.tree.map(lambda leaf: leaf.astype(np.float64) if leaf.dtype == np.float32 else leaf, data)
        _, results = sweep(networks(data, config)[name], exact, config, Path(folder))
        distances = []
        for run, hparams in enumerate(results.space):
            ours = jax.tree.leaves(results.params(run))
            for one, other in zip(ours, plain_run(name, hparams, exact, config), strict=True):
                distances.append(float(np.max(np.abs(one - other))))
    return max(distances)


def make_claims(rows: dict[str, dict[str, Any]]) -> list[Claim]:
    """State what was to be shown, and whether it was."""
    cnns = {name: row for name, row in rows.items() if name.startswith("CNN")}
    most = max(row["best"]["interval"]["mean"] for name, row in rows.items() if name.startswith("MLP"))
    programs = [row["num_programs"] for row in cnns.values()]
    worst = min(row["best"]["interval"]["mean"] for row in cnns.values())
    apart = max(row["largest_distance"] for row in cnns.values())
    num_runs = next(iter(cnns.values()))["num_runs"]
    return [
        Claim(f"the {num_runs} runs of a Flax CNN are one program", None, max(programs), max(programs) == 1),
        Claim(
            "the best mean test accuracy of either CNN is above that of both MLPs",
            None,
            {"lower of the CNNs": worst, "higher of the MLPs": most},
            worst > most,
        ),
        Claim(
            "in float64, each run's parameters are at most 1e-5 from those of a plain loop of Flax and optax",
            None,
            apart,
            apart <= 1e-5,
        ),
    ]


def draw(measured: dict[str, Any]) -> Figure:
    """Draw test accuracy against the learning rate."""
    networks = measured["networks"]
    num_seeds = next(iter(networks.values()))["test_accuracy"].shape[1]
    figure, (axes,) = panels(
        "Flax CNNs sweep like networks of fnnet, and beat MLPs of as many parameters", "", height=3
    )
    for number, (name, row) in enumerate(networks.items()):
        errors = 1 - row["test_accuracy"]
        label = f"{name}: {row['num_parameters']:,} parameters"
        axes.plot(
            measured["rates"],
            errors.mean(axis=1),
            "-" if number != 1 else "--",
            color=f"C{number}",
            label=label,
        )
        axes.plot(measured["rates"], errors, "os^v"[number], color=f"C{number}", markersize=3)
    axes.set(xscale="log", xlabel="learning rate", ylabel="test error", yscale="log")
    label_ticks(axes.yaxis, [0.02, 0.05, 0.1, 0.2, 0.5])
    axes.legend(title=f"marks: {num_seeds} seeds, lines: means", alignment="left")
    return figure


def main(config: Config) -> None:
    if config.smoke:
        config = replace(
            config,
            dataset="digits",
            image_shape=(8, 8, 1),
            kernels=(2, 2),
            features=(2, 3),
            widths=(2,),
            num_rates=2,
            num_seeds=1,
            num_steps=10,
            num_compared_steps=5,
            batch_size=32,
        )
    data = fn.load_dataset(config.dataset)
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, build) in enumerate(networks(data, config).items()):
            num_programs, results = sweep(build, data, config, Path(folder, str(number)))
            best = results.best(METRIC)
            rows[name] = {
                "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(results.params(0))),
                "num_runs": len(results.space),
                "num_programs": num_programs,
                "seconds": float(results["seconds"].sum()),
                "test_accuracy": results[METRIC].reshape(config.num_rates, config.num_seeds),
                "best": {**best._asdict(), "interval": best.interval._asdict()},
            }
            if name.startswith("CNN"):
                rows[name]["largest_distance"] = largest_distance(name, data, config)
    claims = make_claims(rows)
    measured = {"rates": fn.logspace(*RATES, config.num_rates), "networks": rows}
    publish(__file__, __doc__, config, claims, measured, draw)


if __name__ == "__main__":
    main(tyro.cli(Config))
