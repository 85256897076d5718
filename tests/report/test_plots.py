"""Pictures of learning curves."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

import fnnet as fn
from fnnet.report import plots


def test_curves_of_several_seeds_are_drawn_as_mean_and_interval():
    values = np.array([[1.0, 0.5], [3.0, 0.6], [2.0, 0.1], [5.0, 0.1], [6.0, 0.1], [7.0, 0.1]])
    columns = {"step_curve": np.tile([10, 20], (6, 1)), "test_loss_curve": values}
    results = fn.Results(fn.grid(depth=[1, 2], seed=range(3)), columns)
    figure = plots.curves(results, "test_loss")
    (axes,) = figure.axes
    assert axes.get_title() == "mean of 3 runs and its 95 % interval" and figure._repr_png_()
    assert [line.get_label() for line in axes.lines] == ["1", "2"]
    for line, band, runs in zip(axes.lines, axes.collections, (values[:3], values[3:]), strict=True):
        np.testing.assert_allclose(line.get_ydata(), runs.mean(axis=0))
        low, high = stats.t.interval(0.95, 2, runs.mean(axis=0)[0], stats.sem(runs[:, 0]))
        edge = band.get_paths()[0].vertices
        at_ten = edge[edge[:, 0] == 10, 1]
        np.testing.assert_allclose([at_ten.min(), at_ten.max()], [low, high])
    each = Figure().subplots()
    assert plots.curves(results, "test_loss", by="depth", over=None, axes=each) is each.figure
    assert len(each.lines) == 6 and not each.collections
    (by_seed,) = plots.curves(results, "test_loss", by="seed", over="depth").axes
    np.testing.assert_allclose(by_seed.lines[2].get_ydata(), values[[2, 5]].mean(axis=0))


def test_curves_are_colored_by_an_axis():
    space = fn.grid(learning_rate=[0.1, 0.4], seed=range(2))
    columns = {"step_curve": np.tile([5, 10], (4, 1)), "loss_curve": np.arange(8.0).reshape(4, 2)}
    results = fn.Results(space, columns)
    axes = plots.curves(results, "loss", over=None).axes[0]
    drawn = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines]
    assert drawn == [([5, 10], [0, 1]), ([5, 10], [2, 3]), ([5, 10], [4, 5]), ([5, 10], [6, 7])]
    colors = [line.get_color() for line in axes.lines]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0.1", "0.4"]
    with pytest.raises(fn.InputError, match="unknown metric 'los'"):
        plots.curves(results, "los")
    with pytest.raises(fn.InputError, match="unknown axis 'sed'"):
        plots.curves(results, "loss", by="sed")
