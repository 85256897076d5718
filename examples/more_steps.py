"""Train a sweep for a while, look at it, and go on with the runs that deserve it.

The first sweep keeps the last states of its runs. The same call with more steps trains only the steps that are missing,
to the same bits as a sweep that was as long from the start.
"""

import tempfile

import fnnet as fn

data = fn.load_dataset("digits", validation_fraction=0.2)
space = fn.grid(depth=[1, 2], learning_rate=fn.logspace(1e-3, 1, 7), seed=range(3))


def recipe(depth: int) -> fn.Task:
    network = fn.mlp(data.num_features, [32] * depth, data.num_outputs)
    # No schedule: one that ends with the run would make a longer run another one.
    return fn.supervised(network, "cross_entropy", optimizer="sgd")


def main() -> None:
    with tempfile.TemporaryDirectory() as store:
        for num_steps in (100, 200, 400):
            results = fn.sweep(
                recipe, space, data, num_steps=num_steps, eval_every=50, store=store, keep_states=True
            )
            best = results.best("validation_loss", over="seed")
            print(f"after {num_steps} steps: {best.config}, validation loss {best.interval.mean:.3f}")
    assert results.curves("validation_loss").sizes["step"] == 400 // 50


if __name__ == "__main__":
    main()
