"""Deep linear networks learn each mode as theory says, and their best learning rate is inverse to depth.

Saxe, McClelland & Ganguli (2013). With whitened inputs and decoupled initial weights each singular mode of the map to
be learned, of strength s, is learned by itself: its strength u in a network of D matrices follows

    du/dt = D u^(2 - 2/D) (s - u)    and for D = 2    u(t) = s / (1 + (s / u0 - 1) e^(-2st))

where an update with the learning rate r lasts t = r. The first part compares gradient descent in 8 dimensions with it.
The second finds for each depth and initialization which of 20 rates is the first to lower the loss to 5 % of that of
the map 0; the smallest of them where several are. It is a port: the paper learns MNIST with 1000 hidden units and up to
99 matrices; here it is a map of rank 8 in 32 dimensions, with up to 64. All in float64. A seed draws initial weights;
of decoupled ones there is one draw, as another would change nothing but rounding. A run that never arrives counts with
the most updates there are. At the best rates of decoupled networks the loss swings, reaches 5 % for a moment and with
up to 16 matrices diverges later, so that their updates do not change smoothly with depth.

Run `python experiments/deep_linear.py`, or with `--smoke` for a few seconds' version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console
from scipy.integrate import solve_ivp

import fnnet as fn

KINDS = {"decoupled": "zeros", "orthogonal": "orthogonal", "Gaussian": "lecun_normal"}  # of variance 1/N


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    strengths: of the modes whose course is compared with theory.
    start: the strength u0 at which all modes of decoupled networks begin.
    rates: learning rates of the first part, the second a tenth of the first.
    end_time: of the first part, in updates times rate.
    sample_time: between two measurements there.
    depths: numbers of matrices in the second part.
    max_updates: of each run in the second part.
    fraction: of the loss of the map 0, at which a run of the second part has arrived.
    store: the folder that keeps runs of the second part, so that an interrupted one goes on; None keeps none.
    """

    strengths: tuple[float, ...] = (3.0, 2.0, 1.0, 0.5)
    start: float = 1e-3
    rates: tuple[float, float] = (1e-2, 1e-3)
    end_time: float = 30.0
    sample_time: float = 0.01
    depths: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    num_rates: int = 20
    num_seeds: int = 5
    max_updates: int = 2000
    fraction: float = 0.05
    store: Path | None = Path("results/deep_linear")
    smoke: bool = False


class Target(NamedTuple):
    """The map to be learned, `left diag(strengths) right^T`, and whitened examples of it."""

    left: np.ndarray
    right: np.ndarray
    strengths: np.ndarray
    data: fn.Dataset


class Modes(NamedTuple):
    """Strengths `[rates, modes, times]` of the modes of trained networks, and `[modes, times]` in theory."""

    times: np.ndarray
    trained: np.ndarray
    theory: np.ndarray


class Counted(NamedTuple):
    """A run's state, whether it has arrived, and its updates until then."""

    state: Any
    has_arrived: jax.Array
    updates: jax.Array


class Fastest(NamedTuple):
    """Fewest updates over the rates, `[depths, seeds]`, and the rate that needs them, NaN where none arrives."""

    updates: np.ndarray
    rate: np.ndarray


def make_target(size: int, strengths: Sequence[float]) -> Target:
    left, right = np.linalg.qr(np.random.default_rng(0).normal(size=(2, size, size)))[0]
    padded = np.pad(strengths, (0, size - len(strengths)))
    inputs = np.sqrt(size) * np.eye(size)  # the mean of x x^T is 1, so the mean loss is |W - W*|^2 / 2
    examples = inputs, inputs @ (left * padded @ right.T).T
    return Target(left, right, padded, fn.from_arrays(*examples, test=examples))


def deep_linear(target: Target, num_matrices: int, kind: str, start: float) -> fn.Network:
    """Make a network of square matrices; a decoupled one begins with each mode along one of the target."""
    size = len(target.strengths)
    widths = [size] * (num_matrices - 1)
    network = fn.mlp(size, widths, size, "identity", use_bias=False, initializer=KINDS[kind])
    bases = np.linalg.qr(np.random.default_rng(1).normal(size=(num_matrices + 1, size, size)))[0]
    bases[0], bases[-1] = target.right, target.left
    weights = start ** (1 / num_matrices) * bases[:-1] @ bases[1:].swapaxes(1, 2)
    decoupled = fn.stack([{"w": matrix} for matrix in weights], network)
    return network._replace(init=lambda key: decoupled) if kind == "decoupled" else network


def descent(network: fn.Network) -> fn.Task:
    def optimizer(hparams: fn.Hparams) -> fn.Optimizer:
        return fn.sgd(hparams["learning_rate"])

    return fn.supervised(network, "quadratic", optimizer=optimizer, batch_size=None)


def train_modes(num_matrices: int, config: Config) -> Modes:
    """Follow the modes of a decoupled network."""
    target, modes = make_target(8, config.strengths), range(len(config.strengths))
    network = deep_linear(target, num_matrices, "decoupled", config.start)

    def measure(hparams: fn.Hparams, state: fn.TrainState, data: fn.Dataset) -> dict[str, jax.Array]:
        outputs = jax.vmap(network.apply, (None, 0))(state.params, jnp.asarray(target.right.T))
        strengths = jnp.sum(target.left.T * outputs, axis=1)
        return {f"mode {mode}": strengths[mode] for mode in modes}

    trained = []
    for rate in config.rates:  # a sweep each, as they take different numbers of updates
        results = fn.sweep(
            lambda: descent(network)._replace(measure=measure),
            fn.grid(learning_rate=[rate]),
            target.data,
            num_steps=round(config.end_time / rate),
            eval_every=round(config.sample_time / rate),
        )
        trained.append([results.history[f"mode {mode}"][0] for mode in modes])
    times = config.sample_time * np.arange(1, len(trained[0][0]) + 1)
    return Modes(times, np.array(trained), theory(config.strengths, num_matrices, config.start, times))


def theory(strengths: Any, num_matrices: int, start: float, times: np.ndarray) -> np.ndarray:
    """Compute the course of each mode, `[modes, times]`: equation 12 of the paper, or a solution of equation 15."""
    s = np.asarray(strengths)
    if num_matrices == 2:
        return s[:, None] / (1 + (s[:, None] / start - 1) * np.exp(-2 * s[:, None] * times))

    def slope(time: float, u: np.ndarray) -> np.ndarray:
        return num_matrices * u ** (2 - 2 / num_matrices) * (s - u)

    begin = np.full(len(s), start)
    return solve_ivp(slope, (0, times[-1]), begin, "LSODA", times, rtol=1e-9, atol=1e-12).y


def counting(task: fn.Task, goal: float) -> fn.Task:
    """Count a task's updates until its loss is no more than a goal."""

    def init(hparams: fn.Hparams, data: Any) -> Counted:
        return Counted(task.init(hparams, data), jnp.zeros((), bool), jnp.zeros((), jnp.int32))

    def step(hparams: fn.Hparams, run: Counted, data: Any, batch: Any) -> tuple[Counted, Any]:
        state, metrics = task.step(hparams, run.state, data, batch)
        has_arrived = run.has_arrived | (metrics["loss"] <= goal)  # the loss before the update
        return Counted(state, has_arrived, run.updates + ~has_arrived), metrics

    return task._replace(init=init, step=step, measure=lambda hparams, run, data: {"updates": run.updates})


def find_fastest(target: Target, config: Config) -> dict[str, Fastest]:
    """Sweep rate, depth and initialization."""
    goal = config.fraction * np.sum(target.strengths**2) / 2

    def recipe(num_matrices: int, kind: str) -> fn.Task:
        return counting(descent(deep_linear(target, num_matrices, kind, config.start)), goal)

    rates = np.array(fn.logspace(1e-3, 1, config.num_rates))
    drawn = fn.grid(kind=["orthogonal", "Gaussian"], seed=range(config.num_seeds))
    starts = fn.grid(kind="decoupled", seed=0) | drawn
    space = starts * fn.grid(num_matrices=config.depths, learning_rate=rates.tolist())
    num_steps, store = config.max_updates, config.store
    results = fn.sweep(recipe, space, target.data, num_steps=num_steps, store=store, show_progress=True)
    found = {}
    for kind in KINDS:
        updates = results.where(kind=kind).columns["updates"].reshape(-1, len(config.depths), len(rates))
        fewest, rate = updates.min(axis=2), rates[updates.argmin(axis=2)]
        found[kind] = Fastest(fewest.T, np.where(fewest < config.max_updates, rate, np.nan).T)
    return found


def within(claim: str, published: Any, measured: Any, low: float, high: float) -> fn.Claim:
    """Claim that the mean over seeds, if there are several, or each number by name lies between two bounds."""
    if isinstance(measured, dict):
        return fn.Claim(claim, published, measured, all(low <= value <= high for value in measured.values()))
    mean = fn.mean_interval(measured)
    return fn.Claim(claim, published, mean if mean.num_runs > 1 else mean.mean, low <= mean.mean <= high)


def mode_claims(modes: dict[int, Modes], config: Config) -> list[fn.Claim]:
    """Compare the modes of 2 and 3 matrices with theory."""
    strengths = np.array(config.strengths)
    two, three = (np.max(np.abs(m.trained - m.theory), axis=2) / strengths for m in modes.values())

    def by_mode(values: np.ndarray) -> dict[str, float]:
        return {f"s = {s:g}": float(value) for s, value in zip(strengths, values, strict=True)}

    def half_times(courses: np.ndarray) -> np.ndarray:
        pairs = zip(strengths, courses, strict=True)
        return np.array([np.interp(s / 2, course, modes[2].times) for s, course in pairs])

    half, expected = half_times(modes[2].trained[1]), half_times(modes[2].theory)
    is_in_order = bool(np.all(np.diff(half[np.argsort(-strengths)]) > 0))
    late, rate, exact = half / expected - 1, f"rate {config.rates[1]:g}", "exact for small rates"
    return [
        within(f"2 matrices, {rate}: error / s <= 0.005 at all times", exact, by_mode(two[1]), 0, 0.005),
        within("2 matrices: 8 to 12 times that at 10 times the rate", 10, by_mode(two[0] / two[1]), 8, 12),
        fn.Claim("2 matrices: time to s/2 is shorter for stronger modes", "of order 1/s", by_mode(half), is_in_order),
        within("2 matrices: relative error of that time < 1 %", exact, by_mode(late), -0.01, 0.01),
        within(f"3 matrices, {rate}: error / s <= 0.01 at all times", exact, by_mode(three[1]), 0, 0.01),
    ]  # fmt: skip


def depth_claims(found: dict[str, Fastest], config: Config) -> list[fn.Claim]:
    """State how the best rate, and the updates it needs, depend on depth."""
    depths = np.array(config.depths)
    deep, first = depths >= 4, int(np.argmax(depths >= 8))  # the smoke version has no 8
    place = {depth: place for place, depth in enumerate(config.depths)}

    def power(kind: str) -> np.ndarray:
        return np.polyfit(np.log(depths[deep]), np.log(found[kind].rate[deep]), 1)[0]

    gaussian, orthogonal, decoupled = (found[k].updates for k in ("Gaussian", "orthogonal", "decoupled"))
    deeper, slower = gaussian[place[16]] / gaussian[place[4]], gaussian[place[16]] / orthogonal[place[16]]
    factors = (decoupled[1:, 0] / decoupled[:-1, 0]).tolist()
    saturates = factors == sorted(factors, reverse=True)
    named = {f"D = {depth}": factor for depth, factor in zip(config.depths[1:], factors, strict=True)}
    return [
        within("orthogonal: best rate ~ D^-1.3 to D^-0.7, D >= 4", -1, power("orthogonal"), -1.3, -0.7),
        within("decoupled: best rate ~ D^-1.3 to D^-0.7, D >= 4", -1, power("decoupled"), -1.3, -0.7),
        within(f"orthogonal: updates for D = {depths[-1]} / for D = {depths[first]} < 3", "no growth with depth", orthogonal[-1] / orthogonal[first], 0, 3),
        fn.Claim("decoupled: each doubling of D multiplies the updates by less", "time saturates", named, saturates),
        within("Gaussian: updates for D = 16 / for D = 4 > 8", "grows with depth", deeper, 8, np.inf),
        within("D = 16: updates Gaussian / orthogonal > 5", "orthogonal is faster", slower, 5, np.inf),
    ]  # fmt: skip


def draw(modes: dict[int, Modes], found: dict[str, Fastest], target: Target, config: Config) -> Figure:
    """Draw modes as they are learned, and by depth the best rate and the updates it needs, with theory."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    top, (rates, updates) = figure.subplots(2, 2)
    for axes, (num_matrices, (times, trained, expected)), end in zip(
        top, modes.items(), (12, 30), strict=True
    ):
        for mode, strength in enumerate(config.strengths):
            axes.plot(times, expected[mode], color=f"C{mode}", label="theory" if mode == 0 else None)
            axes.plot(
                times, trained[1, mode], "k.", markersize=4, markevery=0.02, label=None if mode else "trained"
            )
            axes.annotate(
                f"s = {strength:g}", (end, strength), (-4, 4), textcoords="offset points", ha="right"
            )
        axes.set(
            xlabel="time t: updates times rate",
            ylabel="strength u of a mode",
            title=f"{num_matrices} matrices",
        )
        axes.set(xlim=(0, end), ylim=(-0.15, 3.4))
        axes.legend(loc="center right", bbox_to_anchor=(1, 0.53))
    depths = np.array(config.depths)
    for kind, fastest in found.items():
        for axes, values in ((rates, fastest.rate), (updates, fastest.updates)):
            mean, low, high, _ = np.array([fn.mean_interval(of_depth) for of_depth in values]).T
            errors = np.nan_to_num([mean - low, high - mean])
            axes.errorbar(depths, mean, errors, fmt="o-", capsize=3, label=kind)
    rates.plot(
        depths, 2 / depths, "--", color="0.3", label="2 / D: largest stable rate\nwhere s = 1 is learned"
    )
    arrivals = np.array([arrival_time(target, depth, config) for depth in config.depths])
    expected = arrivals / found["decoupled"].rate[:, 0]
    updates.plot(depths, expected, "--", color="0.3", label="decoupled, equation 15")
    updates.axhline(config.max_updates, color="0.6", linewidth=0.8, label="end of runs")
    updates.set_ylim(1, 20 * config.max_updates)
    for axes, name in ((rates, "best learning rate"), (updates, "updates at the best rate")):
        axes.set(xlabel="number of matrices D", ylabel=name, xscale="log", yscale="log")
        axes.set_xticks(depths, depths, minor=False)
        axes.minorticks_off()
    rates.legend(loc="lower left")
    updates.legend(loc="upper left", ncols=2)
    return figure


def arrival_time(target: Target, num_matrices: int, config: Config) -> float:
    """Tell when a decoupled network arrives by equation 15."""
    times, strengths = np.linspace(0, 100, 20_001), target.strengths[target.strengths > 0]
    errors = strengths[:, None] - theory(strengths, num_matrices, config.start, times)
    return float(times[np.argmax(np.sum(errors**2, axis=0) <= config.fraction * np.sum(strengths**2))])


def main(config: Config) -> None:
    if config.smoke:
        config = replace(config, rates=(0.1, 0.01), sample_time=0.5, depths=(4, 16))
        config = replace(config, num_rates=4, num_seeds=2, max_updates=30, store=None)
    jax.config.update("jax_enable_x64", True)
    modes = {num_matrices: train_modes(num_matrices, config) for num_matrices in (2, 3)}
    target = make_target(32, np.linspace(0.5, 1, 8).tolist())
    found = find_fastest(target, config)
    claims = [*mode_claims(modes, config), *depth_claims(found, config)]
    Console().print(fn.tables.claims(claims))
    if not config.smoke:
        figure = draw(modes, found, target, config)
        print(f"wrote {fn.write_report(__file__, __doc__, config, claims, figure, found)} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
