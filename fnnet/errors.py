"""Errors in the input.

Messages name the field, the value and what was expected. Input is checked before any work starts. The command line
prints an `InputError` as one line and exits with code 2; any other exception is a bug in fnnet and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Raised for invalid input: an unknown name, a number out of range, a damaged file.

    Example:
        >>> from fnnet import mlp
        >>> try:
        ...     mlp(2, [3], 1, activation="rleu")
        ... except InputError as error:
        ...     print(str(error).partition(" or ")[0])
        unknown activation 'rleu'; did you mean 'relu'
    """


class UnreadableError(InputError, OSError):
    """Raised when the system refuses to read a file of a store; the command line exits with code 1."""


def unknown_name(field: str, value: object, choices: Iterable[str]) -> InputError:
    """Build the error for a name that is not in `choices`, which suggests the nearest valid names.

    Example:
        >>> print(unknown_name("activation", "rleu", ["relu", "tanh"]))
        unknown activation 'rleu'; did you mean 'relu'? (one of: relu, tanh)
    """
    names = sorted(choices)
    hint = ELSEWHERE.get(field, {}).get(_fold(str(value)))
    if hint is None:
        nearest = nearest_names(str(value), names)
        hint = f"did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
    listed = f" (one of: {', '.join(names)})" if names else ""
    return InputError(f"unknown {field} {str(value)!r}{'; ' if hint else ''}{hint}{listed}")


def check_integer(field: str, value: object, minimum: int = 1) -> None:
    """Check that a value is an integer of at least `minimum`; True and False are not integers.

    Raises:
        InputError: naming the field, what came and what was expected.

    Example:
        >>> check_integer("num_steps", 0)
        Traceback (most recent call last):
        fnnet.errors.InputError: num_steps must be a positive integer, got 0
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        expected = "a positive integer" if minimum == 1 else f"an integer of at least {minimum}"
        raise InputError(f"{field} must be {expected}, got {value!r}")


def nearest_names(name: str, choices: Iterable[str]) -> list[str]:
    """Return up to three names that were probably meant, the best first.

    Names that differ only in case or separators, such as `ReLU`, and synonyms, such as `lr`, come before names with a
    similar spelling.

    Example:
        >>> nearest_names("Learning-Rate", ["learning_rate", "depth"]), nearest_names("lr", ["learning_rate"])
        (['learning_rate'], ['learning_rate'])
    """
    folded = {_fold(choice): choice for choice in choices}
    word = _fold(name)
    others = [_fold(choice) for choice, synonyms in SYNONYMS.items() if word in synonyms]
    certain = [folded[other] for other in [word, *others] if other in folded]
    if certain:
        return certain[:3]
    close = difflib.get_close_matches(word, folded, n=3, cutoff=0.5)
    starts = [other for other in folded if word and other.startswith(word) and other not in close]
    return [folded[other] for other in [*starts, *close][:3]]


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


SYNONYMS: dict[str, tuple[str, ...]] = {
    "learning_rate": ("lr", "eta", "rate", "step_size"),
    "weight_decay": ("wd", "l2", "decay"),
    "batch_size": ("bs", "batch"),
    "momentum": ("beta", "mu"),
    "depth": ("layers", "num_layers", "hidden_layers"),
    "width": ("units", "neurons", "hidden", "hidden_size"),
    "activation": ("act", "nonlinearity"),
    "initializer": ("init",),
    "parameterization": ("param",),
    "use_bias": ("bias",),
    "max_norm": ("clip", "grad_clip"),
    "order": ("shuffle",),
    "seed": ("rng", "random_state"),
    "he_normal": ("he", "kaiming"),
    "he_uniform": ("he", "kaiming"),
    "glorot_normal": ("glorot", "xavier"),
    "glorot_uniform": ("glorot", "xavier"),
    "lecun_normal": ("lecun",),
    "lecun_uniform": ("lecun",),
    "silu": ("swish",),
    "identity": ("linear",),
    "sigmoid": ("logistic",),
    "optimizer": ("opt", "algorithm"),
    "schedule": ("scheduler", "lr_schedule", "learning_rate_schedule"),
    "warmup_fraction": ("warmup", "warmup_steps", "warm_up"),
    "final_factor": ("final_rate", "end_factor"),
    "b1": ("beta1", "beta_1"),
    "b2": ("beta2", "beta_2"),
    "eps": ("epsilon",),
    "cross_entropy": ("ce", "nll", "crossentropy"),
    "mse": ("l2_loss", "squared"),
    "standard": ("sp",),
    "--steps": ("epochs", "iterations", "num_steps"),
    "--dataset": ("data",),
    "--target": ("label", "y"),
    "--drop": ("exclude",),
    "--out": ("output", "folder"),
    "--save-params": ("save",),
    "list": ("ls", "sweeps"),
    "sweep": ("run", "train", "fit"),
}
"""Synonyms of the names that fnnet uses."""

_OWN_RECIPE = "mlp_recipe does not support it; write a recipe in Python that returns a Task for your network"
_MUP = "muP is called 'mup' in mlp_recipe; elsewhere use fn.mlp(..., parameterization=fn.mup(base_width))"

ELSEWHERE = {
    "axis": {
        "batch_norm": _OWN_RECIPE,
        "batchnorm": _OWN_RECIPE,
        "layer_norm": _OWN_RECIPE,
        "residual": "write a recipe in Python with fn.mlp(..., residual=True)",
        "steps": "the axis is called 'num_steps'",
        "epochs": "the axis of the length of training is 'num_steps'",
        "dataset": "the data set is the same for all runs",
    },
    "parameterization": {"mu": _MUP, "mup": _MUP},
}
"""Hints for names that `mlp_recipe` and the command line do not support."""
