"""The report in a browser: what is drawn are the numbers of the table, and all panels show one selection."""

import numpy as np
import pytest
from scipy import stats

import fnnet as fn

RATES = (0.001, 0.01, 0.1, 1.0, 10.0)


@pytest.fixture(scope="module")
def results():
    """Two depths and five rates with three seeds each; the largest rate diverges in one seed or, deeper, in all."""
    rng = np.random.default_rng(0)
    space = fn.grid(depth=[1, 2], learning_rate=RATES, seed=range(3))
    accuracy = rng.uniform(0.2, 0.9, 10).repeat(3) + rng.normal(0, 0.01, 30)
    accuracy = accuracy.astype(np.float32)
    loss = rng.gamma(2.0, size=30)
    diverged = np.zeros(30, bool)
    diverged[[13, 27, 28, 29]] = True
    loss[diverged] = np.nan
    steps, curves = np.tile([10.0, 20.0, 30.0, 40.0], (30, 1)), loss[:, None] * np.array([4.0, 3.0, 2.0, 1.0])
    columns = {"test_accuracy": accuracy, "test_loss": loss, "diverged": diverged}
    columns |= {"diverged_at": np.where(diverged, 17, -1), "step_curve": steps, "test_loss_curve": curves}
    return fn.Results(space, columns)


def lines_of(page):
    """Return the drawn lines, by color."""
    columns = page.columns("lines.lines")
    return dict(zip(columns["color"], zip(columns["xs"], columns["ys"], strict=True), strict=True))


def limits_of(page):
    """Return the least and the largest height of the lines' figure."""
    figure = "Bokeh.documents[0].get_model_by_name('lines')"
    return page.page.evaluate(f"[{figure}.y_range.start, {figure}.y_range.end]")


def test_hovering_shows_the_run_in_all_panels(opened, results):
    page = opened(results)
    page.view("runs")
    accuracy = results["test_accuracy"][7].item()
    page.point("lines", np.log10(0.1), accuracy)
    tooltip = page.text("tooltip")
    for name, value in (
        ("depth", "1"),
        ("learning_rate", "0.1"),
        ("seed", "1"),
        ("test_loss", repr(results["test_loss"][7].item())),
    ):
        assert name in tooltip and value in tooltip
    assert str(np.float32(accuracy)) in tooltip
    assert page.columns("lines.hover")["y"] == [accuracy]
    assert page.columns("parallel.hover")["ys"][0][:2] == [0, pytest.approx(0.5)]
    shown = page.columns("curves.lines")
    np.testing.assert_allclose(shown["ys"][-1], results["test_loss_curve"][7], rtol=1e-6)
    page.point("lines", -2.5, 0.05)
    assert not page.page.is_visible("#tooltip")


def test_brushing_filters_the_table_and_the_other_panels(opened, results):
    page = opened(results)
    page.view("runs")
    column = 1  # learning_rate, between depth and seed
    page.drag("parallel", (column - 0.04, 0.4), (column + 0.04, 0.8))
    assert "12 of 30" in page.text("chips") and "learning_rate" in page.text("chips")
    kept = results.where(learning_rate=[0.1, 1.0])
    assert page.text("table-title") == "12 of 30 runs"
    assert {row["learning_rate"] for row in page.rows()} == {"0.1", "1"}
    assert len(page.rows()) == len(kept)
    assert sorted(set(page.columns("heatmap.cells")["x"])) == [2, 3]
    alphas = page.columns("parallel.lines")["alpha"]
    assert len(alphas) == 30 and sum(alpha > 0.3 for alpha in alphas) == 12
    assert sum(color != "rgb(185, 191, 199)" for color in page.columns("spread.points")["color"]) == 4
    (xs, _), *_ = lines_of(page).values()
    np.testing.assert_allclose(xs, [-1, 0], atol=1e-12)
    page.page.click("#chips button:has-text('clear')")
    page.settle()
    assert page.text("table-title") == "All 30 runs"


def test_two_brushes_keep_what_fulfils_both(opened, results):
    page = opened(results)
    page.drag("parallel", (0.96, 0.4), (1.04, 1.04))
    page.drag("parallel", (-0.04, -0.04), (0.04, 0.2))
    assert page.text("table-title") == "3 of 10 configurations"
    assert {(row["depth"], row["learning_rate"]) for row in page.rows()} == {
        ("1", "0.1"),
        ("1", "1"),
        ("1", "10"),
    }
    page.click("parallel", 0, 0.01)
    assert page.text("table-title") == "6 of 10 configurations"


def test_switching_axes_and_metric_redraws(opened, results):
    page = opened(results)
    before = page.page.locator("#lines").screenshot()
    page.choose("x", "depth")
    page.choose("color", "learning_rate")
    assert page.text("lines-title") == "test_accuracy across depth, by learning_rate"
    assert len(lines_of(page)) == 5 and page.page.locator("#lines").screenshot() != before
    page.choose("metric", "test_loss")
    assert page.text("lines-title") == "test_loss across depth, by learning_rate"
    assert page.text("heatmap-title") == "test_loss over learning_rate and depth"
    assert page.text("best").startswith("Best configuration") and "test_loss" in page.text("best")
    page.choose("heat-x", "depth")
    page.choose("heat-y", "learning_rate")
    assert max(page.columns("heatmap.cells")["y"]) == 4


def test_seeds_are_averaged_to_numpys_numbers(opened, results):
    page = opened(results)
    table = results.table(over="seed")
    accuracy = results["test_accuracy"].astype(float).reshape(2, 5, 3)
    points = page.columns("lines.points")
    means = table["test_accuracy"].to_numpy()
    is_drawn = table["num_diverged"].to_numpy() < 3
    assert sorted(points["y"]) == sorted(means[is_drawn])
    cells = page.columns("heatmap.cells")
    value = {(x, y): value for x, y, value in zip(cells["x"], cells["y"], cells["value"], strict=True)}
    for (depth, rate), mean in np.ndenumerate(accuracy.mean(axis=2)):
        assert (depth, rate) == (1, 4) or value[rate, depth] == pytest.approx(mean, rel=1e-12)
    page.view("runs")
    lines, bands = page.columns("lines.lines"), page.columns("lines.bands")
    half = stats.t.ppf(0.975, 2) * accuracy.std(axis=2, ddof=1) / np.sqrt(3)
    low, high = limits_of(page)
    for depth in range(2):
        mean = accuracy[depth].mean(axis=1)
        np.testing.assert_allclose(lines["ys"][depth], mean)
        upper = np.array(bands["ys"][depth])[:5]
        inside = (mean + half[depth] < high) & (mean + half[depth] > low)
        np.testing.assert_allclose(upper[inside], (mean + half[depth])[inside])
        assert inside.sum() >= 2


def test_means_that_are_not_finite_break_the_line_and_stand_at_the_edge(opened, results):
    page = opened(results, metric="test_loss")
    for xs, _ in lines_of(page).values():
        assert len(xs) == 4  # the largest rate has no finite mean
    edge = page.columns("lines.edge")
    assert edge["x"] == [1, 1] and sorted(edge["alpha"]) == [pytest.approx(1 / 3), 1]
    assert len(page.columns("heatmap.some")["x"]) == 1 and len(page.columns("heatmap.all")["x"]) == 1
    assert page.columns("parallel.lines")["ys"][0][-1] < 0


def test_click_on_a_cell_keeps_its_rows_and_another_lets_them_go(opened, results):
    page = opened(results)
    page.click("heatmap", 1, 0)
    assert page.text("table-title") == "1 of 10 configurations"
    page.click("heatmap", 1, 0)
    assert page.text("table-title") == "All 10 configurations"


def test_box_in_lines_and_in_the_spread_keeps_what_is_in_it(opened, results):
    page = opened(results)
    low, high = limits_of(page)
    page.drag("lines", (-2.5, low + 0.01), (-0.5, high - 0.01))
    assert page.text("table-title") == "4 of 10 configurations"
    page.page.click("#chips button:has-text('clear')")
    page.settle()
    points = page.columns("spread.points")
    x, y = points["x"][0], points["y"][0]
    page.drag("spread", (x - 0.02, 0.2 * y), (x + 0.02, y + 0.02))
    assert "by their spread" in page.text("chips")
    assert f"{len(page.rows())} of 10 configurations" == page.text("table-title")
    assert x in [pytest.approx(float(row["test_accuracy"])) for row in page.rows()]


def test_table_has_all_digits_sorts_and_filters(opened, results):
    page = opened(results)
    page.view("runs")
    accuracy = results["test_accuracy"]
    order = np.argsort(-accuracy, kind="stable")
    assert [row["test_accuracy"] for row in page.rows()][:5] == [str(accuracy[run]) for run in order[:5]]
    page.page.click("#table .head button:has-text('test_loss')")
    page.settle()
    losses = results["test_loss"]
    expected = [repr(value) for value in sorted(losses[np.isfinite(losses)].tolist(), reverse=True)]
    assert [row["test_loss"] for row in page.rows()][:20] == expected[:20]
    page.filter("learning_rate>=0.1 depth=2 diverged=no")
    assert {(row["depth"], row["learning_rate"]) for row in page.rows()} == {("2", "0.1"), ("2", "1")}
    assert page.text("table-title") == "6 of 30 runs"
    page.filter("test_loss<1 seed!=2")
    expected = np.sum((losses < 1) & (results["seed"] != 2))
    assert page.text("table-title") == f"{expected} of 30 runs"
    page.filter("lerning_rate=1")
    assert "there is no column lerning_rate" in page.text("filter-error")
    page.filter("")
    page.page.focus("#table")
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    page.settle()
    assert len(page.columns("parallel.hover")["ys"]) == 1, "the row is pinned"


def test_address_keeps_what_is_shown(opened, results):
    page = opened(results)
    page.view("runs")
    page.choose("metric", "test_loss")
    page.filter("depth=2")
    page.page.reload()
    page.wait()
    assert page.text("table-title") == "15 of 30 runs" and page.page.input_value("#metric") == "test_loss"
    page.page.evaluate("location.hash = '#%7B%22metric%22%3A%22none%22%2C%22conditions%22%3A%5B1%5D%7D'")
    page.page.reload()
    page.wait()
    assert page.text("table-title") == "All 10 configurations"


def test_legend_entries_keep_one_line(opened, results):
    page = opened(results)
    page.page.click("#lines-legend button:has-text('2')")
    page.settle()
    assert {row["depth"] for row in page.rows()} == {"2"} and len(page.rows()) == 5


def test_curves_are_those_of_the_best_then_of_the_pinned(opened, results):
    page = opened(results, metric="test_loss")
    order = np.argsort(results.table(over="seed")["test_loss"].to_numpy())
    means = results.curves("test_loss", over="seed")["mean"].values.reshape(10, 4)
    shown = page.columns("curves.lines")["ys"]
    np.testing.assert_allclose(shown, means[order[:3]], rtol=1e-6)
    for place in (4, 2):
        page.page.locator("#table .row").nth(place).click()
        page.settle()
    page.page.mouse.move(5, 5)
    page.settle()
    np.testing.assert_allclose(page.columns("curves.lines")["ys"], means[order[[4, 2]]], rtol=1e-6)


def test_intervals_are_in_the_figure_unless_few_are_much_wider_than_the_others(opened):
    seeds = np.array([-0.01, 0.0, 0.01])
    alike = np.array([0.97, 0.971, 0.972])[:, None] + seeds
    page = opened(fn.Results(fn.grid(depth=[1, 2, 3], seed=range(3)), {"test_accuracy": alike.ravel()}))
    half = stats.t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
    low, high = limits_of(page)
    assert low <= 0.97 - half and high >= 0.972 + half and "cut" not in page.text("lines-note")
    one_wide = np.array([0.1, 0.5, 0.9])[:, None] + seeds * np.array([1, 50, 1])[:, None]
    page = opened(fn.Results(fn.grid(depth=[1, 2, 3], seed=range(3)), {"test_accuracy": one_wide.ravel()}))
    low, high = limits_of(page)
    assert high < 0.5 + 50 * half and "Bands that leave the figure are cut." in page.text("lines-note")
