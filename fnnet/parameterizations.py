"""Parameterizations: how init, forward pass and learning rate scale with the width of each layer.

They are "abc-parametrizations" (Yang & Hu 2021): a layer computes `z = forward * (x @ w) + b`, starts from
`weight_init` times the initializer's weights, and learns at `weight_update` times the learning rate.
"""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from fnnet.errors import InputError, unknown_name


class LayerShape(NamedTuple):
    """Where a weight matrix `[fan_in, fan_out]` stands; a network of depth 0 has one that is both."""

    fan_in: int
    fan_out: int
    is_first: bool
    is_last: bool


class Scales(NamedTuple):
    """The factors of one layer; all 1 is the standard parameterization.

    bias_fan_in: the fan_in that initial biases are drawn for; None for the layer's own.
    """

    weight_init: float = 1.0
    forward: float = 1.0
    weight_update: float = 1.0
    bias_update: float = 1.0
    bias_fan_in: int | None = None


Parameterization = Callable[[LayerShape], Scales]


def standard(shape: LayerShape) -> Scales:
    """Leave everything to the initializer and the learning rate."""
    del shape
    return Scales()


def ntk(shape: LayerShape) -> Scales:
    """Hold weights of order 1 and divide the forward pass by sqrt(fan_in) (Jacot et al. 2018).

    The function at initialization is that of `standard`; what changes is that a learning rate acts on
    every layer's function alike whatever the width.

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
    """Build the maximal-update parameterization, in which good learning rates do not depend on width.

    With `m = width / base_width`, the rules of Yang et al. 2022 (arXiv 2203.03466), Table 8, as the
    authors' package applies them:

    | weights | init | forward | SGD rate | Adam rate |
    |---|---|---|---|---|
    | input | 1 | 1 | m | 1 |
    | hidden | 1 | 1 | m_out / m_in | 1 / m_in |
    | output | sqrt(m) | output_multiplier / m | m | 1 |
    | biases of width-sized layers | 1 | 1 | m | 1 |

    An initializer whose biases depend on fan_in, such as "pytorch", draws those of hidden and output layers as at
    the base width. Weight decay shrinks a parameter by the same factor at every width: where the table multiplies
    a rate by a factor, the decay is divided by it.

    At `width == base_width` and multipliers of 1 it is exactly `standard`.

    Args:
        base_width: the hidden width at which the learning rate was tuned.
        optimizer: "sgd" (also with momentum) or "adam"; which column of rates applies.
        input_multiplier: the first layer's forward pass is multiplied by its root and the initial
            weights are divided by it: the same initial function, another effective learning rate.
        output_multiplier: a factor on the logits.

    Returns:
        The parameterization, for `mlp(..., parameterization=mup(base_width=64))`.

    Raises:
        InputError: when `base_width` is not positive or the optimizer is unknown.

    Example:
        >>> mup(base_width=64)(LayerShape(256, 10, is_first=False, is_last=True)).forward
        0.25
    """
    if base_width < 1:
        raise InputError(f"base_width must be at least 1, got {base_width}")
    if optimizer not in ("sgd", "adam"):
        raise unknown_name("mup optimizer", optimizer, ("sgd", "adam"))
    is_sgd = optimizer == "sgd"

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
            weight_init, forward, weight_update, bias_update, None if shape.is_first else base_width
        )

    return scales


PARAMETERIZATIONS: dict[str, Parameterization] = {"standard": standard, "ntk": ntk}
"""Every parameterization that needs no argument; `mup(base_width)` makes the third."""
