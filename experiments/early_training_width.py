"""Wider networks with ReLU start sharper, and the phases of their early training move with it.

Kalra & Barkeshli (2023), "Phase diagram of early training dynamics in deep neural networks". Of c = learning
rate x initial sharpness, c_loss is the smallest with which the loss is ever above its initial value in 10
steps, c_sharp the same for the sharpness, and c_max the largest below all that diverge;
`early_training_phases.py` has more on them, on the loss and on inputs.

Here width varies in their setting: 7 hidden layers, He's initialization, N(0, 1 / fan_in) for the output,
batches of 512. It is a port to Fashion-MNIST from CIFAR-10 and to widths up to 1024 of 2048. Loss and initial
sharpness are those of 512 training examples; theirs are of all, and of 4,096, with which c_loss came out the
same. c_sharp, which takes 30 times as long, is measured with tanh only. At width 256 c_loss spreads: of ten
seeds, from 3.7 to 7.5; theirs is of one.

The sharpness is the Hessian's largest eigenvalue, by Lanczos; theirs is by 20 power iterations. x of c = 2^x
begins at 0.8 here, 0 there. Means are over seeds, with the 95 % interval of Student's t.

Run `python experiments/early_training_width.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fnnet as fn
from claiming import Claim
from reporting import Findings, main

Constants = fn.studies.early_training.CriticalConstants

# By width, for 7 hidden layers with ReLU on CIFAR-10 and one seed: what the authors' notebook gives.
PUBLISHED = {
    "initial sharpness": {256: 67.77, 512: 100.98, 1024: 202.32, 2048: 347.55},
    "c_loss": {256: 2**1.7, 512: 2**1.6, 1024: 2**1.4, 2048: 2**1.3},
    "c_sharp": {256: 2**2.3, 512: 2**2.1, 1024: 2**2.0, 2048: 2**1.7},
    "c_max": {256: 2**3.8, 512: 2**3.7, 1024: 2**3.8, 2048: 2**3.6},
}


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    exponents: lowest and highest x of c = 2^x, and the step between.
    num_train: training examples; None for all.
    num_measured: the first so many training examples give loss and sharpness.
    num_iterations: of Lanczos.
    store: where the sweeps are kept, so that they go on when interrupted.
    """

    dataset: str = "fashion_mnist"
    depth: int = 7
    widths: tuple[int, ...] = (256, 512, 1024)
    num_seeds: int = 2
    exponents: tuple[float, float, float] = (0.8, 4.4, 0.1)
    num_train: int | None = None
    batch_size: int = 512
    num_measured: int = 512
    num_steps: int = 10
    num_iterations: int = 12
    store: Path = Path("results/early_training_width")


SMOKE = Config(
    depth=2,
    widths=(16,),
    num_seeds=1,
    exponents=(0, 4.5, 1.5),
    dataset="digits",
    num_train=512,
    batch_size=64,
    num_measured=64,
    num_iterations=4,
)


def find_phases(config: Config) -> Constants:
    """Measure the constants `[widths, seeds]`."""
    loaded = fn.load_dataset(config.dataset, num_train=config.num_train)
    train, test = ((fn.data.standardize_examples(x), y) for x, y in (loaded.train, loaded.test))
    data = fn.from_arrays(*train, test=test, class_names=loaded.class_names)

    def build(width: int) -> fn.Network:
        initializer = ["he_normal"] * config.depth + ["lecun_normal"]
        sizes = data.num_features, [width] * config.depth, data.num_outputs
        return fn.mlp(*sizes, "relu", use_bias=False, initializer=initializer)

    lowest, highest, step = config.exponents
    return fn.studies.early_training.measure_constants(
        build,
        "half_mse",
        {"width": config.widths, "seed": range(config.num_seeds)},
        data,
        2.0 ** np.arange(lowest, highest + step / 2, step),
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        num_measured=config.num_measured,
        num_iterations=config.num_iterations,
        with_sharpness=False,
        store=config.store,
        show_progress=True,
    )


def make_claims(found: Constants, config: Config) -> list[Claim]:
    def published(name: str) -> dict[str, float | None]:
        return {f"width {width}": PUBLISHED[name].get(width) for width in config.widths}

    def by_width(values: np.ndarray) -> dict[str, fn.MeanInterval]:
        return {
            f"width {width}": fn.mean_interval(row) for width, row in zip(config.widths, values, strict=True)
        }

    def within(name: str, low: float, high: float, values: np.ndarray) -> Claim:
        claim = f"ReLU: {name} is from {low:g} to {high:g} for every width and seed"
        is_within = bool(np.all((values >= low) & (values <= high)))
        return Claim(claim, published(name), by_width(values), is_within)

    def moves(name: str, how: str, values: np.ndarray, sign: int) -> Claim:
        does = bool(np.all(sign * np.diff(values.mean(axis=-1)) > 0))
        return Claim(f"ReLU: {name} {how} with width", published(name), by_width(values), does)

    return [
        moves("initial sharpness", "rises", found.initial_sharpness, 1),
        within("c_loss", 2, 4, found.c_loss),
        moves("c_loss", "falls", found.c_loss, -1),
        within("c_max", 8, 20, found.c_max),
    ]


def measure(config: Config) -> Findings:
    found = find_phases(config)
    claims = make_claims(found, config)
    measured = {"dataset": config.dataset, "depth": config.depth, "widths": config.widths, "constants": found}
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
