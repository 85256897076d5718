"""At the edge of stability on images, too: networks get sharper until 2 / learning rate, and train on there.

Cohen, Kaur, Li, Kolter & Talwalkar (2021), "Gradient descent on neural networks typically occurs at the edge
of stability". This is a port: their network 200-200 with tanh and PyTorch's initialization, by full-batch
gradient descent on half the squared error, summed over outputs, on 1,000 images of Fashion-MNIST instead of
5,000 of CIFAR-10, each pixel standardized, for a fixed number of steps.

The sharpness is the largest eigenvalue of the Hessian, by Lanczos' method; late sharpness is the mean of the
last 10 measurements of a run. Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/edge_of_stability_images.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import fnnet as fn
from claiming import Claim
from reporting import Findings, main

BOUNDS = (0.95, 1.15)  # of late sharpness, in units of 2 / learning rate


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    eval_every: steps between two measurements.
    store: where the sweep is kept, so that it goes on when interrupted.
    """

    dataset: str = "fashion_mnist"
    num_images: int = 1000
    rates: tuple[float, ...] = (0.03, 0.045, 0.07)
    num_seeds: int = 2
    num_steps: int = 3000
    eval_every: int = 75
    store: Path = Path("results/edge_of_stability_images")


SMOKE = Config(dataset="digits", num_images=100, num_seeds=1, num_steps=40, eval_every=20)


def fit(config: Config) -> fn.Results:
    data = fn.load_dataset(config.dataset, num_train=config.num_images, standardize=True)
    network = fn.mlp(data.num_features, [200, 200], data.num_outputs, "tanh", initializer="pytorch")
    return fn.sweep(
        partial(fn.studies.edge_of_stability.gradient_descent, network),
        fn.grid(learning_rate=config.rates, seed=range(config.num_seeds)),
        data,
        num_steps=config.num_steps,
        eval_every=config.eval_every,
        store=config.store,
        show_progress=True,
    )


def relative_sharpness(results: fn.Results) -> np.ndarray:
    """Return the sharpness in units of 2 / learning rate, `[learning rate, seed, evaluation]`."""
    sharpness = results.curves("sharpness")
    return (sharpness * sharpness["learning_rate"] / 2).values


def make_claims(results: fn.Results, config: Config) -> list[Claim]:
    sharpness = relative_sharpness(results)
    late = sharpness[..., -10:].mean(axis=-1)
    has_crossed = np.maximum.accumulate(sharpness > 1, axis=-1)
    crosses = has_crossed[..., -1]
    rises = int(np.where(has_crossed, 0, results.curves("num_rises").values).max())
    means = {f"at {rate}": fn.mean_interval(row) for rate, row in zip(config.rates, late, strict=True)}
    measured = {"runs that cross": int(crosses.sum()), "of": late.size, **means}
    low, high = BOUNDS
    is_near = bool(crosses.any() and ((late >= low) & (late <= high))[crosses].all())
    stays = f"late sharpness is {low} to {high} of 2 / learning rate in every run that crosses it"
    smooth = "no step raises the loss before the sharpness crosses 2 / learning rate"
    return [
        Claim(stays, "1.02 to 1.06, from a figure on CIFAR-10", measured, is_near),
        Claim(smooth, "smooth before", rises, rises == 0),
    ]


def measure(config: Config) -> Findings:
    results = fit(config)
    claims = make_claims(results, config)
    loss = results.curves("train_loss")
    measured = {name: getattr(config, name) for name in ("dataset", "num_images", "rates")}
    measured |= {"steps": loss["step"].values, "loss": loss.values}
    measured |= {"relative_sharpness": relative_sharpness(results)}
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
