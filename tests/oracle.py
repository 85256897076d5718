"""Independent implementations in float64 numpy, with backpropagation derived by hand."""

import numpy as np


def forward(params, x):
    """Return the hidden activations (inputs first) and the logits of a tanh network on a batch."""
    hidden = [x]
    for layer in params[:-1]:
        hidden.append(np.tanh(hidden[-1] @ layer["w"] + layer["b"]))
    return hidden, hidden[-1] @ params[-1]["w"] + params[-1]["b"]


def cross_entropy(logits, classes):
    """Return the mean loss of a batch and its gradient with respect to the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(classes))
    delta = np.exp(log_p)
    delta[rows, classes] -= 1
    return -log_p[rows, classes].mean(), delta / len(classes)


def gradients(params, x, classes):
    """Return the loss and its gradients: delta_l = (delta_{l+1} W^T) * (1 - h^2)."""
    hidden, logits = forward(params, x)
    loss, delta = cross_entropy(logits, classes)
    grads = []
    for layer, h in zip(reversed(params), reversed(hidden), strict=True):
        grads.insert(0, {"w": h.T @ delta, "b": delta.sum(axis=0)})
        delta = (delta @ layer["w"].T) * (1 - h**2)
    return loss, grads


def train(params, inputs, classes, *, learning_rate, momentum, batch_size, num_steps):
    """Train with heavy-ball momentum on sequential batches; return the losses before each step."""
    params = [{name: np.array(leaf, np.float64) for name, leaf in layer.items()} for layer in params]
    velocity = [{name: np.zeros_like(leaf) for name, leaf in layer.items()} for layer in params]
    losses = []
    for step in range(num_steps):
        rows = (step * batch_size + np.arange(batch_size)) % len(inputs)
        loss, grads = gradients(params, inputs[rows], classes[rows])
        losses.append(loss)
        for layer, v, g in zip(params, velocity, grads, strict=True):
            for name in layer:
                v[name] = momentum * v[name] + g[name]
                layer[name] = layer[name] - learning_rate * v[name]
    return np.array(losses), params
