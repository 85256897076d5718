import io
import struct

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

import fnnet as fn
from fnnet.cli import output
from fnnet.report import plots, tables
from fnnet.sweeps.estimate import Estimate


@pytest.fixture
def results():
    """Accuracy peaks at another rate for each depth; the largest rate of depth 4 diverges in one of two seeds."""
    space = fn.grid(depth=[1, 4], learning_rate=[0.1, 0.2, 0.4], seed=range(2))
    accuracy = np.array([0.5, 0.6, 0.7, 0.8, 0.95, 0.85, 0.7, 0.9, 0.6, 0.5, 0.0, 0.4])
    diverged = np.zeros(12, bool)
    diverged[10] = True
    return fn.Results(space, {"test_accuracy": accuracy, "diverged": diverged})


def text_of(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


def test_table_has_the_best_rate_of_each_depth(results):
    rows = [line for line in text_of(tables.best(results, "test_accuracy")).splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row.strip("│ ").split("│")] for row in rows]
    assert cells == [
        ["1", "0.4", "0.9000 ± 0.6353", "2", "0", "0 of 6"],
        ["4", "0.1", "0.8000 ± 1.2706", "2", "0", "1 of 6"],
    ]


def test_heat_map_shows_every_cell_and_the_diverged_ones(results):
    figure = plots.heatmap(results, "test_accuracy")
    axes = figure.axes[0]
    cells = axes.images[0].get_array()
    np.testing.assert_allclose(cells, [[0.55, 0.75, 0.9], [0.8, 0.55, 0.2]])
    assert len(axes.patches) == 1 and axes.patches[0].get_hatch()
    rings = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines]
    assert rings == [(2, 0), (0, 1)]


def test_marks_tell_some_diverged_runs_from_all_and_the_key_lists_only_marks_that_occur():
    space = fn.grid(depth=[1, 2], learning_rate=[0.1, 0.2, 0.4], seed=range(2)) | fn.grid(
        depth=4, learning_rate=0.1, seed=range(2)
    )
    diverged = np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0], bool)
    loss = [0.1, 0.3, 0.5, 0.7, 0.5, np.inf, np.nan, np.nan, 0.9, 0.9, 0.5, np.nan, 0.2, 0.2]
    #       plain     hatched   gray hatched  crossed         crossed   gray         plain
    results = fn.Results(space, {"test_loss": np.array(loss), "diverged": diverged})
    figure = plots.heatmap(results, "test_loss")
    axes = figure.axes[0]
    colored, gray = (image.get_array() for image in axes.images)
    np.testing.assert_array_equal(
        ~np.ma.getmaskarray(colored), [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
    )  # the last two cells are not in the space
    np.testing.assert_array_equal(~np.ma.getmaskarray(gray), [[0, 0, 1], [1, 1, 1], [0, 0, 0]])
    marked = {patch.get_hatch(): patch.get_bbox().bounds for patch in axes.patches}
    assert marked == {"////": (0.5, -0.5, 2, 1), "xxxx": (-0.5, 0.5, 2, 1)}
    key = [
        "ring: best of its row",
        "hatched: some runs diverged",
        "crossed on gray: all runs diverged",
        "gray: no finite mean",
        "white: no runs",
    ]
    assert " ".join(figure._supxlabel.get_text().split()).split("; ") == key
    for chosen, expected in (
        ({"depth": 1, "learning_rate": [0.1, 0.2]}, key[:2]),
        ({"depth": 1}, [*key[:2], key[3]]),
        ({"depth": 2, "learning_rate": [0.1, 0.2]}, key[2:3]),
        ({"depth": 2}, key[2:4]),
    ):
        text = plots.heatmap(results.where(**chosen), "test_loss")._supxlabel.get_text()
        assert " ".join(text.split()).split("; ") == expected


def test_slow_pixels_are_darker():
    value = np.array([[-3.0, -20.0], [1.0, 5.0]])  # below, a quick and a slow one that converged
    shades = fn.studies.trainability.shade(
        fn.studies.trainability.Picture((0, 2, 1, 4), value[None] < 0, value)
    )
    np.testing.assert_allclose(shades, [[-0.575, -1], [0.575, 1]])
    axes = Figure().subplots()
    image = fn.studies.trainability.draw(axes, shades, (0, 2, 1, 4), 1)
    assert image is axes.images[0]
    blue, red = image.cmap(image.norm([-1.0, 1.0]))
    assert blue[2] > blue[0] and red[0] > red[2] and image.origin == "lower"
    assert tuple(image.get_extent()) == (0, 2, 1, 4)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1.0", "2.0", "3.0", "4.0"]


def test_other_axes_make_panels():
    space = fn.grid(width=[3, 5], depth=[1, 2], learning_rate=[0.1, 0.2])
    results = fn.Results(space, {"test_loss": np.arange(8.0), "diverged": np.zeros(8, bool)})
    figure = plots.heatmap(results, "test_loss", y="width")
    panels = [axes for axes in figure.axes if axes.images and axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["depth = 1", "depth = 2"]
    np.testing.assert_array_equal(panels[1].images[0].get_array(), [[2, 3], [6, 7]])


def test_constants_of_early_training_are_drawn_against_width():
    axes = Figure().subplots()
    c_loss, c_max = np.array([[2.0, 4.0], [3.0, 3.5], [1.0, 2.0]]), np.full((3, 2), 9.0)
    constants = {"initial_sharpness": np.ones((3, 2)), "c_loss": c_loss, "c_sharp": None, "c_max": c_max}
    published = {"c_loss": {8: 2.5, 64: 2.25}, "c_sharp": {16: 5.0}}
    fn.studies.early_training.draw_constants(axes, (8, 16, 32), constants, published)
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    for values in (
        [3, 3.25, 1.5],
        [2, 3, 1],
        [4, 3.5, 2],
        [9, 9, 9],
    ):  # means, and a line of marks for each seed
        assert ([8, 16, 32], values) in drawn
    assert ([8, 64], [2.5, 2.25]) in drawn and ([16], [5.0]) in drawn
    assert list(axes.get_xticks()) == [8, 16, 32, 64]
    _, labels = axes.get_legend_handles_labels()
    assert set(labels) == {"c_loss", "c_sharp", "c_max", "2, where a quadratic loss diverges", "published"}


def test_impossible_heat_maps_are_refused(results):
    with pytest.raises(fn.InputError, match=r"needs the axis 'width'.*heatmap\(results, metric, x='depth'\)"):
        plots.heatmap(results, "test_accuracy", x="width")
    with pytest.raises(fn.InputError, match="unknown vertical axis 'dept'; did you mean 'depth'"):
        plots.heatmap(results, "test_accuracy", y="dept")
    space = fn.grid(a=range(13), depth=[1, 2], learning_rate=[0.1, 0.2])
    many = fn.Results(space, {"loss": np.zeros(52), "diverged": np.zeros(52, bool)})
    with pytest.raises(fn.InputError, match=r"13 panels are too many to draw.*where\(a=0\)"):
        plots.heatmap(many, "loss", y="depth")


def drawn(space, metric="test_accuracy", diverged=(), values=None, **options):
    """Draw some numbers, and lay the figure out as saving it does."""
    is_lost = np.isin(np.arange(len(space)), diverged)
    values = np.linspace(0, 1, len(space)) if values is None else values
    results = fn.Results(space, {metric: np.where(is_lost, np.nan, values), "diverged": is_lost})
    figure = plots.heatmap(results, metric, **options)
    figure.draw_without_rendering()
    return figure


RATES = fn.logspace(0.001, 10, 300)


@pytest.mark.parametrize(
    ("space", "diverged"),
    [
        (fn.grid(depth=[1, 2], learning_rate=[0.1, 0.3]), ()),
        (fn.grid(learning_rate=[0.1, 0.3, 1.0], seed=range(2)), (0, 3, 4, 5)),
        (fn.grid(depth=[1, 2, 4, 8], learning_rate=RATES[::19]), (3,)),
        (fn.grid(depth=[1, 2], learning_rate=RATES), (7,)),
        (fn.grid(width=range(1, 301), learning_rate=[0.1, 0.3]), (7,)),
        (fn.grid(depth=[1, 2], learning_rate=[0.1, 0.3, 1.0]), range(6)),
        (fn.grid(depth=[1, 2], weight_decay=[0.0, 1e-4], learning_rate=[0.1], seed=range(3)), (0, 1, 2, 3)),
    ],
)
@pytest.mark.parametrize("metric", ["test_accuracy", "validation_expected_calibration_error_of_my_own"])
def test_no_text_of_a_heat_map_is_cut_off(space, diverged, metric):
    figure = drawn(space, metric, diverged, higher_is_better=True)
    inches = figure.get_size_inches()
    assert max(inches) <= 30.01
    texts = [figure._suptitle, figure._supxlabel]
    for axes in figure.axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        ticks = [tick for tick in axes.get_xticklabels() if left <= tick.get_position()[0] <= right]
        ticks += [tick for tick in axes.get_yticklabels() if bottom <= tick.get_position()[1] <= top]
        assert len(axes.get_xticks()) <= 40
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *ticks]
    box = figure.bbox
    for text in texts:
        if text.get_text() and text.get_visible():
            extent = text.get_window_extent()
            assert extent.x0 >= -1 and extent.x1 <= box.width + 1, text.get_text()
            assert extent.y0 >= -1 and extent.y1 <= box.height + 1, text.get_text()


def test_one_seed_is_not_called_a_mean():
    figure = drawn(fn.grid(depth=3, learning_rate=[0.1, 0.3], seed=5))
    assert figure._suptitle.get_text() == "test accuracy" and list(figure.axes[0].get_yticks()) == []
    assert figure._supxlabel.get_text() == "ring: best of its row"
    text = text_of(tables.best(fn.Results(*_one_seed()), "test_accuracy"))
    assert "±" not in text and "nan" not in text and "1 run each: no interval" in text
    assert cells_of_best(text) == [["0.3", "0.7500", "1", "0", "0 of 2"]]


def _one_seed():
    return (
        fn.grid(depth=3, learning_rate=[0.1, 0.3]),
        {"test_accuracy": np.array([0.25, 0.75]), "diverged": np.zeros(2, bool)},
    )


def cells_of_best(text):
    return [[cell.strip() for cell in row.strip("│ ").split("│")] for row in text.splitlines() if "│" in row]


def test_there_is_no_color_bar_and_no_best_rate_when_all_runs_diverged():
    space = fn.grid(learning_rate=[0.1, 0.3], seed=range(2))
    figure = drawn(space, "test_loss", range(4))
    assert len(figure.axes) == 1 and figure._supxlabel.get_text() == "crossed on gray: all runs diverged"
    lost = fn.Results(space, {"test_loss": np.full(4, np.nan), "diverged": np.ones(4, bool)})
    assert cells_of_best(text_of(tables.best(lost, "test_loss"))) == [["-", "-", "2", "2", "4 of 4"]]


def test_panel_titles_have_rounded_values():
    figure = drawn(fn.grid(weight_decay=[0.0, 1e-4], depth=[1, 2], learning_rate=[0.1, 0.2]), y="depth")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["weight decay = 0", "weight decay = 0.0001"]


def test_text_axes_and_axes_that_some_runs_lack_are_drawn():
    space = fn.grid(optimizer="sgd", learning_rate=[0.1, 0.2]) | fn.grid(
        optimizer="adam", beta=0.9, learning_rate=0.1
    )
    figure = drawn(space, x="optimizer", y="learning_rate")
    cells = figure.axes[0].images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(cells, [[0, 1], [0.5, np.nan]])
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["SGD", "Adam"]


def test_any_column_is_drawn_and_tabulated_in_a_given_direction(results):
    own = fn.Results(results.space, {"flatness": results["test_accuracy"], "diverged": results["diverged"]})
    for higher_is_better, rings in ((True, [(2, 0), (0, 1)]), (False, [(0, 0), (2, 1)])):
        figure = plots.heatmap(own, "flatness", higher_is_better=higher_is_better)
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines] == rings
        rows = cells_of_best(text_of(tables.best(own, "flatness", higher_is_better=higher_is_better)))
        assert [row[1] for row in rows] == [["0.1", "0.2", "0.4"][place] for place, _ in rings]
    for show in (plots.heatmap, tables.best):
        with pytest.raises(fn.InputError, match="higher_is_better=True or False"):
            show(own, "flatness")


def test_heat_map_is_drawn_on_given_axes(results):
    left, right = Figure(figsize=(9, 3)).subplots(1, 2)
    figure = plots.heatmap(results, "test_accuracy", axes=right)
    assert figure is left.figure and not left.images and len(right.images) == 2
    assert right.get_title().replace("\n", " ") == (
        "test accuracy, mean of 2 seeds (ring: best of its row; hatched: some runs diverged, counting as wrong)"
    )
    by_depth = plots.heatmap(results, "test_accuracy", x="seed", y="depth", over="learning_rate")
    cells = by_depth.axes[0].images[0].get_array()
    expected = results["test_accuracy"].reshape(2, 3, 2).mean(axis=1)
    np.testing.assert_allclose(cells, expected)
    many = fn.Results(fn.grid(width=[3, 5], depth=[1, 2], learning_rate=[0.1, 0.2]), _zeros(8))
    with pytest.raises(fn.InputError, match="axes hold one panel, got 2"):
        plots.heatmap(many, "test_loss", axes=left)


def _zeros(number):
    return {"test_loss": np.zeros(number), "diverged": np.zeros(number, bool)}


@pytest.mark.parametrize("style", ["markdown", "latex"])
def test_table_of_the_best_is_written_in_latex_and_markdown(results, style):
    text = tables.best(results, "test_accuracy", style=style)
    if style == "latex":
        assert text.startswith(
            "\\begin{tabular}{rrrrrr}\n\\toprule\ndepth & best learning\\_rate & test\\_accuracy"
        )
        text = text.replace(" & ", " | ").replace(r"$\pm$", "±").replace(r" \\", "")
    for row in ("1 | 0.4 | 0.9000 ± 0.6353 | 2 | 0 | 0 of 6", "4 | 0.1 | 0.8000 ± 1.2706 | 2 | 0 | 1 of 6"):
        assert row in text
    with pytest.raises(fn.InputError, match="unknown style 'html'"):
        tables.best(results, "test_accuracy", style="html")


def test_best_of_any_axis_is_tabulated(results):
    rows = cells_of_best(text_of(tables.best(results, "test_accuracy", axis="depth")))
    assert [row[:2] for row in rows] == [["0.1", "4"], ["0.2", "1"], ["0.4", "1"]]


def test_metric_without_a_direction_has_no_summary(capsys):
    space = fn.grid(learning_rate=[0.1, 0.3])
    own = fn.Results(space, {"sharpness": np.array([1.0, 2.0]), "diverged": np.zeros(2, bool)})
    output.print_results(own, "sharpness", np.zeros((3, 1)))
    assert capsys.readouterr().err.startswith("no summary: unknown metric to rank by 'sharpness'")


def test_notebook_displays_the_figure(results):
    figure = plots.heatmap(results, "test_accuracy")
    header = figure._repr_png_()[:24]  # by which IPython shows an object that it was not taught to show
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    size = struct.unpack(">2I", header[16:])
    np.testing.assert_allclose(size, figure.get_size_inches() * figure.dpi, atol=1)


def estimate(**values):
    none = Estimate({"depth": 1}, 0, 0, 8, 0, 0, 0, 0.0, 0.0)
    return none._replace(**values)


def cells_of(table):
    lines = [line for line in text_of(table).splitlines() if "│" in line]
    return [[cell.strip() for cell in line.strip()[1:-1].split("│")] for line in lines]


def test_estimated_costs_have_totals():
    small = estimate(
        num_runs=30,
        num_missing=20,
        num_chunks=3,
        num_bytes=25_000_000,
        curve_bytes=1500,
        flops=1.5e12,
        seconds=70.0,
    )
    large = small._replace(
        static={"depth": 4, "width": 9}, lanes=2, num_chunks=10, num_bytes=4_200_000_000, seconds=3590.0
    )
    done = estimate(static={"depth": 2}, num_runs=7)
    table = tables.estimates([small, large, done], "500 steps")
    text = text_of(table)
    assert "67 runs of 500 steps in 3 programs, 40 still to train" in text
    headings = ["depth", "width", "runs", "lanes", "chunks", "memory", "curves", "FLOPs", "time"]
    assert [column.header for column in table.columns] == headings
    assert cells_of(table) == [
        ["1", "", "20", "8", "3", "25 MB", "1.5 kB", "1.5e+12", "1 min 10 s"],
        ["4", "9", "20", "2", "10", "4.2 GB", "1.5 kB", "1.5e+12", "59 min 50 s"],
        ["2", "", "0", "", "", "", "", "", "done"],
        ["", "", "40", "", "13", "4.2 GB", "3.0 kB", "3e+12", "1 h 1 min"],
    ]


def test_one_group_has_no_totals_and_may_not_fit():
    table = tables.estimates(
        [estimate(static={}, num_runs=5, num_missing=5, num_bytes=10**13, seconds=np.inf)], "3 steps"
    )
    assert "5 runs of 3 steps in 1 program" in text_of(table) and "still to train" not in text_of(table)
    assert [(row[0], row[1], row[4], row[-1]) for row in cells_of(table)] == [
        ("all", "5", "10.0 TB", "does not fit")
    ]
