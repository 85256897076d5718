"""Optimizers, schedules and warmups in one sweep, each optimizer at learning rates of its own.

A union of grids is a space, in which a run need not have every axis: momentum belongs to SGD alone. An optimizer with a
schedule is one program, for all warmups, learning rates and seeds. Prints, for each optimizer, schedule and warmup, the
best learning rate and the mean validation loss with its 95 % interval.
"""

import fnnet as fn


def recipe(optimizer: str, schedule: str) -> fn.Task:
    network = fn.mlp(64, [32], 10)
    return fn.supervised(network, "cross_entropy", optimizer=optimizer, schedule=schedule, batch_size=64)


def make_space() -> fn.Space:
    sgd = fn.grid(optimizer="sgd", learning_rate=fn.logspace(0.01, 1, 5), momentum=0.9)
    adam = fn.grid(optimizer="adam", learning_rate=fn.logspace(1e-3, 0.1, 5))
    lion = fn.grid(optimizer="lion", learning_rate=fn.logspace(1e-4, 0.01, 5))
    plans = fn.grid(schedule=["constant", "cosine"], warmup_fraction=[0.0, 0.1], seed=range(3))
    return (sgd | adam | lion) * plans


def main() -> None:
    data = fn.load_dataset("digits", validation_fraction=0.2)
    results = fn.sweep(recipe, make_space(), data, num_steps=200)
    print(fn.tables.best(results, "validation_loss", style="markdown"))
    best = results.best("validation_loss")
    print(f"best: {best.config}, {'beyond' if best.beyond_noise else 'within'} the noise of the runner-up")


if __name__ == "__main__":
    main()
