"""Random keys of a run: functions of its hyper-parameter `seed` and of the number of the step, and of nothing else."""

import jax
import numpy as np

from fnnet.batches import Integer
from fnnet.errors import InputError
from fnnet.hparams import Hparams
from fnnet.types import KeyArray

_STEPS = 0x73746570  # "step": so that no key of a step is among the keys that `init` splits off its own


def init_key(hparams: Hparams) -> KeyArray:
    """Return the key of a run's `init`.

    Example:
        >>> init_key(Hparams({"seed": 3})) == jax.random.key(3)
        Array(True, dtype=bool)
    """
    return jax.random.key(hparams.peek("seed", 0))


def step_key(hparams: Hparams, step: Integer) -> KeyArray:
    """Return the key of one step of a run; the first step is 0."""
    return jax.random.fold_in(jax.random.fold_in(init_key(hparams), _STEPS), step)


def check_seeds(hparams: Hparams) -> None:
    """Check that `seed` and `data_seed` are integers that a key can be made of; traced numbers are accepted.

    Raises:
        InputError: naming the hyper-parameter and its value.
    """
    for name in ("seed", "data_seed"):
        seed = hparams.peek(name, 0)
        is_integer = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if isinstance(seed, int | float | np.number) and not (is_integer and 0 <= seed < 2**31):
            raise InputError(f"{name} must be an integer from 0 to {2**31 - 1}, got {seed!r}")
