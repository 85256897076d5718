"""What makes the boundary of trainability fractal: that of a linearized network is smooth.

The pictures are those of `trainability_fractal.py`, after Sohl-Dickstein (2024), "The boundary of neural
network trainability is fractal". The control is the same network linearized at its initial weights: its loss
is quadratic, so its boundary is smooth, and known: the largest eigenvalue of a step is 2 there.

Then one rate for both layers is varied against an offset of the input weights. Where the paper's code offsets
them, it adds the offset again at every step; here there is a picture of that, and one of an offset added
once.

Run `python experiments/trainability_variants.py`, or with `--smoke` for a few pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnnet as fn
from claiming import Claim, at_least, at_most
from drawing import pack
from reporting import Findings, main

Extent = fn.studies.trainability.Extent
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


SMOKE = Config(width=4, num_steps=20, side=32, zooms=(10,))


def take(config: Config, name: str, space: fn.Space, extent: Extent) -> Picture:
    problem = fn.studies.trainability.make_problem(config.width, num_seeds=1)
    store = config.store / name
    options: dict[str, Any] = {"lanes": config.lanes, "store": store, "show_progress": True}
    return fn.studies.trainability.take_picture(*problem, space, extent, (config.num_steps,), **options)


def take_linearized(config: Config) -> list[Picture]:
    """Take the picture of all learning rates, and zoom to its boundary."""
    pictures: list[Picture] = []
    extent = (*RATES, *RATES)
    for magnification in (1, *config.zooms):
        if pictures:
            extent = fn.studies.trainability.zoom(pictures[-1], (RATES[1] - RATES[0]) / magnification)
        space = fn.studies.trainability.rate_grid(extent, config.side, linear=True)
        pictures.append(take(config, f"linearized-{magnification}", space, extent))
    return pictures


def take_offsets(config: Config, name: str, reapplied: bool) -> Picture:
    """Take the picture of an offset of the input weights against the learning rate of both layers."""
    x, y = (np.logspace(*decades, config.side) for decades in (OFFSETS, RATES))
    space = fn.zip_axes(output_rate=y, input_rate=y) * fn.grid(offset=x, reapplied=reapplied)
    return take(config, name, space, (*OFFSETS, *RATES))


def quadratic_boundary(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Compute ratios of both rates and their geometric means at the linearized boundary, in decades."""
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


def make_claims(config: Config, linearized: list[Picture]) -> list[Claim]:
    dimensions = [picture.dimensions()[-1] for picture in linearized]
    by_zoom = {f"x {zoom}": each for zoom, each in zip((1, *config.zooms), dimensions, strict=True)}
    smooth = "the dimension of the linearized network's boundary, however magnified,"
    predicted = "the fraction of pixels whose convergence its largest eigenvalue predicts"
    return [
        at_most(smooth, 1.2, by_zoom, "1.04 to 1.17"),
        at_least(predicted, 0.999, agreement(config, linearized[0])),
    ]


def measure(config: Config) -> Findings:
    jax.config.update("jax_enable_x64", True)
    linearized = take_linearized(config)
    offsets = {name: take_offsets(config, name, name != "once") for name in ("once", "at every step")}
    claims = make_claims(config, linearized)
    pictures = {"linearized": linearized[0], "magnified": linearized[-1], **offsets}
    measured: dict[str, Any] = {
        "zoom": config.zooms[-1],
        "dimension": linearized[-1].dimensions()[-1],
        "dimensions of offsets": {name: picture.dimensions()[-1] for name, picture in offsets.items()},
        "boundary": np.array(quadratic_boundary(config)),
        "pictures": {name: pack(picture) for name, picture in pictures.items()},
    }
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
