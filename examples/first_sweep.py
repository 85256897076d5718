"""A first sweep: 3 depths x 6 learning rates x 3 seeds on handwritten digits.

Prints the best configuration on the validation split, with the 95 % interval of its mean over seeds, and its accuracy on
the test split. Draws a heat map and learning curves into `results/first_sweep`, which also keeps every finished run: run
the script again, and it trains nothing.
"""

import fnnet as fn

FOLDER = "results/first_sweep"


def train(data: fn.Dataset) -> fn.Results:
    def recipe(depth: int) -> fn.Task:
        network = fn.mlp(data.num_features, [32] * depth, data.num_outputs)
        return fn.supervised(network, "cross_entropy", optimizer="sgd", batch_size=64)

    space = fn.grid(depth=[1, 2, 4], learning_rate=fn.logspace(0.01, 3, 6), seed=range(3))
    return fn.sweep(recipe, space, data, num_steps=300, eval_every=30, store=FOLDER)


def draw(results: fn.Results, depth: int) -> None:
    fn.plots.heatmap(results, "validation_accuracy").savefig(f"{FOLDER}/heatmap.png", dpi=150)
    one_depth = results.where(depth=depth)
    fn.plots.curves(one_depth, "validation_accuracy", by="learning_rate").savefig(
        f"{FOLDER}/curves.png", dpi=150
    )


def main() -> None:
    results = train(fn.load_dataset("digits", validation_fraction=0.2))
    best = results.best("validation_accuracy")
    print(f"best configuration: {best.config}")
    mean, low, high, num_runs = best.interval
    print(f"validation accuracy: {mean:.3f} (95 % interval {low:.3f} to {high:.3f}, {num_runs} seeds)")
    print(f"test accuracy: {results.where(**best.config)['test_accuracy'].mean():.3f}")
    draw(results, best.config["depth"])
    print(f"drew {FOLDER}/heatmap.png and curves.png")


if __name__ == "__main__":
    main()
