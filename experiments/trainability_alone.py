"""A sweep trains each pixel of a picture as it would be trained alone, but for rounding, which chaos makes grow.

Some pixels of the picture in `trainability_fractal.py` are trained in a sweep, with the 12 pixels around each, and again
one at a time. Near the boundary, and wherever the input layer's rate is above some 300, training is chaotic: what rounds
otherwise goes its own way. How far shows a change of both learning rates in their last digit. All is in float64.

Run `python experiments/trainability_alone.py`, or with `--smoke` for a few pixels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn
from reporting import Claim, table, write_report

RATES = (-3.0, 6.0)  # decades


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    width: of the hidden layer and of the input; there are as many examples as parameters.
    num_steps: of each training.
    side: pixels along a side of the picture.
    num_pixels: random ones of them.
    lanes: networks that train together on a device.
    store: where finished runs are kept, so that a stopped experiment goes on.
    smoke: few pixels and steps; writes nothing.
    """

    width: int = 16
    num_steps: int = 500
    side: int = 256
    num_pixels: int = 256
    lanes: int = 64
    store: Path | None = Path("results/trainability_alone")
    smoke: bool = False


class Found(NamedTuple):
    """What became of each pixel, arrays `[pixels]`.

    rates: learning rates of input and output layer, `[2, pixels]`.
    converged: whether it did so together with others, alone, and alone with other last digits: `[3, pixels]`.
    apart: relative difference of the sums of losses, between together and alone.
    moved: the same of the last digits.
    is_inside: whether all pixels around it converged.
    """

    rates: np.ndarray
    converged: np.ndarray
    apart: np.ndarray
    moved: np.ndarray
    is_inside: np.ndarray


def train_together(config: Config, places: np.ndarray) -> dict[str, np.ndarray]:
    """Train pixels in one sweep; `places` is `[2, ...]`, column and row."""
    pixels, which = np.unique(places.reshape(2, -1), axis=1, return_inverse=True)
    x, y = np.logspace(*RATES, config.side)[pixels]
    network, data = fn.studies.trainability.make_problem(config.width, num_seeds=1)
    results = fn.sweep(
        fn.studies.trainability.make_recipe(network, (config.num_steps,)),
        fn.zip_axes(output_rate=y, input_rate=x),
        data,
        num_steps=config.num_steps,
        lanes=config.lanes,
        store=config.store,
        show_progress=not config.smoke,
    )
    return {name: results[name][which].reshape(places.shape[1:]) for name in results}


def train_alone(config: Config, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Train with each pair of rates, one after the other."""
    network, data = fn.studies.trainability.make_problem(config.width, num_seeds=1)
    task = fn.studies.trainability.make_recipe(network, (config.num_steps,))()

    def train(hparams: dict[str, jax.Array]) -> Any:
        return fn.train(task, hparams, data, num_steps=config.num_steps).metrics

    one_at_a_time = jax.jit(lambda hparams: jax.lax.map(train, hparams))
    return jax.device_get(one_at_a_time({"input_rate": jnp.asarray(x), "output_rate": jnp.asarray(y)}))


def compare(config: Config) -> Found:
    drawn = np.random.default_rng(0).permutation(config.side**2)[: config.num_pixels]
    rows, columns = np.unravel_index(drawn, (config.side, config.side))
    around = [(dx, dy) for dx in range(-2, 3) for dy in range(-2, 3) if abs(dx) + abs(dy) <= 2]
    places = np.stack([columns, rows])[..., None] + np.transpose(around)[:, None]
    together = train_together(config, places.clip(0, config.side - 1))  # [pixels, around]
    center, last = around.index((0, 0)), f"last_{config.num_steps}"
    x, y = rates = np.logspace(*RATES, config.side)[np.stack([columns, rows])]
    alone, nudged = train_alone(config, x, y), train_alone(config, *np.nextafter(rates, np.inf))
    converged = np.stack([together[last][:, center], alone[last], nudged[last]]) < 1
    return Found(
        rates,
        converged,
        apart=np.abs(together["total"][:, center] / alone["total"] - 1),
        moved=np.abs(nudged["total"] / alone["total"] - 1),
        is_inside=np.all(together[last] < 1, axis=1),
    )


def make_claims(config: Config, found: Found) -> list[Claim]:
    together, alone, nudged = found.converged
    changed, by_digit = int(np.sum(together != alone)), int(np.sum(alone != nudged))
    apart, moved = found.apart[found.is_inside], found.moved[found.is_inside]
    sums = {
        "pixels": len(apart),
        "median": np.median(apart),
        "largest": apart.max(),
        "above 1e-9": np.sum(apart > 1e-9),
        "above 1e-9 by a last digit": np.sum(moved > 1e-9),
    }
    return [
        Claim(f"{config.num_pixels} pixels trained one at a time stay on their sides", 0, {"change": changed, "by a last digit": by_digit}, changed == 0),
        Claim("where all pixels around converge, their sums of losses agree relatively to 1e-9", 0, sums, bool(apart.max() < 1e-9)),
    ]  # fmt: skip


def draw(found: Found) -> Figure:
    """Draw where sums of losses differ, and that a last digit moves the same pixels."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    apart, moved = (np.log10(np.maximum(each, 1e-17)) for each in (found.apart, found.moved))
    is_known = found.converged[1]
    points = left.scatter(*np.log10(found.rates[:, is_known]), c=apart[is_known], s=25, cmap="viridis")
    left.scatter(*np.log10(found.rates[:, ~is_known]), c="0.8", s=10, label="diverged")
    figure.colorbar(points, ax=left, label="log10 of the relative difference")
    left.set(title="sums of losses, together and alone: converged pixels")
    left.set(xlabel="log10 of the input layer's rate", ylabel="log10 of the output layer's rate")
    left.set(ylim=(-3.4, 7.4))
    left.legend(loc="upper left")
    for inside, label in ((True, "all pixels around converged"), (False, "near the boundary")):
        shown = is_known & (found.is_inside == inside)
        right.plot(moved[shown], apart[shown], "o", alpha=0.5, label=label)
    right.axhline(-9, color="0.5", linestyle="--", linewidth=1)
    right.set(xlabel="log10 of the difference, by a last digit of the rates")
    right.set(ylabel="log10 of the difference, together and alone", title="chaos, not the sweep")
    right.legend(loc="upper left")
    return figure


def main(config: Config) -> None:
    if config.smoke:
        config = replace(config, num_steps=20, side=32, num_pixels=8, store=None)
    jax.config.update("jax_enable_x64", True)
    found = compare(config)
    claims = make_claims(config, found)
    Console().print(table(claims))
    if not config.smoke:
        print(f"wrote {write_report(__file__, __doc__, config, claims, draw(found))} and .png")


if __name__ == "__main__":
    main(tyro.cli(Config))
