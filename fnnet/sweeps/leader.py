"""The leader of a sweep: the best configuration among the runs that are finished."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fnnet.records.rows import Rows
from fnnet.records.statistics import mean_interval

Pairs = tuple[tuple[str, Any], ...]
"""A configuration: the names of its axes and their values."""


class Leader:
    """The best configuration among the runs that are finished.

    config: its axes and their values; None if there is none.
    """

    def __init__(self, higher_is_better: bool):
        """Start without runs.

        Args:
            higher_is_better: the direction of the metric.
        """
        self.config: Pairs | None = None
        self._sign = 1 if higher_is_better else -1
        self._values: dict[Pairs, list[float]] = {}

    def __str__(self) -> str:
        if self.config is None:
            return ""
        mean, low, high, num_runs = mean_interval(self._values[self.config])
        interval = f" ± {(high - low) / 2:.2g}, n = {num_runs}" if num_runs > 1 else ""
        config = " ".join(f"{name}={_short(value)}" for name, value in self.config)
        return f"{mean:.4g}{interval}" + (f" ({config})" if config else "")

    def add(self, rows: Rows, axes: Sequence[str], metric: str) -> None:
        """Add runs.

        Args:
            rows: one for each run.
            axes: the axes that make a configuration.
            metric: the column that ranks them.
        """
        changed: dict[Pairs | None, None] = {}  # in order, so that the first of equal ones stays ahead
        for place, value in enumerate(rows[metric]):
            pairs = ((name, rows[name][place]) for name in axes)
            # Of an axis that the run lacks, the column has None or NaN.
            config = tuple(
                (name, number) for name, number in pairs if number is not None and number == number
            )
            self._values.setdefault(config, []).append(float(value))
            changed[config] = None
        # A configuration that did not change can come ahead only where the best one did.
        rivals = self._values if self.config in changed else {self.config: None, **changed}
        best = max(rivals, key=self._score)
        self.config = best if self._score(best) > -math.inf else None

    def _score(self, config: Pairs | None) -> float:
        """Return the mean, or its negative where lower is better."""
        mean = math.nan if config is None else self._sign * float(np.mean(self._values[config]))
        return mean if math.isfinite(mean) else -math.inf


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
