"""An Equinox module in a sweep: an MLP with dropout on handwritten digits.

The module maps one example, and in training a key, to an output. Its width is a static axis, compiled once for each
value; learning rates and seeds train side by side in one program. Prints the best learning rate of each width, then
rebuilds the module of the best run from its stored parameters and prints its test accuracy.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

import fnnet as fn
from fnnet.interop.equinox import equinox_module, equinox_network


class MLP(eqx.Module):
    hidden: eqx.nn.Linear
    dropout: eqx.nn.Dropout
    readout: eqx.nn.Linear

    def __init__(self, width: int, key: jax.Array):
        one, other = jax.random.split(key)
        self.hidden = eqx.nn.Linear(64, width, key=one)
        self.dropout = eqx.nn.Dropout(0.2)
        self.readout = eqx.nn.Linear(width, 10, key=other)

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        return self.readout(self.dropout(jax.nn.relu(self.hidden(x)), key=key))


def recipe(width: int) -> fn.Task:
    network = equinox_network(lambda key: MLP(width, key))
    return fn.supervised(network, "cross_entropy", optimizer="adam", batch_size=64)


def main() -> None:
    data = fn.load_dataset("digits", validation_fraction=0.2)
    space = fn.grid(width=[16, 64], learning_rate=fn.logspace(1e-3, 0.1, 4), seed=range(3))
    results = fn.sweep(recipe, space, data, num_steps=200, store="results/equinox_mlp")
    print(fn.tables.best(results, "validation_accuracy", style="markdown"))

    best = results.top("validation_accuracy", 1)
    width = best.space[0]["width"]
    module = eqx.nn.inference_mode(equinox_module(best.params(0), lambda key: MLP(width, key)))
    outputs = jax.vmap(module)(data.test.inputs)
    accuracy = jnp.mean(outputs.argmax(axis=1) == data.test.targets)
    print(f"test accuracy of {best.space[0]}: {accuracy:.4f}")


if __name__ == "__main__":
    main()
