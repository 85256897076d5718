"""Advice: what to try after a sweep that went badly."""

from typing import Any

import numpy as np

from fnnet.records.results import Results

UNSCALED = 10.0  # standard deviation of a feature above which training suffers
NUM_EXAMPLES = 1000  # enough to estimate the scale of a feature


def advice(results: Results, inputs: Any) -> str | None:
    """Return one line on why runs may have diverged or trained badly, and what to try.

    Returns None if at most half of the runs diverged and every feature is roughly of unit scale.

    Args:
        results: the results of a sweep from the command line.
        inputs: the inputs of the training examples, `[examples, ...]`.

    Example:
        >>> from fnnet import grid
        >>> space = grid(learning_rate=[0.1, 1.0, 10.0])
        >>> results = Results(space, {"diverged": np.array([False, True, True])})
        >>> advice(results, np.eye(3))
        '2 of 3 runs diverged: try smaller learning rates (none diverged up to 0.1)'
        >>> advice(results.where(learning_rate=0.1), np.eye(3)) is None
        True
    """
    diverged = results["diverged"] if "diverged" in results else np.zeros(0, bool)
    deviations = np.asarray(inputs[:NUM_EXAMPLES], float).std(axis=0)
    reasons, remedies = [], []
    if 2 * diverged.sum() > len(diverged):
        reasons.append(f"{diverged.sum()} of {len(diverged)} runs diverged")
        remedies.append(f"smaller learning rates{_stable_rates(results, diverged)}")
    if deviations.size > 0 and deviations.max() > UNSCALED:
        reasons.append(f"the inputs are not scaled (standard deviations up to {deviations.max():.3g})")
        remedies.insert(0, "--standardize")
    return f"{' and '.join(reasons)}: try {' or '.join(remedies)}" if reasons else None


def _stable_rates(results: Results, diverged: np.ndarray) -> str:
    """Describe the learning rates below which no run diverged, if there are any."""
    if "learning_rate" not in results.space.axes:
        return ""
    rates = results["learning_rate"]
    smallest = np.min(rates[diverged])
    stable = rates[rates < smallest]
    return f" (none diverged up to {stable.max():.3g})" if len(stable) else f" than {smallest:.3g}"
