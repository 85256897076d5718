"""Early training has phases in c = learning rate x initial sharpness, whose bounds move with depth and width.

Kalra & Barkeshli (2023), "Phase diagram of early training dynamics in deep neural networks". They sweep c = 2^x, train for
10 steps, and name

    c_loss     the smallest c with which the loss is ever above its initial value,
    c_sharp    the smallest c with which the sharpness is ever above its initial value,
    c_max      the largest c below all that diverge, where a batch's loss goes beyond 1e5.

As with them, c_loss and c_sharp are c_max where no c up to there has the property. The loss is half the squared error,
averaged over examples and outputs; each input is standardised; there are no biases. Their depth 8 is 7 hidden layers and
the output, which is how depth is counted here.

1. Depth x width with tanh, a port: full batches of 512 examples of MNIST-1D instead of CIFAR-10, on which loss and
   sharpness are measured as well; smaller widths; weights of N(0, 1 / fan_in).
2. Width with ReLU in their setting: He's initialisation, N(0, 1 / fan_in) for the output, batches of 512. A port to
   Fashion-MNIST from CIFAR-10 and to widths up to 1024 of 2048. Loss and initial sharpness are those of 512 training
   examples; theirs are of all, and of 4,096, with which c_loss came out the same. c_sharp, which takes 30 times as long,
   is measured with tanh only. At width 256 c_loss spreads: of ten seeds, from 3.7 to 7.5; theirs is of one.

The sharpness is the Hessian's largest eigenvalue, by Lanczos; theirs is by 20 power iterations, and compares batches with
other examples than at first. x begins at 0.8 here, 0 there. Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/early_training_phases.py`, or with `--smoke` for a few seconds' version.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn

# By width, for 7 hidden layers with ReLU on CIFAR-10 and one seed: what the authors' notebook gives.
PUBLISHED = {
    "initial sharpness": {256: 67.77, 512: 100.98, 1024: 202.32, 2048: 347.55},
    "c_loss": {256: 2**1.7, 512: 2**1.6, 1024: 2**1.4, 2048: 2**1.3},
    "c_sharp": {256: 2**2.3, 512: 2**2.1, 1024: 2**2.0, 2048: 2**1.7},
    "c_max": {256: 2**3.8, 512: 2**3.7, 1024: 2**3.8, 2048: 2**3.6},
}
STYLES = {"c_max": ("D", "C3"), "c_sharp": ("^", "C1"), "c_loss": ("s", "C0")}
NO_RATE = 1e-30  # with which no weight moves


class Setting(NamedTuple):
    """Which networks are swept, and how they train.

    exponents: lowest and highest x of c = 2^x, and the step between.
    num_train: training examples; None for all.
    batch_size: None for all examples at every step.
    num_measured: the first so many training examples give loss and sharpness.
    """

    dataset: str
    activation: str
    initializer: str
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    num_seeds: int
    exponents: tuple[float, float, float]
    num_train: int | None
    batch_size: int | None
    num_measured: int

    def cs(self) -> np.ndarray:
        lowest, highest, step = self.exponents
        return 2.0 ** np.arange(lowest, highest + step / 2, step)


TANH = Setting(
    dataset="mnist1d",
    activation="tanh",
    initializer="lecun_normal",
    depths=(1, 3, 7),
    widths=(64, 128, 256),
    num_seeds=2,
    exponents=(0.8, 4.0, 0.2),
    num_train=512,
    batch_size=None,
    num_measured=512,
)
RELU = Setting(
    dataset="fashion_mnist",
    activation="relu",
    initializer="he_normal",
    depths=(7,),
    widths=(256, 512, 1024),
    num_seeds=2,
    exponents=(0.8, 4.4, 0.1),
    num_train=None,
    batch_size=512,
    num_measured=512,
)


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    num_iterations: of Lanczos.
    store: where the sweeps are kept, so that they go on when interrupted.
    """

    tanh: Setting = TANH
    relu: Setting = RELU
    num_steps: int = 10
    num_iterations: int = 12
    store: Path | None = Path("results/early_training_phases")
    smoke: bool = False


class Phases(NamedTuple):
    """Initial sharpness and critical constants, arrays `[depths, widths, seeds]`."""

    initial: np.ndarray
    c_loss: np.ndarray
    c_sharp: np.ndarray | None
    c_max: np.ndarray


def standardized(name: str, num_train: int | None) -> fn.Dataset:
    """Load a data set and bring each example to mean 0 and standard deviation 1 over its features."""
    data = fn.load_dataset(name, num_train=num_train)

    def scaled(examples: fn.Examples) -> tuple[np.ndarray, np.ndarray]:
        x = examples.inputs
        return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True), examples.targets

    return fn.from_arrays(*scaled(data.train), test=scaled(data.test), class_names=data.class_names)


def half_mse(output: jax.Array, target: jax.Array) -> jax.Array:
    return fn.losses.mse(output, target) / 2


def make_recipe(setting: Setting, data: fn.Dataset, num_iterations: int) -> Callable[[int, int], fn.Task]:
    """Make the recipe of networks that measure the loss and, if there are iterations to do so, the sharpness."""

    def recipe(depth: int, width: int) -> fn.Task:
        initializer = [setting.initializer] * depth + ["lecun_normal"]
        sizes = data.num_features, [width] * depth, data.num_outputs
        network = fn.mlp(*sizes, setting.activation, use_bias=False, initializer=initializer)
        objective = fn.curvature.make_objective(network, half_mse)

        def measure(hparams: fn.Hparams, state: fn.TrainState, data: fn.Dataset) -> dict[str, Any]:
            examples = fn.Examples(*(part[: setting.num_measured] for part in data.train))
            loss = objective(state.params, examples)
            if not num_iterations:
                return {"loss": loss}
            sharpness = fn.curvature.top_eigenvalues(
                lambda params: objective(params, examples), state.params, jax.random.key(0), 1, num_iterations
            )
            return {"loss": loss, "sharpness": sharpness[0]}

        task = fn.supervised(
            network, half_mse, optimizer=lambda hp: fn.sgd(hp["learning_rate"]), batch_size=setting.batch_size
        )
        return task._replace(measure=measure)

    return recipe


def find_phases(setting: Setting, config: Config, *, with_sharpness: bool) -> Phases:
    """Measure each network as it starts, train it with each c, and find its critical constants."""
    data = standardized(setting.dataset, setting.num_train)
    cs = setting.cs()

    def sweep(name: str, space: fn.Space, num_steps: int, num_iterations: int) -> fn.Results:
        store = config.store and config.store / f"{setting.activation}-{name}"
        recipe = make_recipe(setting, data, num_iterations)
        return fn.sweep(
            recipe, space, data, num_steps=num_steps, eval_every=1, store=store, show_progress=True
        )

    networks = fn.grid(depth=setting.depths, width=setting.widths, seed=range(setting.num_seeds))
    start = sweep("start", networks * fn.grid(learning_rate=NO_RATE), 1, config.num_iterations)
    rates = cs / start.columns["sharpness"].astype(float)[:, None]
    spaces = [
        fn.grid(**one) * fn.grid(learning_rate=row.tolist()) for one, row in zip(networks, rates, strict=True)
    ]
    runs = sweep("runs", fn.union(*spaces), config.num_steps, config.num_iterations if with_sharpness else 0)

    shape = len(setting.depths), len(setting.widths), setting.num_seeds
    is_trained = (runs.history["batch_loss"] <= 1e5).all(axis=1).reshape(*shape, len(cs))
    last = np.where(is_trained.all(axis=-1), len(cs), is_trained.argmin(axis=-1)) - 1

    def at(places: np.ndarray) -> np.ndarray:
        return np.append(cs, np.nan)[places]  # NaN for -1, where even the smallest diverges

    def first_above(name: str) -> np.ndarray:
        values = runs.history[name].reshape(*shape, len(cs), -1)
        is_above = (values > start.columns[name].reshape(*shape, 1, 1)).any(axis=-1)
        return at(np.minimum(last, np.where(is_above.any(axis=-1), is_above.argmax(axis=-1), len(cs))))

    initial = start.columns["sharpness"].reshape(shape)
    return Phases(
        initial, first_above("loss"), first_above("sharpness") if with_sharpness else None, at(last)
    )


def claim_tanh(setting: Setting, found: Phases) -> list[fn.Claim]:
    assert found.c_sharp is not None
    c_loss, c_sharp, c_max = (values.mean(axis=-1) for values in (found.c_loss, found.c_sharp, found.c_max))
    ordered = {
        "2 <= c_loss": c_loss >= 2,
        "c_loss <= c_sharp": c_loss <= c_sharp,
        "c_sharp <= c_max": c_sharp <= c_max,
    }
    counts = {name: int(holds.sum()) for name, holds in ordered.items()} | {"of": c_loss.size}
    by_network = {
        f"depth {depth}, width {width}": fn.mean_interval(found.c_loss[i, j])
        for i, depth in enumerate(setting.depths)
        for j, width in enumerate(setting.widths)
    }
    falls, rises = np.diff(c_loss, axis=1) < 0, np.diff(c_loss, axis=0) > 0
    return [
        fn.Claim("tanh: 2 <= c_loss <= c_sharp <= c_max for every depth and width, on average over seeds", "all", counts, all(holds.all() for holds in ordered.values())),
        fn.Claim("tanh: c_loss falls with width at every depth", "falls", by_network, bool(falls.all())),
        fn.Claim("tanh: c_loss rises with depth at every width", "rises", {"rises": int(rises.sum()), "of": rises.size}, bool(rises.all())),
    ]  # fmt: skip


def claim_relu(setting: Setting, found: Phases) -> list[fn.Claim]:
    def claim(statement: str, name: str, values: np.ndarray, holds: np.ndarray) -> fn.Claim:
        published = {f"width {width}": PUBLISHED[name].get(width) for width in setting.widths}
        by_width = {
            f"width {width}": fn.mean_interval(row)
            for width, row in zip(setting.widths, values[0], strict=True)
        }
        return fn.Claim(f"ReLU: {statement}", published, by_width, bool(holds.all()))

    initial, c_loss, c_max = found.initial, found.c_loss, found.c_max
    return [
        claim("the initial sharpness rises with width", "initial sharpness", initial, np.diff(initial.mean(axis=-1)) > 0),
        claim("c_loss is from 2 to 4 for every width and seed", "c_loss", c_loss, (c_loss >= 2) & (c_loss <= 4)),
        claim("c_loss falls with width", "c_loss", c_loss, np.diff(c_loss.mean(axis=-1)) < 0),
        claim("c_max is from 8 to 20 for every width and seed", "c_max", c_max, (c_max >= 8) & (c_max <= 20)),
    ]  # fmt: skip


def draw(config: Config, tanh: Phases, relu: Phases) -> Figure:
    """Draw the constants against width: seeds as marks, their means as lines, what was published as open marks."""
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    panels = figure.subplots(1, len(config.tanh.depths) + 1, sharey=True)
    for i, (ax, depth) in enumerate(zip(panels, config.tanh.depths, strict=False)):
        draw_constants(ax, config.tanh.widths, tanh, i)
        ax.set_title(f"tanh, {depth} hidden layer{'s' * (depth > 1)}, {config.tanh.dataset}")
    ax = panels[-1]
    draw_constants(ax, config.relu.widths, relu, 0)
    for name, (marker, color) in STYLES.items():
        ax.plot(
            *zip(*PUBLISHED[name].items(), strict=True), f"{marker}:", color=color, markerfacecolor="none"
        )
    ax.plot([], [], "ks:", markerfacecolor="none", label="open: published, CIFAR-10")
    widths = sorted({*config.relu.widths, *PUBLISHED["c_loss"]})
    ax.set(xticks=widths, xticklabels=widths)
    ax.set_title(f"ReLU, {config.relu.depths[0]} hidden layers, {config.relu.dataset}")
    for ax in panels:
        ax.legend(ncols=2, loc="upper center", fontsize="small")
    panels[0].set_ylabel("c = learning rate x initial sharpness")
    return figure


def draw_constants(ax: Any, widths: tuple[int, ...], phases: Phases, i: int) -> None:
    for name, (marker, color) in STYLES.items():
        values = getattr(phases, name)
        if values is not None:
            ax.plot(widths, values[i].mean(axis=-1), color=color, label=name)
            ax.plot(widths, values[i], marker, color=color, alpha=0.5)
    ax.axhline(2, color="0.5", linestyle="--", linewidth=1, label="2, of a quadratic loss")
    ax.set(xscale="log", yscale="log", xlabel="width", xticks=widths, xticklabels=widths)
    ax.set(ylim=(1, 40), yticks=(1, 2, 4, 8, 16), yticklabels=("1", "2", "4", "8", "16"))
    ax.minorticks_off()


def reduced(setting: Setting, exponents: tuple[float, float, float]) -> Setting:
    few = setting._replace(num_seeds=1, num_train=512, batch_size=64, num_measured=64)
    return few._replace(depths=(2,), widths=(16,), exponents=exponents)


def main(config: Config) -> None:
    if config.smoke:
        tanh, relu = reduced(config.tanh, (0, 4, 1)), reduced(config.relu, (0, 4.5, 1.5))
        config = replace(config, tanh=tanh, relu=relu, num_iterations=4, store=None)
    found = {
        "tanh": find_phases(config.tanh, config, with_sharpness=True),
        "ReLU": find_phases(config.relu, config, with_sharpness=False),
    }
    claims = claim_tanh(config.tanh, found["tanh"]) + claim_relu(config.relu, found["ReLU"])
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        path = fn.write_report(__file__, __doc__, config, claims, draw(config, *found.values()), found)
        print(f"wrote {path} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
