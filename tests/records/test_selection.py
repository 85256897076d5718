"""Runs selected by their values."""

import numpy as np
import pytest

import fnnet as fn

GRID = fn.grid(depth=[2, 1], learning_rate=[0.3], momentum=[0.5, 0, 0.9], seed=range(5))


def test_where_selects_the_runs_that_a_loop_finds():
    space = GRID | fn.grid(optimizer="adam", widths=[(3,), (4, 5)], flag=[True])
    row = np.arange(len(space))
    results = fn.Results(space, {"row": row, "loss_curve": np.stack([row, row], axis=1)})

    def rows(**values):
        kept = results.where(**values)
        assert list(kept.space) == [space[row] for row in kept["row"]]
        np.testing.assert_array_equal(kept["loss_curve"][:, 1], kept["row"])
        return kept["row"].tolist()

    assert rows() == list(range(len(space)))
    for depth, momenta in ((1, [0.9, 0]), (2.0, np.array([0.5]))):
        expected = [
            row
            for row, config in enumerate(space)
            if config.get("depth") == depth and config.get("momentum") in list(momenta)
        ]
        assert len(expected) and rows(depth=depth, momentum=momenta) == expected
    assert rows(widths=(4, 5)) == rows(widths=[(4, 5)]) == [len(space) - 1]
    assert rows(optimizer="adam", flag=True) == [len(space) - 2, len(space) - 1]
    assert rows(seed=lambda seed: seed > 2) == [
        row for row, config in enumerate(space) if config.get("seed", 0) > 2
    ]
    assert rows(optimizer=lambda name: name.startswith("a"), row=lambda row: row % 2 == 0) == [
        row for row in (len(space) - 2, len(space) - 1) if row % 2 == 0
    ]
    assert rows(row=[3, 5]) == [3, 5] and rows(row=7, seed=2) == [7]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dept": 1}, "unknown axis or column 'dept'; did you mean 'depth'"),
        ({"momentum": 0.8}, "no run has momentum=0.8; the nearest is 0.9"),
        ({"momentum": [0.5, 0.1]}, "no run has momentum=0.1; the nearest is 0$"),
        ({"seed": "0"}, r"no run has seed='0'; its values are \(0, 1, 2"),
        ({"seed": []}, "axis 'seed' is empty"),
        ({"optimizer": "adma"}, "unknown value of axis 'optimizer' 'adma'; did you mean 'adam'"),
        ({"optimizer": "adam", "seed": 3}, "no run has optimizer='adam', seed=3 together"),
        ({"depth": True}, r"no run has depth=True; its values are \(2, 1\)"),
        ({"seed": lambda seed: seed > 4, "depth": 1}, "no run has seed as wanted, depth=1 together"),
    ],
)
def test_where_refuses_values_that_no_run_has(values, message):
    results = fn.Results(GRID | fn.grid(optimizer=["adam", "sgd"]), {})
    with pytest.raises(fn.InputError, match=message):
        results.where(**values)
