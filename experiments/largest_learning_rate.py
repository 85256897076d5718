"""The largest learning rate follows the initial sharpness, and not depth itself.

1. Where all is known: full-batch gradient descent on a linear regression converges below 2 / largest eigenvalue of the
   Hessian, and diverges above. Diabetes, with rates down to 0.1 % from that bound.
2. The networks of Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks typically occurs at
   the edge of stability": 1 to 4 hidden layers of 200 with tanh, PyTorch's initialisation, half the squared error summed
   over outputs. A port, to 250 images of Fashion-MNIST instead of 5,000 of CIFAR-10, each pixel standardised, and to 200
   steps. That the largest learning rate falls with depth was recalled from memory, and not read in the paper. To tell
   depth from the initial sharpness, Glorot's initialisation is tried, too; and the rates are given in units of 2 over
   the initial sharpness, where Lewkowycz, Bahri, Dyer, Sohl-Dickstein & Gur-Ari (2020), "The large learning rate phase of
   deep learning", saw networks train up to 2, and with relu up to 6.

The sharpness is the largest eigenvalue of the Hessian, by Lanczos' method. Means are over seeds, with the 95 % interval
of Student's t; where all seeds have the same learning rate of the grid, it has no width.

Run `python experiments/largest_learning_rate.py`, or with `--smoke` for a few seconds' version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    distances: how far below and above 2 / largest eigenvalue the learning rates of the regression are, relatively.
    rates: of the networks, the lowest and the highest learning rate and how many, log-spaced.
    store: where the sweeps are kept, so that they go on when interrupted.
    """

    distances: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    regression_seeds: int = 5
    regression_steps: int = 40_000
    images: str = "fashion_mnist"
    num_images: int = 250
    depths: tuple[int, ...] = (1, 2, 3, 4)
    initializers: tuple[str, ...] = ("pytorch", "glorot_normal")
    rates: tuple[float, float, int] = (0.02, 1.0, 18)
    num_seeds: int = 3
    num_steps: int = 200
    store: Path | None = Path("results/largest_learning_rate")
    smoke: bool = False


def gradient_descent(network: fn.Network) -> fn.Task:
    return fn.supervised(
        network, "quadratic", optimizer=lambda hp: fn.sgd(hp["learning_rate"]), batch_size=None
    )


def initial_sharpness(network: fn.Network, data: fn.Dataset, seeds: Sequence[int]) -> np.ndarray:
    """Compute the sharpness of each seed's network before training."""
    objective = fn.curvature.make_objective(network, "quadratic")

    def sharpness(seed: jax.Array, examples: fn.Examples) -> jax.Array:
        key = jax.random.key(seed)
        return fn.curvature.top_eigenvalues(
            lambda params: objective(params, examples), network.init(key), key
        )[0]

    return np.array(jax.jit(jax.vmap(sharpness, (0, None)))(np.array(seeds), data.train))


def fit_line(config: Config) -> tuple[np.ndarray, fn.Results, list[fn.Claim]]:
    """Train linear regression around its bound; returns learning rate / bound of each run, too."""
    data = fn.load_dataset("diabetes")
    inputs, targets = (np.asarray(part, np.float64) for part in data.train)
    with_bias = np.append(inputs, np.ones((len(inputs), 1)), axis=1)
    eigenvalue = float(np.linalg.eigvalsh(with_bias.T @ with_bias / len(inputs))[-1])
    residuals = with_bias @ np.linalg.lstsq(with_bias, targets)[0] - targets
    network = fn.mlp(data.num_features, [], 1, initializer="pytorch")

    factors = sorted(1 + sign * distance for distance in config.distances for sign in (-1, 1))
    seeds = range(config.regression_seeds)
    space = fn.grid(learning_rate=[2 / eigenvalue * factor for factor in factors], seed=seeds)
    store = config.store and config.store / "regression"
    results = fn.sweep(
        lambda: gradient_descent(network), space, data, num_steps=config.regression_steps, store=store
    )

    relative, diverged = np.repeat(factors, len(seeds)), results.columns["diverged"]
    converged = ~diverged & (results.columns["train_loss"] <= (1 + 1e-4) * np.mean(residuals**2) / 2)
    bounds = {
        "converges to": relative[converged].max(initial=0),
        "diverges from": relative[diverged].min(initial=np.inf),
    }
    is_right = np.where(relative < 1, converged, diverged)[np.abs(relative - 1) > 0.0099]
    error = np.abs(initial_sharpness(network, data, seeds) / eigenvalue - 1).max()
    claims = [
        fn.Claim("regression: 1 % or more below 2 / largest eigenvalue every run converges, above it every run diverges", 1.0, bounds, bool(is_right.all())),
        fn.Claim("regression: the measured sharpness is the largest eigenvalue, relatively to 1e-5", 0.0, error, bool(error <= 1e-5)),
    ]  # fmt: skip
    return relative, results, claims


def fit_images(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Find the largest learning rate below all that diverge, and the sharpness: arrays `[initializer, depth, seed]`."""
    data = fn.load_dataset(config.images, num_train=config.num_images, standardize=True)

    def network(initializer: str, depth: int) -> fn.Network:
        return fn.mlp(data.num_features, [200] * depth, data.num_outputs, "tanh", initializer=initializer)

    rates, seeds = fn.logspace(*config.rates), range(config.num_seeds)
    space = fn.grid(initializer=config.initializers, depth=config.depths, learning_rate=rates, seed=seeds)
    results = fn.sweep(
        lambda initializer, depth: gradient_descent(network(initializer, depth)),
        space,
        data,
        num_steps=config.num_steps,
        store=config.store and config.store / config.images,
        show_progress=True,
    )
    shape = len(config.initializers), len(config.depths), len(rates), len(seeds)
    diverged = results.columns["diverged"].reshape(shape)
    num_stable = np.where(diverged.any(axis=2), diverged.argmax(axis=2), len(rates))
    sharpness = [
        [initial_sharpness(network(name, depth), data, seeds) for depth in config.depths]
        for name in config.initializers
    ]
    return np.array([0.0, *rates])[num_stable], np.array(sharpness)


def by_depth(values: np.ndarray, config: Config) -> dict[str, Any]:
    return {f"depth {depth}": fn.mean_interval(row) for depth, row in zip(config.depths, values, strict=True)}


def claim_depth(largest: np.ndarray, sharpness: np.ndarray, config: Config) -> list[fn.Claim]:
    falls = (np.diff(largest.mean(axis=-1)) < 0).all(axis=-1)
    units = largest * sharpness / 2
    pytorch, *others = [
        fn.Claim(f"{name}: the largest learning rate that does not diverge falls with depth", None, by_depth(largest[row], config), bool(falls[row]))
        for row, name in enumerate(config.initializers)
    ]  # fmt: skip
    return [
        pytorch._replace(published="falls (from memory, direction only)"),
        *others,
        *(
            fn.Claim(f"{name}: in units of 2 / initial sharpness, the largest learning rate is 1 to 6", "up to 2, with relu 6", by_depth(units[row], config), bool(((units[row] >= 1) & (units[row] <= 6)).all()))
            for row, name in enumerate(config.initializers)
        ),
    ]  # fmt: skip


def draw_regression(ax: Axes, relative: np.ndarray, results: fn.Results) -> None:
    """Draw when runs above the bound overflow; there an error grows by 2 x learning rate / bound - 1 a step."""
    diverged_at, is_above = results.columns["diverged_at"], relative > 1
    distances = np.geomspace(relative[is_above].min() - 1, relative.max() - 1)
    steps = np.log(np.finfo(np.float32).max) / 2 / np.log1p(2 * distances)
    ax.loglog(distances, steps, "k--", label="theory, of an error of 1 at first")
    ax.loglog(relative[is_above] - 1, diverged_at[is_above], "o", color="C3", alpha=0.6, label="measured")
    finite = f"{np.sum(diverged_at[~is_above] < 0)} of {np.sum(~is_above)}"
    ax.annotate(f"below the bound,\n{finite} runs stay finite", (0.05, 0.06), xycoords="axes fraction")
    ax.set(xlabel="learning rate / (2 / largest eigenvalue) - 1", ylabel="step of divergence")
    ax.set_title("linear regression")
    ax.legend()


def draw_depth(ax: Axes, largest: np.ndarray, sharpness: np.ndarray, config: Config) -> None:
    for row, name in enumerate(config.initializers):
        bound = 2 / sharpness[row].mean(axis=-1)
        ax.semilogy(config.depths, bound, "--", color=f"C{row}", label=f"{name}: 2 / initial sharpness")
        ax.semilogy(
            config.depths, largest[row].mean(axis=-1), "o", color=f"C{row}", label=f"{name}: measured"
        )
    ax.set(xlabel="hidden layers", ylabel="largest learning rate", xticks=config.depths)
    ax.set(title=f"{config.num_images} images", ylim=(None, 20 * largest.max()))
    ax.legend(loc="upper left")


def main(config: Config) -> None:
    if config.smoke:
        config = replace(config, store=None, regression_seeds=2, regression_steps=400, images="digits")
        config = replace(config, num_images=100, depths=(1,), rates=(0.1, 1.0, 2), num_seeds=1, num_steps=20)
    relative, regression, claims = fit_line(config)
    largest, sharpness = fit_images(config)
    claims += claim_depth(largest, sharpness, config)
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_regression(left, relative, regression)
        draw_depth(right, largest, sharpness, config)
        measured = {"largest_learning_rate": largest, "initial_sharpness": sharpness}
        print(f"wrote {fn.write_report(__file__, __doc__, config, claims, figure, measured)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
