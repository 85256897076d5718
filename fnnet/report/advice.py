"""Advice: what to try when a sweep went badly, for its summary."""

from typing import Any

import numpy as np

from fnnet.records.results import Results

UNSCALED = 10.0  # standard deviation of a feature from which training suffers
ENOUGH = 1000  # examples that tell a feature's scale


def advice(results: Results, inputs: Any) -> str | None:
    """Return one line that says why many runs may have diverged or trained badly, and what to try.

    Args:
        results: of a sweep from the command line.
        inputs: what it trained on, `[examples, ...]`.

    Returns:
        The line; None where at most half of the runs diverged and no input is far from unit scale.

    Example:
        >>> from fnnet import grid
        >>> space = grid(learning_rate=[0.1, 1.0, 10.0])
        >>> results = Results(space, {"diverged": np.array([False, True, True])}, {})
        >>> advice(results, np.eye(3))
        '2 of 3 runs diverged: try smaller learning rates (none diverged up to 0.1)'
        >>> advice(results.where(learning_rate=0.1), np.eye(3)) is None
        True
    """
    diverged = results.columns.get("diverged", np.zeros(0, bool))
    deviations = np.asarray(inputs[:ENOUGH], float).std(axis=0)
    is_unscaled = deviations.size > 0 and deviations.max() > UNSCALED
    reasons, remedies = [], []
    if 2 * diverged.sum() > len(diverged):
        reasons.append(f"{diverged.sum()} of {len(diverged)} runs diverged")
        remedies.append(f"smaller learning rates{_sound_rates(results, diverged)}")
    if is_unscaled:
        reasons.append(f"the inputs are not scaled (standard deviations up to {deviations.max():.3g})")
        remedies.insert(0, "--standardize")
    return f"{' and '.join(reasons)}: try {' or '.join(remedies)}" if reasons else None


def _sound_rates(results: Results, diverged: np.ndarray) -> str:
    """Describe up to which learning rate no run diverged, or that all rates were too large."""
    if "learning_rate" not in results.space.axes:
        return ""
    rates = results.space.column("learning_rate")
    smallest = np.min(rates[diverged])
    sound = rates[rates < smallest]
    return f" (none diverged up to {sound.max():.3g})" if len(sound) else f" than {smallest:.3g}"
