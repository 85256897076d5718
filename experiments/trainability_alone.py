"""A sweep trains each pixel of a picture as it would be trained alone, except for rounding.

Some pixels of the picture in `trainability_fractal.py` are trained in a sweep, with the 12 pixels around
each, and again one at a time. Near the boundary, and wherever the input layer's rate is above about 300,
training is chaotic: any difference in rounding grows. How far is shown by a change of both learning rates in
their last digit. All is in float64.

Run `python experiments/trainability_alone.py`, or with `--smoke` for a few pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnnet as fn
from claiming import Claim
from encoding import short
from reporting import Findings, main

RATES = (-3.0, 6.0)  # decades
BOUND = 1e-9  # of relative differences
SMALLEST = 1e-17  # that is drawn; smaller ones are 0 in float64


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    width: of the hidden layer and of the input; there are as many examples as parameters.
    num_steps: of each training.
    side: pixels along a side of the picture.
    num_pixels: random ones of them.
    lanes: networks that train together on a device.
    store: where finished runs are kept, so that a stopped experiment goes on.
    """

    width: int = 16
    num_steps: int = 500
    side: int = 256
    num_pixels: int = 256
    lanes: int = 64
    store: Path = Path("results/trainability_alone")


SMOKE = Config(num_steps=20, side=32, num_pixels=8)


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
    """Train pixels in one sweep; `places` are columns and rows `[2, ...]`."""
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
        show_progress=True,
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
    changes = {"change": int(np.sum(together != alone)), "by a last digit": int(np.sum(alone != nudged))}
    apart, moved = found.apart[found.is_inside], found.moved[found.is_inside]
    above = f"above {short(BOUND)}"
    sums = {
        "pixels": len(apart),
        "median": np.median(apart),
        "largest": apart.max(),
        above: np.sum(apart > BOUND),
        f"{above} by a last digit": np.sum(moved > BOUND),
    }
    stay = f"{config.num_pixels} pixels converge or diverge one at a time as in the sweep"
    agree = f"where all pixels around converge, sums of losses differ relatively by less than {short(BOUND)}"
    return [
        Claim(stay, 0, changes, changes["change"] == 0),
        Claim(agree, 0, sums, bool(apart.max() < BOUND)),
    ]


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    found = compare(config)
    claims = make_claims(config, found)
    return claims, found._asdict()


if __name__ == "__main__":
    main(measure, SMOKE)
