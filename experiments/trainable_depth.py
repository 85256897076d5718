"""Deep networks can be trained as far as signals reach: to a multiple of mean-field theory's depth scale.

Tanh networks with weights from N(0, sigma_w^2 / fan_in) and biases from N(0, 0.05) forget their input over
xi_c layers, a length without bound at sigma_w^2 = 1.761, where order turns into chaos. Schoenholz et al.
(2017) trained them on a grid of depth and sigma_w^2, and found that training works up to about 6 xi_c. That
theory is tested in `signal_propagation.py`.

This is a port to Fashion-MNIST with values in [-0.5, 0.5]: width 100 instead of 300, batches of 128, 200
steps of SGD as in their first map, one run for each cell and rate, the best of four rates. Values called
published are from a reproduction on MNIST (ghliu/mean-field-fcdnn): the depth up to which training accuracy
is above 0.5 is 4.3 to 4.8 xi_c in the chaotic phase. It has one rate, 1e-3, which is a larger one there, as
it divides its last weights' variance by fan_out.

What falls short: accuracy does not fall from 0.5 to 0.2 at once, but over depths up to 1.5 times the
frontier. And near the critical line the map ends before the theory does, for lack of steps and width: at
sigma_w^2 = 1.75 and the rate 0.001, 110 layers reach a training accuracy of 0.5, and with 1000 steps, or a
width of 300, 0.74.

Run `python experiments/trainable_depth.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim, at_most, between
from reporting import Findings, main

BIAS_VARIANCE = 0.05
CRITICAL = 1.761
TRAINED, FAILED = 0.5, 0.2  # accuracies on both sides of the frontier
CHAOTIC = 2.2  # from this scale on, the phase is chaotic and xi_c no longer large
# Frontier / xi_c by scale in the reproduction, read off its grid of depths from 10 to 100.
PUBLISHED_MULTIPLES = {
    1.0: 5.5, 1.2: 6.7, 1.4: 4.7, 2.21: 4.6, 2.42: 4.8, 2.62: 4.8,
    2.82: 4.7, 3.02: 4.7, 3.22: 4.5, 3.43: 4.3, 3.63: 4.8, 3.83: 4.7,
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Settings of the experiment; a scale is sigma_w^2.

    store: where finished runs are kept.
    """

    dataset: str = "fashion_mnist"
    width: int = 100
    depths: tuple[int, ...] = (10, 20, 30, 40, 50, 60, 80, 110)
    scales: tuple[float, ...] = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0)
    learning_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    num_steps: int = 200
    store: Path = Path("results/trainable_depth")


SMOKE = Config(
    dataset="digits", width=16, depths=(1, 3), scales=(1.0, 1.75, 3.0), learning_rates=(0.03,), num_steps=20
)


def load(name: str) -> fn.Dataset:
    """Load images, centered, and few of the test split, which is not used here."""
    images = fn.load_dataset(name)
    test = images.test.inputs[:1000] - 0.5, images.test.targets[:1000]
    return fn.from_arrays(images.train.inputs - 0.5, images.train.targets, test=test, name=name)


def train(data: fn.Dataset, config: Config) -> fn.Results:
    """Train every cell of the map; the scale is traced, so that each depth is one program."""

    def recipe(depth: int) -> fn.Task:
        def network(hparams: fn.Hparams) -> fn.Network:
            initializer = fn.initializers.scaled_normal(hparams["scale"], BIAS_VARIANCE)
            widths = [config.width] * depth
            return fn.mlp(data.num_features, widths, data.num_outputs, "tanh", initializer=initializer)

        return fn.supervised(network, "cross_entropy", optimizer="sgd", max_measured=2000)

    space = fn.grid(depth=config.depths, scale=config.scales, learning_rate=config.learning_rates)
    return fn.sweep(recipe, space, data, num_steps=config.num_steps, store=config.store, show_progress=True)


def predict(scales: np.ndarray) -> np.ndarray:
    """Predict xi_c of each scale, in float64, since it has no bound."""

    def depth_scale(scale: jax.Array) -> jax.Array:
        return fn.analysis.mean_field.fixed_point("tanh", scale, BIAS_VARIANCE).depth_scale

    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(depth_scale))(jnp.array(scales)))


def find_frontier(accuracy: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """Find by scale the depth where accuracy `[depths, scales]` first falls to 0.5, between two depths.

    It is the smallest depth if accuracy is 0.5 or less there already, and the largest if it stays above.
    """
    frontier = []
    for of_depth in accuracy.T:
        first = np.argmax(np.append(of_depth, 0.0) <= 0.5)
        ends = slice(max(first - 1, 0), first + 1)
        frontier.append(np.interp(-0.5, -of_depth[ends], depths[ends]))
    return np.array(frontier)


def make_claims(accuracy: np.ndarray, frontier: np.ndarray, config: Config) -> list[Claim]:
    scales, depths = np.array(config.scales), np.array(config.depths)[:, None]
    xi = predict(scales)
    peak = scales[frontier == frontier.max()]
    change = np.diff(frontier) / frontier[:-1]
    rise = np.where(scales[1:] <= peak[0], -change, np.where(scales[:-1] >= peak[-1], change, 0)).max().item()
    multiples = (frontier / xi)[scales >= CHAOTIC]
    known = np.array([multiple for scale, multiple in PUBLISHED_MULTIPLES.items() if scale >= CHAOTIC])

    def deviation(multiples: np.ndarray) -> float:
        return np.abs(multiples / multiples.mean() - 1).max().item()

    def separates(where: tuple[str, str], is_inside: np.ndarray, is_outside: np.ndarray) -> Claim:
        """Claim that accuracy is high in all cells inside, and low in all outside."""
        least, most = accuracy[is_inside].min(initial=1), accuracy[is_outside].max(initial=0)
        found = {"least inside": least.item(), "most outside": most.item()}
        claim = f"accuracy is at least {TRAINED} in every cell {where[0]}, and at most {FAILED} {where[1]}"
        return Claim(claim, None, found, bool(least >= TRAINED and most <= FAILED))

    deepest = "the sigma_w^2 with the deepest frontier, where accuracy falls to 0.5,"
    spread = "for these, the relative deviation of frontier / xi_c from its mean"
    return [
        between(deepest, 1.5, 2.1, peak, CRITICAL),
        at_most("away from its peak the frontier falls on both sides: the largest relative rise", 0.05, rise),
        between(f"for sigma_w^2 from {CHAOTIC} to 4, frontier / xi_c", 3, 7, multiples, known),
        at_most(spread, 0.25, deviation(multiples), deviation(known)),
        separates(("inside the frontier", "outside"), depths < frontier, depths > frontier),
        separates(("up to 3 xi_c", "from 7 xi_c on"), depths <= 3 * xi, depths >= 7 * xi),
    ]


def measure(config: Config) -> Findings:
    results = train(load(config.dataset), config)
    accuracy = results.curves("train_accuracy").isel(step=-1).max("learning_rate").values
    frontier = find_frontier(accuracy, np.array(config.depths))
    fine = np.linspace(config.scales[0], config.scales[-1], 121)
    measured: dict[str, Any] = {"train_accuracy_by_depth_and_scale": accuracy, "frontier_by_scale": frontier}
    measured |= {"num_diverged": results["diverged"].sum(), "depths": config.depths, "scales": config.scales}
    measured |= {"fine_scales": fine, "depth_scale": predict(fine)}
    return make_claims(accuracy, frontier, config), measured


if __name__ == "__main__":
    main(measure, SMOKE)
