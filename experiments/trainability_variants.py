"""What makes the boundary of trainability fractal: a linearized network's is smooth, an offset network's is not.

The pictures are those of `trainability_fractal.py`, after Sohl-Dickstein (2024), "The boundary of neural network
trainability is fractal". The control is the same network linearized at its initial weights: its loss is quadratic, so its
boundary is smooth, and known: the largest eigenvalue of a step is 2 there.

Then one rate for both layers against an offset of the input weights. Where the paper's code offsets them, it adds the
offset again at every step; here it is drawn so, and added once.

Run `python experiments/trainability_variants.py`, or with `--smoke` for a few pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnet as fn
from claiming import Claim
from drawing import pack
from reporting import Findings, main

Picture = fn.studies.trainability.Picture

RATES, OFFSETS = (-3.0, 6.0), (-3.0, 3.0)  # decades


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    width: of the hidden layer and of the input; there are as many examples as parameters.
    num_steps: of each training.
    side: pixels along a side of each picture.
    zooms: magnifications of the linearized network's boundary, one inside the other.
    lanes: networks that train together on a device.
    store: where finished runs are kept, so that a stopped experiment goes on.
    """

    width: int = 16
    num_steps: int = 500
    side: int = 64
    zooms: tuple[int, ...] = (10, 100, 1000)
    lanes: int = 64
    store: Path = Path("results/trainability_variants")


def take(config: Config, name: str, space: fn.Space, extent: tuple) -> Picture:
    problem = fn.studies.trainability.make_problem(config.width, num_seeds=1)
    store = config.store / name
    options: dict[str, Any] = {"lanes": config.lanes, "store": store, "show_progress": True}
    return fn.studies.trainability.take_picture(*problem, space, extent, (config.num_steps,), **options)


def take_linearised(config: Config) -> list[Picture]:
    """Take the picture of all learning rates, and zoom to its boundary."""
    pictures: list[Picture] = []
    extent = (*RATES, *RATES)
    for magnification in (1, *config.zooms):
        if pictures:
            extent = fn.studies.trainability.zoom(pictures[-1], (RATES[1] - RATES[0]) / magnification)
        space = fn.studies.trainability.rate_grid(extent, config.side, linear=True)
        pictures.append(take(config, f"linearised-{magnification}", space, extent))
    return pictures


def take_offsets(config: Config, name: str, reapplied: bool) -> Picture:
    """Take the picture of an offset of the input weights against the learning rate of both layers."""
    x, y = (np.logspace(*decades, config.side) for decades in (OFFSETS, RATES))
    space = fn.zip_axes(output_rate=y, input_rate=y) * fn.grid(offset=x, reapplied=reapplied)
    return take(config, name, space, (*OFFSETS, *RATES))


def quadratic_boundary(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Compute by the ratio of both rates, in decades, their geometric mean at the linearized network's boundary."""
    network, data = fn.studies.trainability.make_problem(config.width, num_seeds=1)
    inputs = data.inputs[0]
    kernels = fn.analysis.tangent_kernel.tangent_kernels(network, network.init(jax.random.key(0)), inputs)
    first, last = (np.reshape(layer["w"], (len(inputs), len(inputs))) for layer in kernels)
    ratios = np.linspace(-10, 10, 101)
    sums = (10 ** (r / 2) * first + 10 ** (-r / 2) * last for r in ratios)
    # A step multiplies the residuals by 1 - 2 / n * mean rate * kernel.
    return ratios, np.log10([len(inputs) / np.linalg.eigvalsh(kernel)[-1] for kernel in sums])


def agreement(config: Config, picture: Picture) -> float:
    """Compare the linearized network's pixels with its eigenvalues."""
    ratios, means = quadratic_boundary(config)
    ends = picture.extent[:2], picture.extent[2:]
    x, y = np.meshgrid(*(np.linspace(*each, len(picture.value)) for each in ends))
    return float(np.mean(((x + y) / 2 < np.interp(x - y, ratios, means)) == picture.converged[-1]))


def make_claims(config: Config, linearised: list[Picture]) -> list[Claim]:
    smooth = [picture.dimensions()[-1] for picture in linearised]
    by_zoom = {f"x {zoom}": each for zoom, each in zip((1, *config.zooms), smooth, strict=True)}
    correct = agreement(config, linearised[0])
    return [
        Claim("the linearized network's boundary has a dimension of at most 1.2, however magnified", "1.04 to 1.17", by_zoom, all(d <= 1.2 for d in smooth)),
        Claim("the linearized network's largest eigenvalue tells of 0.999 of its pixels whether they converge", None, correct, correct >= 0.999),
    ]  # fmt: skip


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    linearised = take_linearised(config)
    offsets = {name: take_offsets(config, name, name != "once") for name in ("once", "at every step")}
    claims = make_claims(config, linearised)
    pictures = {"linearized": linearised[0], "magnified": linearised[-1], **offsets}
    measured: dict[str, Any] = {
        "zoom": config.zooms[-1],
        "dimension": linearised[-1].dimensions()[-1],
        "dimensions of offsets": {name: picture.dimensions()[-1] for name, picture in offsets.items()},
        "boundary": np.array(quadratic_boundary(config)),
        "pictures": {name: pack(picture) for name, picture in pictures.items()},
    }
    return claims, measured


if __name__ == "__main__":
    main(measure, smoke=Config(width=4, num_steps=20, side=32, zooms=(10,)))
