"""Labels: names and values of a sweep as figures show them."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    # data sets
    "fashion_mnist": "Fashion-MNIST",
    "mnist": "MNIST",
    "mnist1d": "MNIST-1D",
    # activations, initializers and optimizers
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "glorot_normal": "Glorot (normal)",
    "glorot_uniform": "Glorot (uniform)",
    "he_normal": "He (normal)",
    "he_uniform": "He (uniform)",
    "lecun_normal": "LeCun (normal)",
    "lecun_uniform": "LeCun (uniform)",
    "pytorch": "PyTorch",
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    # metrics
    "top_k_accuracy": "top-k accuracy",
    "macro_f1": "macro F1",
    "nll": "NLL",
    "brier": "Brier score",
    "ece": "ECE",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    # constants of early training
    "c_loss": r"$c_\mathrm{loss}$",
    "c_sharp": r"$c_\mathrm{sharp}$",
    "c_max": r"$c_\mathrm{max}$",
}
"""Labels of names for which replacing underscores with spaces is not enough."""

SPLITS = ("train", "validation", "test", "batch")


def readable(name: str) -> str:
    """Format the name of an axis, a metric, a data set or a function for figures, safe for matplotlib.

    Example:
        >>> [readable(name) for name in ("learning_rate", "test_r2", "fashion_mnist", "relu", "cost_in_$")]
        ['learning rate', 'test R²', 'Fashion-MNIST', 'ReLU', 'cost in \\\\$']
    """
    if name in WORDS:
        return WORDS[name]
    split, _, metric = name.partition("_")
    if split in SPLITS and metric in WORDS:
        return f"{split} {WORDS[metric]}"
    return name.replace("_", " ").replace("$", r"\$")


def readable_value(value: object) -> str:
    """Format a value of an axis for figures, numbers to three digits.

    Example:
        >>> [readable_value(value) for value in (0.0, 0.12345, 64, True, "tanh", (100, 10))]
        ['0', '0.123', '64', 'yes', 'tanh', '100, 10']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(readable_value, value))
    return readable(value) if isinstance(value, str) else str(value)
