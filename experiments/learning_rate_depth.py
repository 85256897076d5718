"""The best learning rate falls with depth: 16 rates x 4 depths x 4 seeds on handwritten digits.

Run `python experiments/learning_rate_depth.py`, or with `--smoke` for a few seconds' version, or with
`--dataset mnist`. It prints the best rate for each depth and draws all of them.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import fnnet as fn
from reporting import parse


@dataclass(frozen=True)
class Config:
    """Settings of the sweep."""

    dataset: str = "digits"
    depths: tuple[int, ...] = (1, 2, 4, 8)
    num_rates: int = 16
    num_seeds: int = 4
    width: int = 64
    num_steps: int = 1000


SMOKE = Config(depths=(1, 4), num_rates=4, num_seeds=2, num_steps=50)


def main() -> None:
    config, is_smoke = parse(SMOKE, __doc__)
    data = fn.load_dataset(config.dataset)

    def recipe(depth: int) -> fn.Task:
        network = fn.mlp(data.num_features, [config.width] * depth, data.num_outputs, activation="relu")
        return fn.supervised(network, "cross_entropy", optimizer="sgd")

    space = fn.grid(
        depth=config.depths,
        learning_rate=fn.logspace(1e-3, 10, config.num_rates),
        seed=range(config.num_seeds),
    )
    results = fn.sweep(recipe, space, data, num_steps=config.num_steps, show_progress=True)

    Console().print(fn.tables.best(results, "test_accuracy"))
    if not is_smoke:
        path = Path(__file__).parent / "results" / f"learning_rate_depth-{data.name}.png"
        path.parent.mkdir(exist_ok=True)
        fn.plots.heatmap(results, "test_accuracy").savefig(path)
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
