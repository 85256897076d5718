"""Advice on a sweep that went wrong."""

import numpy as np
import pytest

import fnnet as fn
from fnnet.report.advice import advice


@pytest.mark.parametrize(
    ("diverged", "scale", "line"),
    [
        ([0, 0, 1, 1], 1.0, None),
        ([0, 1, 1, 1], 1.0, "3 of 4 runs diverged: try smaller learning rates (none diverged up to 0.1)"),
        ([1, 0, 1, 1], 1.0, "3 of 4 runs diverged: try smaller learning rates than 0.1"),
        (
            [0, 0, 0, 0],
            93.0,
            "the inputs are not scaled (standard deviations up to 93): try --standardize",
        ),
        (
            [1, 1, 1, 1],
            93.0,
            "4 of 4 runs diverged and the inputs are not scaled (standard deviations up to 93): "
            "try --standardize or smaller learning rates than 0.1",
        ),
    ],
)
def test_poor_sweep_gets_advice(diverged, scale, line):
    space = fn.grid(learning_rate=[0.1, 0.3, 1.0, 3.0])
    inputs = np.array([[1.0, -scale, 0.0], [1.0, scale, 2.0]])
    results = fn.Results(space, {"diverged": np.array(diverged, bool)})
    assert advice(results, inputs) == line
