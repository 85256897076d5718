"""What one run of sweep.toml trains."""

import fnnet as fn


def recipe(data: fn.Dataset, depth: int = 1, width: int = 32, activation: str = "relu") -> fn.Task:
    """Train a fully connected network by stochastic gradient descent.

    The arguments after `data` are static axes: each new value is compiled separately. All other axes, such as
    learning_rate and seed, are numbers that the task reads; their values train side by side in one program.
    """
    network = fn.mlp(data.num_features, [width] * depth, data.num_outputs, activation=activation)
    loss = "cross_entropy" if data.is_classification else "mse"
    return fn.supervised(network, loss, optimizer="sgd", batch_size=32)
