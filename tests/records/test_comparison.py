"""Two results compared, against scipy."""

import numpy as np
import pytest
from scipy import stats

import fnnet as fn


def test_two_results_are_compared_where_they_have_the_same_configurations():
    rng = np.random.default_rng(0)
    here = fn.grid(depth=[1, 2, 4], learning_rate=[0.1, 0.3], order="shuffled", seed=range(4))
    there = fn.grid(learning_rate=[0.3, 1.0], depth=[4, 1], momentum=[0.5, 0.9], seed=range(5, 8))
    ours = fn.Results(here, {"loss": rng.normal(size=len(here))})
    theirs = fn.Results(there, {"loss": rng.normal(size=len(there))})
    with pytest.raises(fn.InputError, match="only one of the results varies 'momentum'"):
        ours.compare(theirs, "loss")
    theirs = theirs.where(momentum=0.9)
    table = ours.compare(theirs, "loss")
    assert table.columns[:2] == ["depth", "learning_rate"] and table["depth"].to_list() == [1, 4]
    for row in table.iter_rows(named=True):
        first, second = (each.where(depth=row["depth"], learning_rate=0.3)["loss"] for each in (ours, theirs))
        expected = stats.ttest_ind(first, second, equal_var=False)
        assert (row["mean"], row["other_mean"]) == pytest.approx((first.mean(), second.mean()))
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert row["p_value"] == pytest.approx(expected.pvalue)
        assert row["difference"] == pytest.approx(first.mean() - second.mean())
    with pytest.raises(fn.InputError, match="share no configuration of depth, learning_rate"):
        ours.where(learning_rate=0.1).compare(theirs, "loss")
    with pytest.raises(fn.InputError, match="unknown column 'los'; did you mean 'loss'"):
        ours.compare(theirs, "los")
