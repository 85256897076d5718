"""Which learning rates train is decided along a fractal: the closer one looks, the more boundary there is.

Sohl-Dickstein (2024), "The boundary of neural network trainability is fractal": every pixel is one training
of the same small tanh network on the same 272 random examples from the same weights, at the learning rates of
input and output layer given by its position. It converged if the mean of its last 20 losses is below its
first loss. Zooms center on the boundary next to the middle of the picture before. Dimensions are by box
counting, from boxes of 2 pixels to an eighth of the picture. All is in float64.

What differs from the paper: smaller pictures (its own are up to 4096 x 4096), other zooms and other random
numbers. The dimension depends on where one zooms: centered where the boundary is densest, pictures magnified
10, 100 and 1000 times have 1.52, 1.96 and 1.99. `trainability_variants.py` has networks whose boundary is
smooth, and `trainability_alone.py` the same pixels without a sweep.

Run `python experiments/trainability_fractal.py` (`--resolution 512` for a finer overview), or with `--smoke`
for a few pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnet as fn
from claiming import Claim, between
from drawing import pack
from reporting import Findings, main

Extent = fn.studies.trainability.Extent
Picture = fn.studies.trainability.Picture

RATES = (-3.0, 6.0, -3.0, 6.0)  # decades of the overview
PART = (0.45, 0.65)  # of the overview's pixels, that converge
DEEP = (1.4, 1.8)  # the dimension of magnified pictures
EARLY, LATE = 1.15, 1.3  # dimensions after few and many steps


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    width: of the hidden layer and of the input; there are as many examples as parameters.
    horizons: numbers of steps after which it is asked what has converged; the last one is all.
    resolution: pixels along a side of the overview; `middle`: of its zooms; `small`: of the overviews of
        other seeds.
    zooms: magnifications, one inside the other.
    lanes: networks that train together on a device.
    store: where finished runs are kept, so that a stopped experiment goes on.
    """

    width: int = 16
    horizons: tuple[int, ...] = (10, 30, 100, 250, 500)
    resolution: int = 256
    middle: int = 128
    small: int = 64
    zooms: tuple[int, ...] = (10, 100, 1000)
    num_seeds: int = 3
    lanes: int = 64
    store: Path = Path("results/trainability_fractal")


SMOKE = Config(
    width=4, resolution=32, middle=32, small=32, zooms=(10, 100), num_seeds=2, horizons=(5, 10, 20)
)


def take(config: Config, name: str, extent: Extent, side: int, seed: int = 0) -> Picture:
    """Train the pixels of one picture."""
    problem = fn.studies.trainability.make_problem(config.width, config.num_seeds)
    space = fn.studies.trainability.rate_grid(extent, side, seed=seed, data_seed=seed)
    store = config.store / name
    options: dict[str, Any] = {"lanes": config.lanes, "store": store, "show_progress": True}
    return fn.studies.trainability.take_picture(*problem, space, extent, config.horizons, **options)


def make_claims(config: Config, pictures: list[Picture], others: list[Picture]) -> list[Claim]:
    names = [f"x {zoom}" for zoom in (1, *config.zooms)]
    dimensions = np.array([picture.dimensions() for picture in pictures])  # [picture, horizon]
    by_zoom = dict(zip(names, dimensions[:, -1].tolist(), strict=True))
    deep = dimensions[2:, -1]
    fractions = [float(each.converged[-1].mean()) for each in (pictures[0], *others)]
    coarse = [each.dimensions()[-1] for each in others]
    low, high = PART
    part = f"in the overview, {low} to {high} of all pixels converge, for each seed"
    is_part = all(low <= fraction <= high for fraction in fractions)
    overview = "the dimension of the overview's boundary"
    small = f"the dimension of other seeds' boundaries, in overviews of {config.small} pixels along a side,"
    low, high = DEEP
    magnified = f"magnified 100 and 1000 times the dimension is {low} to {high}"
    paper = "1.61 and 1.68; the paper's median over all zooms is 1.66"

    def by_steps(name: str, early: float, late: float) -> Claim:
        smooth = f"less than {EARLY} after {config.horizons[0]} steps, if there is a boundary"
        claim = f"{name}: the dimension is {smooth}, and more than {LATE} after {config.horizons[-2]}"
        holds = not early >= EARLY and late > LATE
        return Claim(claim, "1.05 and 1.42, in some window", {"early": early, "late": late}, holds)

    return [
        Claim(part, 0.58, fn.mean_interval(fractions), is_part),
        between(overview, 1.05, 1.35, by_zoom["x 1"], 1.2),
        between(small, 1.05, 1.35, coarse, 1.2),
        Claim(magnified, paper, by_zoom, bool(np.all((deep >= low) & (deep <= high)))),
        *(by_steps(names[place], *dimensions[place, [0, -2]].tolist()) for place in (1, 2)),
    ]


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    pictures = [take(config, "overview", RATES, config.resolution)]
    for magnification in config.zooms:
        extent = fn.studies.trainability.zoom(pictures[-1], (RATES[1] - RATES[0]) / magnification)
        pictures.append(take(config, f"zoom-{magnification}", extent, config.middle))
    others = [take(config, f"seed-{s}", RATES, config.small, s) for s in range(1, config.num_seeds)]
    claims = make_claims(config, pictures, others)
    zooms = (1, *config.zooms)
    measured = {
        "zooms": zooms,
        "horizons": config.horizons,
        "dimensions by zoom and steps": np.array([picture.dimensions() for picture in pictures]),
        "pictures": {f"x {zoom}": pack(picture) for zoom, picture in zip(zooms, pictures, strict=True)},
    }
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
