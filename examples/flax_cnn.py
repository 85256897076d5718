"""A Flax CNN with batch normalization and dropout on handwritten digits.

The module is written as for Flax alone. Dropout rate, learning rate and seed are axes; Flax tests the dropout rate in
Python, so each is compiled separately. Prints the best learning rate of each dropout rate, and the test accuracy of the
configuration that is best in validation, with its 95 % interval.
"""

import jax
from flax import linen as nn

import fnnet as fn
from fnnet.interop.flax import linen_network


class CNN(nn.Module):
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for features in (8, 16):
            x = nn.Conv(features, (3, 3), strides=2, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x.reshape(len(x), -1))
        return nn.Dense(10)(x)


def recipe(dropout: float) -> fn.Task:
    network = linen_network(CNN(dropout), input_shape=(8, 8, 1))
    return fn.supervised(network, "cross_entropy", optimizer="adam", batch_size=64)


def main() -> None:
    data = fn.load_dataset("digits", validation_fraction=0.2)
    space = fn.grid(dropout=[0.0, 0.3], learning_rate=fn.logspace(3e-3, 0.1, 4), seed=range(3))
    results = fn.sweep(recipe, space, data, num_steps=100)
    print(fn.tables.best(results, "validation_accuracy", style="markdown"))

    best = results.best("validation_accuracy").config
    mean, low, high, num_runs = fn.mean_interval(results.where(**best)["test_accuracy"])
    print(f"{best}: test accuracy {mean:.3f} (95 % interval {low:.3f} to {high:.3f}, {num_runs} seeds)")


if __name__ == "__main__":
    main()
