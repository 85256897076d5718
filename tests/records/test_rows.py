"""Rows in columns are the tables of polars that the store keeps, and are joined whatever they lack."""

import numpy as np
import polars as pl

import fnnet as fn
from fnnet.records.rows import collect, from_table, to_table

SPACE = fn.grid(depth=[1, 2, 3], seed=[5, 7])
IDS = SPACE.ids()


def test_rows_become_a_table_with_lists():
    curves = np.arange(6, dtype=np.float32).reshape(3, 2).T  # as `make_rows` transposes them
    table = to_table(
        {"id": IDS[:2], "name": ["a", None], "diverged": np.array([True, False]), "loss_curve": curves}
    )
    assert table.schema == {
        "id": pl.String,
        "name": pl.String,
        "diverged": pl.Boolean,
        "loss_curve": pl.List(pl.Float32),
    }
    assert table.rows() == [(IDS[0], "a", True, [0.0, 2.0, 4.0]), (IDS[1], None, False, [1.0, 3.0, 5.0])]


def test_table_becomes_rows_with_padded_curves_and_shared_texts():
    table = pl.DataFrame({"id": IDS[:3], "chunk": ["c0", "c0", "c1"], "step_curve": [[1, 2], [1, 2], [1]]})
    rows = from_table(table)
    np.testing.assert_array_equal(rows["step_curve"], [[1, 2], [1, 2], [1, np.nan]])
    assert rows["id"].tolist() == IDS[:3].tolist() and rows["chunk"].tolist() == ["c0", "c0", "c1"]
    assert rows["chunk"][0] is rows["chunk"][1]


def test_longest_of_several_rows_of_a_run_counts_and_of_equal_ones_the_first():
    def part(runs, loss, steps):
        ends = np.array(loss, np.float32)
        return {
            "id": IDS[runs],
            "loss": ends,
            "step_curve": np.tile(np.array(steps, np.int32), (len(runs), 1)),
        }

    other = part([0, 1], [9.0, 9.0], [10])
    other["id"] = np.array(["0" * 32, IDS[4]])  # a run that the space does not have, and one that it has
    parts = [
        part([2, 0], [1.0, 2.0], [10]),
        part([0, 5], [3.0, 4.0], [10, 20]),
        part([2], [5.0], [10]),
        other,
    ]
    results = collect(SPACE, parts)
    assert results["id"].tolist() == IDS[[0, 2, 4, 5]].tolist() and results["loss"].tolist() == [
        3.0,
        1.0,
        9.0,
        4.0,
    ]
    assert results.space.ids().tolist() == results["id"].tolist()
    np.testing.assert_array_equal(results["step_curve"], [[10, 20], [10, np.nan], [10, np.nan], [10, 20]])


def test_column_that_some_rows_lack_is_nan_there():
    parts = [
        {"id": IDS[:2], "loss": np.float32([1, 2]), "rate": np.int32([3, 4])},
        {"id": IDS[2:3], "loss": np.float32([5])},
    ]
    results = collect(SPACE, parts)
    np.testing.assert_array_equal(results["rate"], [3.0, 4.0, np.nan])
    expected = pl.concat([pl.DataFrame(part) for part in parts], how="diagonal_relaxed")["rate"].to_numpy()
    assert results["rate"].dtype == expected.dtype and results["loss"].dtype == np.float32
