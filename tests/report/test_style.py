"""The style of figures, and the names in them."""

import struct

import matplotlib
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure

import fnnet as fn
from fnnet.report.labels import WORDS, readable, readable_value
from fnnet.report.style import StyledFigure, in_style

OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
"""Okabe and Ito (2008), Color Universal Design."""


def results_of(**axes):
    space = fn.grid(**axes)
    numbers = np.arange(1.0, len(space) + 1)
    return fn.Results(
        space,
        {
            "test_r2": numbers / 100,
            "diverged": np.zeros(len(space), bool),
            "step_curve": np.tile([10, 20, 30], (len(space), 1)),
            "test_loss_curve": numbers[:, None] / [1, 2, 3],
        },
    )


def test_style_leaves_the_settings_of_matplotlib_alone(tmp_path):
    with matplotlib.rc_context({"font.size": 17, "axes.facecolor": "red", "savefig.dpi": 30}):
        before = dict(matplotlib.rcParams)
        results = results_of(depth=[1, 2], learning_rate=[0.1, 0.2])
        for figure in (fn.plots.heatmap(results, "test_r2"), fn.plots.curves(results, "test_loss")):
            figure.savefig(tmp_path / "figure.png")
            axes = figure.axes[0]
            assert axes.xaxis.label.get_fontsize() == 8 and axes.get_facecolor() == (1, 1, 1, 1)
            assert {tick.label1.get_fontsize() for tick in axes.xaxis.get_major_ticks()} == {7.5}
            width, _ = struct.unpack(">2I", (tmp_path / "figure.png").read_bytes()[16:24])
            assert width == pytest.approx(200 * figure.get_figwidth(), abs=1)
        assert dict(matplotlib.rcParams) == before


def test_given_axes_keep_their_style():
    with matplotlib.rc_context({"legend.fontsize": 17}):
        axes = Figure().subplots()
        fn.plots.curves(results_of(depth=[1, 2], learning_rate=0.1), "test_loss", axes=axes)
    assert {text.get_fontsize() for text in axes.get_legend().get_texts()} == {17}
    assert axes.spines["top"].get_visible()


def test_names_have_colors_of_okabe_and_ito_and_numbers_have_viridis():
    for values, expected in (
        (["tanh", "relu", "elu"], OKABE_ITO[:3]),
        ([8, 32, 16], [colormaps["viridis"](shade) for shade in (0, 0.85, 0.425)]),
    ):
        axes = fn.plots.curves(results_of(axis=values), "test_loss").axes[0]
        with in_style():
            shown = [matplotlib.colors.to_rgb(line.get_color()) for line in axes.lines]
        np.testing.assert_allclose(shown, [matplotlib.colors.to_rgb(color) for color in expected])


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_figures_are_saved_as_vectors_with_fonts_embedded(tmp_path, suffix):
    path = tmp_path / f"figure.{suffix}"
    fn.plots.curves(results_of(depth=[1, 2]), "test_loss").savefig(path)
    content = path.read_bytes()
    if suffix == "pdf":
        assert b"/FontFile2" in content and b"/Type3" not in content  # TrueType, not outlines
    else:
        assert content.lstrip().startswith(b"<?xml") and b"<image" not in content


def test_names_are_readable_everywhere_in_a_figure():
    results = results_of(fashion_mnist=["glorot_normal", "relu"], learning_rate=[0.0, 0.1])
    axes = fn.plots.heatmap(results, "test_r2").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Glorot (normal)", "ReLU"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "0.1"]
    assert axes.get_ylabel() == "Fashion-MNIST" and axes.figure._suptitle.get_text() == "test R²"
    axes = fn.plots.curves(results, "test_loss").axes[0]
    assert axes.get_legend().get_title().get_text() == "Fashion-MNIST"


def test_names_with_mathematical_signs_are_drawn_literally(tmp_path):
    hostile = ["$x$", "a_$\\frac$", "100 %", "{}^_"]
    figure = StyledFigure()
    figure.subplots().set_title(" ".join(map(readable, hostile)))
    figure.savefig(tmp_path / "figure.png")  # raises where matplotlib takes a name for mathematics
    assert [readable_value(value) for value in (True, 1e-5, -3, (2, 0.5))] == ["yes", "1e-05", "-3", "2, 0.5"]


def test_every_word_can_be_drawn(tmp_path):
    figure = StyledFigure(figsize=(20, 3))
    figure.subplots().set_title(" ".join(WORDS.values()))
    figure.savefig(tmp_path / "figure.png")
