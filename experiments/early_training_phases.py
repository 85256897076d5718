"""Early training has phases in c = learning rate x initial sharpness; their bounds move with depth and width.

Kalra & Barkeshli (2023), "Phase diagram of early training dynamics in deep neural networks". They sweep c =
2^x, train for 10 steps, and name

    c_loss     the smallest c with which the loss is ever above its initial value,
    c_sharp    the smallest c with which the sharpness is ever above its initial value,
    c_max      the largest c below all that diverge, where a batch's loss exceeds 1e5.

As in the paper, c_loss and c_sharp are c_max where no c up to there has the property. The loss is half the
squared error, averaged over examples and outputs; each input is standardized; there are no biases. Their
depth 8 is 7 hidden layers and the output; here depth counts hidden layers.

This is a port of depth x width with tanh: full batches of 512 examples of MNIST-1D instead of CIFAR-10, on
which loss and sharpness are measured as well; smaller widths; weights of N(0, 1 / fan_in).
`early_training_width.py` varies width with ReLU.

The sharpness is the Hessian's largest eigenvalue, by Lanczos; theirs is by 20 power iterations, and compares
batches with other examples than at first. x begins at 0.8 here, 0 there. Means are over seeds, with the 95 %
interval of Student's t.

Run `python experiments/early_training_phases.py`, or with `--smoke` for a few seconds' version.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fnnet as fn
from claiming import Claim, in_every_run
from reporting import Findings, main

Constants = fn.studies.early_training.CriticalConstants


@dataclass(frozen=True)
class Config:
    """Settings of the experiment.

    exponents: lowest and highest x of c = 2^x, and the step between.
    num_examples: of training, all of which give the loss, the sharpness and every gradient.
    num_iterations: of Lanczos.
    store: where the sweeps are kept, so that they go on when interrupted.
    """

    dataset: str = "mnist1d"
    depths: tuple[int, ...] = (1, 3, 7)
    widths: tuple[int, ...] = (64, 128, 256)
    num_seeds: int = 2
    exponents: tuple[float, float, float] = (0.8, 4.0, 0.2)
    num_examples: int = 512
    num_steps: int = 10
    num_iterations: int = 12
    store: Path = Path("results/early_training_phases")


SMOKE = Config(depths=(2,), widths=(16,), num_seeds=1, exponents=(0, 4, 1), num_examples=64, num_iterations=4)


def find_phases(config: Config) -> Constants:
    """Measure the constants `[depths, widths, seeds]`."""
    loaded = fn.load_dataset(config.dataset, num_train=config.num_examples)
    train, test = ((fn.data.standardize_examples(x), y) for x, y in (loaded.train, loaded.test))
    data = fn.from_arrays(*train, test=test, class_names=loaded.class_names)

    def build(depth: int, width: int) -> fn.Network:
        sizes = data.num_features, [width] * depth, data.num_outputs
        return fn.mlp(*sizes, "tanh", use_bias=False, initializer="lecun_normal")

    lowest, highest, step = config.exponents
    return fn.studies.early_training.measure_constants(
        build,
        "half_mse",
        {"depth": config.depths, "width": config.widths, "seed": range(config.num_seeds)},
        data,
        2.0 ** np.arange(lowest, highest + step / 2, step),
        num_steps=config.num_steps,
        num_iterations=config.num_iterations,
        store=config.store,
        show_progress=True,
    )


def make_claims(found: Constants, config: Config) -> list[Claim]:
    assert found.c_sharp is not None
    c_loss, c_sharp, c_max = (values.mean(axis=-1) for values in (found.c_loss, found.c_sharp, found.c_max))
    ordered = {
        "2 <= c_loss": c_loss >= 2,
        "c_loss <= c_sharp": c_loss <= c_sharp,
        "c_sharp <= c_max": c_sharp <= c_max,
    }
    by_network = {
        f"depth {depth}, width {width}": fn.mean_interval(found.c_loss[i, j])
        for i, depth in enumerate(config.depths)
        for j, width in enumerate(config.widths)
    }
    falls, rises = np.diff(c_loss, axis=1) < 0, np.diff(c_loss, axis=0) > 0
    order = "tanh: 2 <= c_loss <= c_sharp <= c_max for every depth and width, on average over seeds"
    return [
        in_every_run(order, ordered, "all"),
        Claim("tanh: c_loss falls with width at every depth", "falls", by_network, bool(falls.all())),
        in_every_run("tanh: c_loss rises with depth at every width", {"rises": rises}, "rises"),
    ]


def measure(config: Config) -> Findings:
    found = find_phases(config)
    claims = make_claims(found, config)
    measured = {
        "dataset": config.dataset,
        "depths": config.depths,
        "widths": config.widths,
        "constants": found,
    }
    return claims, measured


if __name__ == "__main__":
    main(measure, SMOKE)
