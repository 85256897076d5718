"""Parameterizations: how initialization, forward pass and learning rate of a layer scale with width.

These are abc-parametrizations (Yang & Hu 2021). A layer computes `z = forward * (x @ w) + b`. Its initial weights are
the initializer's times `weight_init`, and its learning rate is multiplied by `weight_update`.
"""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from fnnet.errors import InputError, unknown_name
from fnnet.names import OPTIMIZERS


class LayerShape(NamedTuple):
    """The shape and position of a weight matrix `[fan_in, fan_out]`; at depth 0 one matrix is both first and last."""

    fan_in: int
    fan_out: int
    is_first: bool
    is_last: bool


class Scales(NamedTuple):
    """The factors of one layer. In the standard parameterization all are 1.

    bias_fan_in: the fan_in that initial biases are drawn with; None for the layer's own.
    optimizer: which optimizers the update factors are for, "sgd", or "adam" for all others; None for any.
    """

    weight_init: float = 1.0
    forward: float = 1.0
    weight_update: float = 1.0
    bias_update: float = 1.0
    bias_fan_in: int | None = None
    optimizer: str | None = None


Parameterization = Callable[[LayerShape], Scales]


def standard(shape: LayerShape) -> Scales:
    """Return factors of 1: scales come from the initializer and the learning rate alone."""
    del shape
    return Scales()


def ntk(shape: LayerShape) -> Scales:
    """Return the factors of the NTK parameterization (Jacot et al. 2018).

    Weights are of order 1 and the forward pass is divided by sqrt(fan_in). The initial function is that of `standard`,
    but the effect of a learning rate on a layer's function does not depend on width.

    Example:
        >>> ntk(LayerShape(fan_in=16, fan_out=3, is_first=False, is_last=True)).forward
        0.25
    """
    return Scales(weight_init=sqrt(shape.fan_in), forward=1 / sqrt(shape.fan_in))


def mup(
    base_width: int,
    *,
    optimizer: str = "sgd",
    input_multiplier: float = 1.0,
    output_multiplier: float = 1.0,
) -> Parameterization:
    """Build the maximal-update parameterization, in which the best learning rate does not depend on width.

    With `m = width / base_width`, the rules of Yang et al. 2022 (arXiv 2203.03466), Table 8, as implemented in the
    authors' package:

    | weights | init | forward | SGD rate | Adam rate |
    |---|---|---|---|---|
    | input | 1 | 1 | m | 1 |
    | hidden | 1 | 1 | m_out / m_in | 1 / m_in |
    | output | sqrt(m) | output_multiplier / m | m | 1 |
    | hidden biases | 1 | 1 | m | 1 |

    Initializers whose biases depend on fan_in, such as "pytorch", draw the biases of hidden and output layers with the
    fan_in of the base width. Weight decay is divided by the factor of the rate, so that it shrinks a parameter equally
    at every width. With `width == base_width` and multipliers of 1, this is exactly `standard`.

    Args:
        base_width: the hidden width at which the learning rate was tuned.
        optimizer: the name of the optimizer, which chooses the column of rates: SGD's for "sgd" (also with momentum),
            Adam's for all others, whose updates do not grow with the gradient. `supervised` refuses the name of an
            optimizer of the other kind.
        input_multiplier: scales the effective learning rate of the first layer: its root multiplies the forward pass
            and divides the initial weights, which leaves the initial function unchanged.
        output_multiplier: a factor on the logits.

    Returns:
        The parameterization, as in `mlp(..., parameterization=mup(base_width=64))`.

    Raises:
        InputError: when `base_width` is not positive or the optimizer is unknown.

    Example:
        >>> mup(base_width=64)(LayerShape(256, 10, is_first=False, is_last=True)).forward
        0.25
    """
    if base_width < 1:
        raise InputError(f"base_width must be at least 1, got {base_width}")
    if optimizer not in OPTIMIZERS:
        raise unknown_name("mup optimizer", optimizer, OPTIMIZERS)
    is_sgd = kind_of(optimizer) == "sgd"

    def scales(shape: LayerShape) -> Scales:
        m_in = 1.0 if shape.is_first else shape.fan_in / base_width
        m_out = 1.0 if shape.is_last else shape.fan_out / base_width
        weight_init, forward = 1.0, 1.0
        weight_update = m_out / m_in if is_sgd else 1 / m_in
        if shape.is_first:
            weight_init, forward = 1 / sqrt(input_multiplier), sqrt(input_multiplier)
        if shape.is_last:
            weight_init, forward = weight_init * sqrt(m_in), forward * output_multiplier / m_in
            weight_update = m_in if is_sgd else 1.0
        bias_update = m_out if is_sgd else 1.0
        return Scales(
            weight_init,
            forward,
            weight_update,
            bias_update,
            bias_fan_in=None if shape.is_first else base_width,
            optimizer=kind_of(optimizer),
        )

    return scales


def kind_of(optimizer: str) -> str:
    """Return "sgd" if the updates of an optimizer, by name, grow with the gradient, and "adam" if they do not."""
    return "sgd" if optimizer == "sgd" else "adam"


PARAMETERIZATIONS: dict[str, Parameterization] = {"standard": standard, "ntk": ntk}
"""The parameterizations without arguments, by name; see also `mup`."""
